// Which cells of the canvas a region's painted mask fills, decoded once.

import { covers, decode } from "./mask.js";

/** @typedef {import("./mask.js").Mask} Mask */

/** Decoded masks; a mask is never changed in place. @type {WeakMap<Mask, Uint8Array | null>} */
const decoded = new WeakMap();

/** @param {Mask} mask */
export function cellsOf(mask) {
  let cells = decoded.get(mask);
  if (cells === undefined) {
    cells = decode(mask);
    decoded.set(mask, cells);
  }
  return cells;
}

/** @param {import("./plan.js").Region} region @param {import("./geometry.js").Point} p */
export function regionCovers(region, p) {
  return covers(region.box, region.mask && cellsOf(region.mask), region.mask, p);
}
