// @ts-check
// Plotly: fetched once, from our own server, and drawing with it.
import { el } from "./dom.js";

const ADDRESS = new URL("../plotly.min.js", import.meta.url).href;
/** @type {Promise<any> | null} */
let loading = null;

/**
 * Plotly, loaded when it is first asked for.
 * @returns {Promise<any>}
 */
export function loadPlotly() {
  loading ??= new Promise((loaded, failed) => {
    const code = el("script", "", null, { src: ADDRESS });
    code.addEventListener("load", () => loaded(window.Plotly));
    code.addEventListener("error", () => {
      loading = null;
      failed(new Error("Plotly could not be loaded. Load the page again."));
    });
    document.head.append(code);
  });
  return loading;
}

/**
 * Plotly.react, with clip paths that hold. In a page with <base>, Plotly writes the page's address into them; here that
 * changes with every tab and selection, and all that was drawn before would vanish.
 * @param {any} plot
 * @param {{data: object[], layout: object}} figure
 * @param {object} config
 */
export async function drawPlot(plot, figure, config) {
  const Plotly = await loadPlotly();
  await Plotly.react(plot, figure.data, { autosize: true, ...figure.layout }, config);
  plot._context._baseUrl = "";
  for (const part of plot.querySelectorAll("[clip-path*='//']")) {
    part.setAttribute("clip-path", part.getAttribute("clip-path").replace(/^url\(['"]?[^#]*(#[^'")]*)['"]?\)$/, "url($1)"));
  }
}

/**
 * Calls `draw` when the element is first seen, and whenever it gets another width.
 * @param {HTMLElement} plot
 * @param {() => void} draw
 */
export function onResize(plot, draw) {
  let width = plot.clientWidth;
  new ResizeObserver(() => {
    if (plot.clientWidth === width) return;
    width = plot.clientWidth;
    if (width) draw();
  }).observe(plot);
}
