// The one extension of the pack: the Region Editor's widget, and reports below nodes.

import { app } from "../../../scripts/app.js";
import { api } from "../../../scripts/api.js";
import { editorWidget } from "./editor/widget.js";
import { addReport } from "./report.js";

/** Nodes that say below themselves what they did. */
const REPORTING = new Set(["RegionalDiT_PatchCrossAttention"]);

app.registerExtension({
  name: "regional-dit",

  getCustomWidgets: () => ({
    REGIONAL_DIT_EDITOR: (node, name) => ({ widget: editorWidget(app, api, node, name), minWidth: 520, minHeight: 860 }),
  }),

  nodeCreated(node) {
    if (REPORTING.has(node.comfyClass ?? "")) addReport(node);
  },
});
