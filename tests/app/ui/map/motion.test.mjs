import assert from "node:assert/strict";
import test from "node:test";
import { between } from "../../../../app/ui/map/motion.js";

const scene = (ids, x) => ({
  ranges: { x: [0, 10], y: [0, 10] },
  keys: { id: ids, x, y: x.map(() => 0) }, queries: { id: [], x: [], y: [] },
});

test("points that were there move towards their place; a new one stands where it will be", () => {
  const frames = [...between(scene(["a"], [0]), scene(["a", "b"], [10, 7]))];
  const path = frames.map((at) => at.keys.x[0]);
  assert.deepEqual(path, [...path].sort((a, b) => a - b));
  assert.ok(path[0] > 0 && path.at(-1) < 10);
  assert.ok(frames.every((at) => at.keys.x[1] === 7));
});

test("the part that is shown moves along", () => {
  const end = { ...scene(["a"], [0]), ranges: { x: [10, 30], y: [0, 10] } };
  const lows = [...between(scene(["a"], [0]), end)].map((at) => at.ranges.x[0]);
  assert.ok(lows[0] > 0 && lows[0] < lows.at(-1) && lows.at(-1) < 10);
});
