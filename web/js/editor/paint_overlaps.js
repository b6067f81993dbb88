// Hatching where a region hides another.

import { intersect } from "./geometry.js";
import { rectOf } from "./layout.js";
import { drawShape, emptyRaster, rectangles } from "./mask.js";
import { cellsOf } from "./region_cells.js";

/** @typedef {import("./scene").Area} Area */
/** @typedef {import("./scene").Scene} Scene */
/** @typedef {import("./plan.js").Region} Region */

const HATCH_PX = 6;

/** Hatching where a region hides another. @param {CanvasRenderingContext2D} ctx @param {Scene} scene @param {Area} area @param {import("./patterns.js").Patterns} patterns */
export function paintOverlaps(ctx, scene, area, patterns) {
  const ink = scene.theme.dark ? "rgba(255, 255, 255, 0.30)" : "rgba(0, 0, 0, 0.30)";
  const boxes = scene.regions.filter((region) => !region.mask).map((region) => region.box);
  ctx.beginPath();
  for (let a = 0; a < boxes.length; a++) {
    for (let b = a + 1; b < boxes.length; b++) {
      const common = intersect(boxes[a], boxes[b]);
      if (!common) continue;
      const r = rectOf(common, area);
      ctx.rect(r.x, r.y, r.width, r.height);
    }
  }
  ctx.fillStyle = patterns.hatch(ctx, ink, HATCH_PX, -1);
  ctx.fill();
  if (boxes.length === scene.regions.length) return;
  ctx.beginPath();
  const shared = paintedOverlap(scene.regions, scene.aspect);
  const x = (/** @type {number} */ column) => area.x + Math.round((column / shared.width) * area.width);
  const y = (/** @type {number} */ row) => area.y + Math.round((row / shared.height) * area.height);
  for (const { left, top, right, bottom } of rectangles(shared.cells, shared.width, Infinity) ?? []) {
    ctx.rect(x(left), y(top), x(right) - x(left), y(bottom) - y(top));
  }
  ctx.fill();
}

/** What painted regions share with others, on the raster of masks. @param {Region[]} regions @param {number} aspect */
function paintedOverlap(regions, aspect) {
  const all = emptyRaster(aspect);
  const painted = emptyRaster(aspect);
  const one = emptyRaster(aspect);
  const shared = emptyRaster(aspect);
  for (const region of regions) {
    const start = Math.floor(region.box.y0 * one.height) * one.width;
    const end = Math.ceil(region.box.y1 * one.height) * one.width;
    one.cells.fill(0, start, end);
    drawShape(one, region.box, region.mask && { mask: region.mask, cells: cellsOf(region.mask) });
    const below = region.mask ? all.cells : painted.cells;
    for (let i = start; i < end; i++) {
      if (!one.cells[i]) continue;
      if (below[i]) shared.cells[i] = 1;
      all.cells[i] = 1;
      if (region.mask) painted.cells[i] = 1;
    }
  }
  return shared;
}
