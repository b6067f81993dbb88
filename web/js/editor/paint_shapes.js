// Regions as coloured shapes, and stripes where none lies.

import { cellsOf, rectanglesOf } from "./region_cells.js";
import { regionColor, withAlpha } from "./colors.js";
import { rectOf } from "./layout.js";

/** @typedef {import("./scene").Area} Area */
/** @typedef {import("./scene").Scene} Scene */
/** @typedef {import("./mask.js").Mask} Mask */
/** @typedef {import("./plan.js").Region} Region */

const STRIPE_PX = 7;

export class ShapePainter {
  /** @param {import("./patterns.js").Patterns} patterns */
  constructor(patterns) {
    this.patterns = patterns;
    /** Ragged masks as images, in the colours they are drawn in. @type {WeakMap<Mask, Map<string, HTMLCanvasElement>>} */
    this.tints = new WeakMap();
    this.layer = document.createElement("canvas");
  }

  /** Stripes where no region lies. @param {CanvasRenderingContext2D} ctx @param {Scene} scene @param {Area} area @param {number} scale */
  uncovered(ctx, scene, area, scale) {
    const stripes = this.patterns.hatch(ctx, scene.theme.stripe, STRIPE_PX, 1);
    if (!scene.picture) {
      ctx.fillStyle = stripes;
      ctx.fillRect(area.x, area.y, area.width, area.height);
      for (const i of scene.order) this.shape(ctx, scene.regions[i], area, scene.theme.paper);
      return;
    }
    const layer = this.fresh(area, scale);
    if (!layer) return;
    layer.fillStyle = withAlpha(scene.theme.dark ? "#000000" : "#ffffff", 0.45);
    layer.fillRect(0, 0, area.width, area.height);
    layer.fillStyle = stripes;
    layer.fillRect(0, 0, area.width, area.height);
    layer.globalCompositeOperation = "destination-out";
    const local = { ...area, x: 0, y: 0 };
    for (const i of scene.order) this.shape(layer, scene.regions[i], local, regionColor(scene.regions[i], i));
    ctx.drawImage(this.layer, area.x, area.y, area.width, area.height);
  }

  /** @param {CanvasRenderingContext2D} ctx @param {Scene} scene @param {Area} area @param {number} i */
  fill(ctx, scene, area, i) {
    const region = scene.regions[i];
    ctx.globalAlpha = scene.picture ? 0.34 : i === scene.selected ? 0.62 : 0.5;
    this.shape(ctx, region, area, regionColor(region, i));
    ctx.globalAlpha = 1;
  }

  /** A region's shape in one colour. @param {CanvasRenderingContext2D} ctx @param {Region} region @param {Area} area @param {string} color */
  shape(ctx, region, area, color) {
    const r = rectOf(region.box, area);
    if (!region.mask) {
      ctx.fillStyle = color;
      ctx.fillRect(r.x, r.y, r.width, r.height);
      return;
    }
    const rectangles = rectanglesOf(region.mask);
    if (rectangles) {
      ctx.fillStyle = color;
      fillCells(ctx, rectangles, region.mask, r);
      return;
    }
    const image = this.tint(region.mask, color);
    if (!image) return;
    ctx.imageSmoothingEnabled = false;
    ctx.drawImage(image, r.x, r.y, r.width, r.height);
  }

  /** @param {Mask} mask @param {string} color */
  tint(mask, color) {
    const known = this.tints.get(mask) ?? new Map();
    const there = known.get(color);
    if (there) return there;
    const cells = cellsOf(mask);
    const image = document.createElement("canvas");
    image.width = mask.width;
    image.height = mask.height;
    const ctx = image.getContext("2d");
    if (!cells || !ctx) return null;
    const pixels = ctx.createImageData(mask.width, mask.height);
    const value = parseInt(color.slice(1), 16);
    for (let i = 0; i < cells.length; i++) {
      if (cells[i]) pixels.data.set([value >> 16, (value >> 8) & 255, value & 255, 255], 4 * i);
    }
    ctx.putImageData(pixels, 0, 0);
    if (known.size > 4) known.clear(); // a colour that is being chosen
    known.set(color, image);
    this.tints.set(mask, known);
    return image;
  }

  /** The cleared layer, as large as the area. @param {Area} area @param {number} scale */
  fresh(area, scale) {
    const width = Math.max(1, Math.round(area.width * scale));
    const height = Math.max(1, Math.round(area.height * scale));
    if (this.layer.width !== width || this.layer.height !== height) {
      this.layer.width = width;
      this.layer.height = height;
    }
    const layer = this.layer.getContext("2d");
    if (!layer) return null;
    layer.globalCompositeOperation = "source-over";
    layer.setTransform(1, 0, 0, 1, 0, 0);
    layer.clearRect(0, 0, width, height);
    layer.setTransform(width / area.width, 0, 0, height / area.height, 0, 0);
    return layer;
  }
}

/**
 * The cells of a mask, their edges on device pixels so that no seam shows between them. Without a
 * graphics card this takes a tenth of the time of an image that is enlarged.
 * @param {CanvasRenderingContext2D} ctx @param {import("./mask.js").Rectangle[]} rectangles @param {Mask} mask @param {Area} r
 */
function fillCells(ctx, rectangles, mask, r) {
  const scale = ctx.getTransform().a;
  const onPixel = (/** @type {number} */ at) => Math.round(at * scale) / scale;
  const x = (/** @type {number} */ column) => onPixel(r.x + (column / mask.width) * r.width);
  const y = (/** @type {number} */ row) => onPixel(r.y + (row / mask.height) * r.height);
  for (const { left, top, right, bottom } of rectangles) {
    ctx.fillRect(x(left), y(top), x(right) - x(left), y(bottom) - y(top));
  }
}
