import assert from "node:assert/strict";
import { test } from "node:test";
import { colorOf, withAlpha } from "../../../web/js/editor/colors.js";
import { KEYS, translator } from "../../../web/js/editor/strings.js";

test("every text is there in both languages", () => {
  assert.deepEqual(KEYS.zh, KEYS.en);
});

test("texts fill in values and fall back to English", () => {
  assert.equal(translator("en")("regionTab", 3), "Region 3");
  assert.equal(translator("zh-TW")("undo"), "撤销 (Ctrl+Z)");
  assert.equal(translator("fr")("undo"), "Undo (Ctrl+Z)");
});

test("colours", () => {
  assert.deepEqual([0, 1, 2].map(colorOf), ["#e66767", "#678ce6", "#b1e667"]);
  assert.equal(withAlpha("#102030", 0.5), "rgba(16, 32, 48, 0.5)");
});
