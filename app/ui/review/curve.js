// @ts-check
// The loss of each step as a curve on a logarithmic scale: what is drawn on the page, and the same as a picture. Pure.

/** @typedef {{left: number, right: number, top: number, bottom: number}} Frame */
/** @typedef {{tag: string, attributes: Record<string, string | number>, text?: string}} Shape */

/**
 * Grid lines with their losses, the curve, and its end.
 * @param {number[]} losses
 * @param {number} limit the most steps that there may be
 * @param {Frame} frame
 * @returns {Shape[]}
 */
export function curve(losses, limit, { left, right, top, bottom }) {
  const logs = losses.map((value) => Math.log10(Math.max(value, 1e-4)));
  const low = Math.floor(Math.min(-1, ...logs)), high = Math.ceil(Math.max(0, ...logs));
  const y = (log) => top + ((high - log) / (high - low)) * (bottom - top);
  const x = (step) => left + (step / Math.max(1, limit - 1, losses.length - 1)) * (right - left);
  /** @type {Shape[]} */
  const shapes = [];
  for (let tick = low; tick <= high; tick += 1) {
    shapes.push({ tag: "line", attributes: { x1: left, x2: right, y1: y(tick), y2: y(tick), class: "gs-grid" } });
    shapes.push({ tag: "text", attributes: { x: left - 6, y: y(tick) + 3.5, class: "gs-tick" }, text: String(Number((10 ** tick).toPrecision(1))) });
  }
  const points = logs.map((log, step) => `${x(step).toFixed(1)},${y(log).toFixed(1)}`).join(" ");
  shapes.push({ tag: "polyline", attributes: { points, class: "gs-line" } });
  if (logs.length) shapes.push({ tag: "circle", attributes: { cx: x(logs.length - 1), cy: y(logs[logs.length - 1]), r: 3, class: "gs-end" } });
  return shapes;
}

export const PICTURE = { width: 640, height: 380 };

/**
 * The curve as a picture that explains itself. colour: from the name of a variable of the styles to its colour.
 * @param {number[]} losses
 * @param {(name: string) => string} colour
 * @returns {Shape[]}
 */
export function curvePicture(losses, colour) {
  const { width, height } = PICTURE;
  const frame = { left: 64, right: width - 20, top: 52, bottom: height - 58 };
  const word = (x, y, text, more = {}) => ({ tag: "text", attributes: { x, y, class: "word", ...more }, text });
  const middle = { "text-anchor": "middle" };
  return [
    { tag: "style", attributes: {}, text: [
      `text { font-family: ui-sans-serif, system-ui, sans-serif; font-size: 12px; fill: ${colour("muted")} }`,
      `.title { font-size: 16px; font-weight: 600; fill: ${colour("text")} }`,
      ".gs-tick { text-anchor: end }",
      `.gs-grid { stroke: ${colour("border")} }`,
      `.gs-line { fill: none; stroke: ${colour("accent")}; stroke-width: 2 }`,
      `.gs-end { fill: ${colour("accent")} }`,
    ].join("\n") },
    { tag: "rect", attributes: { width, height, fill: colour("surface") } },
    word(16, 28, "Loss of each step of the edit", { class: "title" }),
    ...curve(losses, losses.length, frame),
    word(frame.left, frame.bottom + 20, "1", middle),
    word(frame.right, frame.bottom + 20, String(losses.length), middle),
    word((frame.left + frame.right) / 2, frame.bottom + 20, "step", middle),
    word(16, (frame.top + frame.bottom) / 2, "loss (nats per token)", { ...middle, transform: `rotate(-90 16 ${(frame.top + frame.bottom) / 2})` }),
    word(16, height - 14, `Logarithmic scale. ${losses.length} steps, the last at ${losses[losses.length - 1]}.`),
  ];
}
