// Numbers and prompts of regions, none on top of another.

import { regionColor } from "./colors.js";
import { meet, rectOf } from "./layout.js";

/** @typedef {import("./scene").Area} Area */
/** @typedef {import("./scene").Scene} Scene */

const LINE_PX = 15;
const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";

export class LabelPainter {
  constructor() {
    /** Prompts broken into lines. @type {Map<string, string[]>} */
    this.lines = new Map();
  }

  /** Numbers and prompts, placed from the front so that none lies on another. @param {CanvasRenderingContext2D} ctx @param {Scene} scene @param {Area} area */
  paint(ctx, scene, area) {
    /** @type {Area[]} */
    const taken = [];
    /** @type {Area[]} */
    const inFront = [];
    for (const i of [...scene.order].reverse()) {
      const r = rectOf(scene.regions[i].box, area);
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
    while (at.x + badge < r.x + r.width && taken.some((other) => meet(at, other))) at.x += badge + 2;
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
    const end = at.x + badge;
    if (scene.regions[i].locked && end + size <= r.x + r.width) lockSign(ctx, end + 4, at.y, size, scene.theme.text);
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
