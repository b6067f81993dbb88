// The editor's pointer and key input on a stage of 1000 x 1000 pixels, without a browser.

import { Input } from "../../../web/js/editor/input.js";
import { pressKey } from "../../../web/js/editor/keys.js";
import { EditorModel } from "../../../web/js/editor/model.js";

/** Nothing is drawn on it. @param {string} [tool] a tool that stays, whatever the input would choose */
export function stage(tool) {
  const model = new EditorModel();
  /** @type {string[]} */
  const calls = [];
  const input = new Input(model, {
    canvas: /** @type {any} */ ({ style: {}, setPointerCapture() {} }),
    area: () => ({ x: 0, y: 0, width: 1000, height: 1000 }),
    aspect: () => 1,
    redraw() {},
    setTool(chosen) {
      if (!tool) input.tool = chosen;
    },
    editPrompt: () => calls.push("editPrompt"),
  });
  if (tool) input.tool = /** @type {any} */ (tool);
  /** @param {number} x @param {number} y @param {Record<string, unknown>} [more] */
  const at = (x, y, more) =>
    /** @type {any} */ ({ button: 0, pointerId: 1, pointerType: "mouse", clientX: x, clientY: y, ...more });
  /** @param {number} x @param {number} y */
  const click = (x, y) => {
    input.down(at(x, y));
    input.up(at(x, y));
  };
  /** @param {string} key @param {Record<string, unknown>} [more] */
  const press = (key, more) => pressKey(/** @type {any} */ ({ key, ...more }), input);
  return { model, input, calls, at, click, press };
}
