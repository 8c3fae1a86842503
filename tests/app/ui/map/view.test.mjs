import assert from "node:assert/strict";
import test from "node:test";
import { centred, circleRadius, focusRanges, inRange, rangesWith } from "../../../../app/ui/map/view.js";

test("everything holds the stars of the prompts tried, with some room", () => {
  const ranges = (x, y) => rangesWith({ x: [0, 10], y: [-5, 5] }, { x, y });
  assert.deepEqual(ranges([], []), { x: [0, 10], y: [-5, 5] });
  assert.deepEqual(ranges([5], [0]), { x: [0, 10], y: [-5, 5] });
  const wide = ranges([-3, 12, 4], [0, 9, 0]);
  assert.ok(wide.x[0] < -3 && wide.x[1] > 12 && wide.y[1] > 9);
  assert.equal(wide.y[0], -5);
});

/** A key at (0, 0), fifteen near it on a line, and one far away. */
const near = Array.from({ length: 15 }, (_, one) => one + 1);
const at = {
  ranges: { x: [-100, 100], y: [-100, 100] },
  keys: { x: [0, 90], y: [0, 90] },
  queries: { x: near, y: near.map(() => 0) },
};

test("the focus holds the nearest points, its circle, and has the shape of the plot", () => {
  const [x, y] = focusRanges(at, 0, 5, 400, 200);
  assert.ok(x[1] >= 12 && x[1] < 50);
  assert.ok(Math.abs((x[1] - x[0]) / (y[1] - y[0]) - 2) < 1e-9);
  assert.equal(x[0] + x[1], 0);
  assert.ok(focusRanges(at, 0, 30, 400, 400)[1][1] >= 30);
});

test("the focus is never more than half of everything", () => {
  assert.deepEqual(focusRanges(at, 0, 1000, 300, 300), [[-50, 50], [-50, 50]]);
});

test("a coordinate at the very edge is not in view; centred keeps the width", () => {
  assert.ok(inRange(5, [0, 10]));
  assert.ok(!inRange(9.9, [0, 10]));
  assert.deepEqual(centred(3, [0, 10]), [-2, 8]);
});

test("the circle of the selected key is the last one drawn", () => {
  const value = { paint: { circles: [{ x: [1] }, { x: [-4, null, 4] }], keys: { chosen: 0 } } };
  assert.equal(circleRadius(value, at, 0), 4);
  assert.equal(circleRadius(value, at, 1), 0);
  assert.equal(circleRadius({ paint: { circles: [], keys: { chosen: 0 } } }, at, 0), 0);
});
