// The small window that asks for the rows and columns of a grid.

import { element, numberField, textButton } from "./dom.js";
import { MAX_REGIONS } from "./plan.js";

export class GridPopup {
  /** @param {import("./strings.js").Translate} t @param {(rows: number, columns: number) => void} make */
  constructor(t, make) {
    this.make = make;
    this.t = t;
    this.rows = numberField("gridRows", 1, MAX_REGIONS, 1);
    this.columns = numberField("gridColumns", 1, MAX_REGIONS, 1);
    this.rows.value = this.columns.value = "2";
    this.button = textButton(t("gridMake"));
    this.button.dataset.rdit = "gridMake";
    this.hint = element("small", "", [t("gridHint")]);
    this.root = element("div", "rdit-pop", [
      element("div", "rdit-row", [
        element("label", "", [t("gridRows"), this.rows]),
        element("label", "", [t("gridColumns"), this.columns]),
      ]),
      this.hint,
      this.button,
    ]);
    this.root.hidden = true;
  }

  /** @param {AbortSignal} signal */
  listen(signal) {
    this.button.addEventListener("click", () => this.done(), { signal });
    this.root.addEventListener("input", () => this.check(), { signal });
    this.root.addEventListener(
      "keydown",
      (e) => {
        if (e.key === "Enter") this.done();
        else if (e.key === "Escape") this.root.hidden = true;
        else return;
        e.stopPropagation();
      },
      { signal },
    );
  }

  /** @param {HTMLElement} below @param {HTMLElement} root */
  toggle(below, root) {
    this.root.hidden = !this.root.hidden;
    if (this.root.hidden) return;
    this.root.style.top = `${below.offsetTop + below.offsetHeight + 6}px`;
    const most = root.clientWidth - this.root.offsetWidth - 8;
    this.root.style.left = `${Math.max(8, Math.min(below.offsetLeft, most))}px`;
    this.check();
    this.rows.focus({ preventScroll: true });
    this.rows.select();
  }

  /** @returns {[number, number] | null} */
  check() {
    const rows = Math.round(this.rows.valueAsNumber);
    const columns = Math.round(this.columns.valueAsNumber);
    const fine = rows >= 1 && columns >= 1 && rows * columns <= MAX_REGIONS;
    this.button.disabled = !fine;
    this.hint.textContent = this.t(fine ? "gridHint" : "gridTooMany");
    return fine ? [rows, columns] : null;
  }

  done() {
    const size = this.check();
    if (!size) return;
    this.root.hidden = true;
    this.make(...size);
  }
}
