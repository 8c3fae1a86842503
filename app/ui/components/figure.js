// @ts-check
// One Plotly figure with its note and its downloads. Words go through textContent, or through Plotly's own text, which
// the server has escaped.
import { coloured, modeColours, onModeChange } from "./colours.js";
import { follow, valueOf } from "./component.js";
import { find, say } from "./dom.js";
import { downloads } from "./downloads.js";
import { pictureOf, saveFigure } from "./picture.js";
import { drawPlot, onResize } from "./plotly.js";

/**
 * A table of what a figure shows, where no better one is given: one row for each point.
 * @param {{data: any[]}} figure
 */
export function tableOf({ data }) {
  const rows = data.flatMap((trace) => [...(trace.x ?? [])].map((x, index) =>
    [trace.name ?? "", x, trace.y?.[index] ?? "", trace.z?.[index] ?? ""]));
  return { columns: ["series", "x", "y", "z"], rows: rows.filter((row) => row[1] !== null) };
}

/** @param {import("./component.js").Component} component */
export function start(component) {
  const { element, props, trigger } = component;
  const root = find(element, ".gs-figure");
  /** @type {any} */
  const plot = find(root, ".gs-figure-plot");
  const caption = find(root, "figcaption");
  const { filename = "", label = "" } = root.dataset;
  const parts = Object.fromEntries(["note", "empty", "error"].map((name) => [name, find(root, `.gs-figure-${name}`)]));
  let drawing = Promise.resolve();
  let bound = false;

  function fail(error) {
    console.error(error);
    parts.error.hidden = false;
    say(parts.error, error.message);
  }

  async function savePicture(format) {
    const value = valueOf(props);
    const { figure, width, height } = pictureOf(value.figure, {
      title: label, note: value.note, width: plot.clientWidth, height: plot.clientHeight,
    });
    await saveFigure(coloured(figure, modeColours()), { format, filename, width, height });
  }

  function bind() {
    if (bound) return;
    bound = true;
    plot.on("plotly_click", (clicked) => {
      const point = clicked.points.find((one) => one.customdata);
      if (point) trigger("point_click", { id: point.customdata, x: point.x, y: point.y });
    });
  }

  function draw(value) {
    const shown = Boolean(value.figure);
    plot.hidden = caption.hidden = !shown;
    parts.empty.hidden = shown || !value.empty;
    parts.error.hidden = true;
    say(parts.empty, value.empty ?? "");
    if (!shown) return;
    say(parts.note, value.note);
    plot.setAttribute("aria-label", `${label}. ${value.spoken}`);
    if (plot.clientWidth === 0) return; // Plotly measures the element; it is drawn when it is shown.
    const figure = coloured(value.figure, modeColours());
    drawing = drawing
      .then(() => drawPlot(plot, figure, { responsive: false, displayModeBar: false }))
      .then(bind)
      .catch((error) => fail(new Error(`The figure could not be drawn: ${error.message}`)));
  }

  const table = () => { const { table: given, figure } = valueOf(props); return given ?? tableOf(figure); };
  caption.append(downloads({ filename, label, savePicture, table, onError: fail }));
  const redraw = () => { const value = valueOf(props); if (value) draw(value); };
  onResize(plot, redraw);
  onModeChange(redraw);
  follow(component, draw);
}
