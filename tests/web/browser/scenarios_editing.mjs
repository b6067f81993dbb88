// Working in the editor by mouse, keys and touch.

import { EDITOR, Editor, addNode, framesEvery, openComfy, settle, until, view } from "./comfy.mjs";

/** @typedef {import("./comfy.mjs").Stage} Stage */

/** @param {Stage} stage @param {any} how */
export async function oneEditor(stage, how) {
  const opened = await openComfy(stage, how);
  await view(opened.page, how.scale ?? 0.9, how.offset ?? [0, 0]);
  const editor = new Editor(opened.page, await addNode(opened.page, EDITOR, [150, 130]));
  return { ...opened, editor };
}

/** Boxes of the plan. @param {Editor} editor */
export async function boxes(editor) {
  return (await editor.plan()).regions.map((/** @type {any} */ r) => r.box);
}

/** Every way to change a drawing, by mouse and keys; the boxes after each step. @param {Stage} stage @param {{vue: boolean}} how */
export async function editing(stage, how) {
  const { page, editor } = await oneEditor(stage, how);
  /** @type {Record<string, any>} */
  const steps = {};
  await editor.draw([0.1, 0.1, 0.4, 0.6], "a red circle");
  await editor.draw([0.6, 0.2, 0.9, 0.7], "a blue square");
  steps.drawn = await editor.plan();
  // Without a name to go by: 0.25 lies in the first region.
  await editor.drag([0.25, 0.35], [0.3, 0.45]);
  steps.moved = await boxes(editor);
  await editor.drag([0.45, 0.7], [0.55, 0.8]);
  steps.resized = await boxes(editor);
  const texts = [await editor.text()];
  for (const key of ["ArrowRight", "Shift+ArrowDown", "Control+d", "Delete", "["]) {
    await page.keyboard.press(key);
    await settle(page, 30);
    texts.push(await editor.text());
  }
  steps.keys = texts.map((text) => JSON.parse(text).regions.map((/** @type {any} */ r) => r.box));
  for (let i = 0; i < 4; i++) await page.keyboard.press("Control+z");
  await settle(page, 30);
  steps.undone = await editor.text();
  steps.expected = texts[0];
  for (let i = 0; i < 3; i++) await page.keyboard.press("Control+y");
  await settle(page, 30);
  steps.redone = (await boxes(editor)).length;
  await page.keyboard.press("Shift+Tab");
  await editor.press("lock");
  await page.keyboard.press("Delete");
  const before = await editor.text();
  await page.keyboard.press("ArrowLeft");
  steps.locked = (await editor.text()) === before && JSON.parse(before).regions.some((/** @type {any} */ r) => r.locked);
  steps.nodes = await page.evaluate(() => globalThis.app.graph._nodes.length);
  steps.graphUntouched = await page.evaluate(() => globalThis.app.graph._nodes[0].type);
  return steps;
}

/** Grids, dividers, snapping, weight, feather, colour. @param {Stage} stage @param {{vue: boolean}} how */
export async function grids(stage, how) {
  const { page, editor } = await oneEditor(stage, how);
  /** @type {Record<string, any>} */
  const found = {};
  await editor.press("grid");
  await editor.type("gridRows", "2");
  await editor.type("gridColumns", "2");
  await editor.press("gridMake");
  found.grid = await boxes(editor);
  await page.keyboard.press("Escape");
  await editor.click(0.25, 0.25);
  await page.keyboard.press("Escape");
  await editor.drag([0.5, 0.2], [0.7, 0.25]);
  found.divided = await boxes(editor);
  await editor.drag([0.2, 0.5], [0.2, 0.34]);
  found.snapped = await boxes(editor);
  await editor.click(0.85, 0.9);
  await editor.type("weightNumber", "1.4");
  await editor.type("unwanted", "red");
  await page.keyboard.press("Tab");
  await editor.type("featherNumber", "0.1");
  await page.keyboard.press("Tab");
  const color = await editor.find('[data-rdit="color"]');
  await color.evaluate((input) => {
    /** @type {HTMLInputElement} */ (input).value = "#123456";
    input.dispatchEvent(new Event("input", { bubbles: true }));
  });
  await editor.type("lora", "demo striped");
  const offered = await editor.find('[data-rdit="lora"]');
  await page.waitForFunction((field) => /** @type {HTMLInputElement} */ (field).list?.options.length, offered);
  found.offered = await offered.evaluate((field) =>
    [.../** @type {any} */ (field).list.options].map((/** @type {HTMLOptionElement} */ option) => option.value));
  await page.keyboard.press("Tab");
  await editor.type("loraStrength", "0.7");
  await page.keyboard.press("Tab");
  found.styled = (await editor.plan()).regions[3];
  await editor.type("weightNumber", "999");
  await page.keyboard.press("Tab");
  found.bounded = (await editor.plan()).regions[3].weight;
  return found;
}

/** A server that cannot list its LoRA files, and can again. @param {Stage} stage @param {{vue: boolean}} how */
export async function lorasUnread(stage, how) {
  const { page, editor } = await oneEditor(stage, how);
  await editor.draw([0.1, 0.1, 0.5, 0.5], "a cat");
  const field = await editor.find('[data-rdit="lora"]');
  const read = async () => ({
    status: await editor.status(),
    ...(await field.evaluate((f) => {
      const { placeholder, title, list, classList } = /** @type {HTMLInputElement} */ (f);
      return { placeholder, title, offered: list?.options.length, marked: classList.contains("rdit-fault") };
    })),
  });
  const leave = () => editor.press("select"); // the next focus asks anew
  const route = "**/object_info/RegionalDiT_RegionLora";
  await field.click();
  await page.waitForFunction((f) => /** @type {HTMLInputElement} */ (f).list?.options.length, field);
  const before = await read();
  await leave();
  await page.route(route, (r) => r.fulfill({ status: 503, body: "busy" }));
  await field.click();
  await page.waitForFunction((f) => f.classList.contains("rdit-fault"), field);
  const unread = await read();
  await page.screenshot({ path: `${stage.pictures}/loras_unread_${how.vue ? "vue" : "classic"}.png` });
  await page.keyboard.type("by hand");
  const typed = await editor.plan();
  const kept = await read();
  await leave();
  await page.unroute(route);
  await field.click();
  await page.waitForFunction((f) => !f.classList.contains("rdit-fault"), field);
  return { before, unread, typed, kept, again: await read() };
}

/** Painting and erasing. @param {Stage} stage @param {{vue: boolean}} how */
export async function painting(stage, how) {
  const { editor } = await oneEditor(stage, how);
  await editor.press("brush");
  await editor.drag([0.2, 0.3], [0.6, 0.3]);
  const painted = await editor.plan();
  await editor.press("eraser");
  await editor.drag([0.4, 0.2], [0.4, 0.4]);
  const erased = await editor.plan();
  await editor.press("select");
  await editor.drag([0.22, 0.3], [0.32, 0.5]);
  const moved = await editor.plan();
  await editor.press("undo");
  return { painted, erased, moved, undone: await editor.plan() };
}

/** Where the drawing lands at any zoom and pixel ratio. @param {Stage} stage @param {{vue: boolean, scale: number, ratio: number}} how */
export async function zoomed(stage, how) {
  const { scale: zoom, ratio, vue } = how;
  const { page, context, editor } = await oneEditor(stage, { vue, scale: zoom, offset: [-60, -80] });
  const devtools = await context.newCDPSession(page);
  await devtools.send("Emulation.setDeviceMetricsOverride", { width: 1500, height: 1000, deviceScaleFactor: ratio, mobile: false });
  await settle(page);
  await editor.draw([0.25, 0.25, 0.75, 0.5], "");
  const canvas = await editor.find("canvas");
  const pixels = await canvas.evaluate((c) => {
    const canvas = /** @type {HTMLCanvasElement} */ (c);
    return canvas.width / canvas.clientWidth;
  });
  const scale = await page.evaluate(() => globalThis.app.canvas.ds.scale);
  // The graph is zoomed without the editor being touched.
  const sharp = async () => canvas.evaluate((c) => /** @type {HTMLCanvasElement} */ (c).width / c.clientWidth);
  await view(page, 1.3, [-60, -80]);
  await until(page, async () => (await sharp()) !== pixels, 1500);
  const zoomedIn = await sharp();
  await view(page, zoom, [-60, -80]);
  await until(page, async () => (await sharp()) === pixels, 1500);
  const p = await editor.at(0.5, 0.4);
  await page.mouse.move(p.x, p.y);
  await page.mouse.wheel(0, -240);
  await settle(page);
  const after = await page.evaluate(() => globalThis.app.canvas.ds.scale);
  await devtools.send("Emulation.clearDeviceMetricsOverride");
  return { boxes: await boxes(editor), pixels, zoomedIn, zoomedByWheel: after > scale };
}

/** A region drawn and moved with a finger. @param {Stage} stage @param {{vue: boolean}} how */
export async function touch(stage, how) {
  const { page, context, editor } = await oneEditor(stage, how);
  const devtools = await context.newCDPSession(page);
  await devtools.send("Emulation.setTouchEmulationEnabled", { enabled: true });
  const finger = async (/** @type {[number, number][]} */ path) => {
    const points = [];
    for (const [x, y] of path) points.push(await editor.at(x, y));
    await devtools.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints: [points[0]] });
    for (const point of points.slice(1)) {
      await devtools.send("Input.dispatchTouchEvent", { type: "touchMove", touchPoints: [point] });
    }
    await devtools.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
    await settle(page, 60);
  };
  await editor.press("box");
  await finger([[0.2, 0.2], [0.3, 0.3], [0.5, 0.5]]);
  const drawn = await boxes(editor);
  await finger([[0.35, 0.35], [0.4, 0.4], [0.55, 0.55]]);
  const moved = await boxes(editor);
  await devtools.send("Emulation.setTouchEmulationEnabled", { enabled: false });
  return { drawn, moved };
}

/** Time on the main thread per event while a region is dragged among 64. @param {Stage} stage @param {{vue: boolean, painted: boolean}} how */
export async function speed(stage, how) {
  const { page, editor } = await oneEditor(stage, { ...how, width: 1500, height: 1440, scale: 1 });
  await page.evaluate((id) => globalThis.app.graph.getNodeById(id).setSize([1090, 1560]), editor.id);
  await settle(page, 400);
  await framesEvery(page, 0);
  const regions = Array.from({ length: 64 }, (_, i) => {
    const x = (i % 8) / 8;
    const y = Math.floor(i / 8) / 8;
    return {
      high_level: `a thing number ${i}`, box: [x, y, Math.min(1, x + 0.16), Math.min(1, y + 0.16)], order: i,
      ...(how.painted ? { mask: { width: 16, height: 16, runs: "0 200 30 26" } } : {}),
    };
  });
  await editor.setText(JSON.stringify({ version: 1, global_prompt: "", regions }));
  await editor.click(0.99, 0.99);
  const canvas = await editor.find("canvas");
  const at = await editor.at(0.56, 0.56);
  const area = await editor.area();
  const result = await canvas.evaluate(
    async (c, [x, y, step]) => {
      const target = /** @type {HTMLCanvasElement} */ (c);
      const send = (/** @type {string} */ type, /** @type {number} */ px, /** @type {number} */ py, /** @type {number} */ buttons) =>
        target.dispatchEvent(
          new PointerEvent(type, {
            bubbles: true, clientX: px, clientY: py, button: type === "pointermove" ? -1 : 0, buttons, pointerId: 1,
            pointerType: "mouse", isPrimary: true,
          }),
        );
      target.setPointerCapture = () => {};
      send("pointerdown", x, y, 1);
      const costs = [];
      const frames = [];
      const later = window.requestAnimationFrame;
      let last = performance.now();
      for (let i = 0; i < 120; i++) {
        let cost = 0;
        // What the event asks for with the next frame is part of its cost.
        window.requestAnimationFrame = (act) =>
          later.call(window, (time) => {
            const begin = performance.now();
            act(time);
            cost += performance.now() - begin;
          });
        const start = performance.now();
        send("pointermove", x + step * Math.sin(i / 9), y + step * Math.cos(i / 9), 1);
        const handling = performance.now() - start;
        window.requestAnimationFrame = later;
        await new Promise((r) => later.call(window, r));
        costs.push(handling + cost);
        frames.push(performance.now() - last);
        last = performance.now();
      }
      send("pointerup", x, y, 0);
      const sorted = (/** @type {number[]} */ all) => [...all].sort((a, b) => a - b);
      const total = sorted(costs);
      return {
        median: total[60], p95: total[114], most: total[119], frameMedian: sorted(frames)[60],
        canvas: [target.width, target.height],
      };
    },
    /** @type {const} */ ([at.x, at.y, area.width / 12]),
  );
  return { ...result, regions: (await boxes(editor)).length };
}
