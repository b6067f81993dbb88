// The editor as elements: toolbar, canvas, status line, fields. Knows the model, not the host.

import { promptOf } from "./compose.js";
import { element } from "./dom.js";
import { EmptyCard } from "./empty_card.js";
import { GridPopup } from "./grid_popup.js";
import { Input } from "./input.js";
import { pressKey } from "./keys.js";
import { pixelScale, stageArea } from "./layout.js";
import { Panel } from "./panel.js";
import { Renderer } from "./render.js";
import { StatusLine } from "./status_line.js";
import { STYLE } from "./style.js";
import { aspectOf, tokensOf } from "./surroundings.js";
import { ThemeWatch } from "./theme.js";
import { Toolbar } from "./toolbar.js";

/** @typedef {import("./model.js").EditorModel} EditorModel */
/** @typedef {import("./strings.js").Translate} Translate */

/** The least height of the stage: below, nothing could be drawn on it. */
const STAGE_PX = 230;
/** What is narrower is not laid out yet; the host would keep the height that all parts need at such a width. */
const LEAST_WIDTH_PX = 100;

export class EditorView {
  /**
   * @param {EditorModel} model @param {Translate} t
   * @param {() => import("./surroundings.js").Surroundings} surroundings
   */
  constructor(model, t, surroundings) {
    this.model = model;
    this.t = t;
    this.surroundings = surroundings;
    this.showTokens = false;
    this.showPicture = false;
    /** Told below the canvas until the next change. @type {string | null} */
    this.notice = null;
    /** Called when something changed that is kept beside the plan. @type {() => void} */
    this.onView = () => {};
    this.frame = 0;
    this.renderer = new Renderer();
    this.canvas = element("canvas");
    this.keys = element("input", "rdit-keys");
    this.keys.readOnly = true;
    this.keys.setAttribute("aria-label", t("canvas"));
    this.keys.dataset.rdit = "keys";
    this.toolbar = new Toolbar(t);
    this.panel = new Panel(model, t);
    this.panel.lora.onFault = (text) => {
      this.notice = text;
      this.refresh();
    };
    this.input = new Input(model, {
      canvas: this.canvas,
      area: () => this.pageArea(),
      aspect: () => this.aspect(),
      redraw: () => this.redraw(),
      setTool: (tool) => this.setTool(tool),
      editPrompt: () => this.panel.focus(),
    });
    this.grid = new GridPopup(t, (rows, columns) => this.makeGrid(rows, columns), this.toolbar.buttons.grid);
    this.status = new StatusLine(t);
    this.empty = new EmptyCard(t, {
      grid: (rows, columns) => this.makeGrid(rows, columns),
      startNew: () => {
        model.apply({ ...model.plan });
        this.focusCanvas();
      },
    });
    this.stage = element("div", "rdit-stage", [this.canvas, this.keys, this.empty.root, this.toolbar.brushBox]);
    this.root = element("div", "rdit-editor", [
      element("style", "", [STYLE]), this.toolbar.root, this.grid.root, this.stage, this.panel.tabs,
      this.panel.root, this.status.root,
    ]);
    this.theme = new ThemeWatch(this.root);
    this.stage.style.minHeight = `${STAGE_PX}px`;
    /** What all parts need; narrow nodes have more rows. */
    this.minHeight = 2 * STAGE_PX;
  }

  /** All listeners of the editor; they end with the signal. @param {AbortSignal} signal */
  listen(signal) {
    const { canvas, input, keys, root, model } = this;
    /** @type {(target: EventTarget, type: string, act: (e: any) => void) => void} */
    const on = (target, type, act) => target.addEventListener(type, act, { signal });
    on(canvas, "pointerdown", (/** @type {PointerEvent} */ e) => {
      if (e.button !== 0) return;
      this.notice = null;
      this.focusCanvas();
      input.down(e);
    });
    // The default would take the focus away from the keys; mouseup must still reach the host.
    on(canvas, "mousedown", (/** @type {MouseEvent} */ e) => e.preventDefault());
    on(canvas, "pointermove", (/** @type {PointerEvent} */ e) => input.pointerMove(e));
    on(canvas, "pointerup", (/** @type {PointerEvent} */ e) => input.up(e));
    on(canvas, "pointercancel", (/** @type {PointerEvent} */ e) => input.cancel(e));
    on(canvas, "pointerleave", () => input.leave());
    on(canvas, "contextmenu", (/** @type {MouseEvent} */ e) => e.preventDefault());
    on(keys, "keydown", (/** @type {KeyboardEvent} */ e) => {
      if (!pressKey(e, input)) return;
      e.preventDefault();
      e.stopPropagation();
    });
    // With a button of the editor in focus the host would delete the node.
    on(root, "keydown", (/** @type {KeyboardEvent} */ e) => {
      if (e.key === "Delete" || e.key === "Backspace") e.stopPropagation();
    });
    // Clicks in the editor are not for the node below it.
    for (const type of ["pointerdown", "pointermove", "pointerup", "dblclick"]) {
      on(root, type, (/** @type {PointerEvent} */ e) => {
        if (e.button !== 1 && !(e.buttons & 4)) e.stopPropagation();
      });
    }
    on(this.toolbar.root, "click", (/** @type {MouseEvent} */ e) => this.press(e));
    on(this.panel.tabs, "click", (/** @type {MouseEvent} */ e) => e.detail && this.focusCanvas()); // not by Enter
    on(this.toolbar.aspect, "change", () => {
      const { value } = this.toolbar.aspect;
      model.setPicture({ aspect: value === "auto" ? null : Number(value) });
    });
    on(this.toolbar.brushSize, "input", () => {
      input.brushRadius = this.toolbar.brushSize.valueAsNumber;
    });
    this.empty.listen(signal);
    this.grid.listen(signal);
    this.panel.listen(signal);
    const watch = new ResizeObserver(() => {
      if (this.root.offsetWidth >= LEAST_WIDTH_PX) this.minHeight = this.root.offsetHeight - this.stage.offsetHeight + STAGE_PX;
      this.redraw();
    });
    for (const part of [this.stage, this.toolbar.root, this.panel.tabs, this.status.root]) watch.observe(part);
    signal.addEventListener("abort", () => {
      watch.disconnect();
      input.cancel();
      cancelAnimationFrame(this.frame);
      this.frame = 0;
    });
  }

  /** A button of the toolbar. @param {MouseEvent} e */
  press(e) {
    const button = e.target instanceof Element ? e.target.closest("button") : null;
    const { model } = this;
    this.notice = null;
    switch (button?.dataset.rdit) {
      case "select": case "box": case "lasso": case "polygon": case "brush": case "eraser":
        this.setTool(button.dataset.rdit);
        break;
      case "grid": this.grid.toggle(this.root); return;
      case "undo": model.undo(); break;
      case "redo": model.redo(); break;
      case "duplicate": model.duplicate(); break;
      case "front": model.reorder("front"); break;
      case "back": model.reorder("back"); break;
      case "lock": if (model.region) model.update(model.selected, { locked: !model.region.locked }); break;
      case "remove": model.remove(); break;
      case "snap": this.input.snapping.on = !this.input.snapping.on; this.onView(); break;
      case "tokens": this.showTokens = !this.showTokens; this.onView(); break;
      case "picture":
        this.showPicture = !this.showPicture;
        if (this.showPicture && !this.surroundings().picture) this.notice = this.t("noPicture");
        this.onView();
        break;
      default: return;
    }
    this.focusCanvas();
    this.refresh();
  }

  /** Keys are for the canvas from now on. */
  focusCanvas() {
    this.keys.focus({ preventScroll: true });
  }

  /** @param {import("./input.js").Tool} tool */
  setTool(tool) {
    this.input.tool = tool;
    this.input.corners = [];
    this.canvas.style.cursor = "crosshair";
    this.input.marks = {};
    this.refresh();
  }

  /** @param {number} rows @param {number} columns */
  makeGrid(rows, columns) {
    this.notice = null;
    this.model.grid(rows, columns);
    this.focusCanvas();
  }

  aspect() {
    return aspectOf(this.surroundings(), this.model.plan.aspect);
  }

  /** The token grid where it is shown. */
  tokens() {
    return this.showTokens ? tokensOf(this.surroundings(), this.aspect()) : null;
  }

  /** Where the canvas lies on the page, whatever the zoom of the graph. */
  pageArea() {
    const rect = this.canvas.getBoundingClientRect();
    const zoom = this.zoom();
    const area = stageArea(this.canvas.clientWidth, this.canvas.clientHeight, this.aspect());
    return {
      x: rect.x + area.x * zoom, y: rect.y + area.y * zoom,
      width: area.width * zoom, height: area.height * zoom,
    };
  }

  /** Of the graph, where the canvas lies in one. */
  zoom() {
    return this.canvas.getBoundingClientRect().width / (this.canvas.clientWidth || 1) || 1;
  }

  /** Device pixels per CSS pixel of the canvas. */
  pixelScale() {
    const { clientWidth, clientHeight } = this.canvas;
    return pixelScale(clientWidth || 1, clientHeight || 1, window.devicePixelRatio || 1, this.zoom());
  }

  /** Bring all elements up to date. */
  refresh() {
    const { model, input } = this;
    const shown = { tokens: this.showTokens, picture: this.showPicture };
    this.toolbar.refresh(model, input, shown, this.surroundings().latent);
    this.panel.refresh();
    this.empty.refresh(model.error);
    this.showEmpty();
    this.status.refresh(model, this.notice, this.tokens());
    this.redraw();
  }

  /** The card is there until something is drawn. */
  showEmpty() {
    const busy = this.input.tool === "brush" || Boolean(this.input.marks.draft || this.input.marks.outline);
    this.empty.show(!this.model.plan.regions.length && !busy);
  }

  /** Draw with the next frame. */
  redraw() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.paint();
    });
  }

  paint() {
    const { canvas, model } = this;
    const width = canvas.clientWidth;
    const height = canvas.clientHeight;
    if (!width || !height) return;
    const scale = this.pixelScale();
    const w = Math.round(width * scale);
    const h = Math.round(height * scale);
    if (canvas.width !== w || canvas.height !== h) {
      canvas.width = w;
      canvas.height = h;
    }
    const ctx = canvas.getContext("2d");
    if (!ctx) return;
    const { regions } = model.plan;
    this.renderer.draw(
      ctx,
      {
        regions,
        order: model.drawOrder(),
        selected: model.selected,
        prompts: regions.map(promptOf),
        aspect: this.aspect(),
        tokens: this.tokens(),
        picture: this.showPicture ? this.surroundings().picture : null,
        marks: this.input.marks,
        theme: this.theme.read(),
      },
      width,
      height,
      scale,
    );
    this.showEmpty();
  }
}
