import assert from "node:assert/strict";
import test from "node:test";
import { curve, curvePicture } from "../../../../app/ui/review/curve.js";

const FRAME = { left: 0, right: 100, top: 0, bottom: 50 };
const of = (shapes, name) => shapes.filter(({ attributes }) => attributes.class === name);

test("each power of ten has a line, and the curve falls from step to step", () => {
  const shapes = curve([10, 1, 0.1], 3, FRAME);
  assert.deepEqual(of(shapes, "gs-tick").map(({ text }) => text), ["0.1", "1", "10"]);
  assert.equal(of(shapes, "gs-line")[0].attributes.points, "0.0,0.0 50.0,25.0 100.0,50.0");
  assert.equal(of(shapes, "gs-end")[0].attributes.cx, 100);
});

test("a loss of zero is drawn, and without losses there is no end", () => {
  assert.ok(!of(curve([0], 5, FRAME), "gs-line")[0].attributes.points.includes("NaN"));
  assert.deepEqual(of(curve([], 5, FRAME), "gs-end"), []);
});

test("the picture says what it shows", () => {
  const words = curvePicture([2, 0.01], (name) => `colour of ${name}`).map(({ text }) => text);
  assert.ok(words.includes("Loss of each step of the edit"));
  assert.ok(words.includes("loss (nats per token)"));
  assert.ok(words.includes("Logarithmic scale. 2 steps, the last at 0.01."));
});
