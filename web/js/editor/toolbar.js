// The buttons above the canvas.

import { element, iconButton, press, slider } from "./dom.js";

/** @typedef {import("./model.js").EditorModel} EditorModel */
/** @typedef {import("./input.js").Tool} Tool */
/** @typedef {import("./strings.js").Translate} Translate */

/** Presets of the aspect. @type {[string, number][]} */
const ASPECTS = [
  ["1:1", 1], ["4:3", 4 / 3], ["3:2", 3 / 2], ["16:9", 16 / 9], ["2:1", 2],
  ["3:4", 3 / 4], ["2:3", 2 / 3], ["9:16", 9 / 16], ["1:2", 1 / 2],
];
/** @type {Tool[]} */
const TOOLS = ["select", "box", "lasso", "polygon", "brush", "eraser"];

export class Toolbar {
  /** @param {Translate} t */
  constructor(t) {
    this.t = t;
    /** @type {Record<string, HTMLButtonElement>} */
    this.buttons = {};
    const group = (/** @type {string[]} */ ...names) =>
      element("div", "rdit-group", names.map((name) => (this.buttons[name] = iconButton(name, t(name)))));
    this.aspect = element("select");
    this.aspect.title = t("aspect");
    this.aspect.setAttribute("aria-label", t("aspect"));
    this.aspect.dataset.rdit = "aspect";
    /** What the aspect's options show. */
    this.aspectShown = "";
    this.brushSize = slider("brushSize", 0.01, 0.2, 0.005);
    /** Lies on the canvas while a brush is in hand. */
    this.brushBox = element("label", "rdit-brush", [t("brushSize"), this.brushSize]);
    this.root = element("div", "rdit-bar", [
      group(...TOOLS), group("grid"), group("undo", "redo"),
      group("duplicate", "front", "back", "lock", "remove"), group("snap", "tokens", "picture"), this.aspect,
    ]);
  }

  /**
   * @param {EditorModel} model
   * @param {{tool: Tool, snapping: {on: boolean}, brushRadius: number}} input
   * @param {{tokens: boolean, picture: boolean}} shown
   * @param {{width: number, height: number} | null} latent
   */
  refresh(model, input, shown, latent) {
    const { buttons } = this;
    const { region } = model;
    for (const tool of TOOLS) press(buttons[tool], input.tool === tool);
    press(buttons.snap, input.snapping.on);
    press(buttons.tokens, shown.tokens);
    press(buttons.picture, shown.picture);
    press(buttons.lock, Boolean(region?.locked));
    buttons.undo.disabled = !model.history.past.length;
    buttons.redo.disabled = !model.history.future.length;
    for (const name of ["front", "back", "lock"]) buttons[name].disabled = !region;
    buttons.duplicate.disabled = !region || model.full;
    buttons.remove.disabled = !region || region.locked;
    this.brushBox.style.display = input.tool === "brush" || input.tool === "eraser" ? "" : "none";
    this.brushSize.value = String(input.brushRadius);
    this.refreshAspect(model.plan.aspect, latent);
  }

  /** @param {number | null} aspect @param {{width: number, height: number} | null} latent */
  refreshAspect(aspect, latent) {
    const { t } = this;
    const key = `${latent?.width}x${latent?.height} ${aspect}`;
    if (key === this.aspectShown) return;
    this.aspectShown = key;
    const preset = ASPECTS.find(([, value]) => aspect !== null && Math.abs(value - aspect) < 1e-3);
    /** @type {[string, string][]} */
    let options = [["auto", t("aspectAuto")]];
    for (const [name, value] of ASPECTS) options.push([String(value), name]);
    if (aspect !== null && !preset) options.push([String(aspect), aspect.toFixed(2)]);
    if (latent) options = [["auto", t("aspectLatent", latent.width, latent.height)]];
    this.aspect.disabled = Boolean(latent);
    this.aspect.replaceChildren(
      ...options.map(([value, text]) => {
        const option = element("option", "", [text]);
        option.value = value;
        return option;
      }),
    );
    this.aspect.value = latent || aspect === null ? "auto" : String(preset?.[1] ?? aspect);
  }
}
