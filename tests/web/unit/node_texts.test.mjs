import assert from "node:assert/strict";
import { test } from "node:test";
import { loadLanguage, translateDefinition, translateNode } from "../../../web/js/node_texts.js";

const SERVED = {
  zh: {
    nodeDefs: {
      RegionalDiT_A: { display_name: "甲", description: "说明", inputs: { n: { name: "数", tooltip: "多少" } } },
      OtherNode: { display_name: "别的" },
    },
    nodeCategories: { "regional DiT": "区域 DiT" },
  },
};
/** @param {unknown} body @param {boolean} [ok] */
const serving = (body, ok = true) =>
  /** @type {any} */ ({ fetchApi: async () => ({ ok, status: ok ? 200 : 500, json: async () => body }) });

test("this pack's nodes are translated, others are left alone", async () => {
  const language = await loadLanguage(serving(SERVED), "zh");
  assert.deepEqual(Object.keys(language.nodes), ["RegionalDiT_A"]);
  const make = (/** @type {string} */ name) => ({
    name, display_name: "A", description: "text", category: "regional DiT/rules",
    input: { required: /** @type {any} */ ({ n: ["INT", { tooltip: "how many", min: 1 }], m: ["MODEL"] }) },
  });
  const definition = make("RegionalDiT_A");
  translateDefinition(definition, language);
  assert.deepEqual(definition, {
    name: "RegionalDiT_A", display_name: "甲", description: "说明", category: "区域 DiT/rules",
    input: { required: { n: ["INT", { tooltip: "多少", min: 1 }], m: ["MODEL"] } },
  });
  const again = structuredClone(definition);
  translateDefinition(again, language);
  assert.deepEqual(again, definition);
  const other = make("OtherNode");
  translateDefinition(other, language);
  assert.deepEqual(other, make("OtherNode"));
  const node = /** @type {any} */ ({
    comfyClass: "RegionalDiT_A", widgets: [{ name: "n", label: "n" }, { name: "report" }], inputs: [{ name: "n" }, { name: "m" }],
  });
  translateNode(node, language);
  assert.deepEqual([node.widgets[0].label, node.widgets[1].label], ["数", undefined]);
  assert.deepEqual([node.inputs[0].localized_name, node.inputs[1].localized_name], ["数", undefined]);
});

test("a language that is not there changes nothing; a server that fails says so", async () => {
  assert.deepEqual(await loadLanguage(serving(SERVED), "fr"), { nodes: {}, categories: {} });
  await assert.rejects(loadLanguage(serving({}, false), "zh"), /answered 500/);
});
