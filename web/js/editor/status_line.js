// The line below the canvas: what is wrong, else how much is covered and what is still missing.

import { promptOf } from "./compose.js";
import { coverage } from "./coverage.js";
import { element } from "./dom.js";

const MOST_REPAIRS = 8;
const MOST_NUMBERS = 5;

export class StatusLine {
  /** @param {import("./strings.js").Translate} t */
  constructor(t) {
    this.t = t;
    this.root = element("div", "rdit-status");
    this.root.setAttribute("role", "status");
  }

  /**
   * @param {import("./model.js").EditorModel} model
   * @param {string | null} notice what just happened
   * @param {{columns: number, rows: number} | null} tokens where they are shown
   */
  refresh(model, notice, tokens) {
    const warning = this.repairs(model.repairs) ?? notice;
    this.root.classList.toggle("rdit-warn", Boolean(warning));
    const said = warning ?? this.summary(model, tokens);
    if (this.root.textContent !== said) this.root.textContent = said; // else it would be read out again
    this.root.title = said;
  }

  /** @param {import("./plan.js").Repair[]} repairs */
  repairs(repairs) {
    if (!repairs.length) return null;
    const told = repairs.slice(0, MOST_REPAIRS).map((repair) => this.t(...repair)).join(", ");
    return this.t("repairedText", told + (repairs.length > MOST_REPAIRS ? ", …" : ""));
  }

  /** @param {import("./model.js").EditorModel} model @param {{columns: number, rows: number} | null} tokens */
  summary(model, tokens) {
    const { t } = this;
    const { regions } = model.plan;
    const parts = [];
    if (regions.length) {
      const percent = Math.round(coverage(regions) * 100);
      parts.push(t(regions.length === 1 ? "coverageOne" : "coverage", regions.length, percent));
    }
    if (tokens) parts.push(t("tokensAre", tokens.columns, tokens.rows));
    if (model.full) parts.push(t("fullList"));
    const silent = regions.flatMap((region, i) => (promptOf(region).trim() ? [] : [i + 1]));
    if (silent.length) parts.push(t("noPrompt", silent.slice(0, MOST_NUMBERS).join(", ")));
    return parts.join(" · ");
  }
}
