import assert from "node:assert/strict";
import { test } from "node:test";
import { decode, emptyRaster } from "../../../web/js/editor/mask.js";
import { fillOutline } from "../../../web/js/editor/outline.js";
import { stage } from "./stage.mjs";

/** @param {[number, number][]} points */
const outlineOf = (points) => points.map(([x, y]) => ({ x, y }));

/** Share of the canvas that an outline fills. @param {[number, number][]} points */
function filled(points) {
  const raster = emptyRaster(1);
  fillOutline(raster, outlineOf(points));
  return raster.cells.reduce((sum, cell) => sum + cell, 0) / raster.cells.length;
}

test("an outline fills its area, wherever it lies", () => {
  assert.equal(filled([[0, 0], [1, 0], [1, 1], [0, 1]]), 1);
  assert.ok(Math.abs(filled([[0, 0], [1, 0], [0, 1]]) - 0.5) < 0.01);
  assert.ok(Math.abs(filled([[0.5, 0], [1, 0.5], [0.5, 1], [0, 0.5]]) - 0.5) < 0.01);
  assert.ok(Math.abs(filled([[-1, -1], [0.5, -1], [0.5, 2], [-1, 2]]) - 0.5) < 0.01, "cut at the canvas");
  assert.equal(filled([[0.1, 0.1], [0.9, 0.1]]), 0, "a line encloses nothing");
  const bow = filled([[0, 0], [1, 1], [1, 0], [0, 1]]);
  assert.ok(Math.abs(bow - 0.5) < 0.02, "where it crosses itself, both sides");
});

test("the lasso makes a region in one step", () => {
  const { model, input, calls, at } = stage("lasso");
  const steps = model.history.past.length;
  input.down(at(100, 100));
  for (const [x, y] of [[500, 100], [500, 500], [100, 500]]) input.pointerMove(at(x, y));
  assert.equal(input.marks.outline?.length, 4);
  input.up(at(100, 500));
  assert.equal(model.plan.regions.length, 1);
  assert.equal(model.history.past.length, steps + 1);
  assert.deepEqual(calls, ["editPrompt"]);
  const { box, mask } = model.plan.regions[0];
  assert.equal(mask, null, "a full rectangle needs no mask");
  assert.ok(Math.abs(box.x0 - 0.1) < 0.01 && Math.abs(box.x1 - 0.5) < 0.01);
  model.undo();
  assert.equal(model.plan.regions.length, 0);
});

test("a lasso adds to the selected region, and leaves a locked one alone", () => {
  const { model, input, at } = stage("lasso");
  model.add({ x0: 0, y0: 0, x1: 0.5, y1: 0.5 });
  const draw = () => {
    input.down(at(400, 400));
    for (const [x, y] of [[900, 400], [900, 900], [400, 900]]) input.pointerMove(at(x, y));
    input.up(at(400, 900));
  };
  model.update(0, { locked: true });
  draw();
  assert.equal(model.plan.regions[0].mask, null);
  model.update(0, { locked: false });
  draw();
  assert.equal(model.plan.regions.length, 1);
  const { mask } = model.plan.regions[0];
  const cells = decode(mask);
  assert.ok(cells);
  const share = cells.reduce((sum, cell) => sum + cell, 0) / cells.length;
  assert.ok(Math.abs(share - (0.25 + 0.25 - 0.01) / 0.81) < 0.02);
});

test("a click alone is no lasso", () => {
  const { model, click } = stage("lasso");
  click(300, 300);
  assert.equal(model.plan.regions.length, 0);
});

for (const close of ["Enter", "first", "twice"]) {
  test(`a polygon is closed by: ${close}`, () => {
    const { model, input, click, press } = stage("polygon");
    for (const [x, y] of [[100, 100], [900, 100], [100, 900]]) click(x, y);
    assert.equal(model.plan.regions.length, 0);
    assert.equal(input.corners.length, 3);
    if (close === "Enter") assert.ok(press("Enter"));
    else if (close === "first") click(102, 103);
    else click(100, 900);
    assert.equal(model.plan.regions.length, 1);
    assert.equal(input.corners.length, 0);
    const cells = decode(model.plan.regions[0].mask);
    assert.ok(cells);
    const share = cells.reduce((sum, cell) => sum + cell, 0) / cells.length;
    assert.ok(Math.abs(share - 0.5) < 0.02);
  });
}

test("corners can be taken back", () => {
  const { model, input, click, press } = stage("polygon");
  for (const [x, y] of [[100, 100], [900, 100], [500, 500]]) click(x, y);
  assert.ok(press("Backspace"));
  assert.equal(input.corners.length, 2);
  assert.ok(press("Enter"), "two corners are no shape");
  assert.deepEqual([input.corners.length, model.plan.regions.length], [0, 0]);
  click(100, 100);
  assert.ok(press("Escape"));
  assert.deepEqual([input.corners.length, input.marks], [0, {}]);
});
