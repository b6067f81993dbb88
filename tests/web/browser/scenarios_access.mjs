// The editor by keyboard alone, at any size, and what it costs when nobody uses it.

import { addNode, EDITOR, framesEvery, openComfy, settle, view } from "./comfy.mjs";
import { boxes, oneEditor } from "./scenarios_editing.mjs";

/** @typedef {import("./comfy.mjs").Stage} Stage */

/** @param {Stage} stage @param {{vue: boolean}} how */
export async function keyboard(stage, how) {
  const { page, editor } = await oneEditor(stage, how);
  const { keyboard: keys } = page;
  const root = await editor.find("");
  const focused = () =>
    page.evaluate(() => {
      const { dataset } = /** @type {HTMLElement} */ (document.activeElement);
      return dataset.rdit ?? dataset.index;
    });
  const counts = async () => ({
    nodes: await page.evaluate(() => globalThis.app.graph._nodes.length),
    regions: (await boxes(editor)).length,
  });
  /** @type {Record<string, any>} */
  const found = {};
  await page.evaluate((id) => globalThis.app.canvas.selectNode(globalThis.app.graph.getNodeById(id)), editor.id);

  const grid = await editor.find('[data-rdit="grid"]');
  await grid.focus();
  await keys.press("Enter");
  found.opened = await grid.getAttribute("aria-expanded");
  await keys.press("Escape");
  found.afterEscape = await focused();
  found.closed = await grid.getAttribute("aria-expanded");
  await keys.press("Enter");
  await keys.press("Enter"); // the rows' field: make it
  await settle(page, 60);
  found.afterMaking = await focused();

  await grid.focus();
  await keys.press("Delete");
  await keys.press("Backspace");
  await settle(page, 60);
  found.kept = await counts();

  // Every control says what it is.
  found.nameless = await root.evaluate((element) =>
    [...element.querySelectorAll("button, input, textarea, select")].flatMap((control) => {
      const { labels } = /** @type {HTMLInputElement} */ (control);
      const named = control.getAttribute("aria-label") || control.textContent?.trim() || labels?.[0]?.control === control;
      return named ? [] : [control.outerHTML];
    }),
  );

  // The list of regions is one stop of Tab; arrows go through it.
  await (await editor.find('.rdit-tab[aria-selected="true"]')).focus();
  found.walked = [await focused()];
  for (const key of ["ArrowRight", "Home", "End"]) {
    await keys.press(key);
    found.walked.push(await focused());
  }
  found.tabStops = await root.evaluate(
    (element) => [...element.querySelectorAll("[role=tab]")].filter((tab) => /** @type {HTMLElement} */ (tab).tabIndex >= 0).length,
  );
  await keys.press("Delete");
  await settle(page, 60);
  found.deleted = await counts();

  // Tab goes through the regions, then leaves; Enter goes to the prompt.
  await (await editor.find('[data-rdit="keys"]')).focus();
  await keys.press("Escape");
  for (let i = 0; i < 3; i++) await keys.press("Tab");
  const inside = await focused();
  await keys.press("Tab");
  found.left = inside === "keys" && (await focused()) !== "keys";
  await (await editor.find('[data-rdit="keys"]')).focus();
  await keys.press("Enter");
  found.global = await focused();
  await (await editor.find('[data-rdit="keys"]')).focus();
  await keys.press("Tab");
  await keys.press("Enter");
  found.prompt = await focused();
  return found;
}

/** Heights of two nodes, the second added while the screen draws slowly. @param {Stage} stage @param {{vue: boolean}} how */
export async function heights(stage, how) {
  const { page } = await openComfy(stage, how);
  await view(page, 0.5, [0, 0]);
  const height = async (/** @type {number} */ x) => {
    const id = await addNode(page, EDITOR, [x, 130]);
    await settle(page, 500);
    return page.evaluate((i) => globalThis.app.graph.getNodeById(i).size[1], id);
  };
  await framesEvery(page, 0);
  const fast = await height(150);
  await framesEvery(page, 50);
  const slow = await height(900);
  return { fast, slow };
}

/** Very small and very large nodes. @param {Stage} stage @param {{vue: boolean}} how */
export async function sizes(stage, how) {
  /** @type {Record<string, any>} */
  const found = {};
  for (const [name, size, scale] of /** @type {const} */ ([["small", [220, 100], 1], ["huge", [6000, 5000], 0.7]])) {
    const { page, editor } = await oneEditor(stage, { ...how, scale });
    await page.evaluate(
      ([id, s]) => globalThis.app.graph.getNodeById(id).setSize(s),
      /** @type {const} */ ([editor.id, [...size]]),
    );
    await settle(page, 700);
    await editor.setText('{"version": 1, "regions": [{"high_level": "a", "box": [0.2, 0.2, 0.7, 0.7]}]}');
    for (let i = 0; i < 3; i++) {
      await page.evaluate(() => globalThis.app.canvas.setDirty(true, true));
      await settle(page, 300);
    }
    const canvas = await editor.find("canvas");
    found[name] = await canvas.evaluate((c) => {
      const element = /** @type {HTMLCanvasElement} */ (c);
      const middle = element.getContext("2d")?.getImageData(element.width * 0.45, element.height * 0.45, 1, 1).data ?? [];
      return { pixels: element.width * element.height, size: [element.clientWidth, element.clientHeight], drawn: middle[0] > 60 };
    });
    const root = await editor.find("");
    found[name].cut = await root.evaluate((element) => {
      const outer = element.getBoundingClientRect();
      const host = (element.closest(".dom-widget") ?? element).getBoundingClientRect();
      if (host.bottom < outer.bottom - 1) return [`the editor is ${outer.height} high in a place of ${host.height}`];
      return [...element.querySelectorAll("button, textarea, select")].flatMap((control) => {
        const r = control.getBoundingClientRect();
        const inside = r.right <= outer.right + 1 && r.bottom <= outer.bottom + 1;
        return inside || !r.width ? [] : [control.outerHTML.slice(0, 80)];
      });
    });
  }
  return found;
}

/** Copying makes nodes that are never added to a graph: they must not listen to anything. @param {Stage} stage @param {{vue: boolean}} how */
export async function neverAdded(stage, how) {
  const { page } = await oneEditor(stage, how);
  return page.evaluate((type) => {
    const { api } = globalThis.comfyAPI.api;
    const { setInterval: real } = window;
    const listen = api.addEventListener;
    let timers = 0;
    let listeners = 0;
    window.setInterval = /** @type {any} */ ((/** @type {any[]} */ ...args) => {
      timers++;
      return real(.../** @type {[any]} */ (args));
    });
    api.addEventListener = (/** @type {any[]} */ ...args) => {
      listeners++;
      return listen.apply(api, args);
    };
    for (let i = 0; i < 5; i++) globalThis.LiteGraph.createNode(type);
    window.setInterval = real;
    delete api.addEventListener;
    return { listeners, timers };
  }, EDITOR);
}
