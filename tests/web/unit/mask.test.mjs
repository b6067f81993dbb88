import assert from "node:assert/strict";
import { test } from "node:test";
import * as m from "../../../web/js/editor/mask.js";
import { coverage } from "../../../web/js/editor/coverage.js";
import { newRegion } from "../../../web/js/editor/plan.js";

const WHOLE = { x0: 0, y0: 0, x1: 1, y1: 1 };

test("runs are read and written alike", () => {
  const mask = { width: 4, height: 2, runs: "2 2 2 2" };
  const cells = m.decode(mask);
  assert.deepEqual([...(cells ?? [])], [0, 0, 1, 1, 0, 0, 1, 1]);
  assert.deepEqual(m.encode(/** @type {Uint8Array} */ (cells), 4, 2), mask);
  const full = Uint8Array.from([1, 1]);
  assert.equal(m.encode(full, 2, 1).runs, "0 2");
});

test("bad masks are refused", () => {
  const bad = [
    null, 3, {}, { width: 0, height: 1, runs: "0" }, { width: 200, height: 1, runs: "0 200" },
    { width: 2, height: 2, runs: "4" }, { width: 2, height: 2, runs: "0 5" }, { width: 2, height: 2, runs: "0 3" },
    { width: 2, height: 2, runs: "-1 5" }, { width: 2, height: 2, runs: "0  4" }, { width: 2, height: 2, runs: "" },
    { width: 1.5, height: 2, runs: "0 3" }, { width: 2, height: 2, runs: "0 ".repeat(40_000) },
  ];
  for (const value of bad) assert.equal(m.decode(value), null, JSON.stringify(value)?.slice(0, 60));
});

test("the finest mask stays within the limit of the server", () => {
  const cells = Uint8Array.from({ length: 128 * 128 }, (_, i) => (i + Math.floor(i / 128)) % 2);
  const { runs } = m.encode(cells, 128, 128);
  assert.ok(runs.length <= 2 * 128 * 128 + 64);
  assert.deepEqual(m.decode({ width: 128, height: 128, runs }), cells);
});

test("painting, taking and drawing again gives the same shape", () => {
  const raster = m.emptyRaster(1.5);
  assert.equal(raster.width, 128);
  assert.equal(raster.height, 85);
  m.stroke(raster, { x: 0.2, y: 0.3 }, { x: 0.7, y: 0.6 }, 0.05, 1);
  const shape = m.takeShape(raster);
  assert.ok(shape?.mask);
  const again = m.emptyRaster(1.5);
  m.drawShape(again, shape.box, { mask: shape.mask, cells: m.decode(shape.mask) });
  assert.deepEqual(again.cells, raster.cells);
});

test("erasing everything leaves no shape, a full rectangle needs no mask", () => {
  const raster = m.emptyRaster(1);
  m.drawShape(raster, { x0: 0.25, y0: 0.25, x1: 0.75, y1: 0.5 }, null);
  assert.deepEqual(m.takeShape(raster), { box: { x0: 0.25, y0: 0.25, x1: 0.75, y1: 0.5 }, mask: null });
  m.stroke(raster, { x: 0, y: 0.4 }, { x: 1, y: 0.4 }, 0.4, 0);
  assert.equal(m.takeShape(raster), null);
});

test("coverage counts overlaps once and masks by their cells", () => {
  const left = newRegion({ x0: 0, y0: 0, x1: 0.5, y1: 1 }, 0);
  const half = { ...newRegion(WHOLE, 1), mask: { width: 4, height: 2, runs: "2 2 2 2" } };
  assert.equal(coverage([left]), 0.5);
  assert.equal(coverage([left, left]), 0.5);
  assert.equal(coverage([half]), 0.5);
  assert.equal(coverage([left, half]), 1);
  assert.equal(coverage([]), 0);
});

test("rectangles fill exactly the cells of a mask", () => {
  let state = 3;
  const next = () => (state = (state * 48271) % 2147483647) / 2147483647;
  for (let round = 0; round < 200; round++) {
    const width = 1 + Math.floor(next() * 20);
    const height = 1 + Math.floor(next() * 20);
    const density = next();
    const cells = Uint8Array.from({ length: width * height }, () => (next() < density ? 1 : 0));
    const filled = new Uint8Array(cells.length);
    for (const { left, top, right, bottom } of m.rectangles(cells, width) ?? assert.fail()) {
      for (let row = top; row < bottom; row++) {
        for (let column = left; column < right; column++) filled[row * width + column]++;
      }
    }
    assert.deepEqual(filled, cells);
  }
});

test("a disc is few rectangles, noise is too many", () => {
  const raster = m.emptyRaster(1);
  m.stroke(raster, { x: 0.5, y: 0.5 }, { x: 0.5, y: 0.5 }, 0.3, 1);
  assert.ok((m.rectangles(raster.cells, raster.width)?.length ?? 1000) < 100);
  assert.equal(m.rectangles(raster.cells.map((_, i) => (i + (i >> 7)) % 2), raster.width), null);
});
