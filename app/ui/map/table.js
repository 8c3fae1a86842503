// @ts-check
// The map as a table, for its CSV: what is drawn, point by point. Pure.
import { rowsOf } from "./figure.js";

export function mapTable(value, at) {
  const { keys, queries } = at;
  const undone = value.undone.keys;
  const tried = value.landings;
  const standing = new Array(queries.id.length).fill("");
  rowsOf(value.paint.groups, standing.length).forEach((rows, index) =>
    rows.forEach((row) => { standing[row] = value.paint.groups[index].name; }));
  return {
    columns: ["kind", "id", "prompt", "target or logged answer", "map x", "map y", "epsilon", "answered by", "distance to nearest key",
      "distance to selected key", "standing"],
    rows: [
      ...keys.id.map((id, row) => ["key", id, keys.prompt[row], keys.target[row], keys.x[row], keys.y[row], keys.epsilon[row],
        null, null, null, row === value.paint.keys.chosen ? "selected" : ""]),
      ...undone.id.map((id, row) => ["key", id, undone.prompt[row], undone.target[row], undone.x[row], undone.y[row], null,
        null, null, null, "undone"]),
      ...queries.id.map((id, row) => ["query", id, queries.prompt[row], queries.text[row], queries.x[row], queries.y[row], null,
        keys.id[queries.key[row]], queries.distance[row], value.paint.distances?.[row], standing[row]]),
      ...tried.prompt.map((prompt, row) => ["prompt tried", tried.number[row], prompt, null, tried.x[row], tried.y[row], null,
        tried.matched[row] ? tried.key[row] : null, tried.distance[row], null, "not logged"]),
    ],
  };
}
