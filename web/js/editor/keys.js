// Keys that mean something while the canvas has the focus.

const STEP = 0.01;
const LONG_STEP = 0.05;
/** @type {Record<string, [number, number]>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * @param {KeyboardEvent} e @param {import("./input.js").Input} input
 * @returns {boolean} whether the key was the editor's, even if there was nothing to do
 */
export function pressKey(e, input) {
  const { model, stage } = input;
  if (input.gesture) {
    // Other keys would take away what is being dragged.
    if (e.key === "Escape") input.cancel();
    return true;
  }
  const key = e.key.length === 1 ? e.key.toLowerCase() : e.key;
  if (e.ctrlKey || e.metaKey) return pressCommand(key, e.shiftKey, model);
  if (input.corners.length && ["Enter", "Escape", "Backspace"].includes(key)) {
    if (key === "Enter") input.closeOutline();
    else if (key === "Escape" || input.corners.length === 1) input.dropCorners();
    else {
      input.corners.pop();
      input.marks = { outline: [...input.corners] };
      stage.redraw();
    }
    return true;
  }
  const arrow = ARROWS[key];
  if (arrow) {
    const step = e.shiftKey ? LONG_STEP : STEP;
    if (e.altKey) model.stretch(arrow[0] * step, arrow[1] * step);
    else model.nudge(arrow[0] * step, arrow[1] * step);
    return true;
  }
  if (e.altKey) return false;
  switch (key) {
    case "Delete":
    case "Backspace": model.remove(); return true;
    case "Tab": return model.selectNext(e.shiftKey ? -1 : 1); // past the last region it leaves the canvas
    case "]": model.reorder("front"); return true;
    case "[": model.reorder("back"); return true;
    case "Enter": stage.editPrompt(); return true;
    case "Escape":
      if (input.tool !== "select") stage.setTool("select");
      else model.select(-1);
      return true;
    default: return false;
  }
}

/** A key with Ctrl or Command. @param {string} key @param {boolean} shift @param {import("./model.js").EditorModel} model */
function pressCommand(key, shift, model) {
  switch (key) {
    case "z": if (shift) model.redo(); else model.undo(); return true;
    case "y": model.redo(); return true;
    case "d": model.duplicate(); return true;
    default: return false;
  }
}
