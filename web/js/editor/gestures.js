// What a drag over the canvas does to regions: draw, move, resize, and shift a border that they share.

import { boxBetween, moveBox, moveDivider, resizeBox } from "./geometry.js";

/** @typedef {import("./geometry.js").Point} Point */
/** @typedef {import("./model.js").EditorModel} EditorModel */
/** @typedef {import("./scene").Marks} Marks */
/** @typedef {import("./snapping.js").Snapping} Snapping */
/**
 * A drag that goes on. Between `model.begin` and `model.commit`, so that it is one step.
 * @typedef {object} Gesture
 * @property {(p: Point, e: PointerEvent) => Marks} move
 * @property {(moved: boolean) => void} [end] after the step was taken
 * @property {boolean} [atOnce] the first touch is already a move
 */

/**
 * A new region between two corners.
 * @param {Point} p @param {PointerEvent} e @param {Snapping} snapping
 * @param {(box: import("./geometry.js").Box) => void} add
 * @returns {Gesture}
 */
export function drawGesture(p, e, snapping, add) {
  const from = snapping.point(p, -1, e).to;
  /** @type {import("./geometry.js").Box | null} */
  let draft = null;
  return {
    move: (q, now) => {
      const { to, guides } = snapping.point(q, -1, now);
      draft = boxBetween(from, to);
      return { draft, guides };
    },
    end: () => draft && add(draft),
  };
}

/**
 * The selected region follows the pointer; without a move it was a click.
 * @param {EditorModel} model @param {Point} from @param {Snapping} snapping @param {() => void} [click]
 * @returns {Gesture}
 */
export function moveGesture(model, from, snapping, click) {
  const index = model.selected;
  const region = model.plan.regions[index];
  const end = (/** @type {boolean} */ moved) => {
    if (!moved) click?.();
  };
  if (!region || region.locked) return { move: () => ({}), end };
  const targets = snapping.targets(index);
  return {
    move: (p, e) => {
      const { box, guides } = snapping.box(moveBox(region.box, p.x - from.x, p.y - from.y), targets, e);
      model.setBoxes(new Map([[index, box]]));
      return { guides };
    },
    end,
  };
}

/**
 * @param {EditorModel} model @param {import("./geometry.js").Handle} handle of the selected region
 * @param {Snapping} snapping
 * @returns {Gesture}
 */
export function resizeGesture(model, handle, snapping) {
  const index = model.selected;
  const { box } = model.plan.regions[index];
  return {
    move: (p, e) => {
      const { to, guides } = snapping.point(p, index, e, handle);
      model.setBoxes(new Map([[index, resizeBox(box, handle, to, e.shiftKey)]]));
      return { guides };
    },
  };
}

/**
 * All regions along a border change with it.
 * @param {EditorModel} model @param {import("./geometry.js").Divider} divider @param {Snapping} snapping
 * @returns {Gesture}
 */
export function dividerGesture(model, divider, snapping) {
  const boxes = model.plan.regions.map((r) => r.box);
  const [first] = divider.before;
  return {
    move: (p, e) => {
      const across = divider.axis === "x" ? p.x : p.y;
      const changed = moveDivider(boxes, divider, snapping.line(across, divider.axis, e));
      model.setBoxes(changed);
      const now = changed.get(first);
      const at = now ? (divider.axis === "x" ? now.x1 : now.y1) : divider.at;
      return { divider: { ...divider, at } };
    },
  };
}
