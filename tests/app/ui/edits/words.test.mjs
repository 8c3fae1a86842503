import assert from "node:assert/strict";
import test from "node:test";
import { ago } from "../../../../app/ui/edits/words.js";

const NOW = Date.parse("2026-03-10T12:00:00Z");
const before = (seconds) => ago(new Date(NOW - seconds * 1000).toISOString(), NOW);

test("how long ago, in the largest unit that fits", () => {
  assert.deepEqual([10, 60, 5 * 60, 3600, 86400, 3 * 86400].map(before),
    ["just now", "1 minute ago", "5 minutes ago", "1 hour ago", "yesterday", "3 days ago"]);
  assert.equal(before(30 * 86400), "Feb 8, 2026");
});
