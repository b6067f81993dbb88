// The drawing on the outside of a subgraph whose Region Editor shows its field there.

import { EDITOR_WIDGET, makeEditor } from "./widget.js";

/** @typedef {import("../host").HostApp} HostApp */
/** @typedef {import("../host").HostApi} HostApi */
/** @typedef {import("../host").HostNode} HostNode */

/**
 * Give a subgraph's node an editor for each promoted drawing.
 *
 * Front ends that keep the value of a promoted field in the subgraph's node make a widget of their
 * own for it: a text box for a text, an empty line for an element that they do not know. Older ones
 * move the element of the inside, and need nothing of this.
 * @param {HostApp} app @param {HostApi} api @param {HostNode} block the subgraph's node
 */
export function drawOutside(app, api, block) {
  const make = block.createPromotedHostWidget;
  if (typeof make !== "function") return;
  /** One for each input; the front end asks anew whenever the node is configured. @type {Map<string, import("./widget.js").Editor>} */
  const editors = new Map();

  block.createPromotedHostWidget = (input, id, inner) => {
    const isThere = block.graph?.getNodeById(block.id) === block; // else its id is still to come
    const field = inner.type === EDITOR_WIDGET && isThere && block.widgets?.find((w) => w.name === input.name);
    if (!field) return make.call(block, input, id, inner);
    const editor = editors.get(input.name) ?? makeEditor(app, api, block, inner.node);
    editors.set(input.name, editor);
    return fill(block, field, editor, inner.node);
  };
}

/**
 * The widget that takes the place of a promoted field.
 * @param {HostNode} block
 * @param {import("../host").HostWidget} field the front end's own, by which it keeps the value
 * @param {import("./widget.js").Editor} editor
 * @param {HostNode} source the Region Editor inside
 */
function fill(block, field, editor, source) {
  const { model } = editor;
  let known = "";
  const load = () => {
    known = String(field.value ?? "");
    model.load(known);
  };
  editor.onText = (text) => {
    known = text;
    field.value = text;
  };
  // The front end sets values without a word: when it configures the node, and when it undoes.
  editor.onWatch = () => {
    if (String(field.value ?? "") !== known) load();
  };
  editor.onAnyExecuted = (detail) => {
    const path = `:${detail?.display_node ?? detail?.node}`;
    if (path.endsWith(`:${block.id}:${source.id}`)) editor.read(detail.output);
  };
  load();
  queueMicrotask(editor.onWatch);

  const { addCustomWidget } = block;
  block.addCustomWidget = (widget) => widget; // it is the field's, not one more
  try {
    return block.addDOMWidget(field.name, EDITOR_WIDGET, editor.view.root, {
      ...editor.options,
      getValue: () => String(field.value ?? ""),
      setValue: (/** @type {unknown} */ value) => {
        field.value = value;
        load();
      },
    });
  } finally {
    block.addCustomWidget = addCustomWidget;
    editor.attach();
  }
}
