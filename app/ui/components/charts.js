// What every Plotly figure of these pages shares: the colours of the mode, downloads, and drawing once it can be seen.
// `PALETTES` stands before this script (see charts.py). Texts in figures are escaped by the server.
const TEXTS = ["hovertext", "customdata", "text", "x", "y"];
const dark = () => document.body.classList.contains("dark");
const palette = () => PALETTES[dark() ? "dark" : "light"];

/** The figure with colour tokens ("@own") replaced by the colours of the present mode. */
function coloured(value, colours = palette(), name = "") {
  if (typeof value === "string") return value.startsWith("@") ? (colours[value] ?? value) : value;
  if (Array.isArray(value)) {
    // Long columns of numbers are left as they are; a step of a colour scale begins with one, too.
    const numbers = typeof value[0] === "number" && typeof value.at(-1) !== "string";
    return numbers ? value : value.map((part) => coloured(part, colours));
  }
  if (value !== null && typeof value === "object") {
    // Texts and ids are data, whatever they begin with; the words of an axis title or a label are no token either.
    return Object.fromEntries(Object.entries(value).map(([key, part]) =>
      [key, TEXTS.includes(key) ? part : coloured(part, colours, key)]));
  }
  return value;
}

/**
 * Plotly.react, with clip paths that hold. In a page with <base>, Plotly writes the page's address into them; here that
 * changes with every tab and selection, and all that was drawn before would vanish.
 */
async function drawPlot(plot, figure, config) {
  await Plotly.react(plot, figure.data, { autosize: true, ...figure.layout }, config);
  plot._context._baseUrl = "";
  for (const part of plot.querySelectorAll("[clip-path*='//']")) {
    part.setAttribute("clip-path", part.getAttribute("clip-path").replace(/^url\(['"]?[^#]*(#[^'")]*)['"]?\)$/, "url($1)"));
  }
}

/** Loads Plotly where the page has not: for a component that does not name it in its head, as it draws by itself. */
function needPlotly() {
  if (window.Plotly) return Promise.resolve();
  return new Promise((loaded, failed) => {
    const code = el("script", "", null, { src: PLOTLY_ADDRESS });
    code.addEventListener("load", loaded);
    code.addEventListener("error", () => failed(new Error("Plotly could not be loaded.")));
    document.head.append(code);
  });
}

/** A table of what a figure shows, where no better one is given: one row for each point. */
function tableOf(figure) {
  const rows = figure.data.flatMap((trace) => [...(trace.x ?? [])].map((x, index) =>
    [trace.name ?? "", x, trace.y?.[index] ?? "", trace.z?.[index] ?? ""]));
  return { columns: ["series", "x", "y", "z"], rows: rows.filter((row) => row[1] !== null) };
}

/**
 * Buttons that download a figure. plot: the element that Plotly drew into; named: its file name without ending and
 * what it shows, for screen readers; table: () => {columns, rows}. onError is told what failed.
 * figure: what pictures are made of, where that is not the plot itself (or a promise of it); size: theirs.
 */
function downloads(plot, {
  filename, label, table = () => tableOf(plot), onError = console.error,
  figure = () => plot, size = () => ({ width: plot.clientWidth, height: plot.clientHeight }),
}) {
  const bar = el("span", "gs-downloads", null, { role: "group", "aria-label": `Download ${label}` });
  const add = (kind, act) => {
    const button = el("button", "gs-download", kind, { type: "button", "aria-label": `Download ${label} as ${kind}` });
    button.addEventListener("click", () => Promise.resolve().then(act).catch((error) =>
      onError(new Error(`The ${kind} could not be made: ${error.message ?? error}`))));
    bar.append(button);
  };
  const image = (format) => async () => {
    const made = await figure();
    return Plotly.downloadImage(made, { format, filename, scale: format === "png" ? 2 : 1, ...size() });
  };
  bar.append(el("span", "gs-download-title", "Download"));
  add("PNG", image("png"));
  add("SVG", image("svg"));
  add("CSV", () => saveCsv(filename, table()));
  return bar;
}

/** Calls `draw` again when the mode changes, and when `plot` is first seen or gets another size. */
function redrawWhenSeen(plot, draw) {
  let width = plot.clientWidth;
  new ResizeObserver(() => {
    if (plot.clientWidth === width) return;
    width = plot.clientWidth;
    if (width) draw();
  }).observe(plot);
  let mode = dark();
  new MutationObserver(() => { if (mode !== dark()) { mode = dark(); draw(); } })
    .observe(document.body, { attributes: true, attributeFilter: ["class"] });
}
