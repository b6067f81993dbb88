// The editor in the graph: saved, loaded, copied, taken back, and given bad values.

import { readFile } from "node:fs/promises";
import { EDITOR, Editor, addNode, clear, connect, dropFile, editorIds, framesEvery, load, openComfy, run, settle, until, view } from "./comfy.mjs";

/** @typedef {import("./comfy.mjs").Stage} Stage */

/** A workflow file or a picture with a workflow, dropped on the graph. @param {Stage} stage @param {{vue: boolean, files: {path: string, api: string}[]}} how */
export async function dropped(stage, how) {
  const { page } = await openComfy(stage, how);
  /** @type {Record<string, any>} */
  const found = {};
  await framesEvery(page, 200); // each draws the whole of a large graph
  for (const { path } of how.files) {
    const name = path.split("/").pop() ?? "";
    const type = name.endsWith(".png") ? "image/png" : "application/json";
    await clear(page);
    await dropFile(page, name, type, (await readFile(path)).toString("base64"));
    await page.waitForFunction(() => globalThis.app.graph._nodes.length > 3, null, { timeout: 20_000 });
    await settle(page, 400);
    found[path] = await page.evaluate(async () => {
      const { output } = await globalThis.app.graphToPrompt();
      const seen = [...document.querySelectorAll(".p-dialog, [role=dialog]")].filter((e) => /** @type {HTMLElement} */ (e).offsetParent);
      const small = globalThis.app.graph._nodes.flatMap((n) => {
        const least = n.computeSize();
        return least[0] > n.size[0] + 1 || least[1] > n.size[1] + 1 ? [`${n.type} ${n.size} < ${least}`] : [];
      });
      return {
        prompt: output,
        dialogs: seen.map((e) => /** @type {HTMLElement} */ (e).innerText.slice(0, 200)),
        // The newest front end marks nodes whose model or picture is not there with errors, too.
        unknown: globalThis.app.graph._nodes.filter((n) => (n.has_errors && !/Load/.test(n.type)) || !globalThis.LiteGraph.registered_node_types[n.type]).map((n) => n.type),
        small,
      };
    });
    await page.keyboard.press("Escape");
  }
  return found;
}

/** Two editors in one graph: saved and loaded, copied, undone in the graph, reloaded, removed. @param {Stage} stage @param {{vue: boolean}} how */
export async function kept(stage, how) {
  const { page, context } = await openComfy(stage, how);
  await view(page, 0.8, [0, 0]);
  const one = new Editor(page, await addNode(page, EDITOR, [150, 130]));
  const two = new Editor(page, await addNode(page, EDITOR, [760, 130]));
  await one.draw([0.1, 0.1, 0.5, 0.9], "a red circle");
  await two.draw([0.5, 0.1, 0.9, 0.9], "a blue square");
  await two.press("tokens");
  /** @type {Record<string, any>} */
  const found = { one: await one.plan(), two: await two.plan() };
  const texts = [await one.text(), await two.text()];

  // Saved as a file and opened again.
  const saved = await page.evaluate(() => JSON.stringify(globalThis.app.graph.serialize()));
  await page.evaluate(() => globalThis.app.graph.clear());
  await page.evaluate((text) => globalThis.app.loadGraphData(JSON.parse(text)), saved);
  await settle(page, 600);
  const ids = await editorIds(page);
  found.reopened = JSON.stringify(await Promise.all(ids.map((id) => new Editor(page, id).text()))) === JSON.stringify(texts);
  const pressed = await new Editor(page, ids[1]).find('[data-rdit="tokens"]');
  found.viewKept = await pressed.evaluate((b) => b.getAttribute("aria-pressed"));

  // Copied and pasted with the host's own keys.
  await page.evaluate((id) => {
    const { canvas, graph } = globalThis.app;
    canvas.deselectAll();
    canvas.selectNode(graph.getNodeById(id));
    canvas.copyToClipboard();
    canvas.pasteFromClipboard({ position: [1400, 130] });
  }, ids[0]);
  await settle(page, 500);
  const all = await editorIds(page);
  const copy = new Editor(page, all[all.length - 1]);
  found.copied = all.length === 3 && (await copy.text()) === texts[0];
  await page.evaluate(() => globalThis.app.canvas.deselectAll());
  await view(page, 0.8, [-600, 0]);
  await copy.draw([0.6, 0.6, 0.9, 0.9], "only in the copy");
  found.independent = (await new Editor(page, all[0]).text()) === texts[0] && (await copy.plan()).regions.length === 2;

  // Undone in the graph: the host's history holds the drawing as a step.
  await page.evaluate(() => /** @type {HTMLElement} */ (document.activeElement)?.blur());
  await page.mouse.click(20, 900);
  await settle(page);
  for (let i = 0; i < 6; i++) {
    await page.evaluate(() => globalThis.app.extensionManager.workflow.activeWorkflow.changeTracker.undo());
    await settle(page, 350);
    const now = await editorIds(page);
    const last = await new Editor(page, now[now.length - 1]).plan();
    if (now.length === 3 && last.regions.length === 1) {
      found.graphUndo = true;
      break;
    }
  }

  // The page is loaded anew; the host keeps the workflow in the browser.
  await page.evaluate(() => globalThis.app.extensionManager.workflow.activeWorkflow.changeTracker.checkState());
  await settle(page, 800);
  const drawings = async () =>
    JSON.stringify(await page.evaluate((type) => globalThis.app.graph._nodes.filter((n) => n.type === type).map((n) => n.widgets.find((w) => w.name === "plan_json").value), EDITOR));
  const before = await drawings();
  await load(page, stage.url);
  await until(page, async () => (await drawings()) === before, 5000);
  await settle(page, 300);
  found.reloaded = before !== "[]" && (await drawings()) === before;

  // Nothing listens after the node is gone, and no style is left.
  const last = new Editor(page, (await editorIds(page))[0]);
  const canvas = await last.find("canvas");
  const devtools = await context.newCDPSession(page);
  const listeners = async () => {
    await canvas.evaluate((c) => (/** @type {any} */ (globalThis).__canvas = c));
    const { result } = await devtools.send("Runtime.evaluate", { expression: "__canvas" });
    const { listeners } = await devtools.send("DOMDebugger.getEventListeners", { objectId: String(result.objectId) });
    return listeners.length;
  };
  const had = await listeners();
  await page.evaluate(() => globalThis.app.graph.clear());
  await settle(page);
  found.listeners = [had, await listeners()];
  found.styles = await page.evaluate(() => document.querySelectorAll(".rdit-editor, .rdit-report").length);
  return found;
}

/** Values that a person or an attacker put into the workflow. @param {Stage} stage @param {{vue: boolean}} how */
export async function badValues(stage, how) {
  const { page } = await openComfy(stage, how);
  await view(page, 0.8, [0, 0]);
  const script = '<img src=x onerror="window.hurt=1"><script>window.hurt=1</script>';
  const many = JSON.stringify({ version: 1, global_prompt: "", regions: Array.from({ length: 10_000 }, () => ({ high_level: "a", box: [0, 0, 1, 1] })) });
  const values = {
    broken: "{not json",
    nan: '{"version": 1, "global_prompt": "", "regions": [{"high_level": "a", "box": [NaN, 0, 1, 1]}]}',
    negative: JSON.stringify({ version: 1, global_prompt: "", regions: [{ high_level: "a", box: [0.6, 0.2, 0.1, -3], weight: -5 }] }),
    many,
    html: JSON.stringify({ version: 1, global_prompt: script, regions: [{ high_level: script, box: [0, 0, 1, 1], color: script }] }),
    list: "[1, 2]",
    future: '{"version": 9, "regions": []}',
  };
  /** @type {Record<string, any>} */
  const found = {};
  for (const [name, value] of Object.entries(values)) {
    // A whole workflow with the value in it, as a file from somewhere would have it.
    const graph = {
      last_node_id: 1, last_link_id: 0, links: [], groups: [], config: {}, extra: {}, version: 0.4,
      nodes: [{ id: 1, type: EDITOR, pos: [150, 130], size: [520, 860], flags: {}, order: 0, mode: 0, properties: {}, widgets_values: ["front", "new plans", 1024, 16, value] }],
    };
    await page.evaluate((g) => globalThis.app.loadGraphData(g), graph);
    await settle(page, 400);
    const [id] = await editorIds(page);
    const editor = new Editor(page, id);
    const plan = await editor.plan().catch(() => null);
    const card = await editor.find(".rdit-empty");
    found[name] = {
      loaded: id !== undefined,
      regions: plan?.regions?.length ?? null,
      boxes: plan?.regions?.slice(0, 2).map((/** @type {any} */ r) => r.box) ?? null,
      color: plan?.regions?.[0]?.color,
      said: `${await editor.status()} ${await card.evaluate((e) => (/** @type {HTMLElement} */ (e).hidden ? "" : e.textContent))}`,
      kept: (await editor.text()) === value,
      markup: await page.evaluate(() => document.querySelectorAll(".rdit-editor img, .rdit-editor script").length),
    };
    if (name === "html") {
      await page.mouse.move(...(/** @type {[number, number]} */ (Object.values(await editor.at(0.5, 0.5)))));
      await editor.click(0.5, 0.5);
      const field = await editor.find('[data-rdit="prompt"]');
      found.htmlShown = await field.evaluate((f) => /** @type {HTMLTextAreaElement} */ (f).value);
    }
    if (name === "broken") {
      const shown = await addNode(page, "PreviewImage", [760, 130]);
      await connect(page, id, "weights", shown, "images");
      found.serverSaid = await run(page, 30_000);
      await page.keyboard.press("Escape");
      await settle(page, 300);
      await editor.press("startNew");
      found.restarted = await editor.text();
    }
  }
  found.hurt = await page.evaluate(() => /** @type {any} */ (globalThis).hurt ?? null);
  return found;
}
