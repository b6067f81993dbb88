import assert from "node:assert/strict";
import { test } from "node:test";
import { EditorModel } from "../../../web/js/editor/model.js";
import { MAX_REGIONS, parsePlan, writePlan } from "../../../web/js/editor/plan.js";

const LEFT = { x0: 0, y0: 0, x1: 0.5, y1: 1 };
const RIGHT = { x0: 0.5, y0: 0, x1: 1, y1: 1 };

function drawn() {
  const model = new EditorModel();
  model.add(LEFT);
  model.setPrompt(0, "a red circle");
  model.add(RIGHT);
  model.setPrompt(1, "a blue square");
  return model;
}

test("what is written can be read again", () => {
  const model = drawn();
  const { plan, repairs, error } = parsePlan(model.text());
  assert.equal(error, null);
  assert.deepEqual(repairs, []);
  assert.equal(writePlan(plan), model.text());
  assert.deepEqual(plan, model.plan);
});

test("nothing drawn is an empty text", () => {
  assert.equal(new EditorModel().text(), "");
});

test("undo and redo go through every step and back", () => {
  const model = drawn();
  model.select(0);
  model.update(0, { weight: 2 });
  model.reorder("front");
  model.duplicate();
  model.remove();
  const texts = [model.text()];
  while (model.undo()) texts.push(model.text());
  assert.equal(model.text(), "");
  const last = texts.reverse();
  for (const text of last.slice(1)) {
    assert.ok(model.redo());
    assert.equal(model.text(), text);
  }
  assert.ok(!model.redo());
});

test("typing is one step, two fields are two", () => {
  const model = drawn();
  const steps = model.history.past.length;
  for (const text of ["a", "ab", "abc"]) model.setPrompt(0, text);
  assert.equal(model.history.past.length, steps + 1);
  for (const weight of [1.1, 1.2]) model.update(0, { weight }, "weight");
  assert.equal(model.history.past.length, steps + 2);
});

test("a gesture is one step, and can be taken back", () => {
  const model = drawn();
  const before = model.text();
  const steps = model.history.past.length;
  model.begin();
  for (let i = 1; i <= 20; i++) model.setBoxes(new Map([[0, { ...LEFT, x1: 0.5 - i / 100 }]]));
  model.commit();
  assert.equal(model.history.past.length, steps + 1);
  model.undo();
  assert.equal(model.text(), before);
  model.begin();
  model.setBoxes(new Map([[0, { ...LEFT, x1: 0.1 }]]));
  model.cancel();
  assert.equal(model.text(), before);
  model.begin();
  model.commit();
  assert.equal(model.history.future.length, 1, "a gesture that changed nothing is no step");
});

test("the nearest region is hit, a second click goes below", () => {
  const model = drawn();
  model.add({ x0: 0.2, y0: 0.2, x1: 0.8, y1: 0.8 });
  assert.equal(model.hit({ x: 0.3, y: 0.5 }), 2);
  assert.equal(model.hit({ x: 0.3, y: 0.5 }, 1), 0);
  model.select(2);
  model.reorder("back");
  assert.equal(model.hit({ x: 0.3, y: 0.5 }), 0);
  assert.deepEqual(model.drawOrder(), [2, 0, 1]);
});

test("locked regions stay", () => {
  const model = drawn();
  model.select(0);
  model.update(0, { locked: true });
  const text = model.text();
  model.nudge(0.1, 0);
  assert.equal(model.remove(), false);
  assert.equal(model.text(), text);
});

test("64 regions and no more", () => {
  const model = new EditorModel();
  for (let i = 0; i < 80; i++) model.add({ x0: 0, y0: 0, x1: 0.1, y1: 0.1 });
  assert.equal(model.plan.regions.length, MAX_REGIONS);
  model.select(0);
  assert.equal(model.duplicate(), false);
  model.grid(9, 9);
  assert.equal(model.plan.regions.length, MAX_REGIONS);
});

test("a grid keeps the prompts by number", () => {
  const model = drawn();
  model.grid(2, 2);
  assert.deepEqual(model.plan.regions.map((r) => r.high_level), ["a red circle", "a blue square", "", ""]);
});

test("values are bounded before they are stored", () => {
  const model = drawn();
  model.update(0, { weight: 99, feather: -3 });
  assert.equal(model.plan.regions[0].weight, 10);
  assert.equal(model.plan.regions[0].feather, 0);
  model.update(0, { weight: Number.NaN, feather: Number.NaN });
  assert.equal(model.plan.regions[0].weight, 10);
});

test("loading the text that is there changes nothing, another one starts anew", () => {
  const model = drawn();
  const steps = model.history.past.length;
  model.load(model.text());
  assert.equal(model.history.past.length, steps);
  model.load("");
  assert.equal(model.history.past.length, 0);
  assert.equal(model.plan.regions.length, 0);
});

test("a text that is no plan is kept until something is drawn", () => {
  const model = new EditorModel();
  model.load("{broken");
  assert.equal(model.text(), "{broken");
  assert.equal(model.error?.[0], "noJson");
  model.add(LEFT);
  assert.equal(model.error, null);
  assert.ok(model.text().includes('"box":[0,0,0.5,1]'));
});

test("undo brings back a text that was no plan", () => {
  const model = new EditorModel();
  model.load("{broken");
  model.add(LEFT);
  assert.ok(model.undo());
  assert.equal(model.text(), "{broken");
  assert.equal(model.error?.[0], "noJson");
  assert.ok(model.redo());
  assert.equal(model.error, null);
});

test("a slider that is let go ends a step", () => {
  const model = drawn();
  const steps = model.history.past.length;
  for (const weight of [1.1, 1.2]) model.update(0, { weight }, "weight");
  model.settle();
  for (const weight of [1.3, 1.4]) model.update(0, { weight }, "weight");
  assert.equal(model.history.past.length, steps + 2);
  model.undo();
  assert.equal(model.plan.regions[0].weight, 1.2);
});

test("descriptions of connected boxes are the prompts of regions without one", () => {
  const model = drawn();
  model.update(1, { high_level: "" }, "prompt");
  const { plan } = parsePlan(JSON.stringify({
    version: 1, global_prompt: "", regions: [[0, 0, 1, 0.2], [0, 0.2, 1, 0.5], [0, 0.5, 1, 1]].map((box) => ({ high_level: "a tree", box })),
  }));
  model.takeShapes(plan.regions);
  assert.deepEqual(model.plan.regions.map((r) => r.high_level), ["a red circle", "a tree", "a tree"]);
  const steps = model.history.past.length;
  model.takeShapes(plan.regions);
  assert.equal(model.history.past.length, steps, "the same boxes again are no step");
});

test("connected shapes keep prompts and make new regions", () => {
  const model = drawn();
  const { plan } = parsePlan(JSON.stringify({
    version: 1, global_prompt: "", regions: [[0, 0, 1, 0.2], [0, 0.2, 1, 0.5], [0, 0.5, 1, 1]].map((box) => ({ high_level: "", box })),
  }));
  model.takeShapes(plan.regions);
  assert.deepEqual(model.plan.regions.map((r) => [r.high_level, r.box.y1]), [["a red circle", 0.2], ["a blue square", 0.5], ["", 1]]);
  const steps = model.history.past.length;
  model.takeShapes(plan.regions);
  assert.equal(model.history.past.length, steps, "the same shapes again are no step");
});
