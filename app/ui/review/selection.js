// @ts-check
// The browser's selection inside one element, in code points of its text.
import { points } from "./spans.js";

/** Where a place of the document lies in the element's text. */
function offsetOf(box, node, offset) {
  const before = document.createRange();
  before.selectNodeContents(box);
  before.setEnd(node, offset);
  return points(before.toString());
}

/**
 * Both ends of the selection, or the caret; null where they are not in the element.
 * @param {HTMLElement} box
 * @returns {{anchor: number, focus: number} | null}
 */
export function selectionIn(box) {
  const { anchorNode, anchorOffset, focusNode, focusOffset } = window.getSelection() ?? {};
  if (!anchorNode || !focusNode || !box.contains(anchorNode) || !box.contains(focusNode)) return null;
  return { anchor: offsetOf(box, anchorNode, anchorOffset), focus: offsetOf(box, focusNode, focusOffset) };
}

/** The text node that holds this place, and how far in it, as a browser counts. */
function placeOf(box, offset) {
  const walker = document.createTreeWalker(box, NodeFilter.SHOW_TEXT);
  let left = offset;
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const characters = Array.from(/** @type {Text} */ (node).data);
    if (left <= characters.length) return { node, at: characters.slice(0, left).join("").length };
    left -= characters.length;
  }
  return { node: box, at: box.childNodes.length };
}

/**
 * @param {HTMLElement} box
 * @param {{anchor: number, focus: number}} ends
 */
export function selectIn(box, { anchor, focus }) {
  const from = placeOf(box, anchor), to = placeOf(box, focus);
  window.getSelection()?.setBaseAndExtent(from.node, from.at, to.node, to.at);
}
