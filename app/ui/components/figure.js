// One Plotly figure with its note and its downloads. Words go through textContent, or through Plotly's own text, which
// the server has escaped.
const root = element.querySelector(".gs-figure");
const plot = root.querySelector(".gs-figure-plot");
const caption = root.querySelector("figcaption");
const { filename, label } = root.dataset;
const parts = Object.fromEntries(["note", "empty", "error"].map((name) => [name, root.querySelector(`.gs-figure-${name}`)]));
let drawing = Promise.resolve();
let bound = false;

function fail(error) {
  console.error(error);
  parts.error.hidden = false;
  say(parts.error, error.message);
}

const buttons = downloads(plot, {
  filename, label, table: () => data().table ?? tableOf(data().figure), onError: fail,
});
caption.append(buttons);

function draw() {
  const value = data();
  const shown = Boolean(value?.figure);
  plot.hidden = caption.hidden = !shown;
  parts.empty.hidden = shown || !value?.empty;
  parts.error.hidden = true;
  say(parts.empty, value?.empty ?? "");
  if (!shown) return;
  say(parts.note, value.note);
  plot.setAttribute("aria-label", `${label}. ${value.spoken}`);
  if (plot.clientWidth === 0) return; // Plotly measures the element; `redrawWhenSeen` draws it when it is shown.
  const figure = coloured(value.figure);
  drawing = drawing
    .then(() => drawPlot(plot, figure, { responsive: false, displayModeBar: false }))
    .then(bind)
    .catch((error) => fail(new Error(`The figure could not be drawn: ${error.message}`)));
}

function bind() {
  if (bound) return;
  bound = true;
  plot.on("plotly_click", (clicked) => {
    const point = clicked.points.find((one) => one.customdata);
    if (point) trigger("point_click", { id: point.customdata, x: point.x, y: point.y });
  });
}

redrawWhenSeen(plot, draw);
draw();
watch("value", draw);
