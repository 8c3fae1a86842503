// Tables as CSV files, made in the browser.
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

/** Hand a text to the person as a file. */
function saveText(name, text) {
  const link = el("a", "", null, { download: name, href: URL.createObjectURL(new Blob(["\ufeff", text], { type: "text/csv" })) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
