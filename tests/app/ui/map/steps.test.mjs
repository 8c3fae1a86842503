import assert from "node:assert/strict";
import test from "node:test";
import { steppedFrom } from "../../../../app/ui/map/steps.js";

const CASES = [
  // ids now, the key that is left, direction, ids before, where it leads
  ["abc", "a", 1, "abc", "b"],
  ["abc", "c", 1, "abc", "a"],
  ["abc", "a", -1, "abc", "c"],
  ["abc", null, 1, "", "a"],
  ["abc", null, -1, "", "c"],
  ["acd", "b", 1, "abcd", "c"], // undone: where it stood
  ["acd", "b", -1, "abcd", "a"],
  ["ab", "d", 1, "abcd", "a"],
  ["cd", "a", -1, "abcd", "d"],
  ["d", "b", 1, "abcd", "d"],
  ["xy", "b", -1, "abc", "y"],
  ["", "a", 1, "a", null],
];

test("a step goes on from the key that is left", () => {
  for (const [ids, left, step, before, to] of CASES) {
    assert.equal(steppedFrom([...ids], left, step, [...before]), to, `${ids} from ${left} by ${step}`);
  }
});
