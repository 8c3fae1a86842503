// @ts-check
// Tables as CSV files.
import { el } from "./dom.js";

/** @typedef {{columns: string[], rows: any[][]}} Table */

/**
 * Rows as CSV (RFC 4180). A text that a spreadsheet would run as a formula is quoted with an apostrophe.
 * @param {Table} table
 */
export function csvText({ columns, rows }) {
  const cell = (value) => {
    if (value === null || value === undefined) return "";
    let text = String(value);
    if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) text = `'${text}`;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [columns, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

/**
 * Save what the browser has made as a file.
 * @param {string} filename
 * @param {Blob} blob
 */
export function saveBlob(filename, blob) {
  const link = el("a", "", null, { download: filename, href: URL.createObjectURL(blob) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/**
 * Save a table as `filename`.csv; the mark at its beginning tells spreadsheets that it is UTF-8.
 * @param {string} filename
 * @param {Table} table
 */
export function saveCsv(filename, table) {
  saveBlob(`${filename}.csv`, new Blob(["\ufeff", csvText(table)], { type: "text/csv" }));
}
