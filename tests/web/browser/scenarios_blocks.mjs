// Outlines in the editor, and what the host makes of whole pieces: blueprints, an app, sockets that grow.

import { readFile } from "node:fs/promises";
import { addNode, connect, dropFile, Editor, openComfy, run, settle, until, view } from "./comfy.mjs";
import { oneEditor } from "./scenarios_editing.mjs";

/** @typedef {import("./comfy.mjs").Stage} Stage */

/** A lasso around a triangle, then a polygon that Enter closes. @param {Stage} stage @param {{vue: boolean}} how */
export async function outlines(stage, how) {
  const { page, editor } = await oneEditor(stage, how);
  const along = async (/** @type {[number, number][]} */ path, /** @type {(x: number, y: number) => Promise<void>} */ act) => {
    for (const [x, y] of path) {
      const p = await editor.at(x, y);
      await act(p.x, p.y);
    }
  };
  await editor.press("lasso");
  const start = await editor.at(0.1, 0.1);
  await page.mouse.move(start.x, start.y);
  await page.mouse.down();
  await along([[0.5, 0.1], [0.1, 0.5]], (x, y) => page.mouse.move(x, y, { steps: 6 }));
  await page.mouse.up();
  await settle(page, 60);
  await page.keyboard.type("a lasso");
  const lasso = await editor.plan();

  await editor.press("select");
  await editor.click(0.9, 0.95);
  await editor.press("polygon");
  const corners = /** @type {[number, number][]} */ ([[0.6, 0.2], [0.9, 0.2], [0.9, 0.5]]);
  await along(corners, (x, y) => page.mouse.click(x, y));
  await settle(page, 60);
  const open = await editor.plan();
  await page.screenshot({ path: `${stage.pictures}/outlines_${how.vue ? "vue" : "classic"}.png` });
  await page.keyboard.press("Enter");
  await settle(page, 60);
  const byEnter = await editor.plan();
  return { lasso, open: open.regions.length, byEnter };
}

/** The host's search for nodes, as a person opens it on an empty place; null: it does not list that name. @param {import("playwright-core").Page} page @param {string} name */
async function insertBySearch(page, name) {
  const ids = () => page.evaluate(() => globalThis.app.graph._nodes.map((n) => n.id));
  const before = await ids();
  const soon = { timeout: 6000 };
  const opened = async () => {
    // At a person's pace: two clicks of one moment are no double click to LiteGraph.
    await page.mouse.dblclick(1000, 1150, { delay: 30 });
    return page.waitForFunction(() => document.activeElement instanceof HTMLInputElement, null, soon).then(() => true, () => false);
  };
  if (!(await opened()) && !(await opened())) throw new Error("The search for nodes did not open.");
  await settle(page, 200);
  await page.keyboard.type(name);
  // The front end fetches blueprints one by one after its start.
  const listed = await page.waitForFunction((n) => document.body.innerText.includes(n), name, soon).then(() => true, () => false);
  await settle(page, 300);
  if (!listed) {
    await page.keyboard.press("Escape");
    return null;
  }
  const added = async () => (await ids()).find((id) => !before.includes(id));
  await page.keyboard.press("Enter");
  await until(page, async () => (await added()) !== undefined, 600);
  await settle(page);
  await page.mouse.click(1000, 1150); // newer front ends let the new node hang on the pointer until then
  await until(page, async () => (await added()) !== undefined, 400);
  await settle(page, 200);
  return (await added()) ?? null;
}

/** What the library of nodes lists for a search, section by section as it reads. @param {Stage} stage @param {{vue: boolean, search: string}} how */
export async function library(stage, how) {
  const { page } = await openComfy(stage, { ...how, width: 1300, height: 1000 });
  await page.mouse.click(700, 500);
  await page.keyboard.press("n");
  await settle(page, 600);
  const field = page.locator(".side-bar-panel input, input[placeholder*='earch']").first();
  if (!(await field.isVisible())) return null;
  await field.fill(how.search);
  await settle(page, 1500);
  const text = await page.evaluate(() => document.body.innerText);
  await page.screenshot({ path: `${stage.pictures}/library.png` });
  await page.keyboard.press("Escape");
  await page.mouse.click(900, 600);
  await page.keyboard.press("n");
  return text;
}

/** The shipped workflow of one node, with few steps. @param {Stage} stage @param {{vue: boolean, workflow: string, steps: number}} how */
async function simpleWorkflow(stage, how) {
  const { page } = await openComfy(stage, { ...how, width: 1800, height: 1300 });
  await dropFile(page, how.workflow.split("/").pop() ?? "", "application/json", (await readFile(how.workflow)).toString("base64"));
  await page.waitForFunction(() => globalThis.app.graph._nodes.length > 3);
  await settle(page, 400);
  await page.evaluate((steps) => {
    const sampler = globalThis.app.graph._nodes.find((n) => n.type === "KSampler");
    sampler.widgets.find((w) => w.name === "steps").value = steps;
  }, how.steps);
  return page;
}

/** Whether a node is a subgraph's. @param {import("playwright-core").Page} page @param {number | null} id */
async function isBlock(page, id) {
  return page.evaluate((i) => Boolean(i !== null && globalThis.app.graph.getNodeById(i)?.subgraph), id);
}

/** A planner put before the editor inside of a block, and a run: what the drawing on the outside is then. @param {import("playwright-core").Page} page @param {number} id */
async function planInside(page, id) {
  await page.evaluate((i) => {
    const { subgraph } = globalThis.app.graph.getNodeById(i);
    const editor = subgraph._nodes.find((n) => n.type === "RegionalDiT_RegionEditor");
    const planner = globalThis.LiteGraph.createNode("RegionalDiT_LLMProgressivePrompt");
    subgraph.add(planner);
    planner.widgets.find((w) => w.name === "prompt").value = "a green triangle on the left and a red circle on the right";
    planner.connect(planner.outputs.findIndex((o) => o.name === "plan"), editor, editor.inputs.findIndex((x) => x.name === "plan"));
  }, id);
  const { kind, detail } = await run(page);
  const [drawn, sent] = await page.evaluate(async (i) => {
    const { output } = await globalThis.app.graphToPrompt();
    const editor = Object.values(output).find((n) => n.class_type === "RegionalDiT_RegionEditor");
    return [globalThis.app.graph.getNodeById(i).widgets.find((w) => w.name === "plan_json").value, editor.inputs.plan_json];
  }, id);
  return { end: kind, detail, drawn, sent };
}

/** Blueprints put into a graph in the place of the node that they wrap, and run. @param {Stage} stage @param {{vue: boolean, workflow: string, steps: number, names: string[], drawing: string}} how */
export async function blueprints(stage, how) {
  /** @type {Record<string, any>} */
  const found = {};
  const answer = await fetch(`${stage.url}/global_subgraphs`);
  const known = answer.ok ? Object.values(await answer.json()).map((entry) => entry.name) : [];
  for (const name of how.names) {
    const page = await simpleWorkflow(stage, how);
    const id = await insertBySearch(page, name);
    await settle(page, 500);
    await page.screenshot({ path: `${stage.pictures}/blueprint_${name.replaceAll(/\W/g, "")}_${how.vue ? "vue" : "classic"}.png` });
    const there = await isBlock(page, id);
    found[name] = { listed: known.includes(name), id: there ? id : null };
    if (!there) continue;
    const block = await page.evaluate(
      ([i, drawing]) => {
        const node = globalThis.app.graph.getNodeById(i);
        const widget = node.widgets.find((w) => w.name === "plan_json");
        if (widget) widget.value = drawing;
        return { title: node.title };
      },
      /** @type {const} */ ([id, how.drawing]),
    );
    const of = (/** @type {string} */ type) => page.evaluate((t) => globalThis.app.graph._nodes.find((n) => n.type === t).id, type);
    const [loader, sampler] = [await of("RegionalDiT_DemoDiTLoader"), await of("KSampler")];
    await connect(page, loader, "MODEL", id, "model");
    await connect(page, loader, "CLIP", id, "clip");
    for (const output of ["model", "positive", "negative"]) await connect(page, id, output, sampler, output);
    const { output } = await page.evaluate(async () => globalThis.app.graphToPrompt());
    const sent = Object.fromEntries(Object.values(output).map((n) => [n.class_type, n.inputs]));
    const end = await run(page);
    Object.assign(found[name], block, { sent, end: end.kind, detail: end.detail });
    if (sent.RegionalDiT_RegionEditor) found[name].planned = await planInside(page, id);
  }
  return found;
}

/**
 * A blueprint put into a graph, once for each set of values; its fields are set and drawn in on its outside, then the
 * graph is saved and loaded.
 * @param {Stage} stage
 * @param {{vue: boolean, name: string, workflow: string | null, values: Record<string, any>[], prompts: string[]}} how
 */
export async function blueprintFields(stage, how) {
  const page = how.workflow ? await simpleWorkflow(stage, { ...how, workflow: how.workflow, steps: 1 }) : (await openComfy(stage, { ...how, width: 1800, height: 1300 })).page;
  /** @type {number[]} */
  const ids = [];
  for (let i = 0; i < how.values.length; i++) {
    await view(page, 0.5, [9000 * i + 9000, 0]); // an empty place
    const id = await insertBySearch(page, how.name);
    if (id === null || !(await isBlock(page, id))) return null;
    ids.push(id);
  }
  const set = (/** @type {number} */ id, /** @type {Record<string, any>} */ values) =>
    page.evaluate(
      ([i, fields]) => {
        for (const [name, value] of Object.entries(fields)) globalThis.app.graph.getNodeById(i).widgets.find((w) => w.name === name).value = value;
      },
      /** @type {const} */ ([id, values]),
    );
  const look = async (/** @type {number} */ id) => {
    const [x, y] = await page.evaluate((i) => [...globalThis.app.graph.getNodeById(i).pos], id);
    await view(page, 1, [400 - x, 200 - y]);
    await settle(page, 500);
  };
  const draw = async (/** @type {number} */ id, /** @type {string} */ prompt) => {
    await look(id);
    await new Editor(page, id).draw([0.1, 0.1, 0.4, 0.4], prompt);
  };
  const read = () =>
    page.evaluate(async (all) => {
      const { output } = await globalThis.app.graphToPrompt();
      return all.map((id) => {
        const node = globalThis.app.graph.getNodeById(id);
        const sent = Object.entries(output).filter(([path]) => path.startsWith(`${id}:`)).map(([, n]) => [n.class_type, n.inputs]);
        return { fields: node.widgets.map((w) => w.name), inside: node.subgraph.id, sent: Object.fromEntries(sent) };
      });
    }, ids);
  for (const [i, id] of ids.entries()) {
    await set(id, how.values[i]);
    if (how.prompts[i]) await draw(id, how.prompts[i]);
  }
  const placed = await read();
  await page.screenshot({ path: `${stage.pictures}/fields_${how.name.replaceAll(/\W/g, "")}_${ids.length}_${how.vue ? "vue" : "classic"}.png` });
  const saved = await page.evaluate(() => JSON.stringify(globalThis.app.graph.serialize()));
  await page.evaluate((text) => globalThis.app.loadGraphData(JSON.parse(text)), saved);
  await settle(page, 900);
  const loaded = await read();
  if (how.prompts[0]) await draw(ids[0], "drawn after loading");
  return { placed, loaded, after: await read() };
}

/** The app: what a person sees of it, and a run. @param {Stage} stage @param {{vue: boolean, workflow: string, steps: number}} how */
export async function appMode(stage, how) {
  const page = await simpleWorkflow(stage, how);
  await settle(page, 1200);
  const skip = page.getByText("Skip", { exact: true }).first(); // the host's tour, shown once
  if (await skip.isVisible()) await skip.click();
  await settle(page, 300);
  const fields = await page.evaluate(() => [...document.querySelectorAll("textarea")].filter((e) => e.offsetParent).map((e) => e.value));
  const text = await page.evaluate(() => document.body.innerText);
  const graph = await page.evaluate(() => /** @type {HTMLElement | null} */ (document.querySelector("#graph-canvas"))?.offsetParent !== null);
  const end = await run(page);
  await settle(page, 800);
  await page.screenshot({ path: `${stage.pictures}/app.png` });
  const shown = await page.evaluate(() => [...document.querySelectorAll("img")].some((e) => e.offsetParent && /view\?/.test(e.src)));
  if (!graph && stage.current) stage.current.key = ""; // the next scenario wants a page with a graph
  return { fields, text, graph, end: end.kind, detail: end.detail, shown };
}

/** Conditionings connected to sockets that grow, saved and loaded again. @param {Stage} stage @param {{vue: boolean}} how */
export async function growing(stage, how) {
  const { page } = await openComfy(stage, how);
  await view(page, 0.8, [0, 0]);
  const type = "RegionalDiT_AppendRegionConditioning";
  const ends = [];
  for (const y of [130, 330, 530]) ends.push(await addNode(page, "CLIPTextEncode", [60, y]));
  const append = await addNode(page, type, [560, 130]);
  const sockets = () => page.evaluate((i) => globalThis.app.graph._nodes.find((n) => n.type === i).inputs.map((x) => x.name), type);
  const steps = [await sockets()];
  await connect(page, ends[0], "CONDITIONING", append, "conditioning");
  for (const [index, id] of ends.slice(1).entries()) {
    const names = await sockets();
    const next = names.find((name) => name.endsWith(`region${index}`));
    if (!next) break;
    await connect(page, id, "CONDITIONING", append, next);
    await settle(page, 300);
    steps.push(await sockets());
  }
  await page.screenshot({ path: `${stage.pictures}/growing_${how.vue ? "vue" : "classic"}.png` });
  const prompt = async () => {
    const { output } = await page.evaluate(async () => globalThis.app.graphToPrompt());
    return output[String(append)].inputs;
  };
  const sent = await prompt();
  const saved = await page.evaluate(() => JSON.stringify(globalThis.app.graph.serialize()));
  await page.evaluate((text) => globalThis.app.loadGraphData(JSON.parse(text)), saved);
  await settle(page, 600);
  return { steps, sent, reloaded: await prompt(), after: await sockets() };
}
