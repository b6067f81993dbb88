// The squares in which the model sees the picture.

/** @typedef {import("./scene").Area} Area */
/** @typedef {import("./scene").Theme} Theme */

/** @param {CanvasRenderingContext2D} ctx @param {{columns: number, rows: number}} tokens @param {Area} area @param {Theme} theme @param {number} scale */
export function paintTokens(ctx, tokens, area, theme, scale) {
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
