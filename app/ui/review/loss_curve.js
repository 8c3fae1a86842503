const root = element.querySelector(".gs-progress");
const stage = element.querySelector(".gs-stage");
const loss = element.querySelector(".gs-loss");
const bar = element.querySelector(".gs-bar");
const fill = element.querySelector(".gs-bar-fill");
const svg = element.querySelector(".gs-curve");
const saving = element.querySelector(".gs-loss-downloads");
const LEFT = 34, RIGHT = 392, TOP = 8, BOTTOM = 98;

function shape(tag, attributes, text = null) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== null) node.textContent = text;
  return node;
}

function drawCurve(losses, limit) {
  const logs = losses.map((value) => Math.log10(Math.max(value, 1e-4)));
  const low = Math.floor(Math.min(-1, ...logs)), high = Math.ceil(Math.max(0, ...logs));
  const y = (log) => TOP + ((high - log) / (high - low)) * (BOTTOM - TOP);
  const x = (step) => LEFT + (step / Math.max(1, limit - 1, losses.length - 1)) * (RIGHT - LEFT);
  const parts = [];
  for (let tick = low; tick <= high; tick++) {
    parts.push(shape("line", { x1: LEFT, x2: RIGHT, y1: y(tick), y2: y(tick), class: "gs-grid" }));
    parts.push(shape("text", { x: LEFT - 6, y: y(tick) + 3.5, class: "gs-tick" }, String(Number((10 ** tick).toPrecision(1)))));
  }
  parts.push(shape("polyline", { points: logs.map((log, step) => `${x(step).toFixed(1)},${y(log).toFixed(1)}`).join(" "), class: "gs-line" }));
  if (logs.length) parts.push(shape("circle", { cx: x(logs.length - 1), cy: y(logs[logs.length - 1]), r: 3, class: "gs-end" }));
  svg.replaceChildren(...parts);
}

/** The same curve as a figure of its own, to be saved. */
function lossFigure(losses) {
  const axis = { gridcolor: "@line", gridwidth: 0.5, zeroline: false, tickfont: { color: "@muted" } };
  return coloured({
    data: [{ type: "scatter", mode: "lines", name: "loss", x: losses.map((_, step) => step + 1), y: losses,
      line: { color: "@own", width: 2 } }],
    layout: {
      paper_bgcolor: "@surface", plot_bgcolor: "@surface", showlegend: false, margin: { l: 72, r: 20, t: 20, b: 56 },
      font: { family: "ui-sans-serif, system-ui, sans-serif", size: 13, color: "@text" },
      xaxis: { ...axis, title: { text: "step" } },
      yaxis: { ...axis, title: { text: "loss (nats per token)" }, type: "log", dtick: 1 },
    },
  });
}

function draw() {
  const value = data();
  if (!value) return;
  root.hidden = !value.running && !value.losses.length;
  if (root.hidden) return;
  const steps = value.limit && value.step ? ` · step ${value.step} of at most ${value.limit}` : "";
  say(stage, `${value.stage.charAt(0).toUpperCase()}${value.stage.slice(1)}${steps}`);
  say(loss, value.losses.length ? `loss ${value.losses[value.losses.length - 1].toFixed(3)}` : "");
  bar.setAttribute("aria-valuemax", value.limit);
  bar.setAttribute("aria-valuenow", value.step);
  bar.dataset.running = value.running;
  fill.style.width = value.limit ? `${(100 * value.step) / value.limit}%` : "0%";
  svg.style.display = value.losses.length ? "" : "none";
  drawCurve(value.losses, value.limit);
  saving.hidden = value.running || !value.losses.length;
}

saving.append(downloads(svg, {
  filename: "grace-studio-loss", label: "the loss of each step",
  table: () => ({ columns: ["step", "loss (nats per token)"], rows: data().losses.map((value, step) => [step + 1, value]) }),
  // Large, and of no other use on this page: it comes with the first picture.
  figure: () => needPlotly().then(() => lossFigure(data().losses)), size: () => ({ width: 640, height: 360 }),
  onError: (error) => say(stage, error.message),
}));
draw();
watch("value", draw);
