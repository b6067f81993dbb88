// What is drawn, what is selected, and every way to change it: no DOM, no host.

import { clamp, gridBoxes, moveBox, resizeBox } from "./geometry.js";
import { History } from "./history.js";
import { drawOrder, moved, ranked } from "./order.js";
import {
  MAX_LORA_STRENGTH, MAX_REGIONS, MAX_TEXT, MAX_WEIGHT, MIN_WEIGHT, emptyPlan, newRegion, parsePlan, writePlan,
} from "./plan.js";
import { regionCovers } from "./region_cells.js";

/** @typedef {import("./geometry.js").Box} Box */
/** @typedef {import("./geometry.js").Point} Point */
/** @typedef {import("./mask.js").Mask} Mask */
/** @typedef {import("./plan.js").Plan} Plan */
/** @typedef {import("./plan.js").Region} Region */
/** @typedef {import("./plan.js").Repair} Repair */

export class EditorModel {
  constructor() {
    /** @type {Plan} */
    this.plan = emptyPlan();
    /** Index of the selected region; -1: the whole picture. */
    this.selected = -1;
    /**
     * How the last text was read. It holds for the plan that came of it, also when undo brings that back.
     * @type {{plan: Plan, text: string, error: Repair | null, repairs: Repair[]}}
     */
    this.reading = { plan: this.plan, text: "", error: null, repairs: [] };
    this.history = new History();
    /** Called after every change; true: worth saving. @type {(saved: boolean) => void} */
    this.onChange = () => {};
  }

  /** The value of the widget. A text that could not be read is kept until something is drawn. */
  text() {
    return this.error ? this.reading.text : writePlan(this.plan);
  }

  /** Why the text was refused. */
  get error() {
    return this.reading.plan === this.plan ? this.reading.error : null;
  }

  /** What was repaired in the text. */
  get repairs() {
    return this.reading.plan === this.plan ? this.reading.repairs : [];
  }

  /** Take over a text from the workflow. History begins anew. @param {unknown} text */
  load(text) {
    if (typeof text === "string" && text === this.text()) return;
    const { plan, repairs, error } = parsePlan(text);
    this.plan = plan;
    this.reading = { plan, text: String(text), error, repairs };
    this.selected = -1;
    this.history = new History();
    this.onChange(false);
  }

  /** @returns {Region | null} */
  get region() {
    return this.plan.regions[this.selected] ?? null;
  }

  /** Indices from the back to the front. */
  drawOrder() {
    return drawOrder(this.plan.regions);
  }

  /** @param {number} index */
  select(index) {
    const next = index >= 0 && index < this.plan.regions.length ? index : -1;
    if (next === this.selected) return;
    this.selected = next;
    this.history.mergeKey = null;
    this.onChange(false);
  }

  /** Select the next region in number; past the last one, none. @param {1 | -1} step @returns {boolean} whether there was one */
  selectNext(step) {
    const first = step > 0 ? 0 : this.plan.regions.length - 1;
    this.select(this.selected < 0 ? first : this.selected + step);
    return this.selected >= 0;
  }

  /**
   * The region at a point, the nearest to the viewer; those behind it by `depth`.
   * @param {Point} p @param {number} [depth]
   */
  hit(p, depth = 0) {
    const found = this.drawOrder().reverse().filter((i) => regionCovers(this.plan.regions[i], p));
    return found.length ? found[depth % found.length] : -1;
  }

  /**
   * Change the plan as one step, or as part of the gesture that goes on.
   * @param {Plan} plan @param {{merge?: string, select?: number}} [how]
   */
  apply(plan, how = {}) {
    if (plan !== this.plan) {
      this.history.note(this.plan, how.merge);
      this.plan = plan;
    }
    if (how.select !== undefined) this.selected = how.select;
    this.selected = Math.min(this.selected, this.plan.regions.length - 1);
    this.onChange(!this.busy);
  }

  /** Whether a gesture goes on. */
  get busy() {
    return this.history.before !== null;
  }

  /** Start a gesture: what follows is one step, at `commit`. */
  begin() {
    this.history.begin(this.plan);
  }

  /** The next edit is a step of its own. */
  settle() {
    this.history.mergeKey = null;
  }

  commit() {
    if (this.history.commit(this.plan)) this.onChange(true);
  }

  /** End a gesture and take it back. */
  cancel() {
    const before = this.history.cancel();
    if (before) this.show(before, false);
  }

  /** @returns {boolean} whether there was anything to undo */
  undo() {
    this.cancel();
    return this.show(this.history.back(this.plan), true);
  }

  redo() {
    this.cancel();
    return this.show(this.history.forth(this.plan), true);
  }

  /** @param {Plan | null} plan of the history; null: there is none @param {boolean} saved */
  show(plan, saved) {
    if (!plan) return false;
    this.plan = plan;
    this.selected = Math.min(this.selected, plan.regions.length - 1);
    this.onChange(saved);
    return true;
  }

  /** @param {Partial<Plan>} change @param {string} [merge] */
  setPicture(change, merge) {
    this.apply({ ...this.plan, ...change }, { merge });
  }

  /**
   * Change one region; values are bounded here, so that nothing out of range is ever stored.
   * @param {number} index @param {Partial<Region>} change @param {string} [merge]
   */
  update(index, change, merge) {
    const region = this.plan.regions[index];
    if (!region) return;
    const next = { ...region, ...change };
    if (!Number.isFinite(next.weight)) next.weight = region.weight;
    if (!Number.isFinite(next.feather)) next.feather = region.feather;
    next.weight = clamp(next.weight, MIN_WEIGHT, MAX_WEIGHT);
    next.feather = clamp(next.feather, 0, 1);
    if (!Number.isFinite(next.lora_strength)) next.lora_strength = region.lora_strength;
    next.lora_strength = clamp(next.lora_strength, -MAX_LORA_STRENGTH, MAX_LORA_STRENGTH);
    const regions = [...this.plan.regions];
    regions[index] = next;
    this.apply({ ...this.plan, regions }, { merge: merge && `${merge}:${index}` });
  }

  /** A prompt that a person wrote replaces all parts that a planner made of it. @param {number} index @param {string} text */
  setPrompt(index, text) {
    const change = {
      high_level: text.slice(0, MAX_TEXT), low_level: "", phrase: "", instance: "",
      attributes: /** @type {string[]} */ ([]),
    };
    this.update(index, change, "prompt");
  }

  /** @param {Map<number, Box>} boxes */
  setBoxes(boxes) {
    const regions = this.plan.regions.map((region, i) => {
      const box = boxes.get(i);
      return box ? { ...region, box } : region;
    });
    this.apply({ ...this.plan, regions });
  }

  get full() {
    return this.plan.regions.length >= MAX_REGIONS;
  }

  /** A new region in front of all. @param {Box} box @param {Mask | null} [mask] @returns {number} its index, -1 if there is no room */
  add(box, mask = null) {
    if (this.full) return -1;
    const regions = [...ranked(this.plan.regions), { ...newRegion(box, this.plan.regions.length), mask }];
    this.apply({ ...this.plan, regions }, { select: regions.length - 1 });
    return regions.length - 1;
  }

  /** Equal cells in place of all regions, whose prompts they keep. @param {number} rows @param {number} columns */
  grid(rows, columns) {
    const old = this.plan.regions;
    const regions = gridBoxes(rows, columns)
      .slice(0, MAX_REGIONS)
      .map((box, i) => ({ ...(old[i] ?? newRegion(box, 0)), box, mask: null, order: i, locked: false }));
    this.apply({ ...this.plan, regions }, { select: regions.length ? 0 : -1 });
  }

  remove() {
    const { region, selected } = this;
    if (!region || region.locked) return false;
    const regions = this.plan.regions.filter((_, i) => i !== selected);
    this.apply({ ...this.plan, regions }, { select: Math.min(selected, regions.length - 1) });
    return true;
  }

  duplicate() {
    const { region } = this;
    if (!region || this.full) return false;
    let box = moveBox(region.box, 0.04, 0.04);
    if (box.x0 === region.box.x0 && box.y0 === region.box.y0) box = moveBox(region.box, -0.04, -0.04);
    const copy = { ...region, box, locked: false, color: "", order: this.plan.regions.length };
    const regions = [...ranked(this.plan.regions), copy];
    this.apply({ ...this.plan, regions }, { select: regions.length - 1 });
    return true;
  }

  /** Bring the selected region to the front, or send it to the back. @param {"front" | "back"} where */
  reorder(where) {
    const { region, selected } = this;
    if (!region) return;
    this.apply({ ...this.plan, regions: moved(this.plan.regions, selected, where) });
  }

  /** Move the selected region by fractions of the canvas. @param {number} dx @param {number} dy */
  nudge(dx, dy) {
    const { region, selected } = this;
    if (!region || region.locked) return;
    this.update(selected, { box: moveBox(region.box, dx, dy) }, "nudge");
  }

  /** Move the right and the lower edge of the selected region. @param {number} dx @param {number} dy */
  stretch(dx, dy) {
    const { region, selected } = this;
    if (!region || region.locked) return;
    const { x1, y1 } = region.box;
    this.update(selected, { box: resizeBox(region.box, "se", { x: x1 + dx, y: y1 + dy }) }, "stretch");
  }

  /** Take a planner's plan, as one step that can be undone. @param {Plan} plan */
  take(plan) {
    this.commit(); // a drag that goes on was about other regions
    this.apply(plan, { select: -1 });
  }

  /**
   * Take the shapes of connected masks and boxes, and the prompts of boxes for regions without
   * one; all else stays as it is.
   * @param {Region[]} shapes
   */
  takeShapes(shapes) {
    this.commit();
    const regions = [...this.plan.regions];
    let changed = false;
    shapes.slice(0, MAX_REGIONS).forEach((shape, i) => {
      const old = regions[i];
      const silent = !old || !(old.high_level || old.low_level || old.phrase);
      const said = silent ? shape.high_level : "";
      if (old && sameShape(old, shape) && !said) return;
      changed = true;
      const known = old ?? newRegion(shape.box, i);
      regions[i] = { ...known, box: shape.box, mask: shape.mask, high_level: said || known.high_level };
    });
    if (changed) this.apply({ ...this.plan, regions });
  }
}

/** @param {Region} a @param {Region} b */
function sameShape(a, b) {
  const near = (/** @type {number} */ p, /** @type {number} */ q) => Math.abs(p - q) < 2e-5;
  return (
    near(a.box.x0, b.box.x0) && near(a.box.y0, b.box.y0) && near(a.box.x1, b.box.x1) &&
    near(a.box.y1, b.box.y1) && a.mask?.runs === b.mask?.runs
  );
}
