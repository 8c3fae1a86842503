import assert from "node:assert/strict";
import test from "node:test";
import { cellText, isNumeric } from "../../../../app/ui/lab/table.js";

test("a number is shown with three digits, a missing cell as a dash", () => {
  assert.deepEqual([0.123456, 12, "words", null].map(cellText), ["0.123", "12", "words", "–"]);
});

test("a column of numbers, shares and gaps is numeric; one text makes it text", () => {
  assert.ok(isNumeric([[1], ["2.5 %"], [null]], 0));
  assert.ok(!isNumeric([[1], ["none"]], 0));
});
