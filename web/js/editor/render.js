// Paints the editor's canvas, layer upon layer. Everything is in CSS pixels of the stage; the caller scales.

import { stageArea } from "./layout.js";
import { LabelPainter } from "./paint_labels.js";
import { paintMarks } from "./paint_marks.js";
import { paintOutline } from "./paint_outlines.js";
import { paintOverlaps } from "./paint_overlaps.js";
import { ShapePainter } from "./paint_shapes.js";
import { paintTokens } from "./paint_tokens.js";
import { Patterns } from "./patterns.js";

export class Renderer {
  constructor() {
    this.patterns = new Patterns();
    this.shapes = new ShapePainter(this.patterns);
    this.labels = new LabelPainter();
  }

  /**
   * @param {CanvasRenderingContext2D} ctx
   * @param {import("./scene").Scene} scene
   * @param {number} width of the stage @param {number} height
   * @param {number} scale device pixels per CSS pixel
   */
  draw(ctx, scene, width, height, scale) {
    const area = stageArea(width, height, scene.aspect);
    ctx.setTransform(scale, 0, 0, scale, 0, 0);
    ctx.clearRect(0, 0, width, height);
    ctx.fillStyle = scene.theme.paper;
    ctx.fillRect(area.x, area.y, area.width, area.height);
    if (scene.picture) {
      ctx.imageSmoothingEnabled = true;
      ctx.drawImage(scene.picture, area.x, area.y, area.width, area.height);
    }
    this.shapes.uncovered(ctx, scene, area, scale);
    for (const i of scene.order) this.shapes.fill(ctx, scene, area, i);
    paintOverlaps(ctx, scene, area, this.patterns);
    if (scene.tokens) paintTokens(ctx, scene.tokens, area, scene.theme, scale);
    for (const i of scene.order) paintOutline(ctx, scene, area, i, this.patterns);
    this.labels.paint(ctx, scene, area);
    ctx.strokeStyle = scene.theme.edge;
    ctx.lineWidth = 1;
    ctx.strokeRect(area.x - 0.5, area.y - 0.5, area.width + 1, area.height + 1);
    paintMarks(ctx, scene, area);
  }
}
