// Borders of regions, and where a soft border begins and ends.

import { regionColor } from "./colors.js";
import { rectOf } from "./layout.js";

/** @typedef {import("./scene").Area} Area */
/** @typedef {import("./scene").Scene} Scene */
/** @typedef {import("./patterns.js").Patterns} Patterns */
/** @typedef {import("./plan.js").Region} Region */

/** @param {CanvasRenderingContext2D} ctx @param {Scene} scene @param {Area} area @param {number} i @param {Patterns} patterns */
export function paintOutline(ctx, scene, area, i, patterns) {
  const region = scene.regions[i];
  const r = rectOf(region.box, area);
  const color = regionColor(region, i);
  const selected = i === scene.selected;
  const ink = selected ? scene.theme.accent : color;
  const thickness = selected ? 2 : 1.25;
  paintFrame(ctx, r, thickness, region.mask ? patterns.dashes(ctx, ink, 4, 3) : ink);
  if (region.feather > 0) {
    const soft = scene.theme.dark ? color : "rgba(0, 0, 0, 0.55)";
    featherLines(ctx, region, r, area, patterns.dashes(ctx, soft, 2, 3));
  }
}

/** Where the soft border begins and ends. @param {CanvasRenderingContext2D} ctx @param {Region} region @param {Area} r @param {Area} area @param {CanvasPattern | string} ink */
function featherLines(ctx, region, r, area, ink) {
  const dx = (region.feather / 2) * area.width;
  const dy = (region.feather / 2) * area.height;
  for (const side of [-1, 1]) {
    const x0 = region.box.x0 <= 0 ? r.x : Math.max(area.x, r.x - side * dx);
    const y0 = region.box.y0 <= 0 ? r.y : Math.max(area.y, r.y - side * dy);
    const x1 = region.box.x1 >= 1 ? r.x + r.width : Math.min(area.x + area.width, r.x + r.width + side * dx);
    const y1 = region.box.y1 >= 1 ? r.y + r.height : Math.min(area.y + area.height, r.y + r.height + side * dy);
    if (x1 > x0 && y1 > y0) paintFrame(ctx, { x: x0, y: y0, width: x1 - x0, height: y1 - y0 }, 1, ink);
  }
}

/**
 * A frame within a rectangle, as four strips: strokes with dashes take most of a frame's time where
 * there is no graphics card.
 * @param {CanvasRenderingContext2D} ctx @param {Area} r @param {number} thickness @param {CanvasPattern | string} ink
 */
function paintFrame(ctx, r, thickness, ink) {
  const side = Math.max(0, r.height - 2 * thickness);
  ctx.imageSmoothingEnabled = false;
  ctx.fillStyle = ink;
  ctx.fillRect(r.x, r.y, r.width, thickness);
  ctx.fillRect(r.x, r.y + r.height - thickness, r.width, thickness);
  ctx.fillRect(r.x, r.y + thickness, thickness, side);
  ctx.fillRect(r.x + r.width - thickness, r.y + thickness, thickness, side);
}
