// @ts-check
// Colours of the present mode in Plotly figures. A figure holds tokens ("@own"); their colours are the variables
// --gs-chart-own of both modes in the page's styles, so that changing the mode asks no server.

// Texts, ids and coordinates are data, whatever they begin with.
const DATA = ["hovertext", "customdata", "text", "ticktext", "name", "x", "y"];

export const isDark = () => document.body.classList.contains("dark");

/** A function from tokens to the colours of the present mode; a text that is no token stays as it is. */
export function modeColours() {
  const style = getComputedStyle(document.body);
  const known = new Map();
  return (/** @type {string} */ token) => {
    if (!token.startsWith("@")) return token;
    if (!known.has(token)) known.set(token, style.getPropertyValue(`--gs-chart-${token.slice(1)}`).trim() || token);
    return known.get(token);
  };
}

/**
 * The figure, or a part of it, with its tokens replaced.
 * @param {any} value
 * @param {(token: string) => string} colour
 */
export function coloured(value, colour) {
  if (typeof value === "string") return colour(value);
  if (Array.isArray(value)) {
    // Long columns of numbers are left as they are; a step of a colour scale begins with one, too.
    const numbers = typeof value[0] === "number" && typeof value.at(-1) !== "string";
    return numbers ? value : value.map((part) => coloured(part, colour));
  }
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, DATA.includes(key) ? part : coloured(part, colour)]));
  }
  return value;
}

/** @param {() => void} run whenever the mode has changed */
export function onModeChange(run) {
  let dark = isDark();
  new MutationObserver(() => {
    if (dark === isDark()) return;
    dark = isDark();
    run();
  }).observe(document.body, { attributes: true, attributeFilter: ["class"] });
}
