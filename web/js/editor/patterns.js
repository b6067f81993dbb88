// Fills that repeat: diagonal lines for uncovered and hidden canvas, dashes for borders.

/** The most colours whose tiles are kept; more come by only while a colour is being chosen. */
const MOST_TILES = 300;

export class Patterns {
  constructor() {
    /** @type {Map<string, HTMLCanvasElement>} */
    this.tiles = new Map();
  }

  /** Diagonal lines. @param {CanvasRenderingContext2D} ctx @param {string} color @param {number} gap @param {1 | -1} slant */
  hatch(ctx, color, gap, slant) {
    return this.repeat(ctx, color, `hatch ${color} ${gap} ${slant}`, () => hatchTile(color, gap, slant));
  }

  /** Dashes along lines in either direction. @param {CanvasRenderingContext2D} ctx @param {string} color @param {number} on @param {number} off */
  dashes(ctx, color, on, off) {
    return this.repeat(ctx, color, `dashes ${color} ${on} ${off}`, () => dashTile(color, on, off));
  }

  /** @param {CanvasRenderingContext2D} ctx @param {string} color if there can be no pattern @param {string} key @param {() => HTMLCanvasElement} make */
  repeat(ctx, color, key, make) {
    let tile = this.tiles.get(key);
    if (!tile) {
      if (this.tiles.size >= MOST_TILES) this.tiles.clear();
      tile = make();
      this.tiles.set(key, tile);
    }
    return ctx.createPattern(tile, "repeat") ?? color;
  }
}

/** @param {string} color @param {number} gap @param {1 | -1} slant */
function hatchTile(color, gap, slant) {
  const { tile, ctx } = emptyTile(gap);
  if (!ctx) return tile;
  ctx.strokeStyle = color;
  for (const shift of [-gap, 0, gap]) {
    ctx.moveTo(shift - 1, slant > 0 ? -1 : gap + 1);
    ctx.lineTo(shift + gap + 1, slant > 0 ? gap + 1 : -1);
  }
  ctx.stroke();
  return tile;
}

/** @param {string} color @param {number} on @param {number} off */
function dashTile(color, on, off) {
  const side = on + off;
  const { tile, ctx } = emptyTile(side);
  if (!ctx) return tile;
  ctx.fillStyle = color;
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      if ((x + y) % side < on) ctx.fillRect(x, y, 1, 1);
    }
  }
  return tile;
}

/** @param {number} side */
function emptyTile(side) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = side;
  return { tile, ctx: tile.getContext("2d") };
}
