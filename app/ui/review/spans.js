// @ts-check
// Spans of a text in code points, as Python counts: without white space at their ends, and made of whole words. Pure.

/** How many code points a text has.
 * @param {string} text */
export const points = (text) => Array.from(text).length;

/**
 * The span [start, end) without white space at its ends; null where nothing else is in it.
 * @param {string} text
 * @param {[number, number]} span
 * @returns {[number, number] | null}
 */
export function trimmed(text, [start, end]) {
  const inside = Array.from(text).slice(start, end).join("");
  if (!inside.trim()) return null;
  const first = start + points(inside) - points(inside.trimStart());
  return [first, first + points(inside.trim())];
}

/**
 * The span with both ends moved out of words: whoever drags over a part of a word means the word.
 * @param {string} text
 * @param {[number, number]} span
 * @returns {[number, number]}
 */
export function wholeWords(text, [start, end]) {
  let at = 0;
  let [first, last] = [start, end];
  for (const { segment, isWordLike } of new Intl.Segmenter(undefined, { granularity: "word" }).segment(text)) {
    const next = at + points(segment);
    if (isWordLike && at < start && start < next) first = at;
    if (isWordLike && at < end && end < next) last = next;
    at = next;
  }
  return [first, last];
}

/**
 * The words that a selection is about; null where it holds none.
 * @param {string} text
 * @param {[number, number]} span
 */
export function markedSpan(text, span) {
  const inside = trimmed(text, span);
  return inside && wholeWords(text, inside);
}

/**
 * The verdict that a key stands for: its number, also while Shift is still held, or its letter.
 * @param {[string, string][]} verdicts each with its letter
 * @param {{key: string, code: string}} event
 * @returns {string | undefined}
 */
export function verdictOf(verdicts, { key, code }) {
  const number = /^(?:Digit|Numpad)([1-9])$/.exec(code)?.[1] ?? key;
  return (verdicts[Number(number) - 1] ?? verdicts.find(([, letter]) => letter === key.toLowerCase()))?.[0];
}
