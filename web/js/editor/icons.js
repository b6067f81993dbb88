// Icons of the toolbar: strokes on a square of 16.

/** @type {Record<string, string>} */
const PATHS = {
  select: "M4 2.5 L12.5 8 L8.6 9 L6.6 13 Z",
  box: "M2.5 3.5 H13.5 V12.5 H2.5 Z M8 5.8 V10.2 M5.8 8 H10.2",
  lasso: "M8 3 C12 3 14 5 14 7 C14 9 12 10.5 8.5 10.5 C4.5 10.5 2 9 2 7 C2 5 4 3 8 3 M5 10 C4 11 4 12.5 5.5 13.5",
  polygon: "M3 6 L8 2.5 L13.5 6.5 L11 13 L4.5 12.5 Z",
  brush: "M13.5 2.5 L7.5 8.7 M6.6 8.4 C4.6 8.2 4.6 11.6 2.5 12.4 C5 14 8.2 13 8.2 10 Z",
  eraser: "M6.2 13 L2.6 9.4 L9 3 L13.4 7.4 L7.8 13 H13.5 M5.6 6.4 L10 10.8",
  grid: "M2.5 2.5 H13.5 V13.5 H2.5 Z M8 2.5 V13.5 M2.5 8 H13.5",
  undo: "M3 6.5 H9.5 A3.5 3.5 0 0 1 9.5 13.5 H6 M5.8 3.5 L2.8 6.5 L5.8 9.5",
  redo: "M13 6.5 H6.5 A3.5 3.5 0 0 0 6.5 13.5 H10 M10.2 3.5 L13.2 6.5 L10.2 9.5",
  duplicate: "M5.5 5.5 H13.5 V13.5 H5.5 Z M10.5 5.5 V2.5 H2.5 V10.5 H5.5",
  front: "M8 13.5 V4.5 M4.5 8 L8 4.5 L11.5 8 M3 2 H13",
  back: "M8 2.5 V11.5 M4.5 8 L8 11.5 L11.5 8 M3 14 H13",
  lock: "M3.5 7.5 H12.5 V13.5 H3.5 Z M5.5 7.5 V5 A2.5 2.5 0 0 1 10.5 5 V7.5",
  remove: "M3 4.5 H13 M6 4.5 V2.5 H10 V4.5 M4.5 4.5 L5.2 13.5 H10.8 L11.5 4.5 M7 7 V11 M9 7 V11",
  snap: "M3 2.5 H6 V8 A2 2 0 0 0 10 8 V2.5 H13 V8 A5 5 0 0 1 3 8 Z M3 5 H6 M10 5 H13",
  tokens: "M2.5 2.5 H13.5 V13.5 H2.5 Z M6.2 2.5 V13.5 M9.8 2.5 V13.5 M2.5 6.2 H13.5 M2.5 9.8 H13.5",
  picture: "M2.5 3 H13.5 V13 H2.5 Z M2.5 11 L6 7.5 L9 10.5 L11 8.5 L13.5 11 M10.5 5.6 V5.7",
};

/** @param {string} name @returns {SVGSVGElement} */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", PATHS[name] ?? "");
  svg.append(path);
  return svg;
}
