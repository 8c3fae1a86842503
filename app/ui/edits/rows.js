// @ts-check
// The table of edits, its filters and its page buttons as elements.
import { el } from "../components/dom.js";
import { ago } from "./words.js";

const COLUMNS = ["Prompt", "Target", "Author", "Time", "ε", "Matches", "State", "Actions"];

function cell(name, className, ...children) {
  const node = el("td", className, null, { "data-label": name });
  node.append(...children);
  return node;
}

const clamped = (text) => el("div", "gs-clamp", text, { title: text });

function promptCell(row) {
  const prompt = cell("Prompt", "gs-c-prompt", clamped(row.prompt));
  if (row.phrasings || row.source) {
    const more = el("div", "gs-more");
    if (row.phrasings) more.append(el("span", "", row.phrasings === 1 ? "1 other phrasing" : `${row.phrasings} other phrasings`));
    if (row.source) {
      more.append(row.source_is_link
        ? el("a", "", "Source", { href: row.source, target: "_blank", rel: "noopener noreferrer", title: row.source })
        : el("span", "", "Source: no web address", { title: row.source }));
    }
    prompt.append(more);
  }
  return prompt;
}

function rowNode(row, selected) {
  const tr = el("tr", row.id === selected ? "selected" : "", null, { id: `edit-${row.id}` });
  tr.dataset.id = row.id;
  tr.dataset.state = row.state;
  if (row.id === selected) tr.setAttribute("aria-current", "true");
  const time = el("time", "", ago(row.at, Date.now()), { datetime: row.at, title: new Date(row.at).toLocaleString() });
  const verb = row.action === "undo" ? "Undo" : "Redo";
  tr.append(
    promptCell(row),
    cell("Target", "gs-c-target", clamped(row.target)),
    cell("Author", "gs-c-author", el("div", "gs-cut", row.author || "—", { title: row.author })),
    cell("Time", "gs-c-time", time),
    cell("ε", "gs-c-number", row.epsilon || "—"),
    cell("Matches", "gs-c-number", String(row.matches)),
    cell("State", "gs-c-state", el("span", `gs-state ${row.state}`, row.state_label)),
    cell(
      "Actions", "gs-c-actions",
      el("button", "gs-btn", verb, { type: "button", "data-action": row.action, "aria-label": `${verb} the edit of “${row.prompt}”` }),
      el("button", "gs-link", "Map", { type: "button", "data-action": "map", "aria-label": `Show the edit of “${row.prompt}” on the map` }),
    ),
  );
  return tr;
}

function emptyState(everything) {
  const box = el("div", "gs-empty");
  if (everything) {
    box.append(el("h3", "", "No edit fits"), el("p", "", "Change the search or choose another filter."));
    return box;
  }
  box.append(
    el("h3", "", "No edits yet"),
    el("p", "", "An edit teaches the model one corrected answer. Every edit is listed here, with who made it, how many prompts it has answered, and a button to undo it."),
    el("button", "gs-btn", "Make the first edit", { type: "button", "data-action": "review" }),
  );
  return box;
}

/** The rows as a table; without any, what to do. */
export function tableNode({ rows, selected, everything }) {
  if (!rows.length) return emptyState(everything);
  const table = el("table", "gs-table");
  table.append(el("caption", "gs-sr", "Edits, newest first"));
  const head = el("tr");
  head.append(...COLUMNS.map((name) => el("th", name === "ε" || name === "Matches" ? "gs-c-number" : "", name, { scope: "col" })));
  const thead = el("thead"), body = el("tbody");
  thead.append(head);
  body.append(...rows.map((row) => rowNode(row, selected)));
  table.append(thead, body);
  return table;
}

export function filterNodes({ filters, state }) {
  return filters.map((item) => {
    const button = el("button", "gs-filter", null, { type: "button", "aria-pressed": String(item.state === state) });
    button.dataset.state = item.state;
    button.append(item.label, el("span", "gs-filter-count", String(item.count)));
    return button;
  });
}

/** Buttons for the pages before and after, where there are any. */
export function pageNodes({ offset, limit, total, rows }) {
  if (total <= limit) return [];
  const last = Math.min(offset + rows.length, total);
  const step = (text, to, enabled) => {
    const button = el("button", "gs-btn", text, { type: "button", "data-offset": String(to) });
    button.disabled = !enabled;
    return button;
  };
  return [
    step("Newer", Math.max(0, offset - limit), offset > 0),
    el("span", "gs-note", `${offset + 1}–${last} of ${total}`),
    step("Older", offset + limit, last < total),
  ];
}
