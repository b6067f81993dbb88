// Lasso and polygon: what an outline encloses becomes a region's shape.

import { drawShape, emptyRaster, takeShape } from "./mask.js";
import { cellsOf } from "./region_cells.js";

/** @typedef {import("./geometry.js").Point} Point */
/** @typedef {import("./model.js").EditorModel} EditorModel */

/** A step of the lasso in canvas fractions; shorter ones add nothing that a cell could show. */
const STEP = 0.004;
const MOST_POINTS = 2000;

/**
 * Fill what an outline encloses: cells whose middle lies inside, by the even-odd rule.
 * @param {import("./mask.js").Raster} raster
 * @param {Point[]} outline in canvas fractions; it is closed from the last point to the first
 */
export function fillOutline(raster, outline) {
  const { width, height, cells } = raster;
  for (let row = 0; row < height; row++) {
    const y = (row + 0.5) / height;
    const crossings = [];
    for (let i = 0; i < outline.length; i++) {
      const a = outline[i];
      const b = outline[(i + 1) % outline.length];
      if (a.y <= y !== b.y <= y) crossings.push(a.x + ((y - a.y) / (b.y - a.y)) * (b.x - a.x));
    }
    crossings.sort((p, q) => p - q);
    for (let i = 0; i + 1 < crossings.length; i += 2) {
      const left = Math.max(0, Math.ceil(crossings[i] * width - 0.5));
      const right = Math.min(width, Math.ceil(crossings[i + 1] * width - 0.5));
      if (left < right) cells.fill(1, row * width + left, row * width + right);
    }
  }
}

/**
 * Add what an outline encloses to the selected region, or make a region of it; one step.
 * @param {EditorModel} model @param {Point[]} outline @param {number} aspect width / height
 * @returns {boolean} whether there is a new region
 */
export function takeOutline(model, outline, aspect) {
  const { region } = model;
  if (outline.length < 3 || (region ? region.locked : model.full)) return false;
  const raster = emptyRaster(aspect);
  fillOutline(raster, outline);
  if (!raster.cells.includes(1)) return false; // too thin for any cell
  if (region) drawShape(raster, region.box, region.mask && { mask: region.mask, cells: cellsOf(region.mask) });
  const shape = takeShape(raster);
  if (!shape) return false;
  if (!region) return model.add(shape.box, shape.mask) >= 0;
  model.update(model.selected, { box: shape.box, mask: shape.mask });
  return false;
}

/**
 * A free outline along the pointer.
 * @param {EditorModel} model @param {Point} from @param {number} aspect
 * @param {() => void} made called after a new region was made
 * @returns {import("./gestures.js").Gesture}
 */
export function lassoGesture(model, from, aspect, made) {
  const outline = [from];
  return {
    move: (p) => {
      const last = outline[outline.length - 1];
      const far = Math.hypot(p.x - last.x, p.y - last.y) >= STEP;
      if (far && outline.length < MOST_POINTS) outline.push(p);
      return { outline: [...outline] };
    },
    end: () => {
      if (takeOutline(model, outline, aspect)) made();
    },
  };
}
