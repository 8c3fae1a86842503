// Draws the map with Plotly and turns clicks, lassos, searches and keys into events with edit ids. The points come once
// (`points`), a selection brings only what it changes (`paint`). All words go through textContent, or through Plotly's
// own text, which the server has escaped.
const CLICK_RADIUS = 12;
const LISTED = { keys: 40, queries: 60 };
const FADE_SECONDS = 6;
const TWEEN_POINTS = 3000;
const TWEEN_FRAMES = 12;

const root = element.querySelector(".gs-map");
const plot = root.querySelector(".gs-map-plot");
const search = root.querySelector(".gs-map-search input");
const help = root.querySelector("dialog");
const parts = Object.fromEntries(
  ["legend", "note", "status", "empty", "live", "tip", "landing", "marked", "downloads"]
    .map((name) => [name, root.querySelector(`.gs-map-${name}`)]),
);
let bound = false;
let drawing = Promise.resolve();
let stale = false;
let zoomed = false; // A person has chosen the part of the map that is shown.
let scene = null; // The last points that the server sent.
let marks = null; // {keys: Set of ids, queries: Set of ids, why}: what a lasso or a search has picked out.
let ring = null; // {kind, id}: the point that a person picked in the list.
let ghosts = []; // Keys that were withdrawn a moment ago.
let selections = 0;
let lowered = null; // Lower-case words of the scene, for the search.

function drawLegend(items, colours) {
  parts.legend.replaceChildren(...items.map((item) => {
    const line = el("li");
    const swatch = el("span", `gs-swatch gs-swatch-${item.symbol}`, null, { "aria-hidden": "true" });
    swatch.style.setProperty("--swatch", colours[item.colour] ?? item.colour);
    line.append(swatch, el("span", "gs-map-count", item.count.toLocaleString("en")), el("span", "", item.label));
    return line;
  }));
}

function drawEmpty(empty) {
  parts.empty.hidden = !empty;
  if (!empty) return;
  const steps = el("ol");
  steps.append(...empty.steps.map((step) => el("li", "", step)));
  parts.empty.replaceChildren(el("h3", "", empty.title), steps);
}

// -- The figure -------------------------------------------------------------------------------------------------------

const pick = (column, rows) => rows.map((row) => column[row]);

/** The rows of each group; the one without rows has all that no other has. */
function rowsOf(groups, count) {
  const taken = new Uint8Array(count);
  groups.forEach((group) => group.rows?.forEach((row) => { taken[row] = 1; }));
  return groups.map((group) => group.rows ?? [...taken.keys()].filter((row) => !taken[row]));
}

/** What greys out the points that a lasso or a search left aside. */
function markedOnly(ids, rows, among, chosen = null) {
  if (!marks) return {};
  const selectedpoints = rows.flatMap((row, at) => (row === chosen || among.has(ids[row]) ? [at] : []));
  return { selectedpoints, selected: { marker: { opacity: 1 } }, unselected: { marker: { opacity: 0.14 } } };
}

function dots(value, at) {
  const kind = at.webgl ? "scattergl" : "scatter";
  const { queries } = at;
  return rowsOf(value.paint.groups, queries.id.length).map((rows, index) => {
    const group = value.paint.groups[index];
    return {
      type: kind, mode: "markers", name: group.name, meta: "query", rows, hoverinfo: "none",
      x: pick(queries.x, rows), y: pick(queries.y, rows),
      customdata: rows.map((row) => at.keys.id[queries.key[row]] ?? ""),
      marker: { size: at.sizes.dot, symbol: "circle", color: group.colours, opacity: group.opacity,
        line: { width: 0.75, color: "@surface" } },
      ...markedOnly(queries.id, rows, marks?.queries),
    };
  });
}

/** The keys, of the same kind as the dots: WebGL traces lie above all others, and keys must lie above dots. */
function diamonds(value, at) {
  const { usual, other, chosen } = value.paint.keys;
  const rows = at.keys.id.map((_, row) => row);
  const each = (special, rest) => rows.map((row) => (row === chosen ? special : rest));
  return {
    type: at.webgl ? "scattergl" : "scatter", mode: "markers", name: "keys", meta: "key", rows, hoverinfo: "none",
    x: at.keys.x, y: at.keys.y, customdata: at.keys.id,
    marker: {
      symbol: "diamond", opacity: 1, size: each(at.sizes.chosen, at.sizes.key),
      color: rows.map((row) => other[row] ?? usual),
      line: { width: each(2.5, 1.5), color: each("@text", "@surface") },
    },
    ...markedOnly(at.keys.id, rows, marks?.keys, chosen),
  };
}

/** Marks of a moment: withdrawn keys, the point picked in the list, and where a prompt lands. */
function extras(value, at) {
  const kind = at.webgl ? "scattergl" : "scatter";
  const traces = [];
  if (ghosts.length) {
    traces.push({ type: kind, mode: "markers", name: "withdrawn", meta: "ghost", hoverinfo: "skip",
      x: ghosts.map((one) => one.x), y: ghosts.map((one) => one.y),
      marker: { symbol: "diamond-open", size: at.sizes.key, color: "@muted", opacity: Math.min(...ghosts.map(fading)) } });
  }
  const row = ring ? at[ring.kind].id.indexOf(ring.id) : -1;
  if (row >= 0) {
    traces.push({ type: kind, mode: "markers", name: "picked", meta: "ring", hoverinfo: "skip",
      x: [at[ring.kind].x[row]], y: [at[ring.kind].y[row]],
      marker: { symbol: "circle-open", size: 20, color: "@text", line: { width: 2.5, color: "@text" } } });
  }
  const landing = value.landing;
  if (landing) {
    const key = at.keys.id.indexOf(landing.key);
    if (key >= 0) {
      traces.push({ type: "scatter", mode: "lines", name: "to the nearest key", meta: "path", hoverinfo: "skip",
        x: [landing.x, at.keys.x[key]], y: [landing.y, at.keys.y[key]],
        line: { color: "@text", width: 1.5, dash: landing.matched ? "solid" : "dot" } });
    }
    traces.push({ type: kind, mode: "markers", name: "where it lands", meta: "landing", hoverinfo: "skip",
      x: [landing.x], y: [landing.y],
      marker: { symbol: "star", size: 19, color: landing.matched ? "@own" : "@grey", line: { width: 1.5, color: "@text" } } });
  }
  return traces;
}

function compose(value, at, { plain = false } = {}) {
  const ranges = at.ranges;
  return {
    data: [...(plain ? [] : value.paint.balls), ...dots(value, at), diamonds(value, at), ...(plain ? [] : extras(value, at))],
    layout: {
      uirevision: at.layout, selectionrevision: selections, selections: [],
      xaxis: { visible: false, range: [...ranges.x], constrain: "range" },
      yaxis: { visible: false, range: [...ranges.y], constrain: "range", scaleanchor: "x" },
      margin: { l: 8, r: 8, t: 8, b: 8 }, showlegend: false, hovermode: "closest", hoverdistance: 12,
      dragmode: plot.layout?.dragmode ?? "pan", paper_bgcolor: "@surface", plot_bgcolor: "@surface",
      font: { family: "ui-sans-serif, system-ui, sans-serif", size: 12, color: "@text" },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: "@muted", activecolor: "@text" },
      newselection: { line: { color: "@text", width: 1.5, dash: "dot" } },
      annotations: plain ? [] : value.paint.annotations,
    },
  };
}

const config = () => ({
  responsive: false, displaylogo: false, scrollZoom: true, doubleClick: false,
  // Named one by one: Plotly's own set holds a button that sends the chart to its makers' server.
  modeBarButtons: [[
    "pan2d", "zoom2d", "lasso2d", "select2d", "zoomIn2d", "zoomOut2d",
    { name: "everything", title: "Show everything", icon: Plotly.Icons.home, click: showEverything },
  ]],
  showSendToCloud: false, plotlyServerURL: "",
});

const react = (figure) => Plotly.react(plot, figure.data, { ...figure.layout, autosize: true }, config());

function failed(error) {
  console.error(error);
  parts.status.hidden = false;
  say(parts.status, error.message);
}

/** Takes in the points that came with this value; false where they are still missing. */
function takePoints(value) {
  if (value.points) {
    const old = scene;
    scene = value.points;
    if (old?.id !== scene.id) {
      lowered = null;
      if (old && old.layout === scene.layout) {
        const now = new Set(scene.keys.id);
        old.keys.id.forEach((id, row) => {
          if (!now.has(id)) ghosts.push({ id, x: old.keys.x[row], y: old.keys.y[row], born: Date.now() });
        });
        ghosts = ghosts.filter((one) => !now.has(one.id));
        if (ghosts.length) fade();
      } else {
        ghosts = [];
        if (old) scene.from = old;
      }
      if (marks?.why === "search") marks = found(search.value);
    }
  }
  if (scene && scene.id === value.scene_id) return true;
  trigger("need_points", {});
  return false;
}

const fading = (ghost) => Math.max(0, 0.7 * (1 - (Date.now() - ghost.born) / (FADE_SECONDS * 1000)));

function fade() {
  setTimeout(() => {
    ghosts = ghosts.filter((one) => fading(one) > 0.05);
    draw();
    if (ghosts.length) fade();
  }, 1000);
}

function draw() {
  const value = data();
  if (!value) return;
  const colours = palette();
  drawLegend(value.legend, colours);
  drawEmpty(value.empty);
  drawLanding(value.landing);
  say(parts.note, value.note);
  say(parts.status, value.status);
  parts.status.hidden = !value.status;
  say(parts.live, value.spoken);
  root.classList.toggle("gs-map-blank", Boolean(value.empty));
  if (!takePoints(value)) return;
  drawMarked();
  // Plotly measures the element: in a hidden tab that is nothing, so the drawing waits until the tab is shown.
  if (plot.clientWidth === 0) { stale = true; return; }
  stale = false;
  const from = scene.from;
  delete scene.from;
  if (from && canTween(from)) drawing = drawing.then(() => tween(value, from)).catch(failed);
  const figure = coloured(compose(value, scene), colours);
  // Plotly's uirevision lets a new range from the server win over the zoom; a zoom ends with its layout only.
  drawing = drawing.then(() => {
    zoomed = zoomed && plot.layout?.uirevision === figure.layout.uirevision;
    if (zoomed) {
      for (const axis of ["xaxis", "yaxis"]) figure.layout[axis].range = [...plot.layout[axis].range];
    }
    return react(figure);
  }).then(bind).then(renewTip).catch((error) => failed(new Error(`The map could not be drawn: ${error.message}`)));
}

// -- A new layout is shown as a movement ------------------------------------------------------------------------------

function canTween(from) {
  return bound && from.keys.id.length + from.queries.id.length <= TWEEN_POINTS
    && !window.matchMedia("(prefers-reduced-motion: reduce)").matches;
}

async function tween(value, from) {
  const mix = (a, b, t) => a + (b - a) * t;
  const end = scene;
  const places = ["keys", "queries"].map((kind) => {
    const rows = new Map(from[kind].id.map((id, row) => [id, row]));
    return [kind, end[kind].id.map((id, row) => {
      const old = rows.get(id) ?? -1;
      return old < 0 ? [end[kind].x[row], end[kind].y[row]] : [from[kind].x[old], from[kind].y[old]];
    })];
  });
  for (let frame = 1; frame < TWEEN_FRAMES && scene === end; frame += 1) {
    const t = 0.5 - Math.cos((Math.PI * frame) / TWEEN_FRAMES) / 2;
    const at = { ...end, ranges: Object.fromEntries(["x", "y"].map((axis) =>
      [axis, [0, 1].map((side) => mix(from.ranges[axis][side], end.ranges[axis][side], t))])) };
    for (const [kind, starts] of places) {
      at[kind] = { ...end[kind],
        x: starts.map(([x], row) => mix(x, end[kind].x[row], t)), y: starts.map(([, y], row) => mix(y, end[kind].y[row], t)) };
    }
    await react(coloured(compose(value, at, { plain: true })));
    await new Promise((next) => requestAnimationFrame(next));
  }
}

/** Back to the part of the map that the server proposes. */
async function showEverything() {
  await Plotly.relayout(plot, { "xaxis.range": [...scene.ranges.x], "yaxis.range": [...scene.ranges.y] });
  zoomed = false;
}

// -- Words at a point -------------------------------------------------------------------------------------------------

let tip = null; // The point whose words are shown.

function showTip(kind, row) {
  tip = { kind, id: scene[kind].id[row] };
  const value = data();
  const column = scene[kind];
  const lines = [el("strong", "", column.prompt[row])];
  if (kind === "keys") {
    lines.push(el("span", "", `→ ${column.target[row]}`));
    const shared = column.serves[row] > 1 ? `, serves ${column.serves[row]} edits` : "";
    lines.push(el("span", "gs-map-tip-fact", `ε ${column.epsilon[row].toFixed(2)}${shared}`));
  } else {
    if (column.text[row]) lines.push(el("span", "", column.text[row]));
    if (column.distance[row] !== null) {
      const who = column.key[row] >= 0 ? "by an edit" : "by the model itself";
      lines.push(el("span", "gs-map-tip-fact", `now answered ${who}; nearest key at ${column.distance[row].toFixed(2)}`));
    }
    const far = value.paint.distances?.[row];
    if (far !== undefined) lines.push(el("span", "gs-map-tip-fact", `${far.toFixed(2)} from the selected key`));
  }
  const { xaxis, yaxis } = plot._fullLayout;
  const x = xaxis._offset + xaxis.d2p(column.x[row]);
  const y = yaxis._offset + yaxis.d2p(column.y[row]);
  parts.tip.replaceChildren(...lines);
  parts.tip.hidden = false;
  const width = parts.tip.offsetWidth;
  const height = parts.tip.offsetHeight;
  parts.tip.style.left = `${Math.max(4, Math.min(x + 14, plot.clientWidth - width - 4))}px`;
  parts.tip.style.top = `${y + 14 + height > plot.clientHeight ? Math.max(4, y - 14 - height) : y + 14}px`;
}

const hideTip = () => { tip = null; parts.tip.hidden = true; };

/** After a redrawing the words may have changed, and the point may be elsewhere or gone. */
function renewTip() {
  if (!tip) return;
  const row = scene[tip.kind].id.indexOf(tip.id);
  if (row < 0) hideTip();
  else showTip(tip.kind, row);
}

// -- Picking out many: lasso, box and search --------------------------------------------------------------------------

/** What holds all of these words; null for no words. */
function found(words) {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  if (!wanted.length || !scene) return null;
  lowered ??= {
    keys: scene.keys.prompt.map((prompt, row) => `${prompt}\n${scene.keys.target[row]}`.toLowerCase()),
    queries: scene.queries.prompt.map((prompt, row) => `${prompt}\n${scene.queries.text[row] ?? ""}`.toLowerCase()),
  };
  const matching = (kind) => new Set(scene[kind].id.filter((_, row) => wanted.every((word) => lowered[kind][row].includes(word))));
  return { keys: matching("keys"), queries: matching("queries"), why: "search" };
}

function mark(next) {
  marks = next;
  ring = null;
  selections += 1;
  hideTip();
  draw();
}

const counted = (count, one, many) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;

/** The list of what is picked out; each line can be clicked. */
function drawMarked() {
  parts.marked.hidden = !marks;
  root.classList.toggle("gs-map-has-marks", Boolean(marks));
  if (!marks) return;
  const rowsIn = (kind) => scene[kind].id.flatMap((id, row) => (marks[kind].has(id) ? [row] : []));
  const rows = { keys: rowsIn("keys"), queries: rowsIn("queries") };
  const head = el("div", "gs-map-marked-head");
  head.append(el("strong", "", `${counted(rows.keys.length, "key", "keys")}, ${counted(rows.queries.length, "query", "queries")}`));
  const clear = el("button", "gs-link", "Clear", { type: "button" });
  clear.addEventListener("click", () => { search.value = ""; mark(null); plot.focus(); });
  head.append(clear);
  const list = el("ul");
  for (const kind of ["keys", "queries"]) {
    rows[kind].slice(0, LISTED[kind]).forEach((row) => list.append(line(kind, row)));
    const more = rows[kind].length - LISTED[kind];
    if (more > 0) list.append(el("li", "gs-map-more", `and ${counted(more, kind === "keys" ? "key" : "query", kind)} more`));
  }
  const none = !rows.keys.length && !rows.queries.length;
  parts.marked.replaceChildren(head, none ? el("p", "gs-map-more", "Nothing here. Try fewer words, or a larger lasso.") : list);
}

function line(kind, row) {
  const item = el("li");
  const column = scene[kind];
  const key = kind === "keys" ? row : column.key[row];
  const chosen = kind === "keys" && data().paint.keys.chosen === row;
  const words = kind === "keys" ? `→ ${column.target[row]}` : (key >= 0 ? "answered by an edit" : "answered by the model");
  const button = el("button", `gs-map-line gs-map-line-${kind}`, null, {
    type: "button", title: column.prompt[row], ...(chosen ? { "aria-current": "true" } : {}),
  });
  button.append(el("span", "gs-map-line-prompt", column.prompt[row]), el("span", "gs-map-line-fact", words));
  button.addEventListener("click", () => {
    ring = { kind, id: column.id[row] };
    if (key >= 0) trigger("select_edit", { edit_id: scene.keys.id[key] });
    draw();
    drawing.then(() => showTip(kind, row));
  });
  item.append(button);
  return item;
}

let typing = 0;
search.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => mark(found(search.value)), 150);
});
search.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    search.value = "";
    mark(null);
    plot.focus();
  } else if (event.key === "Enter") {
    clearTimeout(typing);
    mark(found(search.value));
    const keys = marks ? scene.keys.id.filter((id) => marks.keys.has(id)) : [];
    const row = marks ? scene.queries.id.findIndex((id, at) => marks.queries.has(id) && scene.queries.key[at] >= 0) : -1;
    const id = keys[0] ?? (row >= 0 ? scene.keys.id[scene.queries.key[row]] : null);
    if (id) trigger("select_edit", { edit_id: id });
  }
});

// -- Where does this land? --------------------------------------------------------------------------------------------

function drawLanding(landing) {
  parts.landing.hidden = !landing;
  if (!landing) return;
  const open = el("button", "gs-link", "Show this key", { type: "button" });
  open.addEventListener("click", () => trigger("select_edit", { edit_id: landing.key }));
  const clear = el("button", "gs-link", "Clear", { type: "button", "aria-label": "Clear where it lands" });
  clear.addEventListener("click", () => trigger("clear_landing", {}));
  parts.landing.replaceChildren(
    el("span", "gs-map-star", "★", { "aria-hidden": "true" }), el("span", "", landing.words), ...(landing.key ? [open] : []), clear,
  );
}

// -- Gestures ---------------------------------------------------------------------------------------------------------

/** The id of the nearest key within the click radius of a mouse event, or null. */
function keyUnder(event) {
  const { xaxis, yaxis } = plot._fullLayout;
  const box = plot.getBoundingClientRect();
  const x = event.clientX - box.left - xaxis._offset;
  const y = event.clientY - box.top - yaxis._offset;
  let best = null;
  let nearest = CLICK_RADIUS;
  scene.keys.id.forEach((id, row) => {
    const distance = Math.hypot(xaxis.d2p(scene.keys.x[row]) - x, yaxis.d2p(scene.keys.y[row]) - y);
    if (distance <= nearest) { nearest = distance; best = id; }
  });
  return best;
}

const KIND = { key: "keys", query: "queries" };

function bind() {
  if (bound) return;
  bound = true;
  plot.on("plotly_doubleclick", () => { if (marks && marks.why === "lasso") mark(null); else showEverything(); });
  plot.on("plotly_relayout", (change) => {
    if (Object.keys(change).some((name) => /^[xy]axis\.range/.test(name))) { zoomed = true; hideTip(); }
  });
  plot.on("plotly_hover", ({ points }) => {
    const point = points.find((one) => KIND[one.data.meta]);
    if (point) showTip(KIND[point.data.meta], point.data.rows[point.pointNumber]);
  });
  plot.on("plotly_unhover", hideTip);
  // Plotly also tells of selections when it redraws: only those that a person has drawn count.
  let drawn = false;
  plot.on("plotly_selecting", () => { drawn = true; });
  plot.on("plotly_selected", (event) => {
    if (!drawn || !event?.points) return;
    drawn = false;
    const next = { keys: new Set(), queries: new Set(), why: "lasso" };
    for (const point of event.points) {
      const kind = KIND[point.data.meta];
      if (kind) next[kind].add(scene[kind].id[point.data.rows[point.pointNumber]]);
    }
    search.value = "";
    mark(next);
    // One key alone is a selection like any click.
    if (next.keys.size === 1) trigger("select_edit", { edit_id: [...next.keys][0] });
  });
  plot.on("plotly_click", (clicked) => {
    const dot = clicked.points.find((point) => point.data.meta === "query");
    const id = keyUnder(clicked.event) ?? (dot ? dot.customdata : "");
    if (id) trigger("select_edit", { edit_id: id });
  });
}

const STEPS = { n: 1, j: 1, ArrowRight: 1, ArrowDown: 1, p: -1, k: -1, ArrowLeft: -1, ArrowUp: -1 };

plot.addEventListener("keydown", (event) => {
  const value = data();
  if (!value || !scene || event.ctrlKey || event.metaKey || event.altKey) return;
  // Among those that a lasso or a search picked out, where there are any.
  const ids = marks?.keys.size ? scene.keys.id.filter((id) => marks.keys.has(id)) : scene.keys.id;
  const at = ids.indexOf(value.selected_key);
  const step = STEPS[event.key];
  if (step && ids.length) {
    const next = at < 0 ? (step > 0 ? 0 : ids.length - 1) : (at + step + ids.length) % ids.length;
    trigger("select_edit", { edit_id: ids[next] });
  } else if (event.key === "u" && value.selected) {
    trigger("undo_edit", { edit_id: value.selected });
  } else if (event.key === "Escape" && marks) {
    search.value = "";
    mark(null);
  } else if (event.key === "Escape" && value.selected) {
    trigger("clear_edit", {});
  } else {
    return;
  }
  event.preventDefault();
});

root.addEventListener("keydown", (event) => {
  if (event.target.closest("input, textarea, dialog") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") search.focus();
  else if (event.key === "?") help.showModal();
  else return;
  event.preventDefault();
});
root.querySelector(".gs-map-help").addEventListener("click", () => help.showModal());
help.querySelector("button").addEventListener("click", () => help.close());
help.addEventListener("close", () => plot.focus());

// -- Downloads --------------------------------------------------------------------------------------------------------

function table() {
  const value = data();
  const standing = new Array(scene.queries.id.length).fill("");
  rowsOf(value.paint.groups, standing.length).forEach((rows, index) =>
    rows.forEach((row) => { standing[row] = value.paint.groups[index].name; }));
  const { keys, queries } = scene;
  return {
    columns: ["kind", "id", "prompt", "target or answer", "map x", "map y", "epsilon", "answered by", "distance to nearest key",
      "distance to selected key", "standing"],
    rows: [
      ...keys.id.map((id, row) => ["key", id, keys.prompt[row], keys.target[row], keys.x[row], keys.y[row], keys.epsilon[row],
        null, null, null, row === value.paint.keys.chosen ? "selected" : ""]),
      ...queries.id.map((id, row) => ["query", id, queries.prompt[row], queries.text[row], queries.x[row], queries.y[row], null,
        keys.id[queries.key[row]], queries.distance[row], value.paint.distances?.[row], standing[row]]),
    ],
  };
}

parts.downloads.append(downloads(plot, { filename: "grace-studio-map", label: "the map", table, onError: failed }));

new ResizeObserver(() => {
  if (plot.clientWidth === 0) return;
  if (stale || !bound) draw();
  else Plotly.Plots.resize(plot);
}).observe(plot);
let mode = dark();
new MutationObserver(() => { if (mode !== dark()) { mode = dark(); draw(); } })
  .observe(document.body, { attributes: true, attributeFilter: ["class"] });

draw();
watch("value", draw);
