// @ts-check
// A plain table of texts and numbers.
import { valueOf } from "../components/component.js";
import { saveCsv } from "../components/csv.js";
import { el, find } from "../components/dom.js";

/** A number in a narrow column, anything else as it is. */
export function cellText(cell) {
  return typeof cell === "number" && !Number.isInteger(cell) ? String(Number(cell.toPrecision(3))) : String(cell ?? "–");
}

/** Whether every cell of a column is a number, a share in percent or missing.
 * @param {any[][]} rows
 * @param {number} at */
export function isNumeric(rows, at) {
  return rows.every((row) => row[at] === null || typeof row[at] === "number" || /^[\d.]+ ?%$/.test(row[at]));
}

function tableNode({ columns, rows, caption }, shown) {
  const table = el("table");
  if (caption) table.append(el("caption", "", caption));
  const numeric = columns.map((_, at) => isNumeric(rows, at));
  const line = (cells, tag) => {
    const row = el("tr");
    row.append(...cells.map((cell, at) =>
      el(tag, numeric[at] ? "gs-number" : "", cellText(cell), tag === "th" ? { scope: "col" } : {})));
    return row;
  };
  const head = el("thead");
  head.append(line(columns, "th"));
  const body = el("tbody");
  body.append(...shown.map((row) => line(row, "td")));
  table.append(head, body);
  return table;
}

/** @param {import("../components/component.js").Component} component */
export function start({ element, props, watch }) {
  const root = find(element, ".gs-lab-table");

  function draw() {
    const value = valueOf(props);
    root.replaceChildren();
    if (!value) return;
    if (!value.rows.length) {
      if (value.empty) root.append(el("p", "gs-note", value.empty));
      return;
    }
    const shown = value.rows.slice(0, value.shown ?? value.rows.length);
    root.append(tableNode(value, shown));
    if (!value.filename && shown.length === value.rows.length) return;
    const foot = el("p", "gs-note");
    if (shown.length < value.rows.length) foot.append(`The first ${shown.length} of ${value.rows.length} rows. `);
    if (value.filename) {
      const label = root.getAttribute("aria-label");
      const button = el("button", "gs-download", "Download CSV", { type: "button", "aria-label": `Download ${label} as CSV` });
      button.addEventListener("click", () => saveCsv(value.filename, value));
      foot.append(button);
    }
    root.append(foot);
  }

  draw();
  watch("value", draw);
}
