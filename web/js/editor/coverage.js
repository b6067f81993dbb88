// How much of the canvas the regions cover, on a coarse raster.

import { covers } from "./mask.js";
import { cellsOf } from "./region_cells.js";

const SIDE = 64;

/** @param {import("./plan.js").Region[]} regions @returns {number} 0 to 1 */
export function coverage(regions) {
  const cells = new Uint8Array(SIDE * SIDE);
  for (const { box, mask } of regions) {
    const left = Math.max(0, Math.ceil(box.x0 * SIDE - 0.5));
    const right = Math.min(SIDE, Math.ceil(box.x1 * SIDE - 0.5));
    const top = Math.max(0, Math.ceil(box.y0 * SIDE - 0.5));
    const bottom = Math.min(SIDE, Math.ceil(box.y1 * SIDE - 0.5));
    const inner = mask && cellsOf(mask);
    for (let row = top; row < bottom; row++) {
      if (!inner) cells.fill(1, row * SIDE + left, row * SIDE + right);
      else {
        for (let column = left; column < right; column++) {
          const p = { x: (column + 0.5) / SIDE, y: (row + 0.5) / SIDE };
          if (covers(box, inner, mask, p)) cells[row * SIDE + column] = 1;
        }
      }
    }
  }
  let full = 0;
  for (const cell of cells) full += cell;
  return full / cells.length;
}
