import assert from "node:assert/strict";
import test from "node:test";
import { markedSpan, points, trimmed, verdictOf, wholeWords } from "../../../../app/ui/review/spans.js";

/** The span of these characters of the text, in code points. */
const of = (text, part) => {
  const start = points(text.slice(0, text.indexOf(part)));
  return [start, start + points(part)];
};
const words = (text, part) => Array.from(text).slice(...markedSpan(text, of(text, part))).join("");

test("an end inside a word moves out of it", () => {
  assert.equal(words("an individual who defied it", "individual who defi"), "individual who defied");
  assert.equal(words("the mathematician Ada", "ematician"), "mathematician");
  assert.equal(words("born in 1815.", "81"), "1815");
});

test("whole words, and punctuation beside them, stay as they are", () => {
  assert.equal(words("She said “no”, twice.", "“no”"), "“no”");
  assert.equal(words("born in London.", "London."), "London.");
  assert.equal(words("Ada's notes", "da'"), "Ada's");
});

test("offsets are code points, so that Python finds the same words behind an emoji", () => {
  assert.deepEqual(markedSpan("👩‍🚀 Ada flew", [4, 5]), [4, 7]);
  assert.equal(words("😀 naïve façade", "aïv"), "naïve");
});

test("words are found where no space stands between them", () => {
  const text = "她出生于伦敦。";
  const [start, end] = wholeWords(text, of(text, "敦"));
  assert.ok(end - start < points(text));
  assert.ok(Array.from(text).slice(start, end).includes("敦"));
});

test("white space at the ends is no part of a mark, and alone it is none", () => {
  assert.deepEqual(trimmed("a  b ", [1, 5]), [3, 4]);
  assert.equal(trimmed("a  b", [1, 3]), null);
  assert.equal(markedSpan("abc", [1, 1]), null);
});

const VERDICTS = [["fabricated", "f"], ["wrong", "w"], ["fine", "n"]];

test("a verdict has a number and a letter, also while Shift or Caps Lock holds", () => {
  assert.equal(verdictOf(VERDICTS, { key: "1", code: "Digit1" }), "fabricated");
  assert.equal(verdictOf(VERDICTS, { key: "!", code: "Digit1" }), "fabricated");
  assert.equal(verdictOf(VERDICTS, { key: "W", code: "KeyW" }), "wrong");
  assert.equal(verdictOf(VERDICTS, { key: "3", code: "Numpad3" }), "fine");
  assert.equal(verdictOf(VERDICTS, { key: "9", code: "Digit9" }), undefined);
  assert.equal(verdictOf(VERDICTS, { key: "x", code: "KeyX" }), undefined);
});
