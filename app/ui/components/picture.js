// @ts-check
// A figure as a picture that explains itself: with its title, its legend and its note, which on the page stand around it.
import { loadPlotly } from "./plotly.js";

const TITLE_LINE = 21;
const TITLE_CHARACTER = 9.6; // Bold, 16 px high.
const LINE = 18;
const LEGEND_LINE = 20;
const ENTRY = 200; // Of the legend, with its symbol, across.
const CHARACTER = 6.4; // A character of the note, 12 px high; of a real text somewhat less.

/**
 * A text as lines of at most so many characters, cut between words where it can be.
 * @param {string} text
 * @param {number} length
 */
export function lines(text, length) {
  /** @type {string[]} */
  const found = [];
  for (const word of text.split(/\s+/).filter(Boolean)) {
    const last = found.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= length) found[found.length - 1] = `${last} ${word}`;
    else found.push(word);
  }
  return found;
}

const SYMBOLS = { key: "diamond", dot: "circle", circle: "circle-open", star: "star", undone: "diamond-open" };

/** Plotly reads tags and entities in every text.
 * @param {string} text */
const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/**
 * @typedef {{label: string, count: number | null, colour: string, symbol: string}} LegendItem
 */

/**
 * The figure with its words, and the size of the picture. Pure. width, height: of the figure as it is on the page.
 * @param {{data: object[], layout: any}} figure
 * @param {{title: string, note?: string, legend?: LegendItem[], width: number, height: number}} words
 */
export function pictureOf(figure, { title, note = "", legend = [], width, height }) {
  const { layout } = figure;
  const margin = { l: 80, r: 80, t: 100, b: 80, ...layout.margin };
  const noted = lines(note, Math.floor((width - 24) / CHARACTER));
  const titled = lines(title, Math.floor((width - 24) / TITLE_CHARACTER));
  const columns = Math.max(1, Math.floor((width - 24) / (ENTRY + 50)));
  const rows = Math.ceil(legend.length / columns);
  const above = 13 + titled.length * TITLE_LINE + rows * LEGEND_LINE;
  const below = noted.length ? noted.length * LINE + 14 : 0;
  const whole = height + above + below;
  const inner = { width: width - margin.l - margin.r, height: height - margin.t - margin.b };
  // Annotations and legends are placed in shares of the inner plot: (0, 0) is its lower left corner.
  const x = (12 - margin.l) / inner.width;
  const words = noted.length ? [{
    text: noted.map(escaped).join("<br>"), align: "left", showarrow: false, xref: "paper", yref: "paper", xanchor: "left", yanchor: "bottom",
    x, y: -(margin.b + below - 10) / inner.height, font: { size: 12, color: "@muted" },
  }] : [];
  const entries = legend.map(({ label, count, colour, symbol }) => ({
    type: "scatter", mode: "markers", x: [null], y: [null], showlegend: true, hoverinfo: "skip",
    name: escaped(count === null ? label : `${count.toLocaleString("en")} ${label}`),
    marker: { size: 10, symbol: SYMBOLS[symbol] ?? "circle", color: colour, line: { color: colour, width: symbol === "circle" ? 1.5 : 0 } },
  }));
  return {
    width, height: whole,
    figure: {
      data: [...figure.data.map((trace) => (entries.length ? { ...trace, showlegend: false } : trace)), ...entries],
      layout: {
        ...layout, width, height: whole, autosize: false,
        margin: { ...margin, t: margin.t + above, b: margin.b + below },
        title: { text: titled.map((line) => `<b>${escaped(line)}</b>`).join("<br>"), x: 12 / width, xanchor: "left", y: 1 - 12 / whole, yanchor: "top", font: { size: 16, color: "@text" } },
        annotations: [...(layout.annotations ?? []), ...words],
        ...(entries.length ? { showlegend: true, legend: {
          orientation: "h", x, xanchor: "left", y: 1 + (margin.t + rows * LEGEND_LINE) / inner.height, yanchor: "top",
          entrywidth: ENTRY, font: { size: 12, color: "@text" }, bgcolor: "rgba(0,0,0,0)",
        } } : {}),
      },
    },
  };
}

/**
 * @param {object} figure coloured
 * @param {{format: "png" | "svg", filename: string, width: number, height: number}} options
 */
export async function saveFigure(figure, { format, filename, width, height }) {
  const Plotly = await loadPlotly();
  await Plotly.downloadImage(figure, { format, filename, width, height, scale: format === "png" ? 2 : 1 });
}
