// Colours of the canvas: dark or light, as the page behind it is.

const TTL_MS = 500;
/** @type {import("./scene").Theme} */
const DARK = {
  dark: true, paper: "#1d1d20", stripe: "rgba(255, 255, 255, 0.09)", edge: "#6a6a70", text: "#ffffff", accent: "#6cb4ff",
};
/** @type {import("./scene").Theme} */
const LIGHT = {
  dark: false, paper: "#f6f6f8", stripe: "rgba(0, 0, 0, 0.11)", edge: "#8a8a92", text: "#101014", accent: "#0d5fd0",
};

export class ThemeWatch {
  /** @param {HTMLElement} root whose background decides */
  constructor(root) {
    this.root = root;
    this.current = DARK;
    this.readAt = -Infinity;
  }

  /** Reading a style costs a layout, so it is not done for every frame. */
  read() {
    const now = performance.now();
    if (now - this.readAt < TTL_MS) return this.current;
    this.readAt = now;
    const [r, g, b] = (getComputedStyle(this.root).backgroundColor.match(/[\d.]+/g) ?? []).map(Number);
    this.current = r + g + b > 384 ? LIGHT : DARK;
    this.root.classList.toggle("rdit-light", !this.current.dark);
    return this.current;
  }
}
