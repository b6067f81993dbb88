import assert from "node:assert/strict";
import { test } from "node:test";
import { pixelScale, stageArea } from "../../../web/js/editor/layout.js";

test("the canvas is as sharp as the screen, up to twice its size", () => {
  assert.equal(pixelScale(500, 500, 1, 0.5), 1);
  assert.equal(pixelScale(500, 500, 1, 1.5), 1.5);
  assert.equal(pixelScale(500, 500, 2, 9), 4);
});

test("no node is too large for a canvas", () => {
  for (const [width, height] of [[4000, 3000], [20_000, 300], [300, 50_000], [100_000, 100_000]]) {
    const scale = pixelScale(width, height, 3, 2);
    assert.ok(width * scale <= 8192.01 && height * scale <= 8192.01, `${width} × ${height}`);
    assert.ok(width * height * scale * scale <= 16_000_001, `${width} × ${height}`);
  }
});

test("no stage is too small to have an area", () => {
  for (const [width, height] of [[0, 0], [1, 1], [8, 300], [300, 8]]) {
    const area = stageArea(width, height, 16 / 9);
    assert.ok(area.width >= 1 && area.height >= 1);
  }
});
