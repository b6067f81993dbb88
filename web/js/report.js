// A node's report in words, shown below it after a run.

import { element } from "./editor/dom.js";
import { REPORT_STYLE } from "./editor/style.js";

const HEIGHT_PX = 150;

/** @param {import("./host").HostNode} node */
export function addReport(node) {
  const text = element("div");
  const root = element("div", "rdit-report rdit-none", [element("style", "", [REPORT_STYLE]), text]);
  root.dataset.captureWheel = "true";
  const height = () => (text.textContent ? HEIGHT_PX : 0);
  const widget = node.addDOMWidget("report", "REGIONAL_DIT_REPORT", root, {
    getValue: () => "",
    setValue: () => {},
    getMinHeight: height,
    getMaxHeight: () => (text.textContent ? 10_000 : 0),
    serialize: false,
  });
  widget.serialize = false;
  const onExecuted = node.onExecuted;
  node.onExecuted = function (output) {
    onExecuted?.call(this, output);
    const said = output?.text;
    const report = Array.isArray(said) ? said.join("") : said;
    if (typeof report !== "string") return;
    text.textContent = report;
    root.classList.toggle("rdit-none", !report);
    root.classList.toggle("widget-expands", Boolean(report)); // the Vue renderer gives it the room
    const [width, wanted] = node.computeSize();
    node.setSize([Math.max(node.size[0], width), Math.max(node.size[1], wanted)]);
    node.setDirtyCanvas?.(true, true);
  };
}
