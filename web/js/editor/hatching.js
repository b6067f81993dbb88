// Diagonal lines as a fill: for canvas that no region covers, and for what a region hides.

export class Hatching {
  constructor() {
    /** @type {Map<string, HTMLCanvasElement>} */
    this.tiles = new Map();
  }

  /** Diagonal lines as a pattern, its tile made once. @param {CanvasRenderingContext2D} ctx @param {string} color @param {number} gap @param {1 | -1} slant */
  pattern(ctx, color, gap, slant) {
    const key = `${color} ${gap} ${slant}`;
    let tile = this.tiles.get(key);
    if (!tile) {
      tile = hatchTile(color, gap, slant);
      this.tiles.set(key, tile);
    }
    return ctx.createPattern(tile, "repeat") ?? color;
  }
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
