import assert from "node:assert/strict";
import test from "node:test";
import { lines, pictureOf } from "../../../../app/ui/components/picture.js";

const FIGURE = { data: [{ type: "scatter", x: [1], y: [2] }], layout: { margin: { l: 8, r: 8, t: 8, b: 8 }, annotations: [{ text: "a name" }] } };
const LEGEND = [
  { label: "keys", count: 1200, colour: "@own", symbol: "key" },
  { label: "ε, approximate", count: null, colour: "@muted", symbol: "ball" },
];

test("a picture carries title, legend and note, with tags as plain text", () => {
  const { figure } = pictureOf(FIGURE, { title: "Map of <edits>", note: "Circles are approximate.", legend: LEGEND, width: 600, height: 400 });
  assert.equal(figure.layout.title.text, "<b>Map of &lt;edits&gt;</b>");
  assert.deepEqual(figure.layout.annotations.map((one) => one.text), ["a name", "Circles are approximate."]);
  assert.deepEqual(figure.data.filter((trace) => trace.showlegend).map((trace) => trace.name), ["1,200 keys", "ε, approximate"]);
  assert.equal(figure.data[0].showlegend, false);
});

test("the figure keeps its own room: the words make the picture higher", () => {
  const { figure, height } = pictureOf(FIGURE, { title: "A", note: "word ".repeat(60), legend: LEGEND, width: 600, height: 400 });
  const { t, b } = figure.layout.margin;
  assert.equal(height - t - b, 400 - 8 - 8);
  assert.ok(figure.layout.annotations[1].text.split("<br>").length > 2);
});

test("without legend and note nothing but the title is added", () => {
  const { figure } = pictureOf(FIGURE, { title: "A", width: 600, height: 400 });
  assert.equal(figure.layout.showlegend, undefined);
  assert.equal(figure.data.length, 1);
  assert.equal(figure.layout.annotations.length, 1);
});

test("a note is cut between words, and a word that is too long stays whole", () => {
  assert.deepEqual(lines("one two three", 7), ["one two", "three"]);
  assert.deepEqual(lines("incomprehensible a", 4), ["incomprehensible", "a"]);
});
