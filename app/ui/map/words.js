// @ts-check
// The words around the map: its legend, and what to do while it is empty.
import { el } from "../components/dom.js";

/**
 * @param {import("../components/picture.js").LegendItem[]} items
 * @param {(token: string) => string} colour
 */
export function legendNodes(items, colour) {
  return items.map((item) => {
    const line = el("li");
    const swatch = el("span", `gs-swatch gs-swatch-${item.symbol}`, null, { "aria-hidden": "true" });
    swatch.style.setProperty("--swatch", colour(item.colour));
    line.append(swatch, el("span", "gs-map-count", item.count?.toLocaleString("en") ?? ""), el("span", "", item.label));
    return line;
  });
}

/** @param {{title: string, steps: string[]}} empty */
export function emptyNodes({ title, steps }) {
  const list = el("ol");
  list.append(...steps.map((step) => el("li", "", step)));
  return [el("h3", "", title), list];
}
