// Painting and erasing: strokes on a raster of the canvas become the selected region's shape.

import { drawShape, emptyRaster, stroke, takeShape } from "./mask.js";
import { cellsOf } from "./region_cells.js";

/** @typedef {import("./geometry.js").Point} Point */

/**
 * @param {import("./model.js").EditorModel} model
 * @param {{from: Point, radius: number, erase: boolean, aspect: number}} brush
 * @param {() => void} made called after a stroke that made a new region
 * @returns {import("./gestures.js").Gesture}
 */
export function brushGesture(model, { from, radius, erase, aspect }, made) {
  const { region } = model;
  const blocked = region ? region.locked : erase || model.full;
  const raster = emptyRaster(aspect);
  if (region) drawShape(raster, region.box, region.mask && { mask: region.mask, cells: cellsOf(region.mask) });
  let last = from;
  return {
    atOnce: true,
    move: (p) => {
      if (!blocked) {
        stroke(raster, last, p, radius, erase ? 0 : 1);
        last = p;
        const shape = takeShape(raster);
        if (shape && model.selected < 0) model.add(shape.box, shape.mask);
        else if (shape) model.update(model.selected, { box: shape.box, mask: shape.mask });
      }
      return { brush: { at: p, radius, erase } };
    },
    end: () => {
      if (!region && !blocked) made();
    },
  };
}
