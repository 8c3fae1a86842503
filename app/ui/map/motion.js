// @ts-check
// A new layout is shown as a movement: the scenes between two layouts of the map. Pure.

const TWEEN_POINTS = 3000;
const TWEEN_FRAMES = 12;

/** Whether a movement from this scene would be seen as one, and is wanted. */
export function canMove(from) {
  return from.keys.id.length + from.queries.id.length <= TWEEN_POINTS
    && !window.matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/** The scenes on the way: points that were there before move, new ones stand where they will be. */
export function* between(from, end) {
  const mix = (a, b, t) => a + (b - a) * t;
  const places = ["keys", "queries"].map((kind) => {
    const rows = new Map(from[kind].id.map((id, row) => [id, row]));
    return [kind, end[kind].id.map((id, row) => {
      const old = rows.get(id) ?? -1;
      return old < 0 ? [end[kind].x[row], end[kind].y[row]] : [from[kind].x[old], from[kind].y[old]];
    })];
  });
  for (let frame = 1; frame < TWEEN_FRAMES; frame += 1) {
    const t = 0.5 - Math.cos((Math.PI * frame) / TWEEN_FRAMES) / 2;
    const at = { ...end, ranges: Object.fromEntries(["x", "y"].map((axis) =>
      [axis, [0, 1].map((side) => mix(from.ranges[axis][side], end.ranges[axis][side], t))])) };
    for (const [kind, starts] of places) {
      at[kind] = { ...end[kind],
        x: starts.map(([x], row) => mix(x, end[kind].x[row], t)), y: starts.map(([, y], row) => mix(y, end[kind].y[row], t)) };
    }
    yield at;
  }
}
