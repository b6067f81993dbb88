// The editor as elements: toolbar, canvas, status line, fields. Knows the model, not the host.

import { coverage } from "./coverage.js";
import { promptOf } from "./compose.js";
import { element, textButton } from "./dom.js";
import { GridPopup } from "./grid_popup.js";
import { Input } from "./input.js";
import { Panel } from "./panel.js";
import { Renderer, stageArea } from "./render.js";
import { STYLE } from "./style.js";
import { Toolbar } from "./toolbar.js";

/** @typedef {import("./model.js").EditorModel} EditorModel */
/** @typedef {import("./strings.js").Translate} Translate */
/**
 * What the graph around the node says.
 * @typedef {object} Surroundings
 * @property {{width: number, height: number} | null} latent of a connected latent, in pixels
 * @property {number} longSide in pixels, where there is no latent
 * @property {number} tokenPx
 * @property {HTMLImageElement | null} picture the last one of the graph
 */

const THEME_TTL_MS = 500;

export class EditorView {
  /**
   * @param {EditorModel} model @param {Translate} t
   * @param {() => Surroundings} surroundings
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
    /** @type {import("./render.js").Theme | null} */
    this.theme = null;
    this.themeTime = 0;
    this.renderer = new Renderer();
    this.canvas = element("canvas");
    this.keys = element("input", "rdit-keys");
    this.keys.readOnly = true;
    this.keys.setAttribute("aria-label", t("canvas"));
    this.keys.dataset.rdit = "keys";
    this.panel = new Panel(model, t);
    this.input = new Input(model, {
      canvas: this.canvas,
      area: () => this.pageArea(),
      aspect: () => this.aspect(),
      redraw: () => this.redraw(),
      setTool: (tool) => this.setTool(tool),
      editPrompt: () => this.panel.prompt.focus({ preventScroll: true }),
    });
    this.grid = new GridPopup(t, (rows, columns) => this.makeGrid(rows, columns));
    this.status = element("div", "rdit-status");
    this.status.setAttribute("role", "status");
    this.startNew = textButton(t("startNew"));
    this.startNew.dataset.rdit = "startNew";
    this.toolbar = new Toolbar(t);
    this.emptyTitle = element("strong", "", [t("emptyTitle")]);
    this.emptyText = element("p", "", [t("emptyText")]);
    this.emptyGrids = element("div", "rdit-row", [t("emptyGrid")]);
    this.empty = this.makeEmpty();
    this.stage = element("div", "rdit-stage", [this.canvas, this.keys, this.empty, this.toolbar.brushBox]);
    this.root = element("div", "rdit-editor", [
      element("style", "", [STYLE]), this.toolbar.root, this.grid.root, this.stage, this.panel.tabs,
      this.panel.regionFields, this.panel.pictureFields, this.status,
    ]);
  }

  makeEmpty() {
    for (const [rows, columns] of [[1, 2], [2, 2], [1, 3], [3, 3]]) {
      const button = textButton(`${rows} × ${columns}`, "");
      button.dataset.grid = `${rows},${columns}`;
      this.emptyGrids.append(button);
    }
    const card = [this.emptyTitle, this.emptyText, this.emptyGrids, this.startNew];
    return element("div", "rdit-empty", [element("div", "rdit-card", card)]);
  }

  /** All listeners of the editor; they end with the signal. @param {AbortSignal} signal */
  listen(signal) {
    const { canvas, input, keys, root, model } = this;
    /** @type {(target: EventTarget, type: string, act: (e: any) => void) => void} */
    const on = (target, type, act) => target.addEventListener(type, act, { signal });
    on(canvas, "pointerdown", (/** @type {PointerEvent} */ e) => {
      if (e.button !== 0) return;
      this.notice = null;
      keys.focus({ preventScroll: true });
      input.down(e);
    });
    // The default would take the focus away from the keys; mouseup must still reach the host.
    on(canvas, "mousedown", (/** @type {MouseEvent} */ e) => e.preventDefault());
    on(canvas, "pointermove", (/** @type {PointerEvent} */ e) => input.pointerMove(e));
    on(canvas, "pointerup", (/** @type {PointerEvent} */ e) => input.up(e));
    on(canvas, "pointercancel", () => input.cancel());
    on(canvas, "pointerleave", () => input.leave());
    on(canvas, "contextmenu", (/** @type {MouseEvent} */ e) => e.preventDefault());
    on(keys, "keydown", (/** @type {KeyboardEvent} */ e) => {
      if (!input.key(e)) return;
      e.preventDefault();
      e.stopPropagation();
    });
    // Clicks in the editor are not for the node below it.
    for (const type of ["pointerdown", "pointermove", "pointerup", "dblclick"]) {
      on(root, type, (/** @type {PointerEvent} */ e) => {
        if (e.button !== 1 && !(e.buttons & 4)) e.stopPropagation();
      });
    }
    on(this.toolbar.root, "click", (/** @type {MouseEvent} */ e) => this.press(e));
    on(this.empty, "click", (/** @type {MouseEvent} */ e) => {
      const grid = e.target instanceof HTMLElement && e.target.dataset.grid;
      if (grid) this.makeGrid(...(/** @type {[number, number]} */ (grid.split(",").map(Number))));
    });
    on(this.startNew, "click", () => model.apply({ ...model.plan }));
    on(this.toolbar.aspect, "change", () => {
      const { value } = this.toolbar.aspect;
      model.setPicture({ aspect: value === "auto" ? null : Number(value) });
    });
    on(this.toolbar.brushSize, "input", () => {
      input.brushRadius = this.toolbar.brushSize.valueAsNumber;
    });
    this.grid.listen(signal);
    this.panel.listen(signal);
    const watch = new ResizeObserver(() => this.redraw());
    watch.observe(this.stage);
    signal.addEventListener("abort", () => {
      watch.disconnect();
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
      case "select": case "box": case "brush": case "eraser":
        this.setTool(button.dataset.rdit);
        break;
      case "grid": this.grid.toggle(button, this.root); break;
      case "undo": model.undo(); break;
      case "redo": model.redo(); break;
      case "duplicate": model.duplicate(); break;
      case "front": model.reorder("front"); break;
      case "back": model.reorder("back"); break;
      case "lock": if (model.region) model.update(model.selected, { locked: !model.region.locked }); break;
      case "remove": model.remove(); break;
      case "snap": this.input.snapping = !this.input.snapping; this.onView(); break;
      case "tokens": this.showTokens = !this.showTokens; this.onView(); break;
      case "picture":
        this.showPicture = !this.showPicture;
        if (this.showPicture && !this.surroundings().picture) this.notice = this.t("noPicture");
        this.onView();
        break;
      default: return;
    }
    if (button.dataset.rdit !== "grid") this.keys.focus({ preventScroll: true });
    this.refresh();
  }

  /** @param {import("./input.js").Tool} tool */
  setTool(tool) {
    this.input.tool = tool;
    this.canvas.style.cursor = "crosshair";
    this.input.marks = {};
    this.refresh();
  }

  /** @param {number} rows @param {number} columns */
  makeGrid(rows, columns) {
    this.notice = null;
    this.model.grid(rows, columns);
  }

  aspect() {
    const { latent } = this.surroundings();
    return latent ? latent.width / latent.height : (this.model.plan.aspect ?? 1);
  }

  /** The token grid of the picture. */
  tokens() {
    const { latent, longSide, tokenPx } = this.surroundings();
    const aspect = this.aspect();
    const width = latent?.width ?? (aspect >= 1 ? longSide : longSide * aspect);
    const height = latent?.height ?? (aspect >= 1 ? longSide / aspect : longSide);
    return {
      columns: Math.max(1, Math.ceil(Math.round(width) / tokenPx)),
      rows: Math.max(1, Math.ceil(Math.round(height) / tokenPx)),
    };
  }

  /** Where the canvas lies on the page, whatever the zoom of the graph. */
  pageArea() {
    const rect = this.canvas.getBoundingClientRect();
    const zoom = rect.width / (this.canvas.clientWidth || 1) || 1;
    const area = stageArea(this.canvas.clientWidth, this.canvas.clientHeight, this.aspect());
    return {
      x: rect.x + area.x * zoom, y: rect.y + area.y * zoom,
      width: area.width * zoom, height: area.height * zoom,
    };
  }

  /** Bring all elements up to date. */
  refresh() {
    const { model, input, t } = this;
    const shown = { tokens: this.showTokens, picture: this.showPicture };
    this.toolbar.refresh(model, input, shown, this.surroundings().latent);
    this.panel.refresh();
    const refused = model.error !== null;
    this.startNew.style.display = refused ? "" : "none";
    this.emptyGrids.style.display = refused ? "none" : "";
    this.emptyTitle.style.display = refused ? "none" : "";
    this.emptyText.textContent = model.error ? t("refusedText", t(...model.error)) : t("emptyText");
    this.refreshEmpty();
    this.refreshStatus();
    this.redraw();
  }

  /** What explains itself is there until something is drawn. */
  refreshEmpty() {
    const busy = this.input.tool === "brush" || Boolean(this.input.marks.draft);
    const hidden = this.model.plan.regions.length > 0 || busy;
    if (this.empty.hidden !== hidden) this.empty.hidden = hidden;
  }

  refreshStatus() {
    const { model, t } = this;
    const { regions } = model.plan;
    const repairs = model.repairs.slice(0, 8).map((repair) => t(...repair)).join(", ");
    const warning = repairs ? t("repairedText", repairs + (model.repairs.length > 8 ? ", …" : "")) : this.notice;
    this.status.classList.toggle("rdit-warn", Boolean(warning));
    if (warning) {
      this.status.textContent = warning;
      return;
    }
    const percent = Math.round(coverage(regions) * 100);
    const parts = !regions.length ? [] : [t(regions.length === 1 ? "coverageOne" : "coverage", regions.length, percent)];
    if (this.showTokens) {
      const { columns, rows } = this.tokens();
      parts.push(t("tokensAre", columns, rows));
    }
    if (model.full) parts.push(t("fullList"));
    const silent = regions.flatMap((region, i) => (promptOf(region).trim() ? [] : [i + 1]));
    if (silent.length) parts.push(t("noPrompt", silent.slice(0, 5).join(", ")));
    this.status.textContent = parts.join(" · ");
    this.status.title = this.status.textContent;
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
    const zoom = canvas.getBoundingClientRect().width / width || 1;
    const scale = (window.devicePixelRatio || 1) * Math.min(2, Math.max(1, zoom));
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
        tokens: this.showTokens ? this.tokens() : null,
        picture: this.showPicture ? this.surroundings().picture : null,
        marks: this.input.marks,
        theme: this.currentTheme(),
      },
      width,
      height,
      scale,
    );
    this.refreshEmpty();
  }

  currentTheme() {
    const now = performance.now();
    if (this.theme && now - this.themeTime < THEME_TTL_MS) return this.theme;
    this.themeTime = now;
    const [r, g, b] = (getComputedStyle(this.root).backgroundColor.match(/[\d.]+/g) ?? []).map(Number);
    const dark = !(r + g + b > 384);
    this.root.classList.toggle("rdit-light", !dark);
    this.theme = {
      dark,
      paper: dark ? "#1d1d20" : "#f6f6f8",
      stripe: dark ? "rgba(255, 255, 255, 0.09)" : "rgba(0, 0, 0, 0.11)",
      edge: dark ? "#6a6a70" : "#8a8a92",
      text: dark ? "#ffffff" : "#101014",
      accent: dark ? "#6cb4ff" : "#0d5fd0",
    };
    return this.theme;
  }
}
