// Tables as CSV files. Every component that offers one has this.
/** Rows as CSV (RFC 4180). A text that a spreadsheet would run as a formula is quoted with an apostrophe. */
function csvText({ columns, rows }) {
  const cell = (value) => {
    if (value === null || value === undefined) return "";
    let text = String(value);
    if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) text = `'${text}`;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [columns, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

/** Save a table {columns, rows} as `filename`.csv; the mark at its beginning tells spreadsheets that it is UTF-8. */
function saveCsv(filename, table) {
  const blob = new Blob(["\ufeff", csvText(table)], { type: "text/csv" });
  const link = el("a", "", null, { download: `${filename}.csv`, href: URL.createObjectURL(blob) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
