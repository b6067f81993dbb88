// Where things of the canvas lie on its stage: fractions become CSS pixels.

import { fit } from "./geometry.js";

/** @typedef {import("./scene").Area} Area */

const MARGIN_PX = 5;
const MOST_SIDE = 8192;
/** What every browser can hold in one canvas, less what rounding a side up adds; some phones hold no more. */
const MOST_PIXELS = 16_000_000 - MOST_SIDE;
/** Closer than this the canvas is enlarged, not drawn finer. */
const MOST_ZOOM = 2;

/** Where the canvas lies on its stage. @param {number} width @param {number} height @param {number} aspect @returns {Area} */
export function stageArea(width, height, aspect) {
  const inner = fit(width - 2 * MARGIN_PX, height - 2 * MARGIN_PX, aspect);
  return { ...inner, x: inner.x + MARGIN_PX, y: inner.y + MARGIN_PX };
}

/** @param {import("./geometry.js").Box} box @param {Area} area @returns {Area} */
export function rectOf(box, area) {
  return {
    x: area.x + box.x0 * area.width, y: area.y + box.y0 * area.height,
    width: (box.x1 - box.x0) * area.width, height: (box.y1 - box.y0) * area.height,
  };
}

/** @param {import("./geometry.js").Point} p @param {Area} area */
export function pointOf(p, area) {
  return { x: area.x + p.x * area.width, y: area.y + p.y * area.height };
}

/** @param {Area} a @param {Area} b */
export function meet(a, b) {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

/**
 * Device pixels per CSS pixel of the stage, as sharp as the screen shows it and no larger than a canvas may be.
 * @param {number} width @param {number} height of the stage
 * @param {number} ratio device pixels per CSS pixel of the page @param {number} zoom of the graph
 */
export function pixelScale(width, height, ratio, zoom) {
  const wanted = ratio * Math.min(MOST_ZOOM, Math.max(1, zoom));
  return Math.min(wanted, MOST_SIDE / Math.max(width, height), Math.sqrt(MOST_PIXELS / (width * height)));
}
