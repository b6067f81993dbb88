// Borders of regions, and where a soft border begins and ends.

import { regionColor } from "./colors.js";
import { rectOf } from "./layout.js";

/** @typedef {import("./scene").Area} Area */
/** @typedef {import("./scene").Scene} Scene */
/** @typedef {import("./plan.js").Region} Region */

/** @param {CanvasRenderingContext2D} ctx @param {Scene} scene @param {Area} area @param {number} i */
export function paintOutline(ctx, scene, area, i) {
  const region = scene.regions[i];
  const r = rectOf(region.box, area);
  const color = regionColor(region, i);
  const selected = i === scene.selected;
  ctx.lineWidth = selected ? 2 : 1.25;
  ctx.strokeStyle = selected ? scene.theme.accent : color;
  ctx.setLineDash(region.mask ? [4, 3] : []);
  const inset = ctx.lineWidth / 2;
  ctx.strokeRect(r.x + inset, r.y + inset, Math.max(1, r.width - 2 * inset), Math.max(1, r.height - 2 * inset));
  ctx.setLineDash([]);
  if (region.feather > 0) featherLines(ctx, region, r, area, scene.theme.dark ? color : "rgba(0, 0, 0, 0.55)");
}

/** Where the soft border begins and ends. @param {CanvasRenderingContext2D} ctx @param {Region} region @param {Area} r @param {Area} area @param {string} color */
function featherLines(ctx, region, r, area, color) {
  const dx = (region.feather / 2) * area.width;
  const dy = (region.feather / 2) * area.height;
  ctx.setLineDash([2, 3]);
  ctx.lineWidth = 1;
  ctx.strokeStyle = color;
  for (const side of [-1, 1]) {
    const x0 = region.box.x0 <= 0 ? r.x : r.x - side * dx;
    const y0 = region.box.y0 <= 0 ? r.y : r.y - side * dy;
    const x1 = region.box.x1 >= 1 ? r.x + r.width : r.x + r.width + side * dx;
    const y1 = region.box.y1 >= 1 ? r.y + r.height : r.y + r.height + side * dy;
    if (x1 > x0 && y1 > y0) ctx.strokeRect(x0, y0, x1 - x0, y1 - y0);
  }
  ctx.setLineDash([]);
}
