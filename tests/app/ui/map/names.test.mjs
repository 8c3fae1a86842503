// Names beside the keys of a map: they cover nothing, fit in, and are of what is picked out.
import assert from "node:assert/strict";
import test from "node:test";
import { keyNames } from "../../../../app/ui/map/names.js";

const LENGTH = 14;

/** The annotations by the keys' rows. Pixels are map units, from the upper left corner to the right and down. */
function names(points, { chosen = null, landing = null, marked = null, width = 500, height = 500 } = {}) {
  const at = {
    keys: { id: points.map((_, row) => `k${row}`), x: points.map(([x]) => x), y: points.map(([, y]) => -y) },
    queries: { id: [], x: [], y: [] }, sizes: { key: 15 },
  };
  const value = {
    paint: { names: points.map((_, row) => ({ row, text: "n".repeat(LENGTH), length: LENGTH })), keys: { chosen } },
    landings: { x: landing ? [landing[0]] : [], y: landing ? [-landing[1]] : [] },
  };
  const marks = marked && { keys: new Set(marked), queries: new Set() };
  const found = keyNames(value, at, marks, { x: [0, width], y: [-height, 0], width, height });
  return new Map(found.map((note) => [points.findIndex(([x, y]) => x === note.x && y === -note.y), note]));
}

/** A name as it is drawn. */
function box({ x, y, xshift, yshift, xanchor, yanchor }) {
  const [width, height] = [7.2 * LENGTH, 16];
  const left = x + xshift - { left: 0, center: width / 2, right: width }[xanchor];
  const top = -y - yshift - { top: 0, middle: height / 2, bottom: height }[yanchor];
  return { left, top, right: left + width, bottom: top + height };
}

const overlap = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
const around = ([x, y], half) => ({ left: x - half, right: x + half, top: y - half, bottom: y + half });
const crowd = Array.from({ length: 11 }, (_, line) => Array.from({ length: 27 }, (_, at) => [120 + 10 * at, 210 + 8 * line])).flat();
const middle = Math.floor(crowd.length / 2);

/** Places that look random and are the same each time. */
function scattered(count, width) {
  let seed = 4;
  const next = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  return Array.from({ length: count }, () => [20 + next() * (width - 40), 20 + next() * 460]);
}

test("names cover neither each other nor a key, and fit into the width there is", () => {
  for (const width of [500, 260]) {
    const points = scattered(12, width);
    const boxes = [...names(points, { width }).values()].map(box);
    assert.ok(boxes.length >= 5);
    boxes.forEach((one, at) => {
      assert.ok(one.left >= 0 && one.top >= 0 && one.right <= width && one.bottom <= 500);
      assert.ok(!boxes.slice(at + 1).some((other) => overlap(one, other)));
      assert.ok(!points.some((point) => overlap(one, around(point, 8))));
    });
  }
});

test("the selected key has its name even in a crowd", () => {
  assert.ok(!names(crowd).has(middle));
  assert.equal(names(crowd, { chosen: middle }).get(middle).text, `<b>${"n".repeat(LENGTH)}</b>`);
});

test("only what is picked out is named, and what is greyed may be covered", () => {
  assert.deepEqual([...names(crowd, { marked: [`k${middle}`, "k0"] }).keys()].sort(), [0, middle].sort());
  assert.deepEqual([...names(crowd, { marked: ["k0"], chosen: middle }).keys()].sort(), [0, middle].sort());
  assert.equal(names(crowd, { marked: [] }).size, 0);
});

test("no name lies over the star of a prompt tried", () => {
  const plain = box(names([[200, 200]]).get(0));
  const star = [(plain.left + plain.right) / 2, (plain.top + plain.bottom) / 2];
  assert.ok(!overlap(box(names([[200, 200]], { landing: star }).get(0)), around(star, 10)));
});

test("a key out of view has no name", () => {
  assert.deepEqual([...names([[200, 200], [700, 200]]).keys()], [0]);
});

test("the selected key's name is whole in a narrow plot, and beside its key, wherever that stands", () => {
  const width = 7.2 * LENGTH + 8;
  for (const x of [8, width / 2, width - 8]) {
    const key = [x, 250];
    const name = box(names([key], { chosen: 0, width }).get(0));
    assert.ok(name.left >= 0 && name.right <= width, `${x}: ${name.left} to ${name.right} of ${width}`);
    assert.ok(!overlap(name, around(key, 10)));
  }
});
