// Who lies in front: places of regions from the back to the front.

/** @typedef {import("./plan.js").Region} Region */

/** Indices from the back to the front. @param {Region[]} regions */
export function drawOrder(regions) {
  return regions.map((_, i) => i).sort((a, b) => regions[a].order - regions[b].order || a - b);
}

/** The regions with places 0, 1, ... so that a new one in front stays within the limits. @param {Region[]} regions */
export function ranked(regions) {
  return inOrder(regions, drawOrder(regions));
}

/** One region brought to the front, or sent to the back. @param {Region[]} regions @param {number} index @param {"front" | "back"} where */
export function moved(regions, index, where) {
  const others = drawOrder(regions).filter((i) => i !== index);
  return inOrder(regions, where === "front" ? [...others, index] : [index, ...others]);
}

/** The regions with their places in an order. @param {Region[]} regions @param {number[]} order indices from the back to the front */
function inOrder(regions, order) {
  /** @type {number[]} */
  const rank = [];
  order.forEach((index, place) => (rank[index] = place));
  return regions.map((region, i) => (region.order === rank[i] ? region : { ...region, order: rank[i] }));
}
