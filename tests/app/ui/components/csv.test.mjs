import assert from "node:assert/strict";
import test from "node:test";
import { csvText } from "../../../../app/ui/components/csv.js";

test("a cell with a comma, a quote or a new line is quoted, and a missing one is empty", () => {
  assert.equal(csvText({ columns: ["a", "b"], rows: [["x,y", 'say "no"'], ["two\nlines", null]] }),
    'a,b\r\n"x,y","say ""no"""\r\n"two\nlines",\r\n');
});

test("a text that a spreadsheet would run is no formula, but a number keeps its sign", () => {
  assert.equal(csvText({ columns: ["a"], rows: [["=1+1"], ["@sum"], [-1.5]] }), "a\r\n'=1+1\r\n'@sum\r\n-1.5\r\n");
});
