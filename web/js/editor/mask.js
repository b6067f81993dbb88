// Painted masks: cells that are full or empty, stored as run lengths (see planner/mask.py).

import { round } from "./geometry.js";

/** @typedef {import("./geometry.js").Box} Box */
/** @typedef {{width: number, height: number, runs: string}} Mask */
/**
 * The whole canvas as cells.
 * @typedef {{width: number, height: number, cells: Uint8Array}} Raster
 */

/** Cells along the longer side of the canvas, and the most that a mask may have. */
export const MAX_SIDE = 128;
/** Above this a mask is quicker drawn as an image. */
const MOST_RECTANGLES = 512;
const RUNS = /^\d{1,5}( \d{1,5})*$/;
const MAX_RUNS_TEXT = 2 * MAX_SIDE * MAX_SIDE + 64;

/**
 * The cells of a mask; null if it is not a valid mask.
 * @param {unknown} value
 * @returns {Uint8Array | null}
 */
export function decode(value) {
  if (typeof value !== "object" || value === null) return null;
  const { width, height, runs } = /** @type {Record<string, unknown>} */ (value);
  if (!isSide(width) || !isSide(height) || typeof runs !== "string") return null;
  if (runs.length > MAX_RUNS_TEXT || !RUNS.test(runs)) return null;
  const cells = new Uint8Array(width * height);
  let at = 0;
  let full = 0;
  for (const run of runs.split(" ")) {
    const end = at + Number(run);
    if (end > cells.length) return null;
    if (full) cells.fill(1, at, end);
    at = end;
    full = 1 - full;
  }
  return at === cells.length && cells.includes(1) ? cells : null;
}

/** @param {unknown} value @returns {value is number} */
function isSide(value) {
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= MAX_SIDE;
}

/** @param {Uint8Array} cells @param {number} width @param {number} height @returns {Mask} */
export function encode(cells, width, height) {
  const runs = [];
  let full = 0;
  let length = 0;
  for (const cell of cells) {
    if (cell !== full) {
      runs.push(length);
      full = cell;
      length = 0;
    }
    length++;
  }
  runs.push(length);
  return { width, height, runs: runs.join(" ") };
}

/** In cells. @typedef {{left: number, top: number, right: number, bottom: number}} Rectangle */

/**
 * Full cells as rectangles that do not overlap: runs of a row, joined with the same run of the rows below.
 * @param {Uint8Array} cells @param {number} width @param {number} [most]
 * @returns {Rectangle[] | null} null: there are more
 */
export function rectangles(cells, width, most = MOST_RECTANGLES) {
  /** @type {Rectangle[]} */
  const found = [];
  /** Those that reach the row above, by their sides. @type {Map<number, Rectangle>} */
  let open = new Map();
  for (let row = 0; row * width < cells.length; row++) {
    /** @type {Map<number, Rectangle>} */
    const here = new Map();
    for (let column = 0; column < width; column++) {
      if (!cells[row * width + column]) continue;
      const left = column;
      while (column < width && cells[row * width + column]) column++;
      const key = left * (width + 1) + column;
      let rectangle = open.get(key);
      if (!rectangle) {
        rectangle = { left, top: row, right: column, bottom: row };
        if (found.push(rectangle) > most) return null;
      }
      rectangle.bottom = row + 1;
      here.set(key, rectangle);
    }
    open = here;
  }
  return found;
}

/** An empty raster of the canvas. @param {number} aspect width / height @returns {Raster} */
export function emptyRaster(aspect) {
  const width = Math.max(1, Math.round(aspect >= 1 ? MAX_SIDE : MAX_SIDE * aspect));
  const height = Math.max(1, Math.round(aspect >= 1 ? MAX_SIDE / aspect : MAX_SIDE));
  return { width, height, cells: new Uint8Array(width * height) };
}

/**
 * Draw a region's shape into a raster.
 * @param {Raster} raster @param {Box} box
 * @param {{mask: Mask, cells: Uint8Array | null} | null} painted the mask with its cells; null: the whole box
 */
export function drawShape(raster, box, painted) {
  const top = Math.max(0, Math.ceil(box.y0 * raster.height - 0.5));
  const bottom = Math.min(raster.height, Math.ceil(box.y1 * raster.height - 0.5));
  const left = Math.max(0, Math.ceil(box.x0 * raster.width - 0.5));
  const right = Math.min(raster.width, Math.ceil(box.x1 * raster.width - 0.5));
  for (let row = top; row < bottom; row++) {
    const start = row * raster.width;
    if (!painted?.cells) {
      raster.cells.fill(1, start + left, start + right);
      continue;
    }
    const { mask, cells } = painted;
    const v = inMask((row + 0.5) / raster.height, box.y0, box.y1, mask.height) * mask.width;
    for (let column = left; column < right; column++) {
      const u = inMask((column + 0.5) / raster.width, box.x0, box.x1, mask.width);
      if (cells[v + u]) raster.cells[start + column] = 1;
    }
  }
}

/** Index of the mask's cell at a place of the canvas. @param {number} at @param {number} low @param {number} high @param {number} count */
function inMask(at, low, high, count) {
  return Math.min(count - 1, Math.max(0, Math.floor(((at - low) / (high - low)) * count)));
}

/**
 * A round brush drawn along a line.
 * @param {Raster} raster
 * @param {{x: number, y: number}} from @param {{x: number, y: number}} to in canvas fractions
 * @param {number} radius as a share of the longer side
 * @param {0 | 1} value 1 paints, 0 erases
 */
export function stroke(raster, from, to, radius, value) {
  const side = Math.max(raster.width, raster.height);
  const reach = Math.max(0.5, radius * side);
  const ax = from.x * raster.width;
  const ay = from.y * raster.height;
  const bx = to.x * raster.width;
  const by = to.y * raster.height;
  const lengthSquared = (bx - ax) ** 2 + (by - ay) ** 2;
  const left = Math.max(0, Math.floor(Math.min(ax, bx) - reach));
  const right = Math.min(raster.width - 1, Math.ceil(Math.max(ax, bx) + reach));
  const top = Math.max(0, Math.floor(Math.min(ay, by) - reach));
  const bottom = Math.min(raster.height - 1, Math.ceil(Math.max(ay, by) + reach));
  for (let row = top; row <= bottom; row++) {
    for (let column = left; column <= right; column++) {
      const px = column + 0.5;
      const py = row + 0.5;
      const along = lengthSquared ? ((px - ax) * (bx - ax) + (py - ay) * (by - ay)) / lengthSquared : 0;
      const t = Math.min(1, Math.max(0, along));
      const dx = px - ax - t * (bx - ax);
      const dy = py - ay - t * (by - ay);
      if (dx * dx + dy * dy <= reach * reach) raster.cells[row * raster.width + column] = value;
    }
  }
}

/**
 * The shape in a raster as a region holds it; null if nothing is painted. A full rectangle needs
 * no mask.
 * @param {Raster} raster
 * @returns {{box: Box, mask: Mask | null} | null}
 */
export function takeShape(raster) {
  const { width, height, cells } = raster;
  let left = width;
  let top = height;
  let right = -1;
  let bottom = -1;
  for (let i = 0; i < cells.length; i++) {
    if (!cells[i]) continue;
    const column = i % width;
    const row = (i - column) / width;
    left = Math.min(left, column);
    right = Math.max(right, column);
    top = Math.min(top, row);
    bottom = Math.max(bottom, row);
  }
  if (right < 0) return null;
  const w = right - left + 1;
  const h = bottom - top + 1;
  const inner = new Uint8Array(w * h);
  for (let row = 0; row < h; row++) {
    const start = (row + top) * width + left;
    inner.set(cells.subarray(start, start + w), row * w);
  }
  const box = {
    x0: round(left / width), y0: round(top / height),
    x1: round((right + 1) / width), y1: round((bottom + 1) / height),
  };
  return { box, mask: inner.includes(0) ? encode(inner, w, h) : null };
}

/**
 * Whether a point of the canvas lies on the shape.
 * @param {Box} box @param {Uint8Array | null} cells of the mask @param {Mask | null} mask
 * @param {{x: number, y: number}} p
 */
export function covers(box, cells, mask, p) {
  if (p.x < box.x0 || p.x > box.x1 || p.y < box.y0 || p.y > box.y1) return false;
  if (!cells || !mask) return true;
  const u = inMask(p.x, box.x0, box.x1, mask.width);
  const v = inMask(p.y, box.y0, box.y1, mask.height);
  return cells[v * mask.width + u] === 1;
}
