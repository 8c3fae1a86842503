import assert from "node:assert/strict";
import test from "node:test";
import { finderOf, pickedWords } from "../../../../app/ui/map/picked.js";

const find = finderOf({
  keys: { id: ["k1", "k2"], prompt: ["Who was Ada?", "Who was Boole?"], target: ["A countess.", "A logician."] },
  queries: { id: ["q1", "q2"], prompt: ["Tell me about Ada", "Where is Paris?"], text: ["A poet.", "In France."] },
});

test("all words must be found, in prompt or answer, in any case and order", () => {
  const found = (words) => { const { keys, queries } = find(words); return [[...keys], [...queries]]; };
  assert.deepEqual(found("ADA"), [["k1"], ["q1"]]);
  assert.deepEqual(found("countess ada"), [["k1"], []]);
  assert.deepEqual(found("france paris"), [[], ["q2"]]);
  assert.deepEqual(found("ada boole"), [[], []]);
  assert.equal(find("  "), null);
});

test("what is picked out is counted in words, and where nothing is, what to do is said", () => {
  const marks = (keys, queries, why = "lasso") => pickedWords({ keys: new Set(keys), queries: new Set(queries), why });
  assert.equal(marks(["k1"], ["q1", "q2"]), "1 key, 2 queries");
  assert.equal(marks([], []), "Nothing here. Try a larger lasso.");
  assert.equal(marks([], [], "search"), "Nothing found. Try fewer words.");
});
