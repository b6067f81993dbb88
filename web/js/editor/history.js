// How to go back: plans before and after the present one, and gestures that are one step as a whole.

/** @typedef {import("./plan.js").Plan} Plan */

const MAX_STEPS = 200;

export class History {
  constructor() {
    /** @type {Plan[]} */
    this.past = [];
    /** @type {Plan[]} */
    this.future = [];
    /** The plan before a gesture that goes on. @type {Plan | null} */
    this.before = null;
    /** Edits with the same key in a row are one step. @type {string | null} */
    this.mergeKey = null;
  }

  /** `plan` is about to be changed. @param {Plan} plan @param {string} [merge] */
  note(plan, merge) {
    if (this.before) return;
    if (!merge || merge !== this.mergeKey) this.remember(plan);
    this.mergeKey = merge ?? null;
  }

  /** @param {Plan} plan */
  remember(plan) {
    this.past.push(plan);
    if (this.past.length > MAX_STEPS) this.past.shift();
    this.future = [];
  }

  /** Start a gesture: what follows is one step, at `commit`. @param {Plan} plan */
  begin(plan) {
    this.before ??= plan;
  }

  /** @param {Plan} plan @returns {boolean} whether the gesture changed anything */
  commit(plan) {
    const { before } = this;
    this.before = null;
    this.mergeKey = null;
    if (!before || before === plan) return false;
    this.remember(before);
    return true;
  }

  /** End a gesture. @returns {Plan | null} what was there before it */
  cancel() {
    const { before } = this;
    this.before = null;
    return before;
  }

  /** @param {Plan} plan the present one @returns {Plan | null} the one before it */
  back(plan) {
    return this.travel(this.past, this.future, plan);
  }

  /** @param {Plan} plan the present one @returns {Plan | null} the one after it */
  forth(plan) {
    return this.travel(this.future, this.past, plan);
  }

  /** @param {Plan[]} from @param {Plan[]} to @param {Plan} plan */
  travel(from, to, plan) {
    const next = from.pop();
    if (!next) return null;
    to.push(plan);
    this.mergeKey = null;
    return next;
  }
}
