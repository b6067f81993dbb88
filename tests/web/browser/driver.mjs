// Plays scenarios in one Chromium: requests come as lines of JSON, answers go out likewise.

import { createRequire } from "node:module";
import path from "node:path";
import readline from "node:readline";
import * as access from "./scenarios_access.mjs";
import * as blocks from "./scenarios_blocks.mjs";
import * as editing from "./scenarios_editing.mjs";
import * as graph from "./scenarios_graph.mjs";
import * as pictures from "./scenarios_pictures.mjs";
import * as running from "./scenarios_running.mjs";

const modules = process.env.REGIONAL_DIT_NODE_MODULES ?? "";
const { chromium } = createRequire(path.join(modules, "x.js"))("playwright-core");
/** @type {Record<string, (stage: any, args: any) => Promise<unknown>>} */
const SCENARIOS = { ...access, ...blocks, ...editing, ...graph, ...running, ...pictures };

const browser = await chromium.launch({
  executablePath: process.env.REGIONAL_DIT_CHROMIUM,
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
  ],
});

// Closed or crashed; else the time limit of a run would still be waited for.
browser.on("disconnected", () => process.exit());

/** @type {import("./comfy.mjs").Opened | null} */
let current = null;

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { scenario, url, pictures: folder, arguments: args } = JSON.parse(line);
  /** @type {import("./comfy.mjs").Stage} */
  const stage = { browser, url, pictures: folder, current };
  const known = current?.faults.length ?? 0;
  /** @type {Record<string, unknown>} */
  let answer;
  try {
    const play = SCENARIOS[scenario];
    if (!play) throw new Error(`There is no scenario ${scenario}.`);
    answer = { result: (await play(stage, args)) ?? null };
  } catch (error) {
    answer = { error: error instanceof Error ? error.stack : String(error) };
    const file = path.join(folder, `failed_${scenario}.png`);
    await stage.current?.page.screenshot({ path: file }).catch(() => {});
  }
  answer.faults = stage.current?.faults.slice(stage.current === current ? known : 0) ?? [];
  current = stage.current;
  if (answer.error) {
    await current?.context.close().catch(() => {});
    current = null;
  }
  process.stdout.write(`ANSWER ${JSON.stringify(answer)}\n`);
}
await browser.close();
