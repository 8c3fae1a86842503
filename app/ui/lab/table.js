const root = element.querySelector(".gs-lab-table");

/** A number in a narrow column, anything else as it is. */
function cellText(cell) {
  return typeof cell === "number" && !Number.isInteger(cell) ? String(Number(cell.toPrecision(3))) : String(cell ?? "–");
}

function draw() {
  const value = data();
  root.replaceChildren();
  if (!value) return;
  if (!value.rows.length) {
    if (value.empty) root.append(el("p", "gs-note", value.empty));
    return;
  }
  const table = el("table");
  if (value.caption) table.append(el("caption", "", value.caption));
  const isNumber = (cell) => cell === null || typeof cell === "number" || /^[\d.]+ ?%$/.test(cell);
  const numeric = value.columns.map((_, at) => value.rows.every((row) => isNumber(row[at])));
  const line = (cells, tag) => {
    const row = el("tr");
    row.append(...cells.map((cell, at) =>
      el(tag, numeric[at] ? "gs-number" : "", cellText(cell), tag === "th" ? { scope: "col" } : {})));
    return row;
  };
  const head = el("thead");
  head.append(line(value.columns, "th"));
  const body = el("tbody");
  const shown = value.rows.slice(0, value.shown ?? value.rows.length);
  body.append(...shown.map((row) => line(row, "td")));
  table.append(head, body);
  root.append(table);
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
