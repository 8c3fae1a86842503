// @ts-check
// Which key a person comes to with J and K: pure.

/**
 * The next id of `ids` in this direction (1 or -1), around the end; null without any. from: the id that is left, or null.
 * before: the ids as they were when `from` was among them: where it is gone, its neighbour of then is next.
 */
export function steppedFrom(ids, from, step, before = []) {
  if (!ids.length) return null;
  const at = ids.indexOf(from);
  if (at >= 0) return ids[(at + step + ids.length) % ids.length];
  const left = before.indexOf(from);
  const there = new Set(ids);
  for (let i = 1; left >= 0 && i <= before.length; i += 1) {
    const id = before[(left + step * i + before.length * 2) % before.length];
    if (there.has(id)) return id;
  }
  return step > 0 ? ids[0] : ids.at(-1);
}
