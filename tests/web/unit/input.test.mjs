import assert from "node:assert/strict";
import { test } from "node:test";
import { emptyPlan, newRegion } from "../../../web/js/editor/plan.js";
import { stage as emptyStage } from "./stage.mjs";

const LEFT = { x0: 0.1, y0: 0.1, x1: 0.4, y1: 0.6 };
const RIGHT = { x0: 0.6, y0: 0.2, x1: 0.9, y1: 0.7 };

/** With two regions, none of them chosen. */
function stage() {
  const made = emptyStage();
  made.model.add(LEFT);
  made.model.add(RIGHT);
  made.model.select(-1);
  return made;
}

test("a drag is one step", () => {
  const { model, input, at } = stage();
  const steps = model.history.past.length;
  input.down(at(250, 350));
  for (const x of [260, 280, 300]) input.pointerMove(at(x, 350));
  input.up(at(300, 350));
  assert.deepEqual(model.plan.regions[0].box, { x0: 0.15, y0: 0.1, x1: 0.45, y1: 0.6 });
  assert.equal(model.history.past.length, steps + 1);
});

test("keys do not take away what is being dragged", () => {
  const { model, input, at, press } = stage();
  input.down(at(250, 350));
  input.pointerMove(at(300, 350));
  for (const key of ["Delete", "Tab", "d", "z"]) assert.ok(press(key, { ctrlKey: key.length === 1 }));
  input.pointerMove(at(320, 350));
  input.up(at(320, 350));
  assert.equal(model.plan.regions.length, 2);
  assert.equal(model.selected, 0);
  assert.deepEqual(model.plan.regions[1].box, RIGHT);
});

test("Escape takes a drag back", () => {
  const { model, input, at, press } = stage();
  input.down(at(250, 350));
  input.pointerMove(at(300, 350));
  press("Escape");
  input.pointerMove(at(350, 350));
  assert.deepEqual(model.plan.regions[0].box, LEFT);
});

test("a plan that arrives during a drag stays as it came", () => {
  const { model, input, at } = stage();
  input.down(at(250, 350));
  input.pointerMove(at(300, 350));
  const planned = { ...emptyPlan(), source: "planner", regions: [newRegion(RIGHT, 0)] };
  model.take(planned);
  const steps = model.history.past.length;
  for (const x of [310, 320]) input.pointerMove(at(x, 350));
  input.up(at(330, 350));
  assert.equal(model.plan, planned);
  assert.equal(model.history.past.length, steps);
  assert.ok(model.undo());
  assert.equal(model.plan.regions.length, 2);
});

test("a workflow that is loaded during a drag stays as it came", () => {
  const { model, input, at } = stage();
  input.down(at(250, 350));
  model.load('{"version": 1, "regions": [{"high_level": "other", "box": [0, 0, 1, 1]}]}');
  const text = model.text();
  for (const x of [300, 320]) input.pointerMove(at(x, 350));
  input.up(at(330, 350));
  assert.equal(model.text(), text);
  assert.equal(model.history.past.length, 0);
});

test("only its own pointer ends a drag", () => {
  const { model, input, at } = stage();
  input.down(at(250, 350, { pointerType: "touch" }));
  input.pointerMove(at(300, 350));
  input.down(at(700, 400, { pointerId: 2 }));
  input.cancel(at(700, 400, { pointerId: 2 }));
  input.up(at(700, 400, { pointerId: 2 }));
  input.pointerMove(at(350, 350));
  input.up(at(350, 350));
  assert.equal(model.plan.regions[0].box.x0, 0.2);
});

test("Ctrl keeps the first corner from snapping, too", () => {
  const { model, input, at } = stage();
  input.tool = "box";
  input.down(at(503, 797, { ctrlKey: true }));
  input.pointerMove(at(803, 903, { ctrlKey: true }));
  input.up(at(803, 903, { ctrlKey: true }));
  assert.deepEqual(model.plan.regions[2].box, { x0: 0.503, y0: 0.797, x1: 0.803, y1: 0.903 });
});

test("a stroke that could paint nothing asks for no prompt", () => {
  const { input, at, calls } = stage();
  input.tool = "eraser";
  input.down(at(500, 50));
  input.up(at(500, 50));
  assert.deepEqual(calls, []);
  input.tool = "brush";
  input.down(at(500, 50));
  input.up(at(500, 50));
  assert.deepEqual(calls, ["editPrompt"]);
});

test("Tab goes through the regions and then on", () => {
  const { model, press } = stage();
  const seen = [];
  for (let i = 0; i < 3; i++) seen.push([press("Tab"), model.selected]);
  assert.deepEqual(seen, [[true, 0], [true, 1], [false, -1]]);
  assert.ok(press("Tab", { shiftKey: true }));
  assert.equal(model.selected, 1);
  model.select(0);
  assert.ok(!press("Tab", { shiftKey: true }));
});

test("arrows move, with Alt they resize", () => {
  const { model, press } = stage();
  model.select(0);
  press("ArrowRight");
  press("ArrowDown", { altKey: true, shiftKey: true });
  press("ArrowLeft", { altKey: true });
  assert.deepEqual(model.plan.regions[0].box, { x0: 0.11, y0: 0.1, x1: 0.4, y1: 0.65 });
  model.update(0, { locked: true });
  press("ArrowLeft", { altKey: true });
  assert.equal(model.plan.regions[0].box.x1, 0.4);
});
