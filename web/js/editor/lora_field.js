// The row of the panel that names a region's LoRA: a file of the host's list, and its strength.

import { element, numberField, put } from "./dom.js";
import { MAX_LORA_NAME, MAX_LORA_STRENGTH } from "./plan.js";

/** @typedef {import("./model.js").EditorModel} EditorModel */
/** @typedef {import("./strings.js").Translate} Translate */

/** How many lists of files there are on the page: each needs an id of its own. */
let lists = 0;

export class LoraField {
  /** @param {EditorModel} model @param {Translate} t */
  constructor(model, t) {
    this.model = model;
    /** Asks the host for the names of all LoRA files. @type {() => Promise<string[]>} */
    this.names = async () => [];
    /** Told when the names cannot be read; null: they can again. @type {(text: string | null) => void} */
    this.onFault = () => {};
    this.t = t;
    this.failed = false;
    this.list = element("datalist");
    this.list.id = `rdit-loras-${++lists}`;
    this.file = element("input", "rdit-text");
    this.file.type = "text";
    this.file.setAttribute("list", this.list.id);
    this.file.dataset.rdit = "lora";
    this.file.maxLength = MAX_LORA_NAME;
    this.file.spellcheck = false;
    this.strength = numberField("loraStrength", -MAX_LORA_STRENGTH, MAX_LORA_STRENGTH, 0.05);
    this.strength.setAttribute("aria-label", t("loraStrength"));
    this.strength.title = t("loraStrength");
    this.root = element("div", "rdit-row rdit-lora", [
      element("label", "", [t("lora"), this.file]), this.list, this.strength,
    ]);
    this.hint(null);
  }

  /** @param {AbortSignal} signal */
  listen(signal) {
    const { model, file, strength } = this;
    const on = (/** @type {HTMLElement} */ target, /** @type {string} */ type, /** @type {() => void} */ act) =>
      target.addEventListener(type, act, { signal });
    on(file, "input", () => model.update(model.selected, { lora: file.value }, "lora"));
    on(file, "focus", () => void this.fill());
    on(strength, "change", () => {
      model.update(model.selected, { lora_strength: strength.valueAsNumber });
      this.refresh();
    });
  }

  /** Say what can be written here. @param {string | null} reason why there is no list of names */
  hint(reason) {
    const { t } = this;
    this.file.placeholder = t(reason === null ? "loraHint" : "loraTypeName");
    this.file.title = reason === null ? t("loraTitle") : t("loraUnread", reason);
    this.file.classList.toggle("rdit-fault", reason !== null);
    if (reason !== null || this.failed) this.onFault(reason === null ? null : this.file.title);
    this.failed = reason !== null;
  }

  /** The host's files as they are now: each time anew, since they come and go. */
  async fill() {
    /** @type {string[]} */
    let names;
    try {
      names = await this.names();
    } catch (error) {
      this.list.replaceChildren(); // of before: no more to be trusted
      return this.hint(error instanceof Error ? error.message : String(error));
    }
    this.hint(null);
    this.list.replaceChildren(
      ...names.map((name) => {
        const option = element("option");
        option.value = name;
        return option;
      }),
    );
  }

  refresh() {
    const { region } = this.model;
    if (!region) return;
    put(this.file, region.lora);
    put(this.strength, String(Math.round(region.lora_strength * 100) / 100));
    this.strength.disabled = !region.lora;
  }
}

/**
 * The names that the node Region LoRA offers: the host's folder and the pack's own.
 * @param {import("../host").HostApi} api @returns {Promise<string[]>}
 */
export async function loraNames(api) {
  const node = "RegionalDiT_RegionLora";
  const answer = await api.fetchApi(`/object_info/${node}`);
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  const described = (await answer.json())[node]; // without a word for a node that it does not have
  if (!described) throw new Error("the server has no node Region LoRA");
  const [kind, settings] = described.input.required.lora_name;
  return Array.isArray(kind) ? kind : settings.options; // older hosts list them in place of the kind
}
