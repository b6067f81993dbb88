// Edges that stick: to other regions, to thirds, to the middle and to the canvas.

import { clamp, moveBox, snap, snapSpan, snapTargets } from "./geometry.js";

/** @typedef {import("./geometry.js").Box} Box */
/** @typedef {import("./geometry.js").Point} Point */
/** @typedef {{x: number | null, y: number | null}} Guides lines that something snapped to */

const REACH_PX = 7;

export class Snapping {
  /** @param {import("./model.js").EditorModel} model @param {(px: number) => Point} reach pixels as canvas fractions */
  constructor(model, reach) {
    this.model = model;
    this.reach = reach;
    this.on = true;
  }

  /** Ctrl turns it off for a while. @param {PointerEvent} e */
  free(e) {
    return !this.on || e.ctrlKey || e.metaKey;
  }

  /** @param {number} index of the region that moves; -1: none */
  targets(index) {
    return snapTargets(this.model.plan.regions.filter((_, i) => i !== index).map((r) => r.box));
  }

  /**
   * A corner, or a point of the sides that the handle names.
   * @param {Point} p @param {number} index of the region that it belongs to; -1: none
   * @param {PointerEvent} e @param {string} [handle]
   * @returns {{to: Point, guides: Guides}}
   */
  point(p, index, e, handle = "nwse") {
    const reach = this.reach(REACH_PX);
    const targets = this.targets(index);
    const free = this.free(e);
    const x = free || !/[we]/.test(handle) ? null : snap(p.x, targets.x, reach.x);
    const y = free || !/[ns]/.test(handle) ? null : snap(p.y, targets.y, reach.y);
    return { to: { x: clamp(x ?? p.x, 0, 1), y: clamp(y ?? p.y, 0, 1) }, guides: { x, y } };
  }

  /**
   * A whole box that moves.
   * @param {Box} box @param {{x: number[], y: number[]}} targets @param {PointerEvent} e
   * @returns {{box: Box, guides: Guides}}
   */
  box(box, targets, e) {
    if (this.free(e)) return { box, guides: { x: null, y: null } };
    const reach = this.reach(REACH_PX);
    const x = snapSpan(box.x0, box.x1, targets.x, reach.x);
    const y = snapSpan(box.y0, box.y1, targets.y, reach.y);
    return {
      box: moveBox(box, x?.shift ?? 0, y?.shift ?? 0),
      guides: { x: x?.line ?? null, y: y?.line ?? null },
    };
  }

  /** A border between regions. @param {number} at @param {"x" | "y"} axis @param {PointerEvent} e */
  line(at, axis, e) {
    const line = this.free(e) ? null : snap(at, snapTargets([])[axis], this.reach(REACH_PX)[axis]);
    return line ?? at;
  }
}
