// What the pointer would take hold of, and the cursor that says so.

import { dividerAt, handleAt } from "./geometry.js";

/** @typedef {import("./geometry.js").Divider} Divider */
/** @typedef {import("./geometry.js").Handle} Handle */
/** @typedef {import("./geometry.js").Point} Point */
/** @typedef {import("./model.js").EditorModel} EditorModel */

/** A border is thinner than a handle, so that regions can be grabbed beside it. */
const BORDER = 0.7;
/** @type {Record<Handle, string>} */
const CURSORS = {
  n: "ns-resize", s: "ns-resize", e: "ew-resize", w: "ew-resize",
  ne: "nesw-resize", sw: "nesw-resize", nw: "nwse-resize", se: "nwse-resize",
};

/**
 * The selected region's handle, or the border between regions, at a point.
 * @param {EditorModel} model @param {Point} p @param {Point} reach how near is near enough
 * @param {boolean} alone borders stay as they are
 * @returns {{handle: Handle | null, divider: Divider | null}}
 */
export function holdAt(model, p, reach, alone) {
  const { region } = model;
  const handle = region && !region.locked ? handleAt(region.box, p, reach) : null;
  if (handle || alone) return { handle, divider: null };
  const boxes = model.plan.regions.map((r) => (r.locked ? null : r.box));
  return { handle, divider: dividerAt(boxes, p, { x: reach.x * BORDER, y: reach.y * BORDER }) };
}

/**
 * @param {EditorModel} model @param {Point} p @param {Point} reach @param {boolean} alone
 * @returns {{cursor: string, marks: import("./scene").Marks}}
 */
export function hoverAt(model, p, reach, alone) {
  const { handle, divider } = holdAt(model, p, reach, alone);
  if (handle) return { cursor: CURSORS[handle], marks: {} };
  if (divider) return { cursor: divider.axis === "x" ? "col-resize" : "row-resize", marks: { divider } };
  return { cursor: model.hit(p) >= 0 ? "move" : "crosshair", marks: {} };
}
