// @ts-check
// Elements. Everything shown goes through textContent: no HTML is ever built from data.

/**
 * A new element with a class, a text and attributes.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} className
 * @param {string | null} text
 * @param {Record<string, any>} attributes
 */
export function el(tag, className = "", text = null, attributes = {}) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== null) node.textContent = text;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  return node;
}

/**
 * The element of a template; that one is missing is a mistake of ours.
 * @param {ParentNode} root
 * @param {string} selector
 * @returns {HTMLElement}
 */
export function find(root, selector) {
  const node = root.querySelector(selector);
  if (!(node instanceof HTMLElement)) throw new Error(`The page has no ${selector}.`);
  return node;
}

/**
 * The button that an event is about, if any.
 * @param {Event} event
 * @param {string} selector
 * @returns {HTMLButtonElement | null}
 */
export function pressed({ target }, selector = "button") {
  const button = target instanceof Element ? target.closest(selector) : null;
  return button instanceof HTMLButtonElement && !button.disabled ? button : null;
}

/**
 * Set a text only where it differs, so that a live region is not announced again.
 * @param {Element} node
 * @param {string} text
 */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * A moment as this browser's person reads it.
 * @param {string} iso
 */
export function moment(iso) {
  const text = new Date(iso).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  return el("time", "", text, { datetime: iso });
}
