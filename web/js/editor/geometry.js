// Boxes on the canvas, in fractions of its sides: 0 = left or top edge, 1 = right or bottom edge.
// Pure functions; a box is never changed in place.

/** @typedef {{x0: number, y0: number, x1: number, y1: number}} Box */
/** @typedef {{x: number, y: number}} Point */
/** @typedef {"n"|"s"|"e"|"w"|"ne"|"nw"|"se"|"sw"} Handle */
/**
 * A border along which boxes meet.
 * @typedef {{axis: "x"|"y", at: number, before: number[], after: number[]}} Divider
 */

/** Smallest side of a box; thinner ones own no token of any common picture. */
export const MIN_SIDE = 0.02;
/** Borders nearer than this count as one border. */
export const SAME = 1e-4;

/** @type {Handle[]} */
export const HANDLES = ["nw", "ne", "se", "sw", "n", "e", "s", "w"];

/** @param {number} value @param {number} low @param {number} high */
export function clamp(value, low, high) {
  return Math.min(high, Math.max(low, value));
}

/** @param {number} value */
export function round(value) {
  return Math.round(value * 1e5) / 1e5;
}

/**
 * The box between two corners, inside the canvas and at least `MIN_SIDE` wide and high.
 * @param {Point} a @param {Point} b
 * @returns {Box}
 */
export function boxBetween(a, b) {
  const [x0, x1] = span(a.x, b.x);
  const [y0, y1] = span(a.y, b.y);
  return { x0, y0, x1, y1 };
}

/** @param {number} a @param {number} b @returns {[number, number]} */
function span(a, b) {
  let low = clamp(Math.min(a, b), 0, 1);
  let high = clamp(Math.max(a, b), 0, 1);
  if (high - low < MIN_SIDE) {
    low = clamp(low, 0, 1 - MIN_SIDE);
    high = low + MIN_SIDE;
  }
  return [round(low), round(high)];
}

/** Moved, and kept inside the canvas. @param {Box} box @param {number} dx @param {number} dy @returns {Box} */
export function moveBox(box, dx, dy) {
  const x = clamp(dx, -box.x0, 1 - box.x1);
  const y = clamp(dy, -box.y0, 1 - box.y1);
  return {
    x0: round(box.x0 + x), y0: round(box.y0 + y), x1: round(box.x1 + x), y1: round(box.y1 + y),
  };
}

/**
 * A side or corner dragged to a point.
 * @param {Box} box @param {Handle} handle @param {Point} to
 * @param {boolean} [keepAspect] of a corner: width and height stay in proportion
 * @returns {Box}
 */
export function resizeBox(box, handle, to, keepAspect = false) {
  let { x0, y0, x1, y1 } = box;
  if (handle.includes("w")) x0 = clamp(to.x, 0, x1 - MIN_SIDE);
  if (handle.includes("e")) x1 = clamp(to.x, x0 + MIN_SIDE, 1);
  if (handle.includes("n")) y0 = clamp(to.y, 0, y1 - MIN_SIDE);
  if (handle.includes("s")) y1 = clamp(to.y, y0 + MIN_SIDE, 1);
  if (keepAspect && handle.length === 2) {
    const width = box.x1 - box.x0;
    const height = box.y1 - box.y0;
    const west = handle.includes("w");
    const north = handle.includes("n");
    const room = Math.min((west ? x1 : 1 - x0) / width, (north ? y1 : 1 - y0) / height);
    const least = MIN_SIDE / Math.min(width, height);
    const wanted = Math.max((x1 - x0) / width, (y1 - y0) / height);
    const scale = clamp(wanted, Math.min(least, room), room);
    if (west) x0 = x1 - width * scale;
    else x1 = x0 + width * scale;
    if (north) y0 = y1 - height * scale;
    else y1 = y0 + height * scale;
  }
  return { x0: round(x0), y0: round(y0), x1: round(x1), y1: round(y1) };
}

/** @param {Box} box @param {Point} p */
export function contains(box, p) {
  return p.x >= box.x0 && p.x <= box.x1 && p.y >= box.y0 && p.y <= box.y1;
}

/** @param {Box} box @param {Handle} handle @returns {Point} */
export function handlePoint(box, handle) {
  const x = handle.includes("w") ? box.x0 : handle.includes("e") ? box.x1 : (box.x0 + box.x1) / 2;
  const y = handle.includes("n") ? box.y0 : handle.includes("s") ? box.y1 : (box.y0 + box.y1) / 2;
  return { x, y };
}

/**
 * The handle of a box at a point.
 * @param {Box} box @param {Point} p
 * @param {Point} reach how near is near enough, as fractions of the canvas
 * @returns {Handle | null}
 */
export function handleAt(box, p, reach) {
  // In a small box the handles in the middle of the sides would leave nothing to grab it by.
  const small = box.x1 - box.x0 < 6 * reach.x || box.y1 - box.y0 < 6 * reach.y;
  for (const handle of small ? HANDLES.slice(0, 4) : HANDLES) {
    const at = handlePoint(box, handle);
    if (Math.abs(p.x - at.x) <= reach.x && Math.abs(p.y - at.y) <= reach.y) return handle;
  }
  return null;
}

/** @param {Box} a @param {Box} b @returns {Box | null} */
export function intersect(a, b) {
  const box = {
    x0: Math.max(a.x0, b.x0), y0: Math.max(a.y0, b.y0),
    x1: Math.min(a.x1, b.x1), y1: Math.min(a.y1, b.y1),
  };
  return box.x1 - box.x0 > SAME && box.y1 - box.y0 > SAME ? box : null;
}

/**
 * The border between boxes at a point: all boxes of one unbroken line move with it.
 * @param {(Box | null)[]} boxes null: not to be moved
 * @param {Point} p @param {Point} reach
 * @returns {Divider | null}
 */
export function dividerAt(boxes, p, reach) {
  for (const axis of /** @type {("x"|"y")[]} */ (["x", "y"])) {
    const [low, high, from, to] = /** @type {(keyof Box)[]} */ (
      axis === "x" ? ["x0", "x1", "y0", "y1"] : ["y0", "y1", "x0", "x1"]
    );
    const across = axis === "x" ? p.x : p.y;
    const along = axis === "x" ? p.y : p.x;
    const near = axis === "x" ? reach.x : reach.y;
    for (const first of boxes) {
      if (!first || Math.abs(first[high] - across) > near) continue;
      if (along < first[from] || along > first[to]) continue;
      const at = first[high];
      const before = touching(boxes, high, at);
      const after = touching(boxes, low, at);
      const sameLine = (/** @type {number} */ i) => {
        const box = boxes[i];
        return box && along >= box[from] && along <= box[to];
      };
      if (!after.some(sameLine)) continue;
      const line = unbroken(boxes, [...before, ...after], from, to, along);
      return {
        axis, at,
        before: before.filter((i) => line.has(i)),
        after: after.filter((i) => line.has(i)),
      };
    }
  }
  return null;
}

/** @param {(Box|null)[]} boxes @param {keyof Box} side @param {number} at */
function touching(boxes, side, at) {
  return boxes.flatMap((box, i) => (box && Math.abs(box[side] - at) < SAME ? [i] : []));
}

/**
 * Of boxes along a line, those that hang together with the one at `along`.
 * @param {(Box|null)[]} boxes @param {number[]} indices
 * @param {keyof Box} from @param {keyof Box} to @param {number} along
 */
function unbroken(boxes, indices, from, to, along) {
  let low = along;
  let high = along;
  /** @type {Set<number>} */
  const found = new Set();
  for (let grown = true; grown; ) {
    grown = false;
    for (const i of indices) {
      const box = boxes[i];
      if (!box || found.has(i) || box[to] < low - SAME || box[from] > high + SAME) continue;
      found.add(i);
      low = Math.min(low, box[from]);
      high = Math.max(high, box[to]);
      grown = true;
    }
  }
  return found;
}

/**
 * Boxes with a divider moved to another place, as far as the thinnest of them allows.
 * @param {(Box | null)[]} boxes @param {Divider} divider @param {number} to
 * @returns {Map<number, Box>} the boxes that changed
 */
export function moveDivider(boxes, divider, to) {
  const [low, high] = /** @type {(keyof Box)[]} */ (
    divider.axis === "x" ? ["x0", "x1"] : ["y0", "y1"]
  );
  let least = 0;
  let most = 1;
  for (const i of divider.before) least = Math.max(least, /** @type {Box} */ (boxes[i])[low] + MIN_SIDE);
  for (const i of divider.after) most = Math.min(most, /** @type {Box} */ (boxes[i])[high] - MIN_SIDE);
  const at = round(clamp(to, least, most));
  /** @type {Map<number, Box>} */
  const changed = new Map();
  for (const i of divider.before) changed.set(i, { .../** @type {Box} */ (boxes[i]), [high]: at });
  for (const i of divider.after) changed.set(i, { .../** @type {Box} */ (boxes[i]), [low]: at });
  return changed;
}

/**
 * Positions that edges snap to: canvas edges, thirds, the middle, and edges of other boxes.
 * @param {Box[]} others
 * @returns {{x: number[], y: number[]}}
 */
export function snapTargets(others) {
  const marks = [0, 1 / 3, 0.5, 2 / 3, 1];
  return {
    x: [...marks, ...others.flatMap((box) => [box.x0, box.x1])],
    y: [...marks, ...others.flatMap((box) => [box.y0, box.y1])],
  };
}

/**
 * The nearest target, or null where none is near enough.
 * @param {number} value @param {number[]} targets @param {number} reach
 * @returns {number | null}
 */
export function snap(value, targets, reach) {
  let best = null;
  let distance = reach;
  for (const target of targets) {
    const d = Math.abs(target - value);
    if (d <= distance) {
      best = target;
      distance = d;
    }
  }
  return best;
}

/**
 * How far to shift a moving box so that one of its edges snaps.
 * @param {number} low @param {number} high @param {number[]} targets @param {number} reach
 * @returns {{shift: number, line: number} | null}
 */
export function snapSpan(low, high, targets, reach) {
  let best = null;
  for (const edge of [low, high, (low + high) / 2]) {
    const target = snap(edge, edge === low || edge === high ? targets : [0.5], reach);
    if (target === null) continue;
    const shift = target - edge;
    if (!best || Math.abs(shift) < Math.abs(best.shift)) best = { shift, line: target };
  }
  return best;
}

/** Equal cells in reading order. @param {number} rows @param {number} columns @returns {Box[]} */
export function gridBoxes(rows, columns) {
  const boxes = [];
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      boxes.push({
        x0: round(column / columns), y0: round(row / rows),
        x1: round((column + 1) / columns), y1: round((row + 1) / rows),
      });
    }
  }
  return boxes;
}

/**
 * Largest rectangle of an aspect within a stage, centred.
 * @param {number} width @param {number} height @param {number} aspect width / height
 */
export function fit(width, height, aspect) {
  const w = Math.max(1, Math.min(width, height * aspect));
  const h = Math.max(1, w / aspect);
  return { x: (width - w) / 2, y: (height - h) / 2, width: w, height: h };
}
