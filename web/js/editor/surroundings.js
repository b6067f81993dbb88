// What the graph around the node says of the picture: its size, its tokens, and the last one made.

/**
 * @typedef {object} Surroundings
 * @property {{width: number, height: number} | null} latent of a connected latent, in pixels
 * @property {number} longSide in pixels, where there is no latent
 * @property {number} tokenPx
 * @property {HTMLImageElement | null} picture the last one of the graph
 */

/** Width / height of the canvas. @param {Surroundings} around @param {number | null} drawn the plan's own aspect */
export function aspectOf({ latent }, drawn) {
  return latent ? latent.width / latent.height : (drawn ?? 1);
}

/** The token grid of the picture. @param {Surroundings} around @param {number} aspect */
export function tokensOf({ latent, longSide, tokenPx }, aspect) {
  const width = latent?.width ?? (aspect >= 1 ? longSide : longSide * aspect);
  const height = latent?.height ?? (aspect >= 1 ? longSide / aspect : longSide);
  return {
    columns: Math.max(1, Math.ceil(Math.round(width) / tokenPx)),
    rows: Math.max(1, Math.ceil(Math.round(height) / tokenPx)),
  };
}
