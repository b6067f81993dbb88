// The fields below the canvas: of the selected region, or of the whole picture.

import { regionColor } from "./colors.js";
import { promptOf } from "./compose.js";
import { element, numberField, put, slider } from "./dom.js";
import { LoraField } from "./lora_field.js";
import { MAX_TEXT, MAX_WEIGHT, MIN_WEIGHT } from "./plan.js";

/** @typedef {import("./model.js").EditorModel} EditorModel */
/** @typedef {import("./strings.js").Translate} Translate */

export class Panel {
  /** @param {EditorModel} model @param {Translate} t */
  constructor(model, t) {
    this.model = model;
    this.t = t;
    this.tabs = element("div", "rdit-tabs");
    this.tabs.setAttribute("role", "tablist");
    this.tabs.setAttribute("aria-label", t("regions"));
    this.prompt = textarea("prompt", t("promptHint"), t("prompt"));
    this.unwanted = textarea("unwanted", t("unwantedHint"), t("unwanted"));
    this.weight = slider("weight", 0.05, 2, 0.05);
    this.weightNumber = numberField("weightNumber", MIN_WEIGHT, MAX_WEIGHT, 0.05);
    this.weightNumber.setAttribute("aria-label", t("weight"));
    this.feather = slider("feather", 0, 0.5, 0.01);
    this.featherNumber = numberField("featherNumber", 0, 1, 0.01);
    this.featherNumber.setAttribute("aria-label", t("feather"));
    this.color = element("input");
    this.color.type = "color";
    this.color.dataset.rdit = "color";
    this.color.title = t("color");
    this.color.setAttribute("aria-label", t("color"));
    this.lora = new LoraField(model, t);
    this.regionFields = element("div", "rdit-panel", [
      element("div", "rdit-texts", [this.prompt, this.unwanted]),
      element("div", "rdit-row", [
        this.color,
        element("label", "", [t("weight"), this.weight, this.weightNumber]),
        element("label", "", [t("feather"), this.feather, this.featherNumber]),
      ]),
      this.lora.root,
    ]);
    this.global = textarea("global", t("globalHint"), t("whole"));
    this.negative = textarea("negative", t("negativeHint"), t("negative"));
    this.negative.classList.add("rdit-short");
    this.pictureFields = element("div", "rdit-panel", [this.global, this.negative]);
    // One upon the other, so that the canvas keeps its size when the first stroke makes a region.
    this.root = element("div", "rdit-panels", [this.regionFields, this.pictureFields]);
    /** What the tabs show, so that they are only made anew when needed. */
    this.shown = "";
  }

  /** @param {AbortSignal} signal */
  listen(signal) {
    const { model } = this;
    const on = (/** @type {HTMLElement} */ target, /** @type {string} */ type, /** @type {() => void} */ act) =>
      target.addEventListener(type, act, { signal });
    on(this.prompt, "input", () => model.setPrompt(model.selected, this.prompt.value));
    on(this.unwanted, "input", () => model.update(model.selected, { negative: this.unwanted.value }, "unwanted"));
    on(this.global, "input", () => model.setPicture({ global_prompt: this.global.value }, "global"));
    on(this.negative, "input", () => model.setPicture({ negative_prompt: this.negative.value }, "negative"));
    on(this.weight, "input", () => model.update(model.selected, { weight: this.weight.valueAsNumber }, "weight"));
    on(this.weightNumber, "change", () => {
      model.update(model.selected, { weight: this.weightNumber.valueAsNumber });
      this.refresh();
    });
    on(this.feather, "input", () => model.update(model.selected, { feather: this.feather.valueAsNumber }, "feather"));
    on(this.featherNumber, "change", () => {
      model.update(model.selected, { feather: this.featherNumber.valueAsNumber });
      this.refresh();
    });
    this.lora.listen(signal);
    on(this.color, "input", () => model.update(model.selected, { color: this.color.value }, "color"));
    for (const fields of [this.regionFields, this.pictureFields]) {
      // A slider that was let go, a colour that was chosen, a text that was left.
      for (const type of ["change", "focusout"]) on(fields, type, () => model.settle());
    }
    this.tabs.addEventListener(
      "click",
      (e) => {
        const tab = e.target instanceof Element ? e.target.closest("[data-index]") : null;
        if (tab instanceof HTMLElement) model.select(Number(tab.dataset.index));
      },
      { signal },
    );
    this.tabs.addEventListener("keydown", (e) => this.pressTab(e), { signal });
  }

  /** Keys in the list of regions. @param {KeyboardEvent} e */
  pressTab(e) {
    const { model } = this;
    const last = model.plan.regions.length - 1;
    switch (e.key) {
      case "ArrowLeft": model.select(model.selected < 0 ? last : model.selected - 1); break;
      case "ArrowRight": model.select(model.selected < last ? model.selected + 1 : -1); break;
      case "Home": model.select(-1); break;
      case "End": model.select(last); break;
      case "Delete": model.remove(); break;
      default: return;
    }
    e.preventDefault();
    e.stopPropagation();
    const tab = this.tabs.children[model.selected + 1];
    if (tab instanceof HTMLElement) tab.focus({ preventScroll: true });
  }

  /** Go to the prompt of what is selected. */
  focus() {
    (this.model.region ? this.prompt : this.global).focus({ preventScroll: true });
  }

  refresh() {
    const { model } = this;
    const { region, selected } = model;
    this.refreshTabs();
    this.regionFields.hidden = !region;
    this.pictureFields.hidden = Boolean(region);
    if (!region) {
      put(this.global, model.plan.global_prompt);
      put(this.negative, model.plan.negative_prompt);
      return;
    }
    put(this.prompt, promptOf(region));
    put(this.unwanted, region.negative);
    put(this.weight, String(region.weight));
    put(this.weightNumber, String(Math.round(region.weight * 100) / 100));
    put(this.feather, String(region.feather));
    put(this.featherNumber, String(Math.round(region.feather * 100) / 100));
    put(this.color, regionColor(region, selected));
    this.lora.refresh();
  }

  refreshTabs() {
    const { model, t } = this;
    this.tabs.hidden = !model.plan.regions.length;
    const colors = model.plan.regions.map(regionColor);
    const key = colors.join();
    if (key !== this.shown) {
      this.shown = key;
      const whole = element("button", "rdit-tab rdit-whole", [t("whole")]);
      whole.dataset.index = "-1";
      const tabs = colors.map((color, i) => {
        const tab = element("button", "rdit-tab", [String(i + 1)]);
        tab.style.background = color;
        tab.dataset.index = String(i);
        return tab;
      });
      for (const tab of [whole, ...tabs]) {
        tab.type = "button";
        tab.setAttribute("role", "tab");
      }
      this.tabs.replaceChildren(whole, ...tabs);
    }
    [...this.tabs.children].forEach((tab, n) => {
      const index = n - 1;
      const chosen = String(index === model.selected);
      if (tab.getAttribute("aria-selected") !== chosen) tab.setAttribute("aria-selected", chosen);
      if (!(tab instanceof HTMLElement)) return;
      tab.tabIndex = index === model.selected ? 0 : -1;
      const title = index < 0 ? t("whole") : `${t("regionTab", index + 1)}: ${promptOf(model.plan.regions[index])}`;
      if (tab.title === title) return;
      tab.title = title;
      tab.setAttribute("aria-label", title);
    });
  }
}

/** @param {string} name @param {string} hint @param {string} label */
function textarea(name, hint, label) {
  const field = element("textarea");
  field.placeholder = hint;
  field.setAttribute("aria-label", label);
  field.dataset.rdit = name;
  field.dataset.captureWheel = "true";
  field.maxLength = MAX_TEXT;
  field.spellcheck = false;
  return field;
}
