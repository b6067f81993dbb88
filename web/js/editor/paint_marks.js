// What the pointer does just now: handles, a divider, guides, a region that is being drawn, the brush.

import { withAlpha } from "./colors.js";
import { HANDLES, handlePoint } from "./geometry.js";
import { pointOf, rectOf } from "./layout.js";

/** @typedef {import("./scene").Area} Area */
/** @typedef {import("./scene").Scene} Scene */

const HANDLE_PX = 7;

/** @param {CanvasRenderingContext2D} ctx @param {Scene} scene @param {Area} area */
export function paintMarks(ctx, scene, area) {
  const { draft, divider, guides, outline, brush } = scene.marks;
  const region = scene.regions[scene.selected];
  if (region && !region.locked && !brush && !outline) {
    const small = region.box.x1 - region.box.x0 < 40 / area.width || region.box.y1 - region.box.y0 < 40 / area.height;
    for (const handle of small ? HANDLES.slice(0, 4) : HANDLES) {
      const p = pointOf(handlePoint(region.box, handle), area);
      ctx.fillStyle = "#ffffff";
      ctx.strokeStyle = scene.theme.accent;
      ctx.lineWidth = 1.5;
      ctx.beginPath();
      ctx.rect(p.x - HANDLE_PX / 2, p.y - HANDLE_PX / 2, HANDLE_PX, HANDLE_PX);
      ctx.fill();
      ctx.stroke();
    }
  }
  ctx.lineWidth = 3;
  ctx.strokeStyle = scene.theme.accent;
  if (divider) line(ctx, divider.axis, divider.at, area);
  ctx.lineWidth = 1;
  ctx.strokeStyle = "#ff5ad9";
  if (guides && guides.x !== null) line(ctx, "x", guides.x, area);
  if (guides && guides.y !== null) line(ctx, "y", guides.y, area);
  if (draft) {
    const r = rectOf(draft, area);
    ctx.fillStyle = withAlpha("#4a9eff", 0.25);
    ctx.fillRect(r.x, r.y, r.width, r.height);
    ctx.strokeStyle = scene.theme.accent;
    ctx.lineWidth = 1.5;
    ctx.strokeRect(r.x, r.y, r.width, r.height);
  }
  if (outline?.length) paintOutline(ctx, outline, area, scene.theme.accent);
  if (brush) {
    const p = pointOf(brush.at, area);
    ctx.beginPath();
    ctx.arc(p.x, p.y, brush.radius * Math.max(area.width, area.height), 0, 2 * Math.PI);
    ctx.strokeStyle = brush.erase ? "#ff6b6b" : "#ffffff";
    ctx.lineWidth = 2.5;
    ctx.stroke();
    ctx.strokeStyle = "#000000";
    ctx.lineWidth = 1;
    ctx.stroke();
  }
}

/**
 * The outline so far, what it would enclose, and its first corner.
 * @param {CanvasRenderingContext2D} ctx @param {import("./geometry.js").Point[]} outline @param {Area} area
 * @param {string} color
 */
function paintOutline(ctx, outline, area, color) {
  const points = outline.map((p) => pointOf(p, area));
  ctx.beginPath();
  points.forEach((p, i) => (i ? ctx.lineTo(p.x, p.y) : ctx.moveTo(p.x, p.y)));
  ctx.strokeStyle = color;
  ctx.lineWidth = 1.5;
  ctx.stroke();
  ctx.closePath();
  ctx.fillStyle = withAlpha("#4a9eff", 0.25);
  ctx.fill("evenodd");
  ctx.fillStyle = "#ffffff";
  ctx.fillRect(points[0].x - HANDLE_PX / 2, points[0].y - HANDLE_PX / 2, HANDLE_PX, HANDLE_PX);
  ctx.strokeRect(points[0].x - HANDLE_PX / 2, points[0].y - HANDLE_PX / 2, HANDLE_PX, HANDLE_PX);
}

/** @param {CanvasRenderingContext2D} ctx @param {"x"|"y"} axis @param {number} at @param {Area} area */
function line(ctx, axis, at, area) {
  const p = pointOf({ x: at, y: at }, area);
  ctx.beginPath();
  if (axis === "x") {
    ctx.moveTo(p.x, area.y);
    ctx.lineTo(p.x, area.y + area.height);
  } else {
    ctx.moveTo(area.x, p.y);
    ctx.lineTo(area.x + area.width, p.y);
  }
  ctx.stroke();
}
