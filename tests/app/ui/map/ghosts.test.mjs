import assert from "node:assert/strict";
import test from "node:test";
import { Ghosts, opacityOf } from "../../../../app/ui/map/ghosts.js";

const scene = (layout, ids) => ({ layout, keys: { id: ids, x: ids.map(() => 1), y: ids.map(() => 2) } });

test("a ghost fades to nothing", () => {
  assert.equal(opacityOf({ born: 0 }, 0), 0.7);
  assert.ok(opacityOf({ born: 0 }, 3000) < 0.7);
  assert.equal(opacityOf({ born: 0 }, 60_000), 0);
});

test("a key that is gone from the same layout is a ghost until it is back", () => {
  const ghosts = new Ghosts(() => {});
  ghosts.follow(scene("l1", ["a", "b"]), scene("l1", ["a"]));
  clearTimeout(ghosts.timer);
  assert.deepEqual(ghosts.shown().map(({ id, x, y }) => [id, x, y]), [["b", 1, 2]]);
  ghosts.follow(scene("l1", ["a"]), scene("l1", ["a", "b"]));
  assert.deepEqual(ghosts.all, []);
});

test("another layout has no ghosts: nobody knows where they would stand", () => {
  const ghosts = new Ghosts(() => {});
  ghosts.follow(scene("l1", ["a", "b"]), scene("l2", ["a"]));
  assert.deepEqual(ghosts.all, []);
});
