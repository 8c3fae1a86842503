// @ts-check
// What a person does with the mouse and with keys, handed on to the map in its own words.
import { find } from "../components/dom.js";

const CLICK_RADIUS = 12;
// The kind of points that a trace of the figure holds, by its meta.
const KIND = { key: "keys", query: "queries", undone: "undone", landing: "landings" };
const STEPS = { n: 1, j: 1, ArrowRight: 1, ArrowDown: 1, p: -1, k: -1, ArrowLeft: -1, ArrowUp: -1 };

/** The id of the nearest key within the click radius of a mouse event, or null. */
function keyUnder(plot, { keys }, event) {
  const { xaxis, yaxis } = plot._fullLayout;
  const box = plot.getBoundingClientRect();
  const x = event.clientX - box.left - xaxis._offset;
  const y = event.clientY - box.top - yaxis._offset;
  let best = null;
  let nearest = CLICK_RADIUS;
  keys.id.forEach((id, row) => {
    const distance = Math.hypot(xaxis.d2p(keys.x[row]) - x, yaxis.d2p(keys.y[row]) - y);
    if (distance <= nearest) { nearest = distance; best = id; }
  });
  return best;
}

/**
 * What a lasso or a box holds.
 * @param {any[]} points
 * @param {any} scene
 */
function lassoed(points, scene) {
  const next = { keys: new Set(), queries: new Set(), why: "lasso" };
  for (const point of points) {
    const kind = KIND[point.data.meta];
    if (next[kind]) next[kind].add(scene[kind].id[point.data.rows[point.pointNumber]]);
  }
  return next;
}

/**
 * @param {any} plot
 * @param {import("./key_map.js").KeyMap} map
 */
export function listenToPlot(plot, map) {
  plot.on("plotly_doubleclick", () => (map.marks?.why === "lasso" ? map.mark(null) : map.stage.showEverything()));
  plot.on("plotly_hover", ({ points }) => {
    const point = points.find((one) => KIND[one.data.meta]);
    if (point) map.showTip(KIND[point.data.meta], point.data.rows[point.pointNumber]);
  });
  plot.on("plotly_unhover", () => map.hideTip());
  // Plotly also tells of selections when it redraws: only those that a person has drawn count.
  let drawn = false;
  plot.on("plotly_selecting", () => { drawn = true; });
  plot.on("plotly_selected", (event) => {
    if (!drawn || !event?.points) return;
    drawn = false;
    const next = lassoed(event.points, map.scene);
    map.search.value = "";
    map.mark(next, next.keys.size === 1 ? [...next.keys][0] : null); // One key alone is a selection like any click.
  });
  plot.on("plotly_click", (clicked) => {
    // A query dot over a key must not take its click.
    const key = keyUnder(plot, map.scene, clicked.event);
    const point = clicked.points.find((one) => KIND[one.data.meta]);
    if (!key && point?.data.meta === "query") map.pickOut("queries", point.data.rows[point.pointNumber]);
    else map.select(key ?? point?.customdata);
  });
}

/** What a key means on the map; false where it means nothing there. */
function act(pressed, map) {
  const step = STEPS[pressed];
  if (step && map.scene.keys.id.length) map.step(step);
  else if (pressed === "u" && map.value.selected) map.trigger("undo_edit", { edit_id: map.value.selected });
  else if (pressed === "f" && map.value.selected_key) map.stage.next(() => map.stage.focusOn(map.value.selected_key));
  else if (pressed === "0") map.stage.next(() => map.stage.showEverything());
  else if (pressed === "Escape" && (map.marks || map.ring)) map.clearSearch();
  else if (pressed === "Escape" && map.value.selected) map.trigger("clear_edit", {});
  else return false;
  return true;
}

/**
 * @param {HTMLElement} root
 * @param {HTMLElement} plot
 * @param {import("./key_map.js").KeyMap} map
 */
export function listenToKeys(root, plot, map) {
  const help = /** @type {HTMLDialogElement} */ (find(root, "dialog"));
  const modified = (event) => event.ctrlKey || event.metaKey || event.altKey;

  plot.addEventListener("keydown", (event) => {
    if (!map.scene || modified(event)) return;
    // Caps Lock must not take the letters away; Shift with a letter is left alone.
    const letter = event.key.length === 1;
    if (letter && event.shiftKey) return;
    if (act(letter ? event.key.toLowerCase() : event.key, map)) event.preventDefault();
  });
  root.addEventListener("keydown", (event) => {
    if ((event.target instanceof Element && event.target.closest("input, textarea, dialog")) || modified(event)) return;
    if (event.key === "/") map.search.focus();
    else if (event.key === "?") help.showModal();
    else return;
    event.preventDefault();
  });
  root.addEventListener("pointerdown", () => { map.stepping = null; });
  find(root, ".gs-map-help").addEventListener("click", () => help.showModal());
  find(help, "button").addEventListener("click", () => help.close());
  help.addEventListener("close", () => plot.focus());
}
