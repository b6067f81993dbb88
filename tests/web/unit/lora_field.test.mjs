import assert from "node:assert/strict";
import { test } from "node:test";
import { loraNames } from "../../../web/js/editor/lora_field.js";
import { EditorModel } from "../../../web/js/editor/model.js";

/** A server that describes the node so. @param {unknown} kind @param {boolean} [ok] @returns {any} */
const server = (kind, ok = true) => ({
  asked: [],
  async fetchApi(/** @type {string} */ path) {
    this.asked.push(path);
    const node = { input: { required: { lora_name: kind } } };
    return { ok, status: 500, json: async () => ({ RegionalDiT_RegionLora: node }) };
  },
});

test("the names come from the host's description of Region LoRA, in both its forms", async () => {
  const api = server(["COMBO", { options: ["a.safetensors", "demo striped"] }]);
  assert.deepEqual(await loraNames(api), ["a.safetensors", "demo striped"]);
  assert.deepEqual(api.asked, ["/object_info/RegionalDiT_RegionLora"]);
  assert.deepEqual(await loraNames(server([["b"], {}])), ["b"]);
  await assert.rejects(loraNames(server([], false)), /^Error: the server answered 500$/);
  const unknown = { fetchApi: async () => ({ ok: true, json: async () => ({}) }) };
  await assert.rejects(loraNames(/** @type {any} */ (unknown)), /has no node Region LoRA/);
});

test("the strength stays within what the server takes", () => {
  const model = new EditorModel();
  model.add({ x0: 0, y0: 0, x1: 1, y1: 1 });
  model.update(0, { lora: "a", lora_strength: 1e9 });
  assert.equal(model.plan.regions[0].lora_strength, 100);
  model.update(0, { lora_strength: NaN });
  assert.equal(model.plan.regions[0].lora_strength, 100);
  assert.equal(JSON.parse(model.text()).regions[0].lora, "a");
});
