// @ts-check
// Names beside keys, as Plotly annotations: which of them there is room for in this plot and this part of the map, and
// where. A greedy choice among eight places around each key, in pixels, y downwards. Pure.

// A system sans-serif at 12 px, bold and somewhat wide, so that real text fits into the space reserved for it.
const CHARACTER = 7.2;
const LINE = 17;
// A name is on one line and lies beside its key: who is farther away cannot be in its way.
const NAME_REACH = { x: 300, y: 50 };
// Where a name hangs relative to its key, best first: [xanchor, yanchor, dx, dy].
/** @type {[string, string, number, number][]} */
const PLACES = [
  ["left", "middle", 13, 0], ["center", "bottom", 0, -12], ["center", "top", 0, 12], ["right", "middle", -13, 0],
  ["left", "bottom", 9, -9], ["left", "top", 9, 9], ["right", "bottom", -9, -9], ["right", "top", -9, 9],
];
// How much farther from the selected key its name hangs, since it is drawn larger; the star of a probe with its outline.
const CHOSEN_ASIDE = 6;
const STAR = 24;

/** @param {number[]} place */
const square = ([x, y], size) => ({ left: x - size / 2, right: x + size / 2, top: y - size / 2, bottom: y + size / 2 });
const overlap = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;

/** The box of a name of so many characters whose anchor stands at (x, y). */
function nameBox(x, y, length, xanchor, yanchor) {
  const width = CHARACTER * length + 4;
  const left = { left: x, center: x - width / 2, right: x - width }[xanchor];
  const top = { top: y, middle: y - LINE / 2, bottom: y - LINE }[yanchor];
  return { left, right: left + width, top, bottom: top + LINE };
}

/**
 * For each of `wanted` ({x, y, length, needed, aside}), in order of importance, its place {xanchor, yanchor, dx, dy, box};
 * null where every place would cover something or stand out of a plot of this size, unless it is needed.
 * obstacles: boxes that no name may cover. avoid: points [x, y] better left visible.
 */
function placeNames(wanted, { obstacles, avoid, width, height }) {
  /** @type {any[]} */
  const taken = [];
  return wanted.map(({ x, y, length, needed, aside = 0 }) => {
    const near = (other, far) => Math.abs(other[0] - x) <= far.x && Math.abs(other[1] - y) <= far.y;
    const boxes = obstacles.filter((box) => near([(box.left + box.right) / 2, (box.top + box.bottom) / 2], NAME_REACH));
    const dots = avoid.filter((dot) => near(dot, NAME_REACH));
    /** @type {any} */
    let best = null;
    PLACES.forEach(([xanchor, yanchor, plainX, plainY], preference) => {
      const [asideX, dy] = [plainX, plainY].map((step) => step + aside * Math.sign(step));
      const plain = nameBox(x + asideX, y + dy, length, xanchor, yanchor);
      // Above or below its key, a name may be pushed aside where the plot ends: it does not come to lie over its key.
      const pushed = xanchor === "center" ? Math.max(0, -plain.left) - Math.max(0, plain.right - width) : 0;
      const box = { ...plain, left: plain.left + pushed, right: plain.right + pushed };
      const dx = asideX + pushed;
      const clashes = [...taken, ...boxes].filter((other) => overlap(box, other)).length;
      const outside = box.left < 0 || box.top < 0 || box.right > width || box.bottom > height;
      if ((clashes || outside) && !needed) return;
      const covered = dots.filter(([a, b]) => a > box.left && a < box.right && b > box.top && b < box.bottom).length;
      const cost = (outside ? 1e6 : 0) + 1000 * clashes + 2 * covered + 0.5 * preference;
      if (!best || cost < best.cost) best = { cost, xanchor, yanchor, dx, dy, box };
    });
    if (best) taken.push(best.box);
    return best;
  });
}

/**
 * The names of keys in a view {x: [low, high], y: [low, high], width, height} of the map. What a lasso or a search left
 * aside is greyed out: it has no name, and may be covered.
 */
export function keyNames(value, at, marks, view) {
  const { chosen } = value.paint.keys;
  const scale = Math.min(view.width / (view.x[1] - view.x[0]), view.height / (view.y[1] - view.y[0]));
  const middle = (range) => (range[0] + range[1]) / 2;
  const screen = (x, y) => [(x - middle(view.x)) * scale + view.width / 2, (middle(view.y) - y) * scale + view.height / 2];
  const inside = (/** @type {number[]} */ [x, y]) => x >= 0 && y >= 0 && x <= view.width && y <= view.height;
  const bright = (kind, row) => !marks || marks[kind].has(at[kind].id[row]) || (kind === "keys" && row === chosen);
  const seen = (kind) => at[kind].id.flatMap((_, row) => {
    const place = screen(at[kind].x[row], at[kind].y[row]);
    return bright(kind, row) && inside(place) ? [[row, place]] : [];
  });
  const keys = new Map(seen("keys"));
  const named = value.paint.names.filter(({ row }) => keys.has(row));
  if (!named.length) return [];
  const obstacles = [...keys.values()].map((place) => square(place, at.sizes.key + 2));
  obstacles.push(...value.landings.x.map((x, one) => square(screen(x, value.landings.y[one]), STAR)));
  const wanted = named.map(({ row, length }) => {
    const [x, y] = keys.get(row);
    return { x, y, length, needed: row === chosen, aside: row === chosen ? CHOSEN_ASIDE : 0 };
  });
  const avoid = seen("queries").map(([, place]) => place);
  return placeNames(wanted, { obstacles, avoid, width: view.width, height: view.height }).flatMap((place, one) => {
    if (!place) return [];
    const { row, text } = named[one];
    return [{
      x: at.keys.x[row], y: at.keys.y[row], text: row === chosen ? `<b>${text}</b>` : text, showarrow: false,
      xanchor: place.xanchor, yanchor: place.yanchor, xshift: place.dx, yshift: -place.dy,
      font: { size: 12, color: chosen === null || row === chosen || marks ? "@text" : "@muted" }, bgcolor: "@veil", borderpad: 1,
    }];
  });
}
