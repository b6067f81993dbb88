// The pointer on the canvas: which gesture it begins, and when that ends.

import { brushGesture } from "./brush.js";
import { dividerGesture, drawGesture, moveGesture, resizeGesture } from "./gestures.js";
import { holdAt, hoverAt } from "./hover.js";
import { lassoGesture, takeOutline } from "./outline.js";
import { regionCovers } from "./region_cells.js";
import { Snapping } from "./snapping.js";

/** @typedef {import("./geometry.js").Point} Point */
/** @typedef {import("./gestures.js").Gesture} Gesture */
/** @typedef {"select" | "box" | "lasso" | "polygon" | "brush" | "eraser"} Tool */
/**
 * What the view lends.
 * @typedef {object} Stage
 * @property {HTMLCanvasElement} canvas
 * @property {() => {x: number, y: number, width: number, height: number}} area where the canvas lies, in CSS pixels of the page
 * @property {() => number} aspect
 * @property {() => void} redraw
 * @property {(tool: Tool) => void} setTool
 * @property {() => void} editPrompt
 */

const REACH_PX = 7;
const CLICK_PX = 4;
const MOST_CORNERS = 200;

export class Input {
  /** @param {import("./model.js").EditorModel} model @param {Stage} stage */
  constructor(model, stage) {
    this.model = model;
    this.stage = stage;
    /** @type {Tool} */
    this.tool = "select";
    this.snapping = new Snapping(model, (px) => this.reach(px));
    this.brushRadius = 0.05;
    /** Of the polygon that is being drawn. @type {Point[]} */
    this.corners = [];
    /** @type {import("./scene").Marks} */
    this.marks = {};
    /** @type {Gesture | null} */
    this.gesture = null;
    this.pointer = -1;
    this.start = { x: 0, y: 0 };
    this.moved = false;
  }

  get paints() {
    return this.tool === "brush" || this.tool === "eraser";
  }

  /** @param {PointerEvent} e @returns {Point} in canvas fractions */
  at(e) {
    const area = this.stage.area();
    return { x: (e.clientX - area.x) / area.width, y: (e.clientY - area.y) / area.height };
  }

  /** Pixels as canvas fractions. @param {number} px @returns {Point} */
  reach(px) {
    const area = this.stage.area();
    return { x: px / area.width, y: px / area.height };
  }

  /** @param {PointerEvent} e */
  down(e) {
    if (this.gesture || e.button !== 0) return;
    this.pointer = e.pointerId;
    this.stage.canvas.setPointerCapture(e.pointerId);
    this.start = { x: e.clientX, y: e.clientY };
    const p = this.at(e);
    this.gesture = this.choose(p, e);
    this.moved = Boolean(this.gesture.atOnce);
    this.model.begin();
    if (this.moved) this.marks = this.gesture.move(p, e);
    this.stage.redraw();
  }

  /** @param {Point} p @param {PointerEvent} e @returns {Gesture} */
  choose(p, e) {
    const { model, snapping, stage } = this;
    if (this.paints) {
      const brush = { from: p, radius: this.brushRadius, erase: this.tool === "eraser", aspect: stage.aspect() };
      return brushGesture(model, brush, stage.editPrompt);
    }
    if (this.tool === "box") return this.drawNew(p, e);
    if (this.tool === "lasso") return lassoGesture(model, p, stage.aspect(), stage.editPrompt);
    if (this.tool === "polygon") return this.cornerGesture(p);
    const touch = e.pointerType === "touch" ? 2 : 1;
    const { handle, divider } = holdAt(model, p, this.reach(REACH_PX * touch), e.altKey);
    if (handle) return resizeGesture(model, handle, snapping);
    if (divider) return dividerGesture(model, divider, snapping);
    const hit = model.hit(p);
    if (hit < 0) {
      model.select(-1);
      return this.drawNew(p, e);
    }
    // A selected region that lies behind others stays in hand; a click without a move goes deeper.
    const { region } = model;
    const keep = region && !region.locked && regionCovers(region, p);
    if (!keep) {
      model.select(hit);
      return moveGesture(model, p, snapping);
    }
    const next = () => model.select(model.hit(p, hit === model.selected ? 1 : 0));
    return moveGesture(model, p, snapping, next);
  }

  /** @param {Point} p @param {PointerEvent} e */
  drawNew(p, e) {
    return drawGesture(p, e, this.snapping, (box) => {
      if (this.model.add(box) < 0) return;
      this.stage.setTool("select");
      this.stage.editPrompt();
    });
  }

  /** A corner of the polygon, where the pointer is let go. @param {Point} p @returns {Gesture} */
  cornerGesture(p) {
    let at = p;
    return {
      atOnce: true,
      move: (q) => {
        at = q;
        return { outline: [...this.corners, at] };
      },
      end: () => this.addCorner(at),
    };
  }

  /** On the first corner, or twice on one place, it closes the outline. @param {Point} p */
  addCorner(p) {
    const { corners } = this;
    const reach = this.reach(REACH_PX);
    const near = (/** @type {Point} */ q) => Math.abs(p.x - q.x) <= reach.x && Math.abs(p.y - q.y) <= reach.y;
    if (corners.length && (near(corners[0]) || near(corners[corners.length - 1]))) {
      if (corners.length >= 3) this.closeOutline();
    } else if (corners.length < MOST_CORNERS) corners.push(p);
  }

  /** The corners so far become a shape; fewer than three are dropped. */
  closeOutline() {
    const { corners } = this;
    this.dropCorners();
    if (takeOutline(this.model, corners, this.stage.aspect())) this.stage.editPrompt();
  }

  dropCorners() {
    this.corners = [];
    this.marks = {};
    this.stage.redraw();
  }

  /** @param {PointerEvent} e */
  pointerMove(e) {
    const p = this.at(e);
    if (!this.gesture) {
      this.hover(p, e);
      return;
    }
    if (e.pointerId !== this.pointer) return;
    if (!this.model.busy) {
      this.cancel(); // a run or the graph's own undo put another drawing here
      return;
    }
    if (!this.moved && Math.hypot(e.clientX - this.start.x, e.clientY - this.start.y) < CLICK_PX) return;
    this.moved = true;
    this.marks = this.gesture.move(p, e);
    this.stage.redraw();
  }

  /** @param {PointerEvent} e */
  up(e) {
    if (!this.gesture || e.pointerId !== this.pointer) return;
    const { gesture } = this;
    this.gesture = null;
    this.marks = {};
    this.model.commit();
    gesture.end?.(this.moved);
    this.hover(this.at(e), e);
    this.stage.redraw();
  }

  /** @param {PointerEvent} [e] of the pointer that is lost; left out: whichever it is */
  cancel(e) {
    if (e && e.pointerId !== this.pointer) return;
    this.gesture = null;
    this.marks = {};
    this.model.cancel();
    this.stage.redraw();
  }

  /** @param {Point} p @param {PointerEvent} e */
  hover(p, e) {
    let cursor = "crosshair";
    /** @type {import("./scene").Marks} */
    let marks = {};
    if (this.paints) {
      marks = { brush: { at: p, radius: this.brushRadius, erase: this.tool === "eraser" } };
      cursor = "none";
    } else if (this.corners.length) {
      marks = { outline: [...this.corners, p] };
    } else if (this.tool === "select") {
      ({ cursor, marks } = hoverAt(this.model, p, this.reach(REACH_PX), e.altKey));
    }
    const changed = JSON.stringify(marks) !== JSON.stringify(this.marks);
    this.marks = marks;
    this.stage.canvas.style.cursor = cursor;
    if (changed) this.stage.redraw();
  }

  leave() {
    if (this.gesture) return;
    this.marks = {};
    this.stage.redraw();
  }
}
