// The one extension of the pack: the Region Editor's widget, in its node and outside of a subgraph, reports below
// nodes, and their translation.

import { app } from "../../../scripts/app.js";
import { api } from "../../../scripts/api.js";
import { drawOutside } from "./editor/outside.js";
import { editorWidget } from "./editor/widget.js";
import { loadLanguage, translateDefinition, translateNode } from "./node_texts.js";
import { addReport } from "./report.js";

/** Nodes that say below themselves what they did. */
const REPORTING = new Set(["RegionalDiT_PatchCrossAttention"]);

/** Texts in a language that is not English. @type {import("./node_texts.js").Language | null} */
let language = null;

app.registerExtension({
  name: "regional-dit",

  async init() {
    const locale = String(app.extensionManager?.setting?.get("Comfy.Locale") ?? "en");
    if (locale !== "en") language = await loadLanguage(api, locale);
  },

  beforeRegisterNodeDef(_, definition) {
    if (language) translateDefinition(definition, language);
  },

  getCustomWidgets: () => ({
    REGIONAL_DIT_EDITOR: (node, name) => ({ widget: editorWidget(app, api, node, name), minWidth: 520, minHeight: 860 }),
  }),

  nodeCreated(node) {
    if (language) translateNode(node, language);
    drawOutside(app, api, node);
    if (REPORTING.has(node.comfyClass ?? "")) addReport(node);
  },
});
