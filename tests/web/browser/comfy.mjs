// Drives ComfyUI's real front end: opens it, adds nodes, and works in the Region Editor by mouse and keys.

import { stageArea } from "../../../web/js/editor/layout.js";
import { calm, framesEvery, settle, until } from "./screen.mjs";

export { framesEvery, settle, until };

export const EDITOR = "RegionalDiT_RegionEditor";
/** From one frame to the next while the server works. */
const IDLE_FRAME_MS = 300;

/**
 * @typedef {{vue?: boolean, locale?: string, palette?: "dark" | "light", width?: number, height?: number, ratio?: number}} How
 */
/** @typedef {{page: import("playwright-core").Page, context: import("playwright-core").BrowserContext, faults: string[], key: string, ratio: number}} Opened */
/**
 * What a scenario gets. The page is kept for the next scenario of the same kind, since loading the
 * front end takes longer than most scenarios.
 * @typedef {{browser: import("playwright-core").Browser, url: string, pictures: string, current: Opened | null}} Stage
 */

/**
 * A page with ComfyUI's front end, and an empty graph.
 * @param {Stage} stage
 * @param {How} how
 */
export async function openComfy(stage, how = {}) {
  const settings = {
    "Comfy.VueNodes.Enabled": how.vue ?? false,
    "Comfy.Locale": how.locale ?? "en",
    "Comfy.ColorPalette": how.palette ?? "dark",
    "Comfy.TutorialCompleted": true,
    "Comfy.Workflow.Persist": true,
    "Comfy.Minimap.Visible": false,
  };
  const key = JSON.stringify([settings, how.ratio ?? 1]);
  const viewport = { width: how.width ?? 1500, height: how.height ?? 1000 };
  if (stage.current?.key !== key) await openPage(stage, key, settings, { viewport, deviceScaleFactor: how.ratio ?? 1 });
  const current = /** @type {Opened} */ (stage.current);
  await current.page.setViewportSize(viewport);
  await framesEvery(current.page);
  await current.page.keyboard.press("Escape");
  await clear(current.page);
  await settle(current.page);
  return current;
}

/**
 * An empty graph, and no other workflow that is open: with each one that is, the front end gets slower.
 * @param {import("playwright-core").Page} page
 */
export async function clear(page) {
  await page.evaluate(async () => {
    globalThis.app.graph.clear();
    const { workflow } = globalThis.app.extensionManager;
    for (const other of [...workflow.openWorkflows]) {
      if (other !== workflow.activeWorkflow) await workflow.closeWorkflow(other);
    }
  });
}

/**
 * Load the front end with these settings and nothing else that a page before left in the browser.
 *
 * A screen of the same density keeps its page: what was compiled for it need not be compiled again.
 * @param {Stage} stage
 * @param {string} key
 * @param {Record<string, unknown>} settings
 * @param {{viewport: {width: number, height: number}, deviceScaleFactor: number}} screen
 */
async function openPage(stage, key, settings, screen) {
  const kept = stage.current;
  if (kept?.ratio === screen.deviceScaleFactor) {
    await kept.page.goto(`${stage.url}/system_stats`); // of the same origin, with no script
    await kept.page.evaluate(() => {
      localStorage.clear();
      sessionStorage.clear();
    });
    await kept.context.request.post(`${stage.url}/settings`, { data: settings });
    kept.key = key;
    await load(kept.page, stage.url);
    return;
  }
  await kept?.context.close();
  stage.current = null;
  const context = await stage.browser.newContext(screen);
  await context.request.post(`${stage.url}/settings`, { data: settings });
  const page = await context.newPage();
  await page.addInitScript(() => localStorage.setItem("vueNodesBannerDismissed", "true"));
  await calm(page);
  /** @type {string[]} */
  const faults = [];
  page.on("pageerror", (error) => faults.push(`${error.name}: ${error.message}`));
  page.on("dialog", (dialog) => {
    if (dialog.type() === "beforeunload") return void dialog.accept(); // the workflow is not saved
    faults.push(`a dialog was opened: ${dialog.message()}`);
    void dialog.dismiss();
  });
  stage.current = { page, context, faults, key, ratio: screen.deviceScaleFactor };
  await load(page, stage.url);
}

/** @param {import("playwright-core").Page} page @param {string} url */
export async function load(page, url) {
  await page.goto(url, { waitUntil: "load" });
  await page.waitForFunction(
    (type) => globalThis.app?.graph && globalThis.LiteGraph?.registered_node_types?.[type] && globalThis.app.canvas,
    EDITOR,
    { timeout: 120_000 },
  );
  await page.waitForFunction(() => globalThis.app.extensionManager?.workflow?.activeWorkflow, null, { timeout: 60_000 });
  await settle(page);
}

/** Where a fresh node goes and how the graph is seen. @param {import("playwright-core").Page} page @param {number} scale @param {[number, number]} offset */
export async function view(page, scale, offset) {
  await page.evaluate(
    ([s, x, y]) => {
      globalThis.app.canvas.ds.scale = s;
      globalThis.app.canvas.ds.offset = [x, y];
      globalThis.app.canvas.setDirty(true, true);
    },
    [scale, ...offset],
  );
  await settle(page);
}

/** @param {import("playwright-core").Page} page @param {string} type @param {[number, number]} pos @param {[number, number]} [size] */
export async function addNode(page, type, pos, size) {
  const id = await page.evaluate(
    ([t, p, s]) => {
      const node = globalThis.LiteGraph.createNode(t);
      node.pos = p;
      globalThis.app.graph.add(node);
      if (s) node.setSize(s);
      globalThis.app.canvas.setDirty(true, true);
      return node.id;
    },
    /** @type {const} */ ([type, pos, size]),
  );
  await settle(page);
  return Number(id);
}

/** @param {import("playwright-core").Page} page */
export async function editorIds(page) {
  return page.evaluate((type) => globalThis.app.graph._nodes.filter((n) => n.type === type).map((n) => n.id), EDITOR);
}

/** The Region Editor of one node, as a person uses it. */
export class Editor {
  /** @param {import("playwright-core").Page} page @param {number} id of the node */
  constructor(page, id) {
    this.page = page;
    this.id = id;
  }

  /** @param {string} selector @returns {Promise<import("playwright-core").ElementHandle<HTMLElement>>} */
  async find(selector) {
    const handle = await this.page.evaluateHandle(
      ([id, sel]) => {
        const node = globalThis.app.graph.getNodeById(id);
        const root = node.widgets.find((w) => w.name === "plan_json").element;
        return sel ? root.querySelector(sel) : root;
      },
      /** @type {const} */ ([this.id, selector]),
    );
    const found = handle.asElement();
    if (!found) throw new Error(`The editor of node ${this.id} has no ${selector}.`);
    return /** @type {any} */ (found);
  }

  /** The plan that the widget holds. */
  async text() {
    return this.page.evaluate(
      (id) => String(globalThis.app.graph.getNodeById(id).widgets.find((w) => w.name === "plan_json").value),
      this.id,
    );
  }

  async plan() {
    const text = await this.text();
    return text ? JSON.parse(text) : { regions: [] };
  }

  /** @param {string} text */
  async setText(text) {
    await this.page.evaluate(
      ([id, value]) => {
        globalThis.app.graph.getNodeById(id).widgets.find((w) => w.name === "plan_json").value = value;
      },
      /** @type {const} */ ([this.id, text]),
    );
    await settle(this.page);
  }

  /** Where the drawing's canvas lies on the page. @param {number} [aspect] */
  async area(aspect = 1) {
    const canvas = await this.find("canvas");
    const rect = await canvas.evaluate((c) => {
      const r = c.getBoundingClientRect();
      return { x: r.x, y: r.y, width: r.width, inner: c.clientWidth, innerHeight: c.clientHeight };
    });
    const zoom = rect.width / rect.inner;
    const area = stageArea(rect.inner, rect.innerHeight, aspect);
    return { x: rect.x + area.x * zoom, y: rect.y + area.y * zoom, width: area.width * zoom, height: area.height * zoom };
  }

  /** Canvas fractions to page pixels. @param {number} x @param {number} y @param {number} [aspect] */
  async at(x, y, aspect = 1) {
    const area = await this.area(aspect);
    return { x: area.x + x * area.width, y: area.y + y * area.height };
  }

  /** @param {[number, number]} from @param {[number, number]} to canvas fractions @param {{steps?: number, aspect?: number}} [how] */
  async drag(from, to, how = {}) {
    const a = await this.at(...from, how.aspect);
    const b = await this.at(...to, how.aspect);
    const { mouse } = this.page;
    await mouse.move(a.x, a.y);
    await mouse.down();
    await mouse.move((a.x + b.x) / 2, (a.y + b.y) / 2, { steps: how.steps ?? 4 });
    await mouse.move(b.x, b.y, { steps: how.steps ?? 4 });
    await mouse.up();
    await settle(this.page, 60);
  }

  /** @param {number} x @param {number} y */
  async click(x, y) {
    const p = await this.at(x, y);
    await this.page.mouse.click(p.x, p.y);
    await settle(this.page, 60);
  }

  /** @param {string} name of a button or field */
  async press(name) {
    const button = await this.find(`[data-rdit="${name}"]`);
    await button.click();
    await settle(this.page, 60);
  }

  /** @param {string} name @param {string} text */
  async type(name, text) {
    const field = await this.find(`[data-rdit="${name}"]`);
    await field.click();
    await this.page.keyboard.press("Control+a");
    await this.page.keyboard.type(text);
    await settle(this.page, 60);
  }

  /** Draw a box and write its prompt. @param {[number, number, number, number]} box @param {string} prompt */
  async draw(box, prompt) {
    await this.press("box");
    await this.drag([box[0], box[1]], [box[2], box[3]]);
    if (prompt) await this.type("prompt", prompt);
  }

  async status() {
    return (await this.find(".rdit-status")).evaluate((e) => e.textContent);
  }

  /** @param {string} name */
  async disabled(name) {
    return (await this.find(`[data-rdit="${name}"]`)).evaluate((e) => /** @type {HTMLButtonElement} */ (e).disabled);
  }
}

/** Drop a file on the graph. @param {import("playwright-core").Page} page @param {string} name @param {string} type @param {string} base64 */
export async function dropFile(page, name, type, base64) {
  await page.evaluate(
    ([n, t, b]) => {
      const bytes = Uint8Array.from(atob(b), (c) => c.charCodeAt(0));
      const data = new DataTransfer();
      data.items.add(new File([bytes], n, { type: t }));
      const canvas = /** @type {HTMLElement} */ (document.querySelector("#graph-canvas"));
      const r = canvas.getBoundingClientRect();
      const where = { clientX: r.x + r.width / 2, clientY: r.y + r.height / 2 };
      for (const kind of ["dragenter", "dragover", "drop"]) {
        canvas.dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: data, ...where }));
      }
    },
    /** @type {const} */ ([name, type, base64]),
  );
}

/** Queue the graph and wait for its end. @param {import("playwright-core").Page} page @param {number} [timeout] */
export async function run(page, timeout = 180_000) {
  await page.evaluate(() => {
    const { api } = globalThis.comfyAPI.api;
    globalThis.__run = new Promise((resolve) => {
      const end = (/** @type {string} */ kind) => (/** @type {CustomEvent} */ e) => resolve({ kind, detail: e.detail });
      for (const kind of ["execution_success", "execution_error", "execution_interrupted"]) {
        api.addEventListener(kind, end(kind), { once: true });
      }
    });
  });
  const queued = await page.evaluate(async () => {
    const before = globalThis.app.lastNodeErrors;
    await globalThis.app.queuePrompt(0, 1);
    return { before, errors: globalThis.app.lastNodeErrors };
  });
  if (queued.errors && Object.keys(queued.errors).length) return { kind: "refused", detail: queued.errors };
  await framesEvery(page, IDLE_FRAME_MS);
  const end = await Promise.race([
    page.evaluate(() => globalThis.__run),
    new Promise((resolve) => setTimeout(() => resolve({ kind: "timeout", detail: null }), timeout)),
  ]);
  await framesEvery(page);
  await settle(page, 400);
  return /** @type {{kind: string, detail: any}} */ (end);
}

/** Connect an output to an input, by names. @param {import("playwright-core").Page} page @param {number} from @param {string} output @param {number} to @param {string} input */
export async function connect(page, from, output, to, input) {
  await page.evaluate(
    ([a, out, b, inp]) => {
      const source = globalThis.app.graph.getNodeById(a);
      const target = globalThis.app.graph.getNodeById(b);
      const slot = source.outputs.findIndex((o) => o.name === out);
      const into = target.inputs.findIndex((i) => i.name === inp);
      if (slot < 0 || into < 0) throw new Error(`no ${out} -> ${inp}`);
      source.connect(slot, target, into);
    },
    /** @type {const} */ ([from, output, to, input]),
  );
  await settle(page, 60);
}
