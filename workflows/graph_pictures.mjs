// Opens workflows in ComfyUI's real front end and writes a picture of each graph, in full size.
//
//     node graph_pictures.mjs JOBS.json
//
// JOBS.json: {"url": of a server, "jobs": [{"workflow": path, "images": {title of a node: path of
// the picture that it shows}, "out": path of the PNG}]}. graph_pictures.py calls it.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import process from "node:process";
import { dropFile, openComfy, settle, view } from "../tests/web/browser/comfy.mjs";

const CORNER = [110, 130]; // left and top of the graph on the page, beside the front end's menus
const ROOM = 160; // right and below, for what floats there
const PADDING = 12;

/** Left, top, width and height of all groups, after notes have been measured. */
function groupBounds() {
  const boxes = globalThis.app.graph._groups.map((group) => [...group._bounding]);
  const left = Math.min(...boxes.map((b) => b[0]));
  const top = Math.min(...boxes.map((b) => b[1]));
  const right = Math.max(...boxes.map((b) => b[0] + b[2]));
  const bottom = Math.max(...boxes.map((b) => b[1] + b[3]));
  return [left, top, right - left, bottom - top];
}

/** Texts that do not fit into their note or box, and nodes smaller than the front end wants them. */
function faultsOfLayout() {
  const faults = [];
  for (const node of globalThis.app.graph._nodes) {
    const least = node.computeSize();
    if (least[0] > node.size[0] + 1 || least[1] > node.size[1] + 1) {
      faults.push(`${node.title} is ${node.size}, needs ${least}`);
    }
    for (const widget of node.widgets ?? []) {
      const { element } = widget;
      if (!element) continue;
      const inner = element.querySelector?.(".comfy-markdown-content, .tiptap") ?? element;
      const over = Math.max(element.scrollHeight - element.clientHeight, inner.scrollHeight - inner.clientHeight);
      if (over > 2) faults.push(`${node.title}, ${widget.name}: text is ${over} px too tall`);
    }
  }
  return faults;
}

const { url, jobs } = JSON.parse(await readFile(process.argv[2], "utf8"));
const modules = process.env.REGIONAL_DIT_NODE_MODULES ?? "";
const { chromium } = createRequire(path.join(modules, "x.js"))("playwright-core");
const browser = await chromium.launch({
  executablePath: process.env.REGIONAL_DIT_CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync", "--disable-dev-shm-usage"],
});
const stage = { browser, url, pictures: "", current: null };
for (const { workflow, images, out } of jobs) {
  const { page } = await openComfy(stage, { vue: false });
  await dropFile(page, path.basename(workflow), "application/json", (await readFile(workflow)).toString("base64"));
  await page.waitForFunction(() => globalThis.app.graph._nodes.length > 3);
  await settle(page, 800);
  await page.keyboard.press("Escape"); // the offer to download models that are not here
  await page.waitForFunction(() => ![...document.querySelectorAll(".p-dialog")].some((d) => d.checkVisibility()));
  const [left, top, width, height] = await page.evaluate(groupBounds);
  await page.setViewportSize({ width: Math.ceil(CORNER[0] + width + ROOM), height: Math.ceil(CORNER[1] + height + ROOM) });
  for (const [title, file] of Object.entries(images)) {
    const source = `data:image/png;base64,${(await readFile(file)).toString("base64")}`;
    await page.evaluate(async ([wanted, data]) => {
      const node = globalThis.app.graph._nodes.find((n) => n.title === wanted);
      const image = new Image();
      image.src = data;
      await image.decode();
      node.imgs = [image];
      node.setDirtyCanvas(true, true);
    }, [title, source]);
  }
  await page.evaluate(() => globalThis.app.canvas.deselectAll());
  await view(page, 1, [CORNER[0] - left, CORNER[1] - top]);
  await page.mouse.move(5, 5);
  await settle(page, 1500);
  const clip = {
    x: CORNER[0] - PADDING, y: CORNER[1] - PADDING,
    width: Math.ceil(width) + 2 * PADDING, height: Math.ceil(height) + 2 * PADDING,
  };
  await page.screenshot({ path: out, clip });
  for (const fault of await page.evaluate(faultsOfLayout)) {
    process.stdout.write(`${path.basename(workflow)}: ${fault}\n`);
  }
}
await browser.close();
