// The small window that asks for the rows and columns of a grid.

import { element, numberField, textButton } from "./dom.js";
import { MAX_REGIONS } from "./plan.js";

export class GridPopup {
  /**
   * @param {import("./strings.js").Translate} t @param {(rows: number, columns: number) => void} make
   * @param {HTMLButtonElement} opener
   */
  constructor(t, make, opener) {
    this.opener = opener;
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
    this.show(false);
  }

  /** @param {boolean} shown */
  show(shown) {
    this.root.hidden = !shown;
    this.opener.setAttribute("aria-expanded", String(shown));
  }

  /** @param {AbortSignal} signal */
  listen(signal) {
    this.button.addEventListener("click", () => this.done(), { signal });
    this.root.addEventListener("input", () => this.check(), { signal });
    this.root.addEventListener(
      "keydown",
      (e) => {
        if (e.key === "Enter") this.done();
        else if (e.key === "Escape") this.dismiss();
        else return;
        e.stopPropagation();
      },
      { signal },
    );
  }

  /** Close, and keep the keys in the editor. */
  dismiss() {
    this.show(false);
    this.opener.focus({ preventScroll: true });
  }

  /** @param {HTMLElement} root */
  toggle(root) {
    const { opener: below } = this;
    if (!this.root.hidden) return this.dismiss();
    this.show(true);
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
    this.show(false);
    this.make(...size);
  }
}
