// @ts-check
// Buttons that save a figure as a picture or as a table.
import { saveCsv } from "./csv.js";
import { el } from "./dom.js";

/**
 * @param {object} options
 * @param {string} options.filename without its ending
 * @param {string} options.label what is saved, for screen readers
 * @param {(format: "png" | "svg") => Promise<void>} options.savePicture
 * @param {() => import("./csv.js").Table | Promise<import("./csv.js").Table>} options.table
 * @param {(error: Error) => void} options.onError is told what failed
 */
export function downloads({ filename, label, savePicture, table, onError }) {
  const bar = el("span", "gs-downloads", null, { role: "group", "aria-label": `Download ${label}` });
  bar.append(el("span", "gs-download-title", "Download"));
  const add = (kind, act) => {
    const button = el("button", "gs-download", kind, { type: "button", "aria-label": `Download ${label} as ${kind}` });
    button.addEventListener("click", () => Promise.resolve().then(act).catch((error) =>
      onError(new Error(`The ${kind} could not be made: ${error.message ?? error}`))));
    bar.append(button);
  };
  add("PNG", () => savePicture("png"));
  add("SVG", () => savePicture("svg"));
  add("CSV", async () => saveCsv(filename, await table()));
  return bar;
}
