// @ts-check
// Picking out many by words, and the list of what a lasso, a box or a search has picked out.
import { el } from "../components/dom.js";

const LISTED = { keys: 40, queries: 60 };

const counted = (count, one, many) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;

/** A function from words to what holds all of them: {keys, queries}, sets of ids; null for no words. */
export function finderOf(at) {
  let lowered = null; // Made with the first search.
  return (words) => {
    const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
    if (!wanted.length) return null;
    lowered ??= {
      keys: at.keys.prompt.map((prompt, row) => `${prompt}\n${at.keys.target[row]}`.toLowerCase()),
      queries: at.queries.prompt.map((prompt, row) => `${prompt}\n${at.queries.text[row] ?? ""}`.toLowerCase()),
    };
    const matching = (kind) => new Set(at[kind].id.filter((_, row) => wanted.every((word) => lowered[kind][row].includes(word))));
    return { keys: matching("keys"), queries: matching("queries"), why: "search" };
  };
}

function markedLine(at, kind, row, chosen, onPick) {
  const item = el("li");
  const column = at[kind];
  const words = kind === "keys" ? `→ ${column.target[row]}` : (column.key[row] >= 0 ? "answered by an edit" : "answered by the model");
  const current = kind === "keys" && chosen === row ? { "aria-current": "true" } : {};
  const button = el("button", `gs-map-line gs-map-line-${kind}`, null, { type: "button", title: column.prompt[row], ...current });
  button.append(el("span", "gs-map-line-prompt", column.prompt[row]), el("span", "gs-map-line-fact", words));
  button.addEventListener("click", () => onPick(kind, row));
  item.append(button);
  return item;
}

/** What is picked out, in words. */
export function pickedWords({ keys, queries, why }) {
  if (keys.size || queries.size) return `${counted(keys.size, "key", "keys")}, ${counted(queries.size, "query", "queries")}`;
  return why === "search" ? "Nothing found. Try fewer words." : "Nothing here. Try a larger lasso.";
}

/** The list, as nodes. chosen: the row of the selected key. onPick(kind, row), onClear(): what its buttons do. */
export function markedList(at, marks, { chosen, onPick, onClear }) {
  const rowsIn = (kind) => at[kind].id.flatMap((id, row) => (marks[kind].has(id) ? [row] : []));
  const rows = { keys: rowsIn("keys"), queries: rowsIn("queries") };
  const head = el("div", "gs-map-marked-head");
  const nothing = !rows.keys.length && !rows.queries.length;
  const shown = { keys: new Set(rows.keys), queries: new Set(rows.queries), why: marks.why };
  head.append(el("strong", "", nothing ? "0 keys, 0 queries" : pickedWords(shown)));
  const clear = el("button", "gs-link", "Clear", { type: "button", "aria-label": "Clear what is picked out" });
  clear.addEventListener("click", onClear);
  head.append(clear);
  if (nothing) return [head, el("p", "gs-map-more", pickedWords(shown))];
  const list = el("ul");
  for (const kind of ["keys", "queries"]) {
    list.append(...rows[kind].slice(0, LISTED[kind]).map((row) => markedLine(at, kind, row, chosen, onPick)));
    const more = rows[kind].length - LISTED[kind];
    if (more > 0) list.append(el("li", "gs-map-more", `and ${counted(more, kind === "keys" ? "key" : "query", kind)} more`));
  }
  return [head, list];
}
