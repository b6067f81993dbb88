// Draws the canvas of the editor. Everything is in CSS pixels of the stage; the caller scales.

import { HANDLES, fit, handlePoint, intersect } from "./geometry.js";
import { drawShape, emptyRaster } from "./mask.js";
import { cellsOf } from "./model.js";
import { regionColor, withAlpha } from "./colors.js";

/** @typedef {import("./geometry.js").Box} Box */
/** @typedef {import("./geometry.js").Point} Point */
/** @typedef {import("./mask.js").Mask} Mask */
/** @typedef {import("./plan.js").Region} Region */
/**
 * @typedef {object} Theme
 * @property {string} paper
 * @property {string} stripe
 * @property {string} edge
 * @property {string} text
 * @property {string} accent
 * @property {boolean} dark
 */
/**
 * What the pointer does just now.
 * @typedef {object} Marks
 * @property {Box | null} [draft] a region that is being drawn
 * @property {import("./geometry.js").Divider | null} [divider] under the pointer
 * @property {{x: number | null, y: number | null}} [guides] lines that something snapped to
 * @property {{at: Point, radius: number, erase: boolean} | null} [brush]
 */
/**
 * @typedef {object} Scene
 * @property {Region[]} regions
 * @property {number[]} order from back to front
 * @property {number} selected
 * @property {string[]} prompts
 * @property {number} aspect
 * @property {{columns: number, rows: number} | null} tokens
 * @property {CanvasImageSource | null} picture
 * @property {Marks} marks
 * @property {Theme} theme
 */

const STRIPE_PX = 7;
const HATCH_PX = 6;
const HANDLE_PX = 7;
const LINE_PX = 15;
const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";

export class Renderer {
  constructor() {
    /** Masks in the colours they are drawn in. @type {WeakMap<Mask, Map<string, HTMLCanvasElement>>} */
    this.tints = new WeakMap();
    /** @type {Map<string, string[]>} */
    this.lines = new Map();
    /** @type {Map<string, HTMLCanvasElement>} */
    this.tiles = new Map();
    this.layer = document.createElement("canvas");
  }

  /**
   * @param {CanvasRenderingContext2D} ctx
   * @param {Scene} scene
   * @param {number} width of the stage @param {number} height
   * @param {number} scale device pixels per CSS pixel
   */
  draw(ctx, scene, width, height, scale) {
    const area = stageArea(width, height, scene.aspect);
    ctx.setTransform(scale, 0, 0, scale, 0, 0);
    ctx.clearRect(0, 0, width, height);
    ctx.fillStyle = scene.theme.paper;
    ctx.fillRect(area.x, area.y, area.width, area.height);
    ctx.save();
    ctx.beginPath();
    ctx.rect(area.x, area.y, area.width, area.height);
    ctx.clip();
    if (scene.picture) {
      ctx.imageSmoothingEnabled = true;
      ctx.drawImage(scene.picture, area.x, area.y, area.width, area.height);
    }
    this.uncovered(ctx, scene, area, scale);
    for (const i of scene.order) this.fill(ctx, scene, area, i);
    this.overlaps(ctx, scene, area);
    if (scene.tokens) tokenGrid(ctx, scene.tokens, area, scene.theme, scale);
    for (const i of scene.order) this.outline(ctx, scene, area, i);
    this.labels(ctx, scene, area);
    ctx.restore();
    ctx.strokeStyle = scene.theme.edge;
    ctx.lineWidth = 1;
    ctx.strokeRect(area.x - 0.5, area.y - 0.5, area.width + 1, area.height + 1);
    this.marks(ctx, scene, area);
  }

  /** Stripes where no region lies. @param {CanvasRenderingContext2D} ctx @param {Scene} scene @param {Area} area @param {number} scale */
  uncovered(ctx, scene, area, scale) {
    const stripes = this.pattern(ctx, scene.theme.stripe, STRIPE_PX, 1);
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
    const r = rect(region.box, area);
    if (!region.mask) {
      ctx.fillStyle = color;
      ctx.fillRect(r.x, r.y, r.width, r.height);
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

  /** Hatching where a region hides another. @param {CanvasRenderingContext2D} ctx @param {Scene} scene @param {Area} area */
  overlaps(ctx, scene, area) {
    const ink = scene.theme.dark ? "rgba(255, 255, 255, 0.30)" : "rgba(0, 0, 0, 0.30)";
    const boxes = scene.regions.filter((region) => !region.mask).map((region) => region.box);
    ctx.beginPath();
    for (let a = 0; a < boxes.length; a++) {
      for (let b = a + 1; b < boxes.length; b++) {
        const common = intersect(boxes[a], boxes[b]);
        if (!common) continue;
        const r = rect(common, area);
        ctx.rect(r.x, r.y, r.width, r.height);
      }
    }
    ctx.fillStyle = this.pattern(ctx, ink, HATCH_PX, -1);
    ctx.fill();
    if (boxes.length < scene.regions.length) {
      ctx.beginPath();
      this.paintedOverlap(ctx, scene.regions, scene.aspect, area);
      ctx.fill();
    }
  }

  /**
   * Add what a painted region shares with another to the path, on the raster of masks.
   * @param {CanvasRenderingContext2D} ctx @param {Region[]} regions @param {number} aspect @param {Area} area
   */
  paintedOverlap(ctx, regions, aspect, area) {
    const all = emptyRaster(aspect);
    const painted = emptyRaster(aspect);
    const one = emptyRaster(aspect);
    const shared = new Uint8Array(all.cells.length);
    for (const region of regions) {
      const start = Math.floor(region.box.y0 * one.height) * one.width;
      const end = Math.ceil(region.box.y1 * one.height) * one.width;
      one.cells.fill(0, start, end);
      drawShape(one, region.box, region.mask && { mask: region.mask, cells: cellsOf(region.mask) });
      const below = region.mask ? all.cells : painted.cells;
      for (let i = start; i < end; i++) {
        if (!one.cells[i]) continue;
        if (below[i]) shared[i] = 1;
        all.cells[i] = 1;
        if (region.mask) painted.cells[i] = 1;
      }
    }
    const x = (/** @type {number} */ column) => area.x + Math.round((column / one.width) * area.width);
    const y = (/** @type {number} */ row) => area.y + Math.round((row / one.height) * area.height);
    for (let row = 0; row < one.height; row++) {
      const start = row * one.width;
      for (let column = 0; column < one.width; column++) {
        if (!shared[start + column]) continue;
        const first = column;
        while (column < one.width && shared[start + column]) column++;
        ctx.rect(x(first), y(row), x(column) - x(first), y(row + 1) - y(row));
      }
    }
  }

  /** Diagonal lines as a pattern, made once. @param {CanvasRenderingContext2D} ctx @param {string} color @param {number} gap @param {1 | -1} slant */
  pattern(ctx, color, gap, slant) {
    const key = `${color} ${gap} ${slant}`;
    let tile = this.tiles.get(key);
    if (!tile) {
      tile = hatchTile(color, gap, slant);
      this.tiles.set(key, tile);
    }
    return ctx.createPattern(tile, "repeat") ?? color;
  }

  /** @param {CanvasRenderingContext2D} ctx @param {Scene} scene @param {Area} area @param {number} i */
  outline(ctx, scene, area, i) {
    const region = scene.regions[i];
    const r = rect(region.box, area);
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

  /** Numbers and prompts, placed from the front so that none lies on another. @param {CanvasRenderingContext2D} ctx @param {Scene} scene @param {Area} area */
  labels(ctx, scene, area) {
    /** @type {Area[]} */
    const taken = [];
    /** @type {Area[]} */
    const inFront = [];
    for (const i of [...scene.order].reverse()) {
      const r = rect(scene.regions[i].box, area);
      this.label(ctx, scene, r, i, taken, inFront);
      inFront.push(r);
    }
  }

  /**
   * @param {CanvasRenderingContext2D} ctx @param {Scene} scene @param {Area} r @param {number} i
   * @param {Area[]} taken labels of regions in front @param {Area[]} inFront those regions
   */
  label(ctx, scene, r, i, taken, inFront) {
    const number = String(i + 1);
    const size = Math.min(18, r.width - 4, r.height - 4);
    if (size < 7) return;
    const badge = Math.max(size, 8 + 6 * number.length);
    const at = { x: r.x + 4, y: r.y + 4, width: badge, height: size };
    while (at.x + badge < r.x + r.width && taken.some((other) => overlap(at, other))) at.x += badge + 2;
    taken.push(at);
    ctx.fillStyle = regionColor(scene.regions[i], i);
    ctx.beginPath();
    ctx.roundRect(at.x, at.y, badge, size, 4);
    ctx.fill();
    ctx.fillStyle = "#151515";
    ctx.font = `600 ${Math.round(size * 0.66)}px ${FONT}`;
    ctx.textAlign = "center";
    ctx.textBaseline = "middle";
    ctx.fillText(number, at.x + badge / 2, at.y + 0.5 + size / 2);
    if (scene.regions[i].locked) lockSign(ctx, at.x + 4 + badge, at.y, size, scene.theme.text);
    const prompt = scene.prompts[i];
    const text = { x: r.x + 6, y: r.y + size + 9, width: r.width - 12, height: LINE_PX };
    // Text ends where a region in front begins.
    let bottom = r.y + r.height - 4;
    for (const front of inFront) {
      if (front.x < text.x + text.width && text.x < front.x + front.width && front.y + front.height > text.y) {
        bottom = Math.min(bottom, front.y);
      }
    }
    const lines = Math.min(4, Math.floor((bottom - text.y) / LINE_PX));
    if (!prompt || text.width < 30 || lines < 1) return;
    ctx.font = `12px ${FONT}`;
    ctx.textAlign = "left";
    ctx.textBaseline = "top";
    ctx.fillStyle = scene.theme.text;
    this.wrap(ctx, prompt, text.width, lines).forEach((line, n) => {
      ctx.fillText(line, text.x, text.y + LINE_PX * n);
    });
  }

  /** Lines of a text, the last one cut. @param {CanvasRenderingContext2D} ctx @param {string} text @param {number} width @param {number} most */
  wrap(ctx, text, width, most) {
    const shown = text.slice(0, 300);
    const key = `${Math.round(width)}|${most}|${shown}`;
    const known = this.lines.get(key);
    if (known) return known;
    // Chinese has no blanks, so every character may end a line.
    const words = shown.match(/[\u3400-\u9fff，。、]|[^\s\u3400-\u9fff，。、]+\s*/g) ?? [];
    const lines = [""];
    for (const word of words) {
      const last = lines.length - 1;
      if (!lines[last] || ctx.measureText(lines[last] + word.trimEnd()).width <= width) lines[last] += word;
      else lines.push(word);
      if (lines.length > most) break;
    }
    const cut = lines.length > most || shown.length < text.length;
    const kept = lines.slice(0, most).map((line) => line.trimEnd());
    const result = kept.map((line, n) => ellipsis(ctx, line, width, cut && n === kept.length - 1));
    if (this.lines.size > 1000) this.lines.clear();
    this.lines.set(key, result);
    return result;
  }

  /** @param {CanvasRenderingContext2D} ctx @param {Scene} scene @param {Area} area */
  marks(ctx, scene, area) {
    const { draft, divider, guides, brush } = scene.marks;
    const region = scene.regions[scene.selected];
    if (region && !region.locked && !brush) {
      const small = region.box.x1 - region.box.x0 < 40 / area.width || region.box.y1 - region.box.y0 < 40 / area.height;
      for (const handle of small ? HANDLES.slice(0, 4) : HANDLES) {
        const p = point(handlePoint(region.box, handle), area);
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
      const r = rect(draft, area);
      ctx.fillStyle = withAlpha("#4a9eff", 0.25);
      ctx.fillRect(r.x, r.y, r.width, r.height);
      ctx.strokeStyle = scene.theme.accent;
      ctx.lineWidth = 1.5;
      ctx.strokeRect(r.x, r.y, r.width, r.height);
    }
    if (brush) {
      const p = point(brush.at, area);
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

/** @typedef {{x: number, y: number, width: number, height: number}} Area */

/** Where the canvas lies on its stage. @param {number} width @param {number} height @param {number} aspect @returns {Area} */
export function stageArea(width, height, aspect) {
  const margin = 5;
  const inner = fit(width - 2 * margin, height - 2 * margin, aspect);
  return { ...inner, x: inner.x + margin, y: inner.y + margin };
}

/** @param {Box} box @param {Area} area @returns {Area} */
function rect(box, area) {
  return {
    x: area.x + box.x0 * area.width, y: area.y + box.y0 * area.height,
    width: (box.x1 - box.x0) * area.width, height: (box.y1 - box.y0) * area.height,
  };
}

/** @param {Area} a @param {Area} b */
function overlap(a, b) {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

/** @param {Point} p @param {Area} area */
function point(p, area) {
  return { x: area.x + p.x * area.width, y: area.y + p.y * area.height };
}

/** @param {CanvasRenderingContext2D} ctx @param {"x"|"y"} axis @param {number} at @param {Area} area */
function line(ctx, axis, at, area) {
  const p = point({ x: at, y: at }, area);
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

/** @param {string} color @param {number} gap @param {1 | -1} slant */
function hatchTile(color, gap, slant) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = gap;
  const ctx = tile.getContext("2d");
  if (!ctx) return tile;
  ctx.strokeStyle = color;
  for (const shift of [-gap, 0, gap]) {
    ctx.moveTo(shift - 1, slant > 0 ? -1 : gap + 1);
    ctx.lineTo(shift + gap + 1, slant > 0 ? gap + 1 : -1);
  }
  ctx.stroke();
  return tile;
}

/** @param {CanvasRenderingContext2D} ctx @param {{columns: number, rows: number}} tokens @param {Area} area @param {Theme} theme @param {number} scale */
function tokenGrid(ctx, tokens, area, theme, scale) {
  const finest = 3 / scale;
  const alpha = Math.min(area.width / tokens.columns, area.height / tokens.rows) < 8 ? 0.17 : 0.3;
  ctx.strokeStyle = theme.dark ? `rgba(255, 255, 255, ${alpha})` : `rgba(0, 0, 0, ${alpha})`;
  ctx.lineWidth = 1 / scale;
  ctx.beginPath();
  const w = area.width / tokens.columns;
  const h = area.height / tokens.rows;
  if (Math.min(w, h) < finest) return;
  for (let column = 1; column < tokens.columns; column++) {
    ctx.moveTo(area.x + column * w, area.y);
    ctx.lineTo(area.x + column * w, area.y + area.height);
  }
  for (let row = 1; row < tokens.rows; row++) {
    ctx.moveTo(area.x, area.y + row * h);
    ctx.lineTo(area.x + area.width, area.y + row * h);
  }
  ctx.stroke();
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

/** @param {CanvasRenderingContext2D} ctx @param {number} x @param {number} y @param {number} size @param {string} color */
function lockSign(ctx, x, y, size, color) {
  ctx.strokeStyle = color;
  ctx.fillStyle = color;
  ctx.lineWidth = 1.5;
  const w = size * 0.55;
  ctx.fillRect(x, y + size * 0.45, w, size * 0.42);
  ctx.beginPath();
  ctx.arc(x + w / 2, y + size * 0.45, w * 0.3, Math.PI, 0);
  ctx.stroke();
}

/** @param {CanvasRenderingContext2D} ctx @param {string} text @param {number} width @param {boolean} cut */
function ellipsis(ctx, text, width, cut) {
  if (!cut && ctx.measureText(text).width <= width) return text;
  let end = text.length;
  while (end > 1 && ctx.measureText(`${text.slice(0, end)}…`).width > width) end--;
  return `${text.slice(0, end)}…`;
}
