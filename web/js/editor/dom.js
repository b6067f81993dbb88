// Small helpers to build elements. Text always goes in as text, never as markup.

import { icon } from "./icons.js";

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag @param {string} [className] @param {(Node | string)[]} [children]
 * @returns {HTMLElementTagNameMap[K]}
 */
export function element(tag, className = "", children = []) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

/** @param {string} name of the icon @param {string} title @returns {HTMLButtonElement} */
export function iconButton(name, title) {
  const button = element("button", "rdit-icon");
  button.type = "button";
  button.title = title;
  button.setAttribute("aria-label", title);
  button.dataset.rdit = name;
  button.append(icon(name));
  return button;
}

/** @param {string} text @param {string} [className] @returns {HTMLButtonElement} */
export function textButton(text, className = "rdit-text-button") {
  const button = element("button", className, [text]);
  button.type = "button";
  return button;
}

/** @param {HTMLElement} button @param {boolean} on */
export function press(button, on) {
  button.setAttribute("aria-pressed", String(on));
}

/**
 * A number field.
 * @param {string} name @param {number} min @param {number} max @param {number} step
 */
export function numberField(name, min, max, step) {
  const input = element("input", "rdit-number");
  input.type = "number";
  input.dataset.rdit = name;
  input.min = String(min);
  input.max = String(max);
  input.step = String(step);
  return input;
}

/** @param {string} name @param {number} min @param {number} max @param {number} step */
export function slider(name, min, max, step) {
  const input = element("input");
  input.type = "range";
  input.dataset.rdit = name;
  input.min = String(min);
  input.max = String(max);
  input.step = String(step);
  return input;
}

/** Set a field's value unless it is there already: the cursor stays. @param {HTMLInputElement | HTMLTextAreaElement} field @param {string} value */
export function put(field, value) {
  if (field.value !== value) field.value = value;
}
