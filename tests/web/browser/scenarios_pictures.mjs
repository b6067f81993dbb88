// What a person sees: pictures for the README, the help page, the template browser, translations.

import { readFile } from "node:fs/promises";
import path from "node:path";
import { EDITOR, Editor, addNode, dropFile, editorIds, openComfy, run, settle, until, view } from "./comfy.mjs";

/** @typedef {import("./comfy.mjs").Stage} Stage */

/** @param {Stage} stage @param {import("playwright-core").Page} page @param {string} name @param {any} [clip] */
async function picture(stage, page, name, clip) {
  await page.mouse.move(5, 500);
  await settle(page, 300);
  await page.screenshot({ path: path.join(stage.pictures, `${name}.jpg`), type: "jpeg", quality: 74, clip });
}

/** The editor alone: regions that overlap, one painted, and the tokens. @param {Stage} stage @param {{vue: boolean, palette: "dark"|"light", name: string}} how */
export async function editorPicture(stage, how) {
  const { page } = await openComfy(stage, { ...how, width: 1300, height: 1120 });
  await view(page, 1, [0, 0]);
  const editor = new Editor(page, await addNode(page, EDITOR, [250, 170]));
  await editor.draw([0, 0.02, 0.5, 1], "a green wall with a wooden shelf full of old books");
  await editor.draw([0.5, 0.02, 1, 0.6], "a tall window, an orange tree outside in the sun");
  await editor.draw([0.36, 0.52, 0.9, 0.97], "a blue chair on a wooden floor");
  await editor.press("brush");
  await page.evaluate(() => globalThis.app.canvas.deselectAll());
  const keys = await editor.find('[data-rdit="keys"]');
  await keys.focus();
  await page.keyboard.press("Escape");
  await page.keyboard.press("Escape");
  await editor.press("brush");
  await editor.drag([0.12, 0.75], [0.3, 0.68], { steps: 12 });
  await editor.type("prompt", "a fat orange cat");
  await editor.press("select");
  await editor.click(0.75, 0.75);
  await editor.type("featherNumber", "0.06");
  await page.keyboard.press("Tab");
  const box = await page.evaluate((id) => {
    const node = globalThis.app.graph.getNodeById(id);
    return [...node.pos, ...node.size];
  }, editor.id);
  await page.evaluate(() => globalThis.app.canvas.deselectAll());
  await picture(stage, page, how.name, { x: box[0] - 20, y: box[1] - 45, width: box[2] + 40, height: box[3] + 65 });
  return editor.plan();
}

/** The empty state. @param {Stage} stage @param {{vue: boolean, palette: "dark"|"light", name: string}} how */
export async function emptyPicture(stage, how) {
  const { page } = await openComfy(stage, { ...how, width: 1300, height: 1120 });
  await view(page, 1, [0, 0]);
  await addNode(page, EDITOR, [350, 160]);
  await picture(stage, page, how.name);
  return null;
}

/** A shipped workflow after a run. @param {Stage} stage @param {{vue: boolean, workflow: string, name: string, run: boolean}} how */
export async function workflowPicture(stage, how) {
  const { page } = await openComfy(stage, { ...how, width: 2000, height: 1130 });
  await dropFile(page, "workflow.json", "application/json", (await readFile(how.workflow)).toString("base64"));
  await page.waitForFunction(() => globalThis.app.graph._nodes.length > 3);
  await settle(page, 1000);
  // What the server still knows of the last run would not be run, and so not be reported, again.
  await page.request.post(`${stage.url}/free`, { data: { free_memory: true } });
  await settle(page, 1500);
  const end = how.run ? await run(page) : { kind: "not run" };
  for (const id of await editorIds(page)) {
    await new Editor(page, id).click(0.25, 0.5);
  }
  await page.evaluate(() => /** @type {HTMLElement} */ (document.activeElement)?.blur());
  await page.evaluate(() => {
    const { graph, canvas } = globalThis.app;
    canvas.deselectAll();
    const left = Math.min(...graph._nodes.map((n) => n.pos[0])) - 40;
    const top = Math.min(...graph._nodes.map((n) => n.pos[1])) - 100;
    const right = Math.max(...graph._nodes.map((n) => n.pos[0] + n.size[0])) + 40;
    const bottom = Math.max(...graph._nodes.map((n) => n.pos[1] + n.size[1])) + 40;
    canvas.ds.scale = Math.min(1880 / (right - left), 940 / (bottom - top));
    canvas.ds.offset = [90 / canvas.ds.scale - left, 130 / canvas.ds.scale - top];
    canvas.setDirty(true, true);
  });
  await settle(page, 1200);
  await picture(stage, page, how.name);
  const overlaps = await page.evaluate(() => {
    const nodes = globalThis.app.graph._nodes;
    const title = 30;
    return nodes.flatMap((a, i) =>
      nodes.slice(i + 1).flatMap((b) =>
        a.pos[0] < b.pos[0] + b.size[0] && b.pos[0] < a.pos[0] + a.size[0] &&
        a.pos[1] - title < b.pos[1] + b.size[1] && b.pos[1] - title < a.pos[1] + a.size[1]
          ? [`${a.title} and ${b.title}`] : [],
      ),
    );
  });
  return { end: end.kind, overlaps };
}

/** The help page and the template browser. @param {Stage} stage @param {{vue: boolean, pack: string, pictures: string[]}} how the names of pictures that it must show */
export async function templatesAndHelp(stage, how) {
  const current = await openComfy(stage, { ...how, width: 1500, height: 950 });
  const { page } = current;
  await view(page, 0.8, [0, 0]);
  const id = await addNode(page, EDITOR, [500, 300]);
  await page.evaluate((i) => globalThis.app.canvas.selectNode(globalThis.app.graph.getNodeById(i)), id);
  await settle(page, 500);
  await page.locator('[data-testid="info-button"], .help-button').first().click();
  await page.getByText("Draw regions with the mouse and write a prompt for each").first().waitFor();
  await settle(page, 300);
  await picture(stage, page, "help");
  const help = await page.evaluate(() => document.body.innerText);
  /** Pictures that the browser of templates showed. @type {Set<string>} */
  const shown = new Set();
  const note = (/** @type {import("playwright-core").Response} */ response) => {
    const found = response.url().match(/workflow_templates\/[^/]+\/([^/?]+)\.jpg/);
    if (found && response.ok()) shown.add(decodeURIComponent(found[1]));
  };
  page.on("response", note);
  const named = page.getByText(how.pack, { exact: true });
  const before = await named.count();
  await page.evaluate(() => globalThis.app.extensionManager.command.execute("Comfy.BrowseTemplates"));
  await until(page, async () => (await named.count()) > before, 20_000);
  await settle(page, 300);
  await named.last().click();
  await until(page, async () => shown.size > 0, 10_000);
  await picture(stage, page, "templates");
  await page.mouse.move(850, 600);
  // Its pictures are fetched when they come into sight.
  for (let i = 0; i < 16 && !how.pictures.every((name) => shown.has(name)); i++) {
    await page.mouse.wheel(0, 350);
    await until(page, async () => how.pictures.every((name) => shown.has(name)), 250);
  }
  page.off("response", note);
  current.key = ""; // loaded anew for the next scenario, since the dialog is open
  return { shown: [...shown], help: help.includes("Draw regions with the mouse") && help.includes("plan_json") };
}

/** Editor and node in Chinese. @param {Stage} stage @param {{vue: boolean}} how */
export async function chinese(stage, how) {
  const { page } = await openComfy(stage, { ...how, locale: "zh" });
  await view(page, 0.8, [0, 0]);
  const editor = new Editor(page, await addNode(page, EDITOR, [150, 130]));
  const button = await editor.find('[data-rdit="undo"]');
  const node = await page.evaluate((id) => {
    const made = globalThis.app.graph.getNodeById(id);
    const { nodeData } = made.constructor;
    return {
      title: made.title,
      labels: made.widgets.map((w) => w.label),
      inputs: made.inputs.map((i) => i.localized_name),
      category: nodeData.category,
      description: nodeData.description,
      tooltip: nodeData.inputs.overlap.tooltip,
      shown: /** @type {HTMLElement | null} */ (document.querySelector(".lg-node"))?.innerText ?? null,
    };
  }, editor.id);
  await picture(stage, page, `chinese_${how.vue ? "vue" : "classic"}`);
  return {
    ...node,
    button: await button.evaluate((b) => /** @type {HTMLElement} */ (b).title),
  };
}
