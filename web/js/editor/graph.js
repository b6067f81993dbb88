// What the graph around the editor's node says: the latent's size, and the last picture.

/** @typedef {import("../host").HostApp} HostApp */
/** @typedef {import("../host").HostApi} HostApi */
/** @typedef {import("../host").HostNode} HostNode */

/** @param {HostNode} node @param {string} name @param {number} fallback */
export function readNumberWidget(node, name, fallback) {
  const value = Number(node.widgets?.find((widget) => widget.name === name)?.value);
  return Number.isFinite(value) && value > 0 ? value : fallback;
}

/**
 * Pixels of the connected latent: from the fields of the node that makes it, else from the last
 * run. Null: none is connected.
 * @param {HostNode} node @param {{width: number, height: number} | null} ran
 */
export function readLatent(node, ran) {
  const index = node.inputs?.findIndex((input) => input.name === "latent") ?? -1;
  if (index < 0 || node.inputs?.[index].link == null) return null;
  let source = node.getInputNode(index);
  for (let steps = 0; source && steps < 20; steps++) {
    const width = readNumberWidget(source, "width", 0);
    const height = readNumberWidget(source, "height", 0);
    if (width && height && isPlain(source, "width") && isPlain(source, "height")) return { width, height };
    const through = source.inputs?.findIndex((input) => input.type === "LATENT" || input.type === "*") ?? -1;
    source = through < 0 ? null : source.getInputNode(through);
  }
  return ran;
}

/** Whether the value is written in the node and not fed by another. @param {HostNode} node @param {string} name */
function isPlain(node, name) {
  return node.inputs?.find((input) => input.name === name)?.link == null;
}

/** Address of the first picture in a node's output. @param {HostApi} api @param {any} output @returns {string | null} */
export function pictureOf(api, output) {
  const image = output?.images?.[0];
  if (!image || typeof image.filename !== "string") return null;
  const query = new URLSearchParams({
    filename: image.filename, subfolder: String(image.subfolder ?? ""), type: String(image.type ?? "output"),
  });
  return api.apiURL(`/view?${query}`);
}

/** Address of the picture that was made last before this editor was there. @param {HostApi} api @param {HostApp} app */
export function lastPicture(api, app) {
  const urls = Object.values(app.nodeOutputs ?? {}).map((output) => pictureOf(api, output));
  return urls.filter((url) => url !== null).pop() ?? null;
}
