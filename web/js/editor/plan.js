// The plan as text: read from anyone's hand, bounded and repaired, and written readably.
// The server reads the same format strictly (planner/plan.schema.json).

import { MIN_SIDE, clamp, round } from "./geometry.js";
import { decode } from "./mask.js";

/** @typedef {import("./geometry.js").Box} Box */
/** @typedef {import("./mask.js").Mask} Mask */
/**
 * @typedef {object} Region
 * @property {string} high_level
 * @property {string} low_level
 * @property {string} phrase
 * @property {string} instance
 * @property {string[]} attributes
 * @property {string} negative
 * @property {Box} box
 * @property {number} weight 0.05 to 10
 * @property {number} order larger is nearer the viewer
 * @property {number} feather 0 to 1
 * @property {Mask | null} mask
 * @property {string} color "#rrggbb", or "" for the colour of its number
 * @property {boolean} locked
 * @property {string} lora name of a LoRA file for this region alone, "" for none
 * @property {number} lora_strength -100 to 100
 */
/**
 * @typedef {object} Plan
 * @property {string} global_prompt
 * @property {string} negative_prompt
 * @property {string} background
 * @property {number | null} aspect
 * @property {string[]} notes
 * @property {string} source
 * @property {Region[]} regions
 */
/** What was repaired: a key of `strings.js` and what fills it in. @typedef {[string, ...(string|number)[]]} Repair */

export const MAX_REGIONS = 64;
export const MAX_TEXT = 8000;
export const MAX_JSON = 2_000_000;
export const MIN_WEIGHT = 0.05;
export const MAX_WEIGHT = 10;
export const MAX_LORA_NAME = 1024;
export const MAX_LORA_STRENGTH = 100;
const MAX_WORDS = 64;
const MAX_NOTES = 256;

/** @returns {Plan} */
export function emptyPlan() {
  return {
    global_prompt: "", negative_prompt: "", background: "", aspect: null, notes: [], source: "",
    regions: [],
  };
}

/** @param {Box} box @param {number} order @returns {Region} */
export function newRegion(box, order) {
  return {
    high_level: "", low_level: "", phrase: "", instance: "", attributes: [], negative: "",
    box, weight: 1, order, feather: 0, mask: null, color: "", locked: false, lora: "", lora_strength: 1,
  };
}

/**
 * Read a plan. Text that is no plan is refused; values that are out of range are repaired, and
 * each repair is told.
 * @param {unknown} text
 * @returns {{plan: Plan, repairs: Repair[], error: Repair | null}}
 */
export function parsePlan(text) {
  const plan = emptyPlan();
  if (typeof text !== "string" || !text.trim()) return { plan, repairs: [], error: null };
  if (text.length > MAX_JSON) return { plan, repairs: [], error: ["tooLong", text.length, MAX_JSON] };
  /** @type {unknown} */
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { plan, repairs: [], error: ["noJson", error instanceof Error ? error.message : ""] };
  }
  if (!isObject(value)) return { plan, repairs: [], error: ["noPlan"] };
  if (value.version !== undefined && value.version !== 1) {
    return { plan, repairs: [], error: ["wrongVersion", String(value.version).slice(0, 20)] };
  }
  if (value.regions !== undefined && !Array.isArray(value.regions)) {
    return { plan, repairs: [], error: ["noPlan"] };
  }
  /** @type {Repair[]} */
  const repairs = [];
  plan.global_prompt = readText(value.global_prompt, "global_prompt", repairs);
  plan.negative_prompt = readText(value.negative_prompt, "negative_prompt", repairs);
  plan.background = readText(value.background, "background", repairs);
  plan.source = readText(value.source, "source", repairs).slice(0, 64);
  plan.notes = readWords(value.notes, MAX_NOTES);
  if (value.aspect !== undefined && value.aspect !== null) {
    plan.aspect = readNumber(value.aspect, 1 / 16, 16, null, "aspect", repairs);
  }
  const regions = /** @type {unknown[]} */ (value.regions ?? []);
  if (regions.length > MAX_REGIONS) repairs.push(["tooMany", regions.length, MAX_REGIONS]);
  plan.regions = regions
    .slice(0, MAX_REGIONS)
    .flatMap((region, index, all) => readRegion(region, index, all.length, repairs));
  return { plan, repairs, error: null };
}

/**
 * @param {unknown} value @param {number} index @param {number} count @param {Repair[]} repairs
 * @returns {Region[]} none if it is no region at all
 */
function readRegion(value, index, count, repairs) {
  const where = `regions[${index}]`;
  if (!isObject(value)) {
    repairs.push(["droppedRegion", index + 1]);
    return [];
  }
  const region = newRegion(readBox(value.box, where, index, count, repairs), 0);
  region.order = Math.round(readNumber(value.order ?? 0, -1000, 1000, 0, `${where}.order`, repairs) ?? 0);
  for (const name of /** @type {const} */ (["high_level", "low_level", "phrase", "instance", "negative"])) {
    region[name] = readText(value[name], `${where}.${name}`, repairs);
  }
  region.attributes = readWords(value.attributes, MAX_WORDS);
  region.weight = readNumber(value.weight ?? 1, MIN_WEIGHT, MAX_WEIGHT, 1, `${where}.weight`, repairs) ?? 1;
  region.feather = readNumber(value.feather ?? 0, 0, 1, 0, `${where}.feather`, repairs) ?? 0;
  region.locked = value.locked === true;
  region.lora = readText(value.lora, `${where}.lora`, repairs, MAX_LORA_NAME);
  region.lora_strength =
    readNumber(value.lora_strength ?? 1, -MAX_LORA_STRENGTH, MAX_LORA_STRENGTH, 1, `${where}.lora_strength`, repairs) ?? 1;
  if (value.color !== undefined && value.color !== "") {
    if (typeof value.color === "string" && /^#[0-9a-fA-F]{6}$/.test(value.color)) region.color = value.color;
    else repairs.push(["repaired", `${where}.color`]);
  }
  if (value.mask !== undefined && value.mask !== null) {
    if (decode(value.mask)) {
      const { width, height, runs } = /** @type {Mask} */ (value.mask);
      region.mask = { width, height, runs };
    } else repairs.push(["droppedMask", index + 1]);
  }
  return [region];
}

/**
 * @param {unknown} value @param {string} where @param {number} index @param {number} count
 * @param {Repair[]} repairs
 * @returns {Box}
 */
function readBox(value, where, index, count, repairs) {
  if (!Array.isArray(value) || value.length !== 4 || !value.every((edge) => Number.isFinite(edge))) {
    // No box of its own: a column, so that it is there to be seen and dragged.
    if (value !== undefined && value !== null) repairs.push(["repaired", `${where}.box`]);
    return { x0: round(index / count), y0: 0, x1: round((index + 1) / count), y1: 1 };
  }
  const [a, b, c, d] = value.map((edge) => clamp(edge, 0, 1));
  let [x0, x1] = a <= c ? [a, c] : [c, a];
  let [y0, y1] = b <= d ? [b, d] : [d, b];
  if (x1 - x0 < 1e-4) [x0, x1] = widen(x0);
  if (y1 - y0 < 1e-4) [y0, y1] = widen(y0);
  if (x0 !== value[0] || y0 !== value[1] || x1 !== value[2] || y1 !== value[3]) {
    repairs.push(["repaired", `${where}.box`]);
  }
  return { x0, y0, x1, y1 };
}

/** @param {number} at @returns {[number, number]} */
function widen(at) {
  const low = clamp(at, 0, 1 - MIN_SIDE);
  return [low, low + MIN_SIDE];
}

/** @param {unknown} value @returns {value is Record<string, unknown>} */
function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** @param {unknown} value @param {string} where @param {Repair[]} repairs @param {number} [limit] */
function readText(value, where, repairs, limit = MAX_TEXT) {
  if (value === undefined) return "";
  // A lone half of a surrogate pair would make the server refuse the whole text.
  const text = typeof value === "string" ? value.replace(LONE_SURROGATE, "\ufffd") : "";
  if (text !== value || text.length > limit) repairs.push(["repaired", where]);
  return text.slice(0, limit).replace(LONE_SURROGATE, "");
}
const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** @param {unknown} value @param {number} limit @returns {string[]} */
function readWords(value, limit) {
  if (!Array.isArray(value)) return [];
  return value
    .filter((word) => typeof word === "string")
    .slice(0, limit)
    .map((word) => word.slice(0, MAX_TEXT).replace(LONE_SURROGATE, ""));
}

/**
 * @template {number | null} T
 * @param {unknown} value @param {number} low @param {number} high @param {T} fallback
 * @param {string} where @param {Repair[]} repairs
 * @returns {number | T}
 */
function readNumber(value, low, high, fallback, where, repairs) {
  if (typeof value !== "number" || !Number.isFinite(value)) {
    repairs.push(["repaired", where]);
    return fallback;
  }
  if (value < low || value > high) repairs.push(["repaired", where]);
  return clamp(value, low, high);
}

/**
 * Write a plan: one line per region, fields that say nothing left out. Empty: nothing drawn.
 * @param {Plan} plan
 * @returns {string}
 */
export function writePlan(plan) {
  const head = [`"version": 1`, `"global_prompt": ${JSON.stringify(plan.global_prompt)}`];
  if (plan.negative_prompt) head.push(`"negative_prompt": ${JSON.stringify(plan.negative_prompt)}`);
  if (plan.background) head.push(`"background": ${JSON.stringify(plan.background)}`);
  if (plan.aspect !== null) head.push(`"aspect": ${round(plan.aspect)}`);
  if (plan.source) head.push(`"source": ${JSON.stringify(plan.source)}`);
  if (plan.notes.length) head.push(`"notes": ${JSON.stringify(plan.notes)}`);
  if (!plan.regions.length && head.length === 2 && !plan.global_prompt) return "";
  const regions = plan.regions.map((region) => `    ${writeRegion(region)}`);
  const list = regions.length ? `[\n${regions.join(",\n")}\n  ]` : "[]";
  return `{\n  ${head.join(",\n  ")},\n  "regions": ${list}\n}`;
}

/** @param {Region} region */
function writeRegion(region) {
  const { x0, y0, x1, y1 } = region.box;
  /** @type {Record<string, unknown>} */
  const value = { high_level: region.high_level };
  for (const name of /** @type {const} */ (["low_level", "phrase", "instance", "negative", "color", "lora"])) {
    if (region[name]) value[name] = region[name];
  }
  if (region.attributes.length) value.attributes = region.attributes;
  value.box = [x0, y0, x1, y1].map(round);
  if (region.weight !== 1) value.weight = round(region.weight);
  if (region.order) value.order = region.order;
  if (region.feather) value.feather = round(region.feather);
  if (region.locked) value.locked = true;
  if (region.lora_strength !== 1) value.lora_strength = round(region.lora_strength);
  if (region.mask) value.mask = region.mask;
  return JSON.stringify(value);
}
