// What explains itself on the canvas until something is drawn, and what a text that is no plan gets.

import { element, textButton } from "./dom.js";

/** Rows and columns that are one click away. */
const GRIDS = [[1, 2], [2, 2], [1, 3], [3, 3]];

export class EmptyCard {
  /**
   * @param {import("./strings.js").Translate} t
   * @param {{grid: (rows: number, columns: number) => void, startNew: () => void}} act
   */
  constructor(t, act) {
    this.t = t;
    this.act = act;
    this.title = element("strong", "", [t("emptyTitle")]);
    this.text = element("p", "", [t("emptyText")]);
    this.grids = element("div", "rdit-row", [t("emptyGrid")]);
    for (const [rows, columns] of GRIDS) {
      const button = textButton(`${rows} × ${columns}`, "");
      button.dataset.grid = `${rows},${columns}`;
      this.grids.append(button);
    }
    this.startNew = textButton(t("startNew"));
    this.startNew.dataset.rdit = "startNew";
    this.root = element("div", "rdit-empty", [
      element("div", "rdit-card", [this.title, this.text, this.grids, this.startNew]),
    ]);
  }

  /** @param {AbortSignal} signal */
  listen(signal) {
    this.grids.addEventListener(
      "click",
      (e) => {
        const size = e.target instanceof HTMLElement && e.target.dataset.grid;
        if (size) this.act.grid(...(/** @type {[number, number]} */ (size.split(",").map(Number))));
      },
      { signal },
    );
    this.startNew.addEventListener("click", () => this.act.startNew(), { signal });
  }

  /** @param {import("./plan.js").Repair | null} error why the text was refused */
  refresh(error) {
    const { t } = this;
    this.startNew.style.display = error ? "" : "none";
    this.grids.style.display = error ? "none" : "";
    this.title.style.display = error ? "none" : "";
    this.text.textContent = error ? t("refusedText", t(...error)) : t("emptyText");
  }

  /** @param {boolean} shown */
  show(shown) {
    if (this.root.hidden === shown) this.root.hidden = !shown;
  }
}
