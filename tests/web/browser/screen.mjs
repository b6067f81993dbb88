// Frames of the page: fewer of them, and waiting for them.

/** From one frame to the next; a test waits for two after each step, and for twice as long anyway. */
const FRAME_MS = 60;

/**
 * A page that draws less, since without a GPU the processor draws each frame: there are no transitions, and
 * `__screen.ms` slows the frames down. Runs in the page, before its own scripts.
 */
function calmScreen(/** @type {number} */ frameMs) {
  const still = new CSSStyleSheet();
  still.replaceSync("*, ::before, ::after { animation: none !important; transition: none !important; }");
  document.adoptedStyleSheets = [still];
  const soon = window.requestAnimationFrame;
  /** Least time from one frame to the next. */
  const screen = (globalThis.__screen = { ms: frameMs });
  /** @type {Map<number, FrameRequestCallback>} */
  const waiting = new Map();
  let [last, id, due] = [0, 0, false];
  const wait = () => {
    if (due || !waiting.size) return;
    due = true;
    const left = last + screen.ms - performance.now();
    if (left > 0) setTimeout(() => soon.call(window, draw), left);
    else soon.call(window, draw);
  };
  const draw = (/** @type {number} */ time) => {
    last = time;
    const newest = id;
    for (const [number, act] of waiting) {
      if (number > newest) break; // asked for by this frame, for the next one
      waiting.delete(number);
      try {
        act(time);
      } catch (error) {
        reportError(error);
      }
    }
    due = false;
    wait();
  };
  window.requestAnimationFrame = (act) => {
    waiting.set(++id, act);
    wait();
    return id;
  };
  window.cancelAnimationFrame = (number) => void waiting.delete(number);
}

/** All that is loaded from now on draws less. @param {import("playwright-core").Page} page */
export const calm = (page) => page.addInitScript(calmScreen, FRAME_MS);

/** Draw no sooner than so long after the last frame; 0: as the browser does. @param {import("playwright-core").Page} page @param {number} [ms] */
export async function framesEvery(page, ms = FRAME_MS) {
  await page.evaluate((least) => void (globalThis.__screen.ms = least), ms);
}

/** Let the front end draw: two frames, and so long at least. @param {import("playwright-core").Page} page @param {number} [ms] */
export async function settle(page, ms = 120) {
  await page.evaluate(
    (least) =>
      Promise.all([
        new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r))),
        new Promise((r) => setTimeout(r, least)),
      ]).then(() => {}),
    ms,
  );
}

/** Wait until something is so, or for so long. @param {import("playwright-core").Page} page @param {() => Promise<boolean>} so @param {number} ms @returns {Promise<boolean>} whether it is */
export async function until(page, so, ms) {
  for (const end = Date.now() + ms; Date.now() < end; await page.waitForTimeout(50)) if (await so()) return true;
  return so();
}
