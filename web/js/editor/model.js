// What is drawn, what is selected, and how to go back: no DOM, no host.

import { clamp, gridBoxes, moveBox } from "./geometry.js";
import { covers, decode } from "./mask.js";
import { MAX_REGIONS, MAX_TEXT, MAX_WEIGHT, MIN_WEIGHT, emptyPlan, newRegion, parsePlan, writePlan } from "./plan.js";

/** @typedef {import("./geometry.js").Box} Box */
/** @typedef {import("./geometry.js").Point} Point */
/** @typedef {import("./mask.js").Mask} Mask */
/** @typedef {import("./plan.js").Plan} Plan */
/** @typedef {import("./plan.js").Region} Region */
/** @typedef {import("./plan.js").Repair} Repair */

const MAX_HISTORY = 200;

/** Decoded masks; a mask is never changed in place. @type {WeakMap<Mask, Uint8Array | null>} */
const decoded = new WeakMap();

/** @param {Mask} mask */
export function cellsOf(mask) {
  let cells = decoded.get(mask);
  if (cells === undefined) {
    cells = decode(mask);
    decoded.set(mask, cells);
  }
  return cells;
}

/** @param {Region} region @param {Point} p */
export function regionCovers(region, p) {
  return covers(region.box, region.mask && cellsOf(region.mask), region.mask, p);
}

export class EditorModel {
  constructor() {
    /** @type {Plan} */
    this.plan = emptyPlan();
    /** Index of the selected region; -1: the whole picture. */
    this.selected = -1;
    /** Text that could not be read; kept until something is drawn. @type {string | null} */
    this.refused = null;
    /** @type {Repair | null} */
    this.error = null;
    /** @type {Repair[]} */
    this.repairs = [];
    /** @type {Plan[]} */
    this.past = [];
    /** @type {Plan[]} */
    this.future = [];
    /** The plan before a gesture that goes on. @type {Plan | null} */
    this.before = null;
    /** Edits with the same key in a row are one step. @type {string | null} */
    this.mergeKey = null;
    /** Called after every change; true: worth saving. @type {(saved: boolean) => void} */
    this.onChange = () => {};
  }

  /** The value of the widget. */
  text() {
    return this.refused ?? writePlan(this.plan);
  }

  /** Take over a text from the workflow. History begins anew. @param {unknown} text */
  load(text) {
    if (typeof text === "string" && text === this.text()) return;
    const { plan, repairs, error } = parsePlan(text);
    this.plan = plan;
    this.error = error;
    this.repairs = repairs;
    this.refused = error ? String(text) : null;
    this.selected = -1;
    this.past = [];
    this.future = [];
    this.before = null;
    this.mergeKey = null;
    this.onChange(false);
  }

  /** @returns {Region | null} */
  get region() {
    return this.plan.regions[this.selected] ?? null;
  }

  /** Indices from the back to the front. */
  drawOrder() {
    const { regions } = this.plan;
    return regions.map((_, i) => i).sort((a, b) => regions[a].order - regions[b].order || a - b);
  }

  /** @param {number} index */
  select(index) {
    const next = index >= 0 && index < this.plan.regions.length ? index : -1;
    if (next === this.selected) return;
    this.selected = next;
    this.mergeKey = null;
    this.onChange(false);
  }

  /** Select the next region in number. @param {number} step */
  selectNext(step) {
    const count = this.plan.regions.length;
    if (!count) return;
    this.select(this.selected < 0 ? (step > 0 ? 0 : count - 1) : (this.selected + step + count) % count);
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
      if (!this.before) {
        if (!how.merge || how.merge !== this.mergeKey) this.remember(this.plan);
        this.mergeKey = how.merge ?? null;
      }
      this.plan = plan;
      this.refused = null;
      this.error = null;
      this.repairs = [];
    }
    if (how.select !== undefined) this.selected = how.select;
    this.selected = Math.min(this.selected, this.plan.regions.length - 1);
    this.onChange(!this.before);
  }

  /** @param {Plan} plan */
  remember(plan) {
    this.past.push(plan);
    if (this.past.length > MAX_HISTORY) this.past.shift();
    this.future = [];
  }

  /** Start a gesture: what follows is one step, at `commit`. */
  begin() {
    if (!this.before) this.before = this.plan;
  }

  commit() {
    const { before } = this;
    this.before = null;
    this.mergeKey = null;
    if (before && before !== this.plan) {
      this.remember(before);
      this.onChange(true);
    }
  }

  /** End a gesture and take it back. */
  cancel() {
    const { before } = this;
    if (!before) return;
    this.before = null;
    this.plan = before;
    this.selected = Math.min(this.selected, before.regions.length - 1);
    this.onChange(false);
  }

  /** @returns {boolean} whether there was anything to undo */
  undo() {
    return this.travel(this.past, this.future);
  }

  redo() {
    return this.travel(this.future, this.past);
  }

  /** @param {Plan[]} from @param {Plan[]} to */
  travel(from, to) {
    if (this.before) this.cancel();
    const plan = from.pop();
    if (!plan) return false;
    to.push(this.plan);
    this.plan = plan;
    this.mergeKey = null;
    this.selected = Math.min(this.selected, plan.regions.length - 1);
    this.onChange(true);
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
    const regions = [...inFront(this.plan.regions), { ...newRegion(box, this.plan.regions.length), mask }];
    this.apply({ ...this.plan, regions }, { select: regions.length - 1 });
    return regions.length - 1;
  }

  /** Equal cells; with `replace` in place of all regions, whose prompts they keep. @param {number} rows @param {number} columns */
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
    const regions = [...inFront(this.plan.regions), copy];
    this.apply({ ...this.plan, regions }, { select: regions.length - 1 });
    return true;
  }

  /** Bring the selected region to the front, or send it to the back. @param {"front" | "back"} where */
  reorder(where) {
    const { region, selected } = this;
    if (!region) return;
    const others = this.drawOrder().filter((i) => i !== selected);
    const order = where === "front" ? [...others, selected] : [selected, ...others];
    /** @type {number[]} */
    const rank = [];
    order.forEach((index, place) => (rank[index] = place));
    const regions = this.plan.regions.map((r, i) => (r.order === rank[i] ? r : { ...r, order: rank[i] }));
    this.apply({ ...this.plan, regions });
  }

  /** Move the selected region by fractions of the canvas. @param {number} dx @param {number} dy */
  nudge(dx, dy) {
    const { region, selected } = this;
    if (!region || region.locked) return;
    this.update(selected, { box: moveBox(region.box, dx, dy) }, "nudge");
  }

  clear() {
    this.apply({ ...this.plan, regions: [] }, { select: -1 });
  }

  /** Take a planner's plan, as one step that can be undone. @param {Plan} plan */
  take(plan) {
    this.apply(plan, { select: -1 });
  }

  /**
   * Take the shapes of connected masks and boxes; prompts and all else stay as they are.
   * @param {Region[]} shapes
   */
  takeShapes(shapes) {
    const regions = [...this.plan.regions];
    let changed = false;
    shapes.slice(0, MAX_REGIONS).forEach((shape, i) => {
      const old = regions[i];
      if (old && sameShape(old, shape)) return;
      changed = true;
      regions[i] = old ? { ...old, box: shape.box, mask: shape.mask } : { ...newRegion(shape.box, i), mask: shape.mask };
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

/** The regions with places 0, 1, ... so that a new one in front stays within the limits. @param {Region[]} regions */
function inFront(regions) {
  const places = regions.map((_, i) => i).sort((a, b) => regions[a].order - regions[b].order || a - b);
  /** @type {number[]} */
  const rank = [];
  places.forEach((index, place) => (rank[index] = place));
  return regions.map((region, i) => (region.order === rank[i] ? region : { ...region, order: rank[i] }));
}
