// @ts-check
// The drawn map: one drawing after another, and which part of the map is shown.
import { coloured, modeColours } from "../components/colours.js";
import { pictureOf, saveFigure } from "../components/picture.js";
import { drawPlot, loadPlotly } from "../components/plotly.js";
import { mapFigure } from "./figure.js";
import { between, canMove } from "./motion.js";
import { keyNames } from "./names.js";
import { centred, circleRadius, focusRanges, inRange, rangesWith } from "./view.js";

export class Stage {
  /**
   * @param {any} plot
   * @param {{own: () => any, bind: () => void, drawn: () => void, moved: () => void, failed: (error: Error) => void}} told
   * own: what this browser adds to what the server sent. bind: the plot can be listened to. drawn: after each drawing.
   * moved: a person has moved the view.
   */
  constructor(plot, told) {
    this.plot = plot;
    this.told = told;
    /** @type {{value: any, scene: any} | null} */
    this.now = null; // What is drawn, or will be when what goes before is done.
    this.drawing = Promise.resolve();
    this.bound = false;
    this.stale = false; // To be drawn when the plot is seen.
    this.zoomed = false; // A person has chosen the part of the map that is shown.
    this.steering = false; // The view is moved by this script, not by a person.
    /** @type {string | null} */
    this.focused = null; // The key that the view was zoomed to, until a person moves it.
    /** @type {string | null} */
    this.followed = null; // The key that was selected when last drawn.
    this.tried = 0; // The number of the newest prompt that was tried when last drawn.
    loadPlotly().catch(told.failed);
  }

  /** Does this when all that was begun before is done. */
  next(act, failure = "") {
    this.drawing = this.drawing.then(act).catch((error) => this.told.failed(failure ? new Error(`${failure}: ${error.message}`) : error));
    return this.drawing;
  }

  figure(value, scene, more = {}) {
    const own = { ...this.told.own(), dragmode: this.plot.layout?.dragmode ?? "pan", plain: false, ...more };
    return coloured(mapFigure(value, scene, own), modeColours());
  }

  /** from: the points before, where the same ones have moved. */
  draw(value, scene, from = null) {
    this.now = { value, scene };
    // Plotly measures the element: in a hidden tab that is nothing, so the drawing waits until the tab is shown.
    this.stale = this.plot.clientWidth === 0;
    if (this.stale) return;
    if (from && this.bound && canMove(from)) this.next(() => this.move(value, from, scene));
    const figure = this.figure(value, scene);
    this.next(() => this.react(value, figure), "The map could not be drawn");
  }

  async react(value, figure) {
    // Plotly's uirevision lets a new range from the server win over the zoom; a zoom ends with its layout only.
    this.zoomed = this.zoomed && this.plot.layout?.uirevision === figure.layout.uirevision;
    if (this.zoomed) {
      for (const axis of ["xaxis", "yaxis"]) figure.layout[axis].range = [...this.plot.layout[axis].range];
    }
    figure.layout.annotations = this.names(figure.layout);
    await drawPlot(this.plot, figure, await this.config());
    if (!this.bound) this.bind();
    await this.follow(value);
    this.told.drawn();
  }

  async config() {
    const { Icons } = await loadPlotly();
    return {
      responsive: false, displaylogo: false, scrollZoom: true, doubleClick: false,
      // Named one by one: Plotly's own set holds a button that sends the chart to its makers' server.
      modeBarButtons: [[
        "pan2d", "zoom2d", "lasso2d", "select2d", "zoomIn2d", "zoomOut2d",
        { name: "everything", title: "Show everything", icon: Icons.home, click: () => this.showEverything() },
      ]],
      showSendToCloud: false, plotlyServerURL: "",
    };
  }

  bind() {
    this.bound = true;
    this.plot.on("plotly_relayout", (change) => {
      if (!Object.keys(change).some((name) => /^[xy]axis\.range/.test(name))) return;
      this.zoomed = true;
      this.rename();
      if (this.steering) return;
      this.focused = null;
      this.told.moved();
    });
    this.told.bind();
  }

  /** The names of keys for these ranges, in the plot as large as it is now. */
  names({ xaxis, yaxis, margin }) {
    if (!this.now) return [];
    const [width, height] = [this.plot.clientWidth - margin.l - margin.r, this.plot.clientHeight - margin.t - margin.b];
    const view = { x: xaxis.range, y: yaxis.range, width, height };
    return coloured(keyNames(this.now.value, this.now.scene, this.told.own().marks, view), modeColours());
  }

  /** Another part of the map, or another size of the plot, has room for other names. */
  rename() {
    if (!this.bound || this.now?.scene.id !== this.now?.value.scene_id) return;
    this.next(async () => (await loadPlotly()).relayout(this.plot, { annotations: this.names(this.plot.layout) }));
  }

  async move(value, from, end) {
    for (const at of between(from, end)) {
      if (this.now?.scene !== end) return;
      await drawPlot(this.plot, this.figure(value, at, { plain: true }), await this.config());
      await new Promise((next) => { requestAnimationFrame(next); });
    }
  }

  resize() {
    this.next(async () => (await loadPlotly()).Plots.resize(this.plot));
    this.rename();
  }

  // -- Which part is shown ----------------------------------------------------------------------------------------------

  /** Shows these ranges of both axes. */
  async show(x, y) {
    this.steering = true;
    try {
      await (await loadPlotly()).relayout(this.plot, { "xaxis.range": [...x], "yaxis.range": [...y] });
    } finally {
      this.steering = false;
    }
  }

  /** Back to the part of the map that holds everything. */
  async showEverything() {
    if (!this.now) return;
    const { x, y } = rangesWith(this.now.scene.ranges, this.now.value.landings);
    await this.show(x, y);
    this.zoomed = false;
    this.focused = null;
  }

  /** Zooms to one key, with its circle and what is nearest to it on the map; a second time for the same key goes back. */
  async focusOn(id) {
    const row = this.now?.scene.keys.id.indexOf(id) ?? -1;
    if (!this.now || row < 0) return;
    if (this.focused === id) {
      await this.showEverything();
      return;
    }
    const { value, scene } = this.now;
    const { xaxis, yaxis } = this.plot._fullLayout;
    await this.show(...focusRanges(scene, row, circleRadius(value, scene, row), xaxis._length, yaxis._length));
    this.zoomed = true;
    this.focused = id;
    this.told.drawn();
  }

  /** A key that was just selected, or a prompt just tried, that lies outside of what is shown is brought to the middle. */
  async follow({ selected_key: id, landings }) {
    const keys = this.now?.scene.keys;
    const row = id === this.followed ? -1 : keys.id.indexOf(id);
    this.followed = id;
    const newest = landings.number.at(-1) ?? 0;
    const star = newest > this.tried ? landings.number.length - 1 : -1;
    this.tried = newest;
    if (row >= 0) await this.bringIn(keys.x[row], keys.y[row]);
    if (star >= 0) await this.bringIn(landings.x[star], landings.y[star]);
  }

  async bringIn(x, y) {
    if (!this.zoomed) return;
    const ranges = { x: this.plot.layout.xaxis.range, y: this.plot.layout.yaxis.range };
    if (!inRange(x, ranges.x) || !inRange(y, ranges.y)) await this.show(centred(x, ranges.x), centred(y, ranges.y));
  }

  /** The map as it is shown now, with its words, as a file. */
  async savePicture(format, filename) {
    if (!this.now) return;
    const { value } = this.now;
    const title = value.selected_prompt ? `Map of edits: ${value.selected_prompt}` : "Map of edits";
    const { data, layout, clientWidth, clientHeight } = this.plot;
    const { figure, width, height } = pictureOf({ data, layout }, {
      title, note: value.note, legend: value.legend, width: clientWidth, height: clientHeight,
    });
    await saveFigure(coloured(figure, modeColours()), { format, filename, width, height });
  }
}
