// @ts-check
// The map as a Plotly figure: pure functions of what the server sent (`value`, `at`: the points) and of what this
// browser adds to it (`own`): {marks, ring, ghosts, selections, dragmode, plain}.
import { rangesWith } from "./view.js";

const pick = (column, rows) => rows.map((row) => column[row]);
const typeOf = (at) => (at.webgl ? "scattergl" : "scatter");

/** The rows of each group; the one without rows has all that no other has. */
export function rowsOf(groups, count) {
  const taken = new Uint8Array(count);
  groups.forEach((group) => group.rows?.forEach((row) => { taken[row] = 1; }));
  return groups.map((group) => group.rows ?? [...taken.keys()].filter((row) => !taken[row]));
}

/** What greys out the points that a lasso or a search left aside; `among`: the ids that it picked out. */
function markedOnly(ids, rows, among, chosen = null) {
  if (!among) return {};
  const selectedpoints = rows.flatMap((row, at) => (row === chosen || among.has(ids[row]) ? [at] : []));
  return { selectedpoints, selected: { marker: { opacity: 1 } }, unselected: { marker: { opacity: 0.14 } } };
}

function dots(value, at, { marks }) {
  const { queries } = at;
  return rowsOf(value.paint.groups, queries.id.length).map((rows, index) => {
    const group = value.paint.groups[index];
    return {
      type: typeOf(at), mode: "markers", name: group.name, meta: "query", rows, hoverinfo: "none",
      x: pick(queries.x, rows), y: pick(queries.y, rows),
      customdata: rows.map((row) => at.keys.id[queries.key[row]] ?? ""),
      marker: { size: at.sizes.dot, symbol: "circle", color: group.colours, opacity: group.opacity,
        line: { width: 0.75, color: "@surface" } },
      ...markedOnly(queries.id, rows, marks?.queries),
    };
  });
}

/** The keys, of the same kind as the dots: WebGL traces lie above all others, and keys must lie above dots. */
function diamonds(value, at, { marks }) {
  const { usual, other, chosen } = value.paint.keys;
  const rows = at.keys.id.map((_, row) => row);
  const each = (special, rest) => rows.map((row) => (row === chosen ? special : rest));
  return {
    type: typeOf(at), mode: "markers", name: "keys", meta: "key", rows, hoverinfo: "none",
    x: at.keys.x, y: at.keys.y, customdata: at.keys.id,
    marker: {
      symbol: "diamond", opacity: 1, size: each(at.sizes.chosen, at.sizes.key),
      color: rows.map((row) => other[row] ?? usual),
      line: { width: each(2, at.sizes.key > 12 ? 1.5 : 1), color: each("@text", "@surface") },
    },
    ...markedOnly(at.keys.id, rows, marks?.keys, chosen),
  };
}

/** Hollow diamonds where the keys of undone edits stood. */
function undoneKeys(value, at) {
  const { keys } = value.undone;
  if (!keys.id.length) return [];
  return [{
    type: typeOf(at), mode: "markers", name: "undone", meta: "undone", rows: keys.id.map((_, row) => row), hoverinfo: "none",
    x: keys.x, y: keys.y, customdata: keys.id,
    marker: { symbol: "diamond-open", size: at.sizes.key, color: "@muted",
      line: { width: keys.id.map((id) => (id === value.selected ? 3 : 1.5)), color: "@muted" } },
  }];
}

/** Marks of a moment: keys undone just now, the point picked in the list, and where prompts land. */
function extras(value, at, { ghosts, ring }) {
  const type = typeOf(at);
  const traces = [];
  const gone = ghosts.filter((one) => !value.undone.keys.id.includes(one.id));
  if (gone.length) {
    traces.push({ type, mode: "markers", name: "undone", meta: "ghost", hoverinfo: "skip",
      x: gone.map((one) => one.x), y: gone.map((one) => one.y),
      marker: { symbol: "diamond-open", size: at.sizes.key, color: "@muted", opacity: Math.min(...gone.map((one) => one.opacity)) } });
  }
  const row = ring ? at[ring.kind].id.indexOf(ring.id) : -1;
  if (row >= 0) {
    traces.push({ type, mode: "markers", name: "picked", meta: "ring", hoverinfo: "skip",
      x: [at[ring.kind].x[row]], y: [at[ring.kind].y[row]],
      marker: { symbol: "circle-open", size: 20, color: "@text", line: { width: 2.5, color: "@text" } } });
  }
  return [...traces, ...stars(value, at)];
}

/** Where the prompts land that were tried, with their numbers, each joined to its nearest key. */
function stars({ landings }, at) {
  const { number, prompt, x, y, key, matched } = landings;
  if (!prompt.length) return [];
  const type = typeOf(at);
  const paths = [true, false].map((solid) => {
    const ends = (own, keys) => prompt.flatMap((_, one) => {
      const row = matched[one] === solid ? at.keys.id.indexOf(key[one]) : -1;
      return row < 0 ? [] : [own[one], keys[row], null];
    });
    return { type: "scatter", mode: "lines", name: "to the nearest key", meta: "path", hoverinfo: "skip",
      x: ends(x, at.keys.x), y: ends(y, at.keys.y), line: { color: "@text", width: 1.5, dash: solid ? "solid" : "dot" } };
  });
  return [...paths.filter((path) => path.x.length), {
    type, mode: "markers+text", name: "where prompts land", meta: "landing", hoverinfo: "none",
    rows: prompt.map((_, one) => one), x, y, customdata: key.map((id) => id ?? ""),
    text: number.map(String), textposition: "top right", textfont: { size: 13, color: "@text" },
    marker: { symbol: "star", size: 19, color: matched.map((own) => (own ? "@own" : "@grey")), line: { width: 1.5, color: "@text" } },
  }];
}

export function mapFigure(value, at, own) {
  const ranges = rangesWith(at.ranges, value.landings);
  const faded = (circle) => (own.marks ? { ...circle, opacity: circle.opacity * 0.4 } : circle);
  const around = own.plain ? [] : value.paint.circles.map(faded);
  const above = own.plain ? [] : extras(value, at, own);
  return {
    data: [...around, ...dots(value, at, own), ...(own.plain ? [] : undoneKeys(value, at)), diamonds(value, at, own), ...above],
    layout: {
      uirevision: at.layout, selectionrevision: own.selections, selections: [],
      xaxis: { visible: false, range: [...ranges.x], constrain: "range" },
      yaxis: { visible: false, range: [...ranges.y], constrain: "range", scaleanchor: "x" },
      margin: { l: 8, r: 8, t: 8, b: 8 }, showlegend: false, hovermode: "closest", hoverdistance: 12,
      dragmode: own.dragmode, paper_bgcolor: "@surface", plot_bgcolor: "@surface",
      font: { family: "ui-sans-serif, system-ui, sans-serif", size: 12, color: "@text" },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: "@muted", activecolor: "@text" },
      newselection: { line: { color: "@text", width: 1.5, dash: "dot" } },
      annotations: [], // The names: see names.js.
    },
  };
}
