// @ts-check
// Which part of the map is shown: pure.

/** The map radius of the selected key's circle as it is drawn, which is the last one; 0 where there is none. */
export function circleRadius(value, at, row) {
  const circle = value.paint.circles.at(-1);
  return circle && value.paint.keys.chosen === row ? Math.max(...circle.x.filter((x) => x !== null)) - at.keys.x[row] : 0;
}

// So many points beside a key are shown with it, and its circle with so much room around it.
const BESIDE = 12;
const ROOM = 1.25;

/**
 * Ranges of x and y: the part around a key that holds its circle and the nearest points on the map, in a plot of this
 * size in pixels. Never more than half of everything: else it would be no zoom.
 */
export function focusRanges(at, row, radius, width, height) {
  const [x, y] = [at.keys.x[row], at.keys.y[row]];
  const far = ["keys", "queries"].flatMap((kind) => at[kind].x.map((other, one) => Math.hypot(other - x, at[kind].y[one] - y)))
    .sort((a, b) => a - b);
  const span = ["x", "y"].map((axis) => at.ranges[axis][1] - at.ranges[axis][0]);
  const most = Math.max(...span) / 4;
  const half = Math.min(ROOM * Math.max(radius, far[Math.min(BESIDE, far.length - 1)] ?? 0), most) || most;
  const unit = half / Math.min(width, height);
  return [[x - unit * width, x + unit * width], [y - unit * height, y + unit * height]];
}

/** Whether a coordinate lies within a range, and not at its very edge. */
export function inRange(value, [low, high]) {
  const edge = 0.02 * (high - low);
  return value >= low + edge && value <= high - edge;
}

/** A range as wide, with this coordinate in its middle. */
export const centred = (value, [low, high]) => [value - (high - low) / 2, value + (high - low) / 2];

/** The part of the map that holds everything, with the stars of the prompts that are tried. */
export function rangesWith(ranges, { x, y }) {
  const held = ([low, high], places) => {
    const edge = 0.04 * (high - low);
    return [Math.min(low, ...places.map((place) => place - edge)), Math.max(high, ...places.map((place) => place + edge))];
  };
  return { x: held(ranges.x, x), y: held(ranges.y, y) };
}
