import assert from "node:assert/strict";
import test from "node:test";
import { coloured } from "../../../../app/ui/components/colours.js";

const colour = (token) => ({ "@own": "#00f", "@grey": "#888" })[token] ?? token;

test("tokens become colours at any depth, also in the steps of a colour scale", () => {
  const figure = { marker: { color: ["@own", "@grey"] }, colorscale: [[0, "@own"], [1, "@grey"]] };
  assert.deepEqual(coloured(figure, colour), { marker: { color: ["#00f", "#888"] }, colorscale: [[0, "#00f"], [1, "#888"]] });
});

test("what a person wrote is no token, whatever it begins with", () => {
  const figure = { hovertext: ["@own"], customdata: ["@own"], name: "@own", xaxis: { ticktext: ["@own"], title: { text: "@own" } } };
  assert.deepEqual(coloured(figure, colour), figure);
});

test("a column of numbers is left as it is", () => {
  const numbers = [1, 2, 3];
  assert.equal(coloured({ size: numbers }, colour).size, numbers);
});
