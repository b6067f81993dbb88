// Which cells of the canvas a region's painted mask fills, decoded once. A mask is never changed in place.

import { covers, decode, rectangles } from "./mask.js";

/** @typedef {import("./mask.js").Mask} Mask */

/** @type {WeakMap<Mask, Uint8Array | null>} */
const decoded = new WeakMap();
/** @type {WeakMap<Mask, import("./mask.js").Rectangle[] | null>} */
const divided = new WeakMap();

/** @param {Mask} mask */
export function cellsOf(mask) {
  let cells = decoded.get(mask);
  if (cells === undefined) {
    cells = decode(mask);
    decoded.set(mask, cells);
  }
  return cells;
}

/** The cells as few rectangles; null: there would be too many. @param {Mask} mask */
export function rectanglesOf(mask) {
  let found = divided.get(mask);
  if (found === undefined) {
    const cells = cellsOf(mask);
    found = cells && rectangles(cells, mask.width);
    divided.set(mask, found);
  }
  return found;
}

/** @param {import("./plan.js").Region} region @param {import("./geometry.js").Point} p */
export function regionCovers(region, p) {
  return covers(region.box, region.mask && cellsOf(region.mask), region.mask, p);
}
