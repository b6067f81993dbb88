// Runs with the demo model: drawn, planned, and with shapes of other nodes.

import { readFile } from "node:fs/promises";
import { EDITOR, Editor, addNode, connect, dropFile, editorIds, openComfy, run, settle, view } from "./comfy.mjs";

/** @typedef {import("./comfy.mjs").Stage} Stage */

/** The last run's saved pictures and texts. @param {import("playwright-core").Page} page @param {string} url */
async function outputs(page, url) {
  const history = await (await page.request.get(`${url}/history?max_items=1`)).json();
  const [last] = Object.values(history);
  return Object.values(/** @type {any} */ (last).outputs);
}

/** The shipped workflow with the drawing of a person in it. @param {Stage} stage @param {{vue: boolean, workflow: string, steps: number, regions: [string, [number, number, number, number]][]}} how */
export async function drawAndQueue(stage, how) {
  const { page } = await openComfy(stage, { ...how, width: 1800, height: 1300 });
  await dropFile(page, "drawn.json", "application/json", (await readFile(how.workflow)).toString("base64"));
  await page.waitForFunction((type) => globalThis.app.graph._nodes.some((n) => n.type === type), EDITOR);
  await settle(page, 500);
  const [id] = await editorIds(page);
  const editor = new Editor(page, id);
  const pos = await page.evaluate((i) => [...globalThis.app.graph.getNodeById(i).pos], id);
  await view(page, 1, [150 - pos[0], 130 - pos[1]]);
  const canvas = await editor.find('[data-rdit="keys"]');
  await canvas.focus();
  await page.keyboard.press("Tab");
  for (let i = 0; i < 3; i++) await page.keyboard.press("Delete");
  const emptied = await editor.plan();
  for (const [prompt, box] of how.regions) await editor.draw(box, prompt);
  const plan = await editor.plan();
  const steps = await page.evaluate((wanted) => {
    const sampler = globalThis.app.graph._nodes.find((n) => n.type === "KSampler");
    const widget = sampler.widgets.find((w) => w.name === "steps");
    const before = Number(widget.value);
    widget.value = wanted;
    return [before, Number(widget.value)];
  }, how.steps);
  const used = await page.evaluate(async () => (await globalThis.app.graphToPrompt()).output);
  const sent = JSON.parse(used[String(id)].inputs.plan_json);
  // What the server still knows of a run in the other renderer would not be run, and so not be reported, again.
  await page.request.post(`${stage.url}/free`, { data: { free_memory: true } });
  await settle(page, 1500);
  const end = await run(page);
  const made = /** @type {any[]} */ (await outputs(page, stage.url));
  const report = await page.evaluate(() => {
    const node = globalThis.app.graph._nodes.find((n) => n.type === "RegionalDiT_PatchCrossAttention");
    const element = node.widgets.find((w) => w.name === "report").element;
    return { text: element.innerText, height: element.getBoundingClientRect().height };
  });
  const pixel = async () =>
    (await editor.find("canvas")).evaluate((c) => {
      const canvas = /** @type {HTMLCanvasElement} */ (c);
      const data = canvas.getContext("2d")?.getImageData(canvas.width * 0.3, canvas.height * 0.33, 1, 1).data ?? [];
      return [...data].slice(0, 3);
    });
  const without = await pixel();
  await editor.press("picture");
  await settle(page, 300);
  const underneath = [without, await pixel()];
  const saved = await page.evaluate(() => {
    const node = globalThis.app.graph._nodes.find((n) => n.type === "RegionalDiT_PatchCrossAttention");
    return JSON.stringify(node.serialize().widgets_values);
  });
  const picture = made.flatMap((o) => o.images ?? []).find((i) => i.type === "output");
  return { emptied: emptied.regions.length, plan, sent, steps, end: end.kind, detail: end.detail, picture, report, saved, underneath };
}

/** A plan of the planner: shown after a run, edited, kept, replaced by the next one. @param {Stage} stage @param {{vue: boolean}} how */
export async function usePlan(stage, how) {
  const { page } = await openComfy(stage, how);
  await view(page, 0.7, [0, 0]);
  const planner = await addNode(page, "RegionalDiT_LLMProgressivePrompt", [60, 130]);
  const editor = new Editor(page, await addNode(page, EDITOR, [560, 130]));
  const shown = await addNode(page, "PreviewImage", [1150, 130]);
  await connect(page, planner, "plan", editor.id, "plan");
  await connect(page, editor.id, "weights", shown, "images");
  const sentence = (/** @type {string} */ text) =>
    page.evaluate(([id, t]) => {
      globalThis.app.graph.getNodeById(id).widgets.find((w) => w.name === "prompt").value = t;
    }, /** @type {const} */ ([planner, text]));
  await sentence("a red circle on the left and a blue square on the right, black background");
  const first = await run(page);
  const planned = await editor.plan();
  const notice = await editor.status();
  await editor.click(0.2, 0.7);
  await editor.type("prompt", "a green circle");
  const edited = await editor.text();
  const second = await run(page);
  const kept = (await editor.text()) === edited;
  const used = await page.evaluate(async () => (await globalThis.app.graphToPrompt()).output);
  await sentence("a yellow triangle on the left and a white circle on the right, black background");
  const third = await run(page);
  const replaced = await editor.plan();
  await editor.press("undo");
  const undone = (await editor.text()) === edited;
  return {
    ends: [first.kind, second.kind, third.kind], detail: first.detail, planned, notice, kept,
    sent: JSON.parse(used[String(editor.id)].inputs.plan_json).regions[0].high_level, replaced, undone,
  };
}

/** Masks and bounding boxes of other nodes become the shapes. @param {Stage} stage @param {{vue: boolean}} how */
export async function shapes(stage, how) {
  const { page } = await openComfy(stage, how);
  await view(page, 0.7, [0, 0]);
  const masks = await addNode(page, "TestMasks", [60, 130]);
  const boxes = await addNode(page, "TestBoxes", [60, 330]);
  const latent = await addNode(page, "EmptyLatentImage", [60, 530]);
  const editor = new Editor(page, await addNode(page, EDITOR, [460, 130]));
  const shown = await addNode(page, "PreviewImage", [1050, 130]);
  await connect(page, editor.id, "weights", shown, "images");
  await editor.draw([0.1, 0.1, 0.3, 0.3], "keeps its prompt");
  await page.evaluate((id) => {
    const node = globalThis.app.graph.getNodeById(id);
    node.widgets.find((w) => w.name === "width").value = 256;
    node.widgets.find((w) => w.name === "height").value = 256;
  }, latent);
  await connect(page, latent, "LATENT", editor.id, "latent");
  await connect(page, masks, "MASK", editor.id, "masks");
  const first = await run(page);
  const masked = await editor.plan();
  await connect(page, boxes, "BOUNDING_BOX", editor.id, "boxes");
  const second = await run(page);
  const both = await editor.plan();
  await page.evaluate((id) => {
    globalThis.app.graph.getNodeById(id).widgets.find((w) => w.name === "width").value = 512;
  }, latent);
  await settle(page, 900);
  const aspect = await editor.find('[data-rdit="aspect"]');
  const area = await editor.area(2);
  return {
    ends: [first.kind, second.kind], detail: second.detail, masked, both,
    aspect: await aspect.evaluate((s) => /** @type {HTMLSelectElement} */ (s).selectedOptions[0].textContent),
    ratio: area.width / area.height,
  };
}
