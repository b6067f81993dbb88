import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_REGIONS, MAX_TEXT, parsePlan, writePlan } from "../../../web/js/editor/plan.js";

/** @param {Record<string, unknown>[]} regions */
const text = (regions) => JSON.stringify({ version: 1, global_prompt: "g", regions });
const fine = { high_level: "a", box: [0, 0, 0.5, 1] };

test("what is no plan is refused with a reason", () => {
  const cases = {
    "{": "noJson", '{"a": NaN}': "noJson", "[]": "noPlan", "3": "noPlan", null: "noPlan",
    '{"version": 2}': "wrongVersion", '{"regions": 3}': "noPlan", [`"${"x".repeat(2_000_001)}"`]: "tooLong",
  };
  for (const [given, reason] of Object.entries(cases)) {
    const { error, plan } = parsePlan(given);
    assert.equal(error?.[0], reason, given.slice(0, 40));
    assert.deepEqual(plan.regions, []);
  }
});

test("values out of range are repaired, and each is told", () => {
  const bad = [
    { box: [0.5, 0.2, 0.2, 0.9] }, { box: [-4, 0, 9, 1] }, { box: [0.3, 0.3, 0.3, 0.3] }, { box: "x" },
    { box: [0, 0, 1] }, { weight: -1 }, { weight: 1e9 }, { weight: "2" }, { feather: 3 }, { color: "red" },
    { color: "javascript:alert(1)" }, { high_level: 7 }, { high_level: "x".repeat(9000) }, { order: 1e7 },
    { mask: { width: 1e9, height: 1, runs: "1" } }, { mask: { width: 2, height: 2, runs: "9 9" } }, { mask: "x" },
    { lora: 7 }, { lora: "x".repeat(2000) }, { lora_strength: "1" }, { lora_strength: -101 },
  ];
  for (const change of bad) {
    const { plan, repairs, error } = parsePlan(text([{ ...fine, ...change }]));
    assert.equal(error, null);
    assert.equal(repairs.length, 1, JSON.stringify(change).slice(0, 60));
    const [region] = plan.regions;
    assert.ok(region.box.x0 < region.box.x1 && region.box.y0 < region.box.y1);
    assert.ok(region.box.x0 >= 0 && region.box.x1 <= 1 && region.box.y0 >= 0 && region.box.y1 <= 1);
    assert.ok(region.weight >= 0.05 && region.weight <= 10 && region.feather >= 0 && region.feather <= 1);
    assert.ok(region.high_level.length <= MAX_TEXT && Math.abs(region.order) <= 1000);
    assert.ok(region.lora.length <= 1024 && Math.abs(region.lora_strength) <= 100);
    assert.ok(region.color === "" || /^#[0-9a-f]{6}$/i.test(region.color));
    const again = parsePlan(writePlan(plan));
    assert.deepEqual(again.repairs, []);
  }
});

test("ten thousand regions: the first 64, with a message", () => {
  const { plan, repairs } = parsePlan(text(Array.from({ length: 10_000 }, () => fine)));
  assert.equal(plan.regions.length, MAX_REGIONS);
  assert.deepEqual(repairs[0], ["tooMany", 10_000, MAX_REGIONS]);
});

test("regions that are none are left out", () => {
  const { plan, repairs } = parsePlan(JSON.stringify({ regions: [fine, null, 3, [], "x"] }));
  assert.equal(plan.regions.length, 1);
  assert.equal(repairs.filter(([what]) => what === "droppedRegion").length, 4);
});

test("keys of a plan that mean nothing here do no harm", () => {
  const { plan } = parsePlan('{"__proto__": {"x": 1}, "regions": [{"constructor": 1, "high_level": "a"}], "version": 1}');
  assert.equal(/** @type {any} */ ({}).x, undefined);
  assert.equal(plan.regions[0].high_level, "a");
});

test("lone surrogates are replaced, since the server refuses them", () => {
  const { plan } = parsePlan('{"regions": [{"high_level": "a\\ud800b \\ud83d\\ude00"}], "version": 1}');
  assert.equal(plan.regions[0].high_level, "a\ufffdb 😀");
});

test("a region's LoRA is kept as it was, and none leaves no trace", () => {
  const { plan } = parsePlan(text([{ ...fine, lora: "sub/a b.safetensors", lora_strength: -0.4 }, fine]));
  assert.equal(plan.regions[0].lora_strength, -0.4);
  const [named, none] = JSON.parse(writePlan(plan)).regions;
  assert.deepEqual([named.lora, named.lora_strength], ["sub/a b.safetensors", -0.4]);
  assert.ok(!("lora" in none) && !("lora_strength" in none));
});

test("a planner's plan without boxes gets columns", () => {
  const { plan, repairs } = parsePlan('{"version": 1, "regions": [{"high_level": "a"}, {"high_level": "b", "box": null}]}');
  assert.deepEqual(plan.regions.map((r) => r.box.x0), [0, 0.5]);
  assert.deepEqual(repairs, []);
});

test("random values never throw and always come out valid", () => {
  let state = 7;
  const next = () => (state = (state * 48271) % 2147483647) / 2147483647;
  const odd = () => [null, true, -1, 0, 1e308, "", "<img src=x onerror=alert(1)>", [], {}, [1, 2, 3, 4], "#12", 0.5][Math.floor(next() * 12)];
  for (let i = 0; i < 3000; i++) {
    /** @type {Record<string, unknown>} */
    const region = {};
    for (const key of ["high_level", "low_level", "phrase", "box", "weight", "order", "feather", "mask", "color", "locked", "attributes", "lora", "lora_strength"]) {
      if (next() < 0.5) region[key] = odd();
    }
    const { plan, error } = parsePlan(JSON.stringify({ version: 1, global_prompt: odd(), aspect: odd(), regions: [region, odd()] }));
    assert.equal(error, null);
    const { repairs } = parsePlan(writePlan(plan));
    assert.deepEqual(repairs, []);
  }
});
