import assert from "node:assert/strict";
import { test } from "node:test";
import * as g from "../../../web/js/editor/geometry.js";

/** A generator of numbers in 0..1 that is the same in every run. */
function numbers(seed) {
  let state = seed;
  return () => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return state / 2147483648;
  };
}

/** @param {g.Box} box */
function inside(box) {
  assert.ok(box.x0 >= 0 && box.y0 >= 0 && box.x1 <= 1 && box.y1 <= 1, JSON.stringify(box));
  assert.ok(box.x1 - box.x0 >= g.MIN_SIDE - 2e-5, JSON.stringify(box));
  assert.ok(box.y1 - box.y0 >= g.MIN_SIDE - 2e-5, JSON.stringify(box));
}

test("any two points give a box inside the canvas", () => {
  const next = numbers(1);
  for (let i = 0; i < 2000; i++) {
    const p = () => ({ x: next() * 3 - 1, y: next() * 3 - 1 });
    inside(g.boxBetween(p(), p()));
  }
  assert.deepEqual(g.boxBetween({ x: 0.5, y: 0.25 }, { x: 0.1, y: 0.75 }), { x0: 0.1, y0: 0.25, x1: 0.5, y1: 0.75 });
});

test("moving and resizing never leaves the canvas and never turns a box inside out", () => {
  const next = numbers(2);
  for (let i = 0; i < 3000; i++) {
    const box = g.boxBetween({ x: next(), y: next() }, { x: next(), y: next() });
    const moved = g.moveBox(box, next() * 4 - 2, next() * 4 - 2);
    inside(moved);
    assert.ok(Math.abs(moved.x1 - moved.x0 - (box.x1 - box.x0)) < 3e-5);
    const handle = g.HANDLES[Math.floor(next() * g.HANDLES.length)];
    inside(g.resizeBox(box, handle, { x: next() * 3 - 1, y: next() * 3 - 1 }, next() < 0.5));
  }
});

test("a corner with the aspect kept", () => {
  const box = { x0: 0.2, y0: 0.2, x1: 0.4, y1: 0.3 };
  const bigger = g.resizeBox(box, "se", { x: 0.6, y: 0.3 }, true);
  assert.ok(Math.abs((bigger.x1 - bigger.x0) / (bigger.y1 - bigger.y0) - 2) < 1e-3);
  const limited = g.resizeBox({ x0: 0, y0: 0.8, x1: 0.4, y1: 0.9 }, "se", { x: 1, y: 1 }, true);
  assert.deepEqual(limited, { x0: 0, y0: 0.8, x1: 0.8, y1: 1 });
});

test("handles: corners before sides, and only corners on small boxes", () => {
  const reach = { x: 0.02, y: 0.02 };
  const box = { x0: 0.2, y0: 0.2, x1: 0.8, y1: 0.8 };
  assert.equal(g.handleAt(box, { x: 0.2, y: 0.2 }, reach), "nw");
  assert.equal(g.handleAt(box, { x: 0.5, y: 0.81 }, reach), "s");
  assert.equal(g.handleAt(box, { x: 0.5, y: 0.5 }, reach), null);
  assert.equal(g.handleAt({ x0: 0.2, y0: 0.2, x1: 0.25, y1: 0.8 }, { x: 0.225, y: 0.2 }, { x: 0.01, y: 0.01 }), null);
});

test("a divider moves all boxes of one unbroken line, and no others", () => {
  const boxes = g.gridBoxes(2, 2);
  const reach = { x: 0.01, y: 0.01 };
  const middle = g.dividerAt(boxes, { x: 0.5, y: 0.2 }, reach);
  assert.deepEqual(middle, { axis: "x", at: 0.5, before: [0, 2], after: [1, 3] });
  const changed = g.moveDivider(boxes, middle, 0.7);
  assert.deepEqual([...changed.keys()].sort(), [0, 1, 2, 3]);
  assert.equal(changed.get(0)?.x1, 0.7);
  assert.equal(changed.get(3)?.x0, 0.7);
  const apart = [
    { x0: 0, y0: 0, x1: 0.5, y1: 0.3 }, { x0: 0.5, y0: 0, x1: 1, y1: 0.3 },
    { x0: 0, y0: 0.6, x1: 0.5, y1: 1 }, { x0: 0.5, y0: 0.6, x1: 1, y1: 1 },
  ];
  assert.deepEqual(g.dividerAt(apart, { x: 0.5, y: 0.2 }, reach)?.before, [0]);
  assert.equal(g.dividerAt(apart, { x: 0.5, y: 0.45 }, reach), null);
  assert.equal(g.dividerAt([boxes[0], null, boxes[2], null], { x: 0.5, y: 0.2 }, reach), null);
  assert.equal(g.dividerAt(boxes, { x: 0.2, y: 0.5 }, reach)?.axis, "y");
});

test("a divider stops at the thinnest box", () => {
  const boxes = g.gridBoxes(1, 2);
  const divider = g.dividerAt(boxes, { x: 0.5, y: 0.5 }, { x: 0.01, y: 0.01 });
  assert.ok(divider);
  assert.equal(g.moveDivider(boxes, divider, 2).get(0)?.x1, 1 - g.MIN_SIDE);
  assert.equal(g.moveDivider(boxes, divider, -2).get(1)?.x0, g.MIN_SIDE);
});

test("grids cover the canvas without gaps", () => {
  for (const [rows, columns] of [[1, 1], [1, 7], [3, 3], [8, 8], [64, 1]]) {
    const boxes = g.gridBoxes(rows, columns);
    assert.equal(boxes.length, rows * columns);
    const area = boxes.reduce((sum, b) => sum + (b.x1 - b.x0) * (b.y1 - b.y0), 0);
    assert.ok(Math.abs(area - 1) < 1e-3);
  }
});

test("snapping takes the nearest target within reach", () => {
  assert.equal(g.snap(0.49, [0.5, 0.48], 0.02), 0.48);
  assert.equal(g.snap(0.4, [0.5], 0.02), null);
  assert.deepEqual(g.snapSpan(0.01, 0.3, [0, 0.31], 0.02)?.line, 0);
});

test("intersections", () => {
  assert.equal(g.intersect({ x0: 0, y0: 0, x1: 0.5, y1: 1 }, { x0: 0.5, y0: 0, x1: 1, y1: 1 }), null);
  assert.deepEqual(
    g.intersect({ x0: 0, y0: 0, x1: 0.6, y1: 1 }, { x0: 0.4, y0: 0.5, x1: 1, y1: 1 }),
    { x0: 0.4, y0: 0.5, x1: 0.6, y1: 1 },
  );
});

test("the canvas fits its stage", () => {
  assert.deepEqual(g.fit(400, 300, 1), { x: 50, y: 0, width: 300, height: 300 });
  assert.deepEqual(g.fit(400, 300, 2), { x: 0, y: 50, width: 400, height: 200 });
});
