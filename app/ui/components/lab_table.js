const root = element.querySelector(".gs-lab-table");

/** A number in a narrow column, anything else as it is. */
function shown(cell) {
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
      el(tag, numeric[at] ? "gs-number" : "", shown(cell), tag === "th" ? { scope: "col" } : {})));
    return row;
  };
  const head = el("thead");
  head.append(line(value.columns, "th"));
  const body = el("tbody");
  body.append(...value.rows.map((row) => line(row, "td")));
  table.append(head, body);
  root.append(table);
}
draw();
watch("value", draw);
