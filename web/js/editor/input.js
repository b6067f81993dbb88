// Pointer and keyboard: gestures on the canvas become changes of the model.

import { boxBetween, clamp, dividerAt, handleAt, moveBox, moveDivider, resizeBox, snap, snapSpan, snapTargets } from "./geometry.js";
import { drawShape, emptyRaster, stroke, takeShape } from "./mask.js";
import { cellsOf, regionCovers } from "./model.js";

/** @typedef {import("./geometry.js").Point} Point */
/** @typedef {import("./geometry.js").Box} Box */
/** @typedef {import("./model.js").EditorModel} EditorModel */
/** @typedef {"select" | "box" | "brush" | "eraser"} Tool */
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
/** A gesture that goes on. @typedef {{move: (p: Point, e: PointerEvent) => void, end?: () => void}} Gesture */

const REACH_PX = 7;
const SNAP_PX = 7;
const CLICK_PX = 4;

export class Input {
  /** @param {EditorModel} model @param {Stage} stage */
  constructor(model, stage) {
    this.model = model;
    this.stage = stage;
    /** @type {Tool} */
    this.tool = "select";
    this.snapping = true;
    this.brushRadius = 0.05;
    /** @type {import("./render.js").Marks} */
    this.marks = {};
    /** @type {Gesture | null} */
    this.gesture = null;
    this.pointer = -1;
    this.start = { x: 0, y: 0 };
    this.moved = false;
    /** How deep into a pile the last click reached. */
    this.depth = 0;
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
    this.moved = false;
    this.gesture = this.choose(this.at(e), e);
    this.stage.redraw();
  }

  /** @param {Point} p @param {PointerEvent} e @returns {Gesture} */
  choose(p, e) {
    const { model } = this;
    if (this.tool === "brush" || this.tool === "eraser") return this.paint(p);
    if (this.tool === "box") return this.drawNew(p);
    const touch = e.pointerType === "touch" ? 2 : 1;
    const reach = this.reach(REACH_PX * touch);
    const { region } = model;
    const handle = region && !region.locked ? handleAt(region.box, p, reach) : null;
    if (region && handle) return this.resize(model.selected, handle);
    const divider = e.altKey ? null : this.divider(p, reach);
    if (divider) return this.drag(divider);
    const hit = model.hit(p);
    if (hit < 0) {
      model.select(-1);
      return this.drawNew(p);
    }
    // A selected region that lies behind others stays in hand; a click without a move goes deeper.
    const keep = region && !region.locked && regionCovers(region, p);
    const again = keep && model.hit(p) !== model.selected;
    if (!keep) model.select(hit);
    return this.move(p, keep && !again ? () => this.deeper(p) : again ? () => model.select(model.hit(p)) : undefined);
  }

  /** Click on the selected region: the next one below. @param {Point} p */
  deeper(p) {
    this.model.select(this.model.hit(p, 1));
  }

  /** @param {Point} p @param {Point} reach */
  divider(p, reach) {
    const boxes = this.model.plan.regions.map((r) => (r.locked ? null : r.box));
    return dividerAt(boxes, p, { x: reach.x * 0.7, y: reach.y * 0.7 });
  }

  /** @param {Point} p @returns {Gesture} */
  drawNew(p) {
    const from = this.snapPoint(p, -1);
    return {
      move: (q, e) => {
        const to = this.snapPoint(q, -1, e);
        this.marks = { draft: boxBetween(from, to), guides: this.marks.guides };
      },
      end: () => {
        const { draft } = this.marks;
        if (!draft || !this.moved) return;
        if (this.model.add(draft) >= 0) {
          this.stage.setTool("select");
          this.stage.editPrompt();
        }
      },
    };
  }

  /** @param {Point} from @param {() => void} [click] @returns {Gesture} */
  move(from, click) {
    const { model } = this;
    const index = model.selected;
    const region = model.plan.regions[index];
    if (!region || region.locked) return { move: () => {}, end: () => !this.moved && click?.() };
    model.begin();
    const targets = this.targets(index);
    return {
      move: (p, e) => {
        let box = moveBox(region.box, p.x - from.x, p.y - from.y);
        const reach = this.reach(SNAP_PX);
        const free = this.free(e);
        const sx = free ? null : snapSpan(box.x0, box.x1, targets.x, reach.x);
        const sy = free ? null : snapSpan(box.y0, box.y1, targets.y, reach.y);
        box = moveBox(box, sx?.shift ?? 0, sy?.shift ?? 0);
        this.marks = { guides: { x: sx?.line ?? null, y: sy?.line ?? null } };
        model.setBoxes(new Map([[index, box]]));
      },
      end: () => !this.moved && click?.(),
    };
  }

  /** @param {number} index @param {import("./geometry.js").Handle} handle @returns {Gesture} */
  resize(index, handle) {
    const { model } = this;
    const { box } = model.plan.regions[index];
    model.begin();
    return {
      move: (p, e) => {
        const to = this.snapPoint(p, index, e, handle);
        model.setBoxes(new Map([[index, resizeBox(box, handle, to, e.shiftKey)]]));
      },
    };
  }

  /** @param {import("./geometry.js").Divider} divider @returns {Gesture} */
  drag(divider) {
    const { model } = this;
    const boxes = model.plan.regions.map((r) => r.box);
    const targets = snapTargets([]);
    model.begin();
    return {
      move: (p, e) => {
        const across = divider.axis === "x" ? p.x : p.y;
        const reach = this.reach(SNAP_PX)[divider.axis];
        const line = this.free(e) ? null : snap(across, targets[divider.axis], reach);
        const changed = moveDivider(boxes, divider, line ?? across);
        model.setBoxes(changed);
        const [first] = divider.before;
        const now = changed.get(first);
        const at = now ? (divider.axis === "x" ? now.x1 : now.y1) : divider.at;
        this.marks = { divider: { ...divider, at } };
      },
    };
  }

  /** @param {Point} p @returns {Gesture} */
  paint(p) {
    const { model } = this;
    const value = this.tool === "brush" ? 1 : 0;
    const index = model.selected;
    const region = model.plan.regions[index];
    const blocked = region ? region.locked : value === 0 || model.full;
    const raster = emptyRaster(this.stage.aspect());
    if (region) drawShape(raster, region.box, region.mask && { mask: region.mask, cells: cellsOf(region.mask) });
    let last = p;
    const draw = (/** @type {Point} */ q) => {
      this.marks = { brush: { at: q, radius: this.brushRadius, erase: value === 0 } };
      if (blocked) return;
      stroke(raster, last, q, this.brushRadius, value);
      last = q;
      const shape = takeShape(raster);
      if (!shape) return;
      if (model.selected < 0) model.add(shape.box, shape.mask);
      else model.update(model.selected, { box: shape.box, mask: shape.mask });
    };
    model.begin();
    draw(p);
    this.moved = true;
    return { move: draw, end: () => region === undefined && this.stage.editPrompt() };
  }

  /** @param {PointerEvent} e */
  pointerMove(e) {
    const p = this.at(e);
    if (!this.gesture) {
      this.hover(p, e);
      return;
    }
    if (e.pointerId !== this.pointer) return;
    if (!this.moved && Math.hypot(e.clientX - this.start.x, e.clientY - this.start.y) < CLICK_PX) return;
    this.moved = true;
    this.gesture.move(p, e);
    this.stage.redraw();
  }

  /** @param {PointerEvent} e */
  up(e) {
    if (!this.gesture || e.pointerId !== this.pointer) return;
    const { gesture } = this;
    this.gesture = null;
    gesture.end?.();
    this.marks = {};
    this.model.commit();
    this.hover(this.at(e), e);
    this.stage.redraw();
  }

  cancel() {
    this.gesture = null;
    this.marks = {};
    this.model.cancel();
    this.stage.redraw();
  }

  /** @param {Point} p @param {PointerEvent} e */
  hover(p, e) {
    let cursor = "crosshair";
    /** @type {import("./render.js").Marks} */
    let marks = {};
    if (this.tool === "brush" || this.tool === "eraser") {
      marks = { brush: { at: p, radius: this.brushRadius, erase: this.tool === "eraser" } };
      cursor = "none";
    } else if (this.tool === "select") {
      const reach = this.reach(REACH_PX);
      const { region } = this.model;
      const handle = region && !region.locked ? handleAt(region.box, p, reach) : null;
      const divider = handle || e.altKey ? null : this.divider(p, reach);
      if (handle) cursor = `${handle.length === 2 ? (handle === "nw" || handle === "se" ? "nwse" : "nesw") : "ns".includes(handle) ? "ns" : "ew"}-resize`;
      else if (divider) {
        cursor = divider.axis === "x" ? "col-resize" : "row-resize";
        marks = { divider };
      } else if (this.model.hit(p) >= 0) cursor = "move";
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

  /** @param {PointerEvent | undefined} e */
  free(e) {
    return !this.snapping || Boolean(e && (e.ctrlKey || e.metaKey));
  }

  /** @param {number} index of the region that moves; -1: none */
  targets(index) {
    return snapTargets(this.model.plan.regions.filter((_, i) => i !== index).map((r) => r.box));
  }

  /** @param {Point} p @param {number} index @param {PointerEvent} [e] @param {string} [handle] @returns {Point} */
  snapPoint(p, index, e, handle = "nwse") {
    const reach = this.reach(SNAP_PX);
    const targets = this.targets(index);
    const free = this.free(e);
    const x = free || !/[we]/.test(handle) ? null : snap(p.x, targets.x, reach.x);
    const y = free || !/[ns]/.test(handle) ? null : snap(p.y, targets.y, reach.y);
    this.marks = { ...this.marks, guides: { x, y } };
    return { x: clamp(x ?? p.x, 0, 1), y: clamp(y ?? p.y, 0, 1) };
  }

  /**
   * A key that was pressed while the canvas has the focus.
   * @param {KeyboardEvent} e
   * @returns {boolean} whether it meant something here
   */
  key(e) {
    const { model } = this;
    const command = e.ctrlKey || e.metaKey;
    const key = e.key.length === 1 ? e.key.toLowerCase() : e.key;
    if (command) {
      if (key === "z") return e.shiftKey ? did(model.redo()) : did(model.undo());
      if (key === "y") return did(model.redo());
      if (key === "d") return did(model.duplicate());
      return false;
    }
    if (e.altKey) return false;
    const step = e.shiftKey ? 0.05 : 0.01;
    switch (key) {
      case "ArrowLeft": return did(model.nudge(-step, 0));
      case "ArrowRight": return did(model.nudge(step, 0));
      case "ArrowUp": return did(model.nudge(0, -step));
      case "ArrowDown": return did(model.nudge(0, step));
      case "Delete":
      case "Backspace": return did(model.remove());
      case "Tab":
        if (!model.plan.regions.length) return false;
        return did(model.selectNext(e.shiftKey ? -1 : 1));
      case "]": return did(model.reorder("front"));
      case "[": return did(model.reorder("back"));
      case "Enter": return did(this.stage.editPrompt());
      case "Escape":
        if (this.gesture) this.cancel();
        else if (this.tool !== "select") this.stage.setTool("select");
        else model.select(-1);
        return true;
      default: return false;
    }
  }
}

/** The key was ours, whether or not there was anything to do. @param {unknown} _ */
function did(_) {
  return true;
}
