// Draws the map with Plotly and turns clicks and keys into events with edit ids. All words go through textContent, or
// through Plotly's own text, which the server has escaped.
const CLICK_RADIUS = 12;

const root = element.querySelector(".gs-map");
const plot = root.querySelector(".gs-map-plot");
const parts = Object.fromEntries(
  ["legend", "note", "status", "empty", "live"].map((name) => [name, root.querySelector(`.gs-map-${name}`)]),
);
let bound = false;
let drawing = Promise.resolve();
let stale = false;
let zoomed = false; // A person has chosen the part of the map that is shown.

const dark = () => document.body.classList.contains("dark");

/** The figure with colour tokens ("@own") replaced by the palette's colours. */
function coloured(value, palette) {
  if (typeof value === "string") return value.startsWith("@") ? (palette[value] ?? value) : value;
  if (Array.isArray(value)) return typeof value[0] === "number" ? value : value.map((part) => coloured(part, palette));
  if (value !== null && typeof value === "object") {
    // Texts and ids are data, whatever they begin with.
    return Object.fromEntries(Object.entries(value).map(([name, part]) =>
      [name, ["hovertext", "customdata", "text", "x", "y"].includes(name) ? part : coloured(part, palette)]));
  }
  return value;
}

function drawLegend(items, palette) {
  parts.legend.replaceChildren(...items.map((item) => {
    const line = el("li");
    const swatch = el("span", `gs-swatch gs-swatch-${item.symbol}`, null, { "aria-hidden": "true" });
    swatch.style.setProperty("--swatch", palette[item.colour] ?? item.colour);
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

function draw() {
  const value = data();
  if (!value) return;
  const palette = value.palettes[dark() ? "dark" : "light"];
  drawLegend(value.legend, palette);
  drawEmpty(value.empty);
  say(parts.note, value.note);
  say(parts.status, value.status);
  parts.status.hidden = !value.status;
  say(parts.live, value.spoken);
  root.classList.toggle("gs-map-blank", Boolean(value.empty));
  // Plotly measures the element: in a hidden tab that is nothing, so the drawing waits until the tab is shown.
  if (plot.clientWidth === 0) { stale = true; return; }
  stale = false;
  const figure = coloured(value.figure, palette);
  // Plotly's uirevision lets a new range from the server win over the zoom; a zoom ends with its layout only.
  zoomed = zoomed && plot.layout?.uirevision === figure.layout.uirevision;
  if (zoomed) {
    for (const axis of ["xaxis", "yaxis"]) figure.layout[axis].range = [...plot.layout[axis].range];
  }
  const config = {
    responsive: false, displaylogo: false, scrollZoom: true, doubleClick: false,
    // Named one by one: Plotly's own set holds a button that sends the chart to its makers' server.
    modeBarButtons: [[
      "pan2d", "zoom2d", "zoomIn2d", "zoomOut2d",
      { name: "everything", title: "Show everything", icon: Plotly.Icons.home, click: showEverything }, "toImage",
    ]],
    showSendToCloud: false, plotlyServerURL: "",
    toImageButtonOptions: { filename: "grace-studio-map", scale: 2 },
  };
  drawing = drawing
    .then(() => Plotly.react(plot, figure.data, { ...figure.layout, autosize: true }, config))
    .then(bind)
    .catch((error) => {
      console.error(error);
      parts.status.hidden = false;
      say(parts.status, `The map could not be drawn: ${error.message}`);
    });
}

/** Back to the part of the map that the server proposes. */
async function showEverything() {
  const { xaxis, yaxis } = data().figure.layout;
  await Plotly.relayout(plot, { "xaxis.range": [...xaxis.range], "yaxis.range": [...yaxis.range] });
  zoomed = false;
}

/** The id of the nearest key within the click radius of a mouse event, or null. */
function keyUnder(event) {
  const { xaxis, yaxis } = plot._fullLayout;
  const box = plot.getBoundingClientRect();
  const x = event.clientX - box.left - xaxis._offset;
  const y = event.clientY - box.top - yaxis._offset;
  let best = null;
  let nearest = CLICK_RADIUS;
  for (const trace of plot.data.filter((one) => one.meta === "key")) {
    trace.customdata.forEach((id, index) => {
      const distance = Math.hypot(xaxis.d2p(trace.x[index]) - x, yaxis.d2p(trace.y[index]) - y);
      if (distance <= nearest) { nearest = distance; best = id; }
    });
  }
  return best;
}

function bind() {
  if (bound) return;
  bound = true;
  plot.on("plotly_doubleclick", showEverything);
  plot.on("plotly_relayout", (change) => {
    if (Object.keys(change).some((name) => /^[xy]axis\.range/.test(name))) zoomed = true;
  });
  plot.on("plotly_click", (clicked) => {
    const dot = clicked.points.find((point) => point.data.meta === "query");
    const id = keyUnder(clicked.event) ?? (dot ? dot.customdata : "");
    if (id) trigger("select_edit", { edit_id: id });
  });
}

plot.addEventListener("keydown", (event) => {
  const value = data();
  if (!value || event.ctrlKey || event.metaKey || event.altKey) return;
  const ids = value.key_ids;
  const at = ids.indexOf(value.selected_key);
  const step = { n: 1, ArrowRight: 1, ArrowDown: 1, p: -1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (step && ids.length) {
    const next = at < 0 ? (step > 0 ? 0 : ids.length - 1) : (at + step + ids.length) % ids.length;
    trigger("select_edit", { edit_id: ids[next] });
  } else if (event.key === "u" && value.selected) {
    trigger("undo_edit", { edit_id: value.selected });
  } else if (event.key === "Escape" && value.selected) {
    trigger("clear_edit", {});
  } else {
    return;
  }
  event.preventDefault();
});

new ResizeObserver(() => {
  if (plot.clientWidth === 0) return;
  if (stale || !bound) draw();
  else Plotly.Plots.resize(plot);
}).observe(plot);
new MutationObserver(draw).observe(document.body, { attributes: true, attributeFilter: ["class"] });

draw();
watch("value", draw);
