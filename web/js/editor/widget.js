// The editor as a widget of a node: joins model and view with the host.

import { lastPicture, pictureOf, readLatent, readNumberWidget } from "./graph.js";
import { loraNames } from "./lora_field.js";
import { EditorModel } from "./model.js";
import { parsePlan } from "./plan.js";
import { translator } from "./strings.js";
import { EditorView } from "./view.js";

/** @typedef {import("../host").HostApp} HostApp */
/** @typedef {import("../host").HostApi} HostApi */
/** @typedef {import("../host").HostNode} HostNode */
/** @typedef {ReturnType<typeof makeEditor>} Editor */

/** What the server calls the field in place of which the editor is drawn. */
export const EDITOR_WIDGET = "REGIONAL_DIT_EDITOR";
const VIEW_PROPERTY = "regional_dit_view";
const WATCH_MS = 400;
/** Around the editor in its node, within its height. */
const MARGIN_PX = 10;

/**
 * The editor of a Region Editor's node.
 * @param {HostApp} app @param {HostApi} api @param {HostNode} node @param {string} name
 * @returns {import("../host").HostWidget}
 */
export function editorWidget(app, api, node, name) {
  const editor = makeEditor(app, api, node);
  const { model } = editor;
  const widget = node.addDOMWidget(name, EDITOR_WIDGET, editor.view.root, {
    ...editor.options,
    getValue: () => model.text(),
    setValue: (/** @type {unknown} */ value) => model.load(value),
  });
  editor.onText = (text) => widget.callback?.(text);
  chain(node, "onConnectionsChange", () => editor.view.refresh());
  chain(node, "onExecuted", editor.read);
  return widget;
}

/**
 * An editor that is in no node yet.
 * @param {HostApp} app @param {HostApi} api
 * @param {HostNode} node that it is drawn in
 * @param {HostNode} source the Region Editor whose canvas it draws: the same, or one inside of `node`
 */
export function makeEditor(app, api, node, source = node) {
  const model = new EditorModel();
  /** @type {HTMLImageElement | null} */
  let picture = null;
  /** Size of the last run's canvas, where a latent is connected. @type {{width: number, height: number} | null} */
  let ran = null;

  const surroundings = () => ({
    latent: readLatent(source, ran),
    longSide: readNumberWidget(source, "long_side_px", 1024),
    tokenPx: readNumberWidget(source, "token_px", 16),
    picture: picture && picture.naturalWidth ? picture : null,
  });
  const locale = String(app.extensionManager?.setting?.get("Comfy.Locale") ?? navigator.language);
  const t = translator(locale);
  const view = new EditorView(model, t, surroundings);
  view.panel.lora.names = () => loraNames(api);

  model.onChange = (saved) => {
    // While something is dragged only the canvas changes; the fields follow at the end.
    if (model.busy) return view.redraw();
    view.refresh();
    if (!saved) return;
    editor.onText(model.text());
    if (model.history.mergeKey === null) noteChange(); // else when the field is left
  };
  // Keys and touch do not make the host look for changes; a mouse does by itself.
  const noteChange = () => app.extensionManager?.workflow?.activeWorkflow?.changeTracker?.checkState();
  view.onView = () => {
    node.properties[VIEW_PROPERTY] = {
      snap: view.input.snapping.on, tokens: view.showTokens, picture: view.showPicture,
    };
  };
  view.root.classList.add("widget-expands"); // the Vue renderer lets such a widget grow

  /** @param {string} url */
  const showPicture = (url) => {
    if (picture?.dataset.url === url) return;
    const image = new Image();
    image.dataset.url = url;
    image.onload = () => {
      picture = image;
      view.refresh();
    };
    image.src = url;
  };

  /** @type {AbortController | null} */
  let life = null;
  const attach = () => {
    if (life) return;
    life = new AbortController();
    const { signal } = life;
    view.listen(signal);
    view.root.addEventListener("focusout", noteChange, { signal });
    view.root.addEventListener("wheel", (e) => forwardWheel(app, e), { signal });
    forwardPanning(app, view.root, signal);
    const onExecuted = (/** @type {CustomEvent} */ e) => {
      const url = pictureOf(api, e.detail?.output);
      if (url) showPicture(url);
      editor.onAnyExecuted(e.detail);
    };
    api.addEventListener("executed", onExecuted);
    let seen = "";
    const timer = setInterval(() => {
      if (!view.root.isConnected || document.hidden) return;
      editor.onWatch();
      const { latent, longSide, tokenPx } = surroundings();
      const sharpness = view.pixelScale().toFixed(2);
      const now = JSON.stringify([latent, longSide, tokenPx, document.body.className, sharpness]);
      if (now !== seen) view.refresh();
      seen = now;
    }, WATCH_MS);
    signal.addEventListener("abort", () => {
      api.removeEventListener("executed", onExecuted);
      clearInterval(timer);
    });
    const last = lastPicture(api, app);
    if (last) showPicture(last);
  };
  chain(node, "onAdded", attach);
  chain(node, "onRemoved", () => {
    life?.abort();
    life = null;
  });
  chain(node, "onConfigure", () => {
    const kept = node.properties[VIEW_PROPERTY];
    if (typeof kept !== "object" || kept === null) return;
    const { snap, tokens, picture: shown } = /** @type {Record<string, unknown>} */ (kept);
    view.input.snapping.on = snap !== false;
    view.showTokens = tokens === true;
    view.showPicture = shown === true;
    view.refresh();
  });

  const editor = {
    model,
    view,
    /** Of a DOM widget, but for its value. */
    options: { margin: MARGIN_PX, getMinHeight: () => view.minHeight + 2 * MARGIN_PX, hideOnZoom: true },
    /** Begin to listen, until the node is removed; done by itself when the node is added. */
    attach,
    /** What the server says after a run. @param {any} output of the Region Editor */
    read(output) {
      const said = output?.regional_dit_editor?.[0];
      if (typeof said !== "string") return;
      /** @type {{plan: string, taken: boolean, shapes: number, canvas_px: [number, number]}} */
      const message = JSON.parse(said);
      ran = { width: message.canvas_px[0], height: message.canvas_px[1] };
      const { plan, error } = parsePlan(message.plan);
      if (error) view.notice = t("refusedText", t(...error));
      else if (message.taken && plan.source !== model.plan.source) {
        view.notice = t("planTaken");
        model.take(plan);
      } else if (message.shapes > 0) {
        view.notice = t("shapesTaken");
        model.takeShapes(plan.regions.slice(0, message.shapes));
      }
      view.refresh();
    },
    /** Called with the drawing when a person changed it. @type {(text: string) => void} */
    onText: () => {},
    /** Called when any node has run. @type {(detail: any) => void} */
    onAnyExecuted: () => {},
    /** Called again and again while the editor is shown. @type {() => void} */
    onWatch: () => {},
  };
  view.refresh();
  return editor;
}

/**
 * Call `act` after what the node does by itself.
 * @param {HostNode} node @param {"onAdded"|"onRemoved"|"onConfigure"|"onConnectionsChange"|"onExecuted"} name
 * @param {(...args: any[]) => void} act
 */
function chain(node, name, act) {
  const before = node[name];
  node[name] = function (/** @type {any[]} */ ...args) {
    const result = before?.apply(this, args);
    act(...args);
    return result;
  };
}

/** The wheel zooms the graph, except where a field can scroll. @param {HostApp} app @param {WheelEvent} e */
function forwardWheel(app, e) {
  const field = e.target instanceof Element ? e.target.closest("textarea, .rdit-tabs, .rdit-status") : null;
  if (field && field.scrollHeight > field.clientHeight + 1) return;
  if (e.currentTarget instanceof Element && e.currentTarget.closest(".lg-node")) return;
  e.preventDefault();
  app.canvas.processMouseWheel(e);
}

/** The middle button moves the graph; the Vue renderer sees to that itself. @param {HostApp} app @param {HTMLElement} root @param {AbortSignal} signal */
function forwardPanning(app, root, signal) {
  /** @type {(type: string, wanted: (e: PointerEvent) => boolean, act: (e: PointerEvent) => void) => void} */
  const on = (type, wanted, act) =>
    root.addEventListener(
      type,
      (e) => {
        if (e instanceof PointerEvent && wanted(e) && !root.closest(".lg-node")) act(e);
      },
      { signal },
    );
  on("pointerdown", (e) => e.button === 1, (e) => app.canvas.processMouseDown(e));
  on("pointermove", (e) => (e.buttons & 4) === 4, (e) => app.canvas.processMouseMove(e));
  on("pointerup", (e) => e.button === 1, (e) => app.canvas.processMouseUp(e));
}
