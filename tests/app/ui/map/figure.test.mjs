import assert from "node:assert/strict";
import test from "node:test";
import { mapFigure, rowsOf } from "../../../../app/ui/map/figure.js";

const at = {
  id: "s1", layout: "l1", webgl: false, sizes: { dot: 8, key: 12, chosen: 18 }, ranges: { x: [0, 1], y: [0, 1] },
  keys: { id: ["k1", "k2"], x: [0.1, 0.2], y: [0.3, 0.4], prompt: ["Who?", "Where?"], target: ["Ada.", "Here."], epsilon: [0.5, 0.6] },
  queries: { id: ["q1", "q2"], x: [0, 1], y: [0, 1], key: [0, -1], prompt: ["Who is it?", "What?"], text: ["Ada.", "That."], distance: [0.1, 0.9] },
};
const value = {
  selected: "k1",
  paint: {
    circles: [], keys: { usual: "@grey", other: { 0: "@own" }, chosen: 0 }, distances: [0.1, 0.9],
    groups: [{ name: "answered", rows: [0], colours: "@own", opacity: 1 }, { name: "left alone", rows: null, colours: "@grey", opacity: 1 }],
  },
  undone: { keys: { id: [], x: [], y: [], prompt: [], target: [] } },
  landings: { number: [1], prompt: ["Who was it?"], x: [0.5], y: [0.5], key: ["k1"], distance: [0.2], matched: [true], words: ["…"] },
};
const own = { marks: null, ring: null, ghosts: [], selections: 0, dragmode: "pan", plain: false };
const trace = (figure, meta) => figure.data.find((one) => one.meta === meta);

test("the group without rows has all that no other has", () => {
  assert.deepEqual(rowsOf([{ rows: [2, 0] }, { rows: null }], 4), [[2, 0], [1, 3]]);
});

test("a dot carries the key that answers it, and the selected key is drawn larger", () => {
  const figure = mapFigure(value, at, own);
  const dots = figure.data.filter((one) => one.meta === "query");
  assert.deepEqual(dots.map((one) => one.customdata), [["k1"], [""]]);
  assert.deepEqual(trace(figure, "key").marker.size, [18, 12]);
});

test("what is not picked out is greyed, but never the selected key", () => {
  const figure = mapFigure(value, at, { ...own, marks: { keys: new Set(["k2"]), queries: new Set(["q2"]) } });
  assert.deepEqual(trace(figure, "key").selectedpoints, [0, 1]);
  assert.deepEqual(figure.data.filter((one) => one.meta === "query").map((one) => one.selectedpoints), [[], [0]]);
});

test("a prompt tried is a star joined to its nearest key", () => {
  const figure = mapFigure(value, at, own);
  assert.deepEqual(trace(figure, "landing").text, ["1"]);
  assert.deepEqual(trace(figure, "path").x, [0.5, 0.1, null]);
});
