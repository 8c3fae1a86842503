// The map: keeps the points, which come once (`points`; a selection brings only what it changes, `paint`), draws, and turns
// clicks, lassos, searches and keys into events with edit ids. What is drawn is said in key_map_figure.js and its
// neighbours. All words go through textContent, or through Plotly's own text, which the server has escaped.
const CLICK_RADIUS = 12;
const FADE_SECONDS = 6;
const STEPPING_MS = 2000; // Who presses J again sooner goes on from where the last one leads, though that is not drawn yet.

const root = element.querySelector(".gs-map");
const plot = root.querySelector(".gs-map-plot");
const search = root.querySelector(".gs-map-search input");
const help = root.querySelector("dialog");
const parts = Object.fromEntries(
  ["legend", "note", "status", "empty", "live", "tip", "landing", "heard", "marked", "downloads", "undone"]
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
let found = () => null; // Words to what holds them, among the points.
let tip = null; // {kind, id}: the point whose words are shown.
let focused = null; // The id of the key that the view was zoomed to, until a person moves it.
let steering = false; // The view is moved by this script, not by a person.
let followed = null; // The key that was selected when last drawn.
let tried = 0; // The number of the newest prompt that was tried when last drawn.
let stepping = null; // {id, at}: the key that J or K went to, until the server has followed.
let passed = { selected: null, key: null, ids: [] }; // The last selected key, and those that could be gone through with it.

function drawLegend(items, colours) {
  parts.legend.replaceChildren(...items.map((item) => {
    const line = el("li");
    const swatch = el("span", `gs-swatch gs-swatch-${item.symbol}`, null, { "aria-hidden": "true" });
    swatch.style.setProperty("--swatch", colours[item.colour] ?? item.colour);
    line.append(swatch, el("span", "gs-map-count", item.count?.toLocaleString("en") ?? ""), el("span", "", item.label));
    return line;
  }));
}

/** The switch that shows the keys of undone edits, where there are any. What was just clicked stays until it is answered. */
let switched = null;
function drawUndone({ count, shown }) {
  if (switched === shown || !count) switched = null;
  parts.undone.hidden = !count;
  parts.undone.querySelector("input").checked = switched ?? shown;
  say(parts.undone.querySelector(".gs-map-count"), count.toLocaleString("en"));
}

function drawEmpty(empty) {
  parts.empty.hidden = !empty;
  if (!empty) return;
  const steps = el("ol");
  steps.append(...empty.steps.map((step) => el("li", "", step)));
  parts.empty.replaceChildren(el("h3", "", empty.title), steps);
}

// -- The figure -------------------------------------------------------------------------------------------------------

const config = () => ({
  responsive: false, displaylogo: false, scrollZoom: true, doubleClick: false,
  // Named one by one: Plotly's own set holds a button that sends the chart to its makers' server.
  modeBarButtons: [[
    "pan2d", "zoom2d", "lasso2d", "select2d", "zoomIn2d", "zoomOut2d",
    { name: "everything", title: "Show everything", icon: Plotly.Icons.home, click: showEverything },
  ]],
  showSendToCloud: false, plotlyServerURL: "",
});

/** What this browser adds to what the server sent. */
const own = (more = {}) => ({
  marks, ring, selections, dragmode: plot.layout?.dragmode ?? "pan", plain: false,
  ghosts: ghosts.map((ghost) => ({ ...ghost, opacity: fading(ghost) })), ...more,
});

const react = (figure) => drawPlot(plot, figure, config());

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
      found = finderOf(scene);
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
      // Shown anew here; what was picked out stays so on other pages, with a button to redo what was undone.
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
  drawLandings(value.landings);
  drawUndone(value.undone);
  say(parts.note, value.note);
  say(parts.status, value.status);
  parts.status.hidden = !value.status;
  say(parts.live, value.spoken);
  root.classList.toggle("gs-map-blank", Boolean(value.empty));
  if (!takePoints(value)) return;
  drawMarked();
  if (value.selected_key === stepping?.id) stepping = null;
  if (value.selected_key) passed = { selected: value.selected, key: value.selected_key, ids: steppable() };
  // Plotly measures the element: in a hidden tab that is nothing, so the drawing waits until the tab is shown.
  if (plot.clientWidth === 0) { stale = true; return; }
  stale = false;
  const from = scene.from;
  delete scene.from;
  if (from && bound && canMove(from)) drawing = drawing.then(() => move(value, from)).catch(failed);
  const figure = coloured(mapFigure(value, scene, own()), colours);
  // Plotly's uirevision lets a new range from the server win over the zoom; a zoom ends with its layout only.
  drawing = drawing.then(() => {
    zoomed = zoomed && plot.layout?.uirevision === figure.layout.uirevision;
    if (zoomed) {
      for (const axis of ["xaxis", "yaxis"]) figure.layout[axis].range = [...plot.layout[axis].range];
    }
    figure.layout.annotations = names(value, figure.layout);
    return react(figure);
  }).then(bind).then(() => follow(value)).then(renewTip).catch((error) => failed(new Error(`The map could not be drawn: ${error.message}`)));
}

/** The names of keys for these ranges, in the plot as large as it is now. */
function names(value, { xaxis, yaxis, margin }) {
  const [width, height] = [plot.clientWidth - margin.l - margin.r, plot.clientHeight - margin.t - margin.b];
  return coloured(keyNames(value, scene, marks, { x: xaxis.range, y: yaxis.range, width, height }));
}

/** Another part of the map, or another size of the plot, has room for other names. */
function renameKeys() {
  const value = data();
  if (!bound || !value || scene?.id !== value.scene_id) return;
  drawing = drawing.then(() => Plotly.relayout(plot, { annotations: names(value, plot.layout) })).catch(failed);
}

async function move(value, from) {
  const end = scene;
  for (const at of between(from, end)) {
    if (scene !== end) return;
    await react(coloured(mapFigure(value, at, own({ plain: true }))));
    await new Promise((next) => requestAnimationFrame(next));
  }
}

/** Shows these ranges of both axes. */
async function show(x, y) {
  steering = true;
  try {
    await Plotly.relayout(plot, { "xaxis.range": [...x], "yaxis.range": [...y] });
  } finally {
    steering = false;
  }
}

/** Back to the part of the map that holds everything. */
async function showEverything() {
  const { x, y } = rangesWith(scene.ranges, data().landings);
  await show(x, y);
  zoomed = false;
  focused = null;
}

/** Zooms to one key, with its circle and what is nearest to it on the map; a second time for the same key goes back. */
async function focusOn(row) {
  const id = scene.keys.id[row];
  if (focused === id) { await showEverything(); return; }
  const { xaxis, yaxis } = plot._fullLayout;
  await show(...focusRanges(scene, row, circleRadius(data(), scene, row), xaxis._length, yaxis._length));
  zoomed = true;
  focused = id;
  renewTip();
}

/** A key that was just selected, or a prompt just tried, that lies outside of what is shown is brought to the middle. */
async function follow({ selected_key: id, landings }) {
  const row = id === followed ? -1 : scene.keys.id.indexOf(id);
  followed = id;
  const newest = landings.number.at(-1) ?? 0;
  const star = newest > tried ? landings.number.length - 1 : -1;
  tried = newest;
  if (row >= 0) await bringIn(scene.keys.x[row], scene.keys.y[row]);
  if (star >= 0) await bringIn(landings.x[star], landings.y[star]);
}

async function bringIn(x, y) {
  if (!zoomed) return;
  const ranges = { x: plot.layout.xaxis.range, y: plot.layout.yaxis.range };
  if (!inRange(x, ranges.x) || !inRange(y, ranges.y)) await show(centred(x, ranges.x), centred(y, ranges.y));
}

// -- Words at a point -------------------------------------------------------------------------------------------------

function pointsOf(kind) {
  const { undone, landings } = data();
  return { undone: undone.keys, landings: { ...landings, id: landings.number } }[kind] ?? scene[kind];
}

function showTip(kind, row) {
  const at = pointsOf(kind);
  tip = { kind, id: at.id[row] };
  const far = kind === "queries" ? data().paint.distances?.[row] : undefined;
  placeTip(parts.tip, plot, at.x[row], at.y[row], tipLines(kind, at, row, far, scene.keys.target));
}

function hideTip() {
  tip = null;
  parts.tip.hidden = true;
}

/** After a redrawing the words may have changed, and the point may be elsewhere or gone. */
function renewTip() {
  if (!tip) return;
  const row = pointsOf(tip.kind).id.indexOf(tip.id);
  if (row < 0) hideTip();
  else showTip(tip.kind, row);
}

// -- Picking out many -------------------------------------------------------------------------------------------------

/** Picks out these points, and with them perhaps selects an edit, in one event; pages that list edits follow. */
function setMarks(next, selected = null) {
  if (!next && !marks) return;
  marks = next;
  trigger("pick_keys", { edit_ids: marks && [...marks.keys], selected });
}

function mark(next, selected = null) {
  setMarks(next, selected);
  say(parts.heard, next ? pickedWords(next) : "");
  ring = null;
  selections += 1;
  hideTip();
  draw();
}

function drawMarked() {
  parts.marked.hidden = !marks;
  root.classList.toggle("gs-map-has-marks", Boolean(marks));
  if (!marks) return;
  parts.marked.replaceChildren(...markedList(scene, marks, {
    chosen: data().paint.keys.chosen,
    onClear: () => { search.value = ""; mark(null); plot.focus(); },
    onPick: (kind, row) => {
      pickOut(kind, row);
      drawing.then(() => showTip(kind, row));
    },
  }));
}

/** Ring one point, and select the edit that it is or that answers it. */
function pickOut(kind, row) {
  ring = { kind, id: scene[kind].id[row] };
  const key = kind === "keys" ? row : scene.queries.key[row];
  if (key >= 0) trigger("select_edit", { edit_id: scene.keys.id[key] });
  draw();
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
    const next = found(search.value);
    const key = next ? scene.keys.id.find((id) => next.keys.has(id)) : null;
    const row = next ? scene.queries.id.findIndex((id, at) => next.queries.has(id) && scene.queries.key[at] >= 0) : -1;
    mark(next, key ?? (row >= 0 ? scene.keys.id[scene.queries.key[row]] : null));
  }
});
parts.undone.querySelector("input").addEventListener("change", (event) => {
  switched = event.target.checked;
  trigger("show_undone", { shown: switched });
});

// -- Where does this land? --------------------------------------------------------------------------------------------

let landed = "";
let heard = 0; // The number of the newest prompt whose words were announced.

function drawLandings(landings) {
  const { number, prompt, words, key } = landings;
  const now = JSON.stringify([number, words, key]);
  if (now === landed) return;
  landed = now;
  const focus = focusedLine(parts.landing);
  parts.landing.hidden = !prompt.length;
  parts.landing.replaceChildren(...landingLines(landings, {
    onShow: (id) => trigger("select_edit", { edit_id: id }),
    onClear: (one) => trigger("clear_landing", { number: one }),
  }));
  if (focus) focusLine(parts.landing, focus, plot);
  const newest = number.at(-1) ?? 0;
  if (newest > heard) say(parts.heard, `“${prompt.at(-1)}” ${words.at(-1)} Not logged.`);
  heard = newest;
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

const KIND = { key: "keys", query: "queries", undone: "undone", landing: "landings" };

function bind() {
  if (bound) return;
  bound = true;
  plot.on("plotly_doubleclick", () => { if (marks && marks.why === "lasso") mark(null); else showEverything(); });
  plot.on("plotly_relayout", (change) => {
    if (Object.keys(change).some((name) => /^[xy]axis\.range/.test(name))) {
      zoomed = true;
      renameKeys();
      if (steering) return;
      focused = null;
      hideTip();
    }
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
      if (next[kind]) next[kind].add(scene[kind].id[point.data.rows[point.pointNumber]]);
    }
    search.value = "";
    mark(next, next.keys.size === 1 ? [...next.keys][0] : null); // One key alone is a selection like any click.
  });
  plot.on("plotly_click", (clicked) => {
    // A query dot over a key must not take its click.
    const key = keyUnder(clicked.event);
    const point = clicked.points.find((one) => KIND[one.data.meta]);
    if (!key && point?.data.meta === "query") {
      pickOut("queries", point.data.rows[point.pointNumber]);
      return;
    }
    ring = null;
    const id = key ?? point?.customdata;
    if (id) trigger("select_edit", { edit_id: id });
  });
}

/** The keys that J and K go through: those that a lasso or a search picked out, where there are any. */
const steppable = () => (marks?.keys.size ? scene.keys.id.filter((id) => marks.keys.has(id)) : scene.keys.id);

root.addEventListener("pointerdown", () => { stepping = null; });

const STEPS = { n: 1, j: 1, ArrowRight: 1, ArrowDown: 1, p: -1, k: -1, ArrowLeft: -1, ArrowUp: -1 };

plot.addEventListener("keydown", (event) => {
  const value = data();
  if (!value || !scene || event.ctrlKey || event.metaKey || event.altKey) return;
  // Caps Lock must not take the letters away; Shift with a letter is left alone.
  const letter = event.key.length === 1;
  if (letter && event.shiftKey) return;
  const pressed = letter ? event.key.toLowerCase() : event.key;
  const step = STEPS[pressed];
  if (step && scene.keys.id.length) {
    const quick = stepping && Date.now() - stepping.at < STEPPING_MS ? stepping.id : null;
    const withdrawn = value.selected && value.selected === passed.selected ? passed.key : null;
    const id = steppedFrom(steppable(), quick ?? value.selected_key ?? withdrawn, step, passed.ids);
    stepping = { id, at: Date.now() };
    trigger("select_edit", { edit_id: id });
  } else if (pressed === "u" && value.selected) {
    trigger("undo_edit", { edit_id: value.selected });
  } else if (pressed === "f" && value.selected_key) {
    drawing = drawing.then(() => focusOn(scene.keys.id.indexOf(value.selected_key))).catch(failed);
  } else if (pressed === "0") {
    drawing = drawing.then(showEverything).catch(failed);
  } else if (event.key === "Escape" && (marks || ring)) {
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

parts.downloads.append(downloads(plot, { filename: "grace-studio-map", label: "the map", table: () => mapTable(data(), scene), onError: failed }));

new ResizeObserver(() => {
  if (plot.clientWidth === 0) return;
  if (stale || !bound) draw();
  else drawing = drawing.then(() => Plotly.Plots.resize(plot)).then(renameKeys).catch(failed);
}).observe(plot);
let mode = dark();
new MutationObserver(() => { if (mode !== dark()) { mode = dark(); draw(); } })
  .observe(document.body, { attributes: true, attributeFilter: ["class"] });

draw();
watch("value", draw);
