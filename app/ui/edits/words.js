// @ts-check
// How long ago something was, in words. Pure.

/**
 * @param {string} iso
 * @param {number} now in milliseconds
 */
export function ago(iso, now) {
  const seconds = (now - new Date(iso).getTime()) / 1000;
  const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  if (seconds < 45) return "just now";
  for (const [unit, size, until] of /** @type {const} */ ([["minute", 60, 3570], ["hour", 3600, 84600], ["day", 86400, 86400 * 6.5]])) {
    if (seconds < until) return relative.format(-Math.round(seconds / size), unit);
  }
  return new Date(iso).toLocaleDateString("en", { day: "numeric", month: "short", year: "numeric" });
}
