// Colours of regions: those of nodes/regions/preview.py, so that pictures and editor agree.

/** @param {number} index @returns {string} "#rrggbb" */
export function colorOf(index) {
  const hue = (index * 0.618034) % 1;
  const channels = [5, 3, 1].map((n) => {
    const k = (n + hue * 6) % 6;
    return 0.9 - 0.9 * 0.55 * Math.max(0, Math.min(k, 4 - k, 1));
  });
  return `#${channels.map((c) => Math.round(c * 255).toString(16).padStart(2, "0")).join("")}`;
}

/** @param {import("./plan.js").Region} region @param {number} index */
export function regionColor(region, index) {
  return region.color || colorOf(index);
}

/** @param {string} hex @param {number} alpha */
export function withAlpha(hex, alpha) {
  const [r, g, b] = [1, 3, 5].map((start) => parseInt(hex.slice(start, start + 2), 16));
  return `rgba(${r}, ${g}, ${b}, ${alpha})`;
}
