const search = element.querySelector("input[type=search]");
const filters = element.querySelector(".gs-filters");
const body = element.querySelector(".gs-edits-body");
const pages = element.querySelector(".gs-pages");
const live = element.querySelector("[role=status]");
const bar = element.querySelector(".gs-edits-bar");
let acting = "";  // the row whose button was pressed: it gets the focus back when its rows are drawn anew
let view = { search: "", state: "", offset: 0 };
let marked = "";  // the selected edit, and whether its row is still to be scrolled to: it may be below the fold
let unseen = false;

const COLUMNS = ["Prompt", "Target", "Author", "Time", "ε", "Matches", "State", "Actions"];
let asked = 0;  // tells the answer to what was typed last from those to what was typed before
const look = (change) => trigger("view", { ...view, ...change, asked: (asked += 1) });

// --- what a person does: one listener for all rows, rows known by id -------------------------------------------------
let typing = 0;
search.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => look({ search: search.value, offset: 0 }), 250);
});
filters.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) look({ state: button.dataset.state, offset: 0 });
});
pages.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) look({ offset: Number(button.dataset.offset) });
});
body.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-action]");
  if (!button || button.disabled) return;
  const edit_id = button.closest("tr")?.dataset.id;
  if (button.dataset.action === "undo" || button.dataset.action === "redo") acting = edit_id;
  if (button.dataset.action === "undo") { button.disabled = true; trigger("undo", { edit_id }); }
  if (button.dataset.action === "redo") { button.disabled = true; trigger("redo", { edit_id }); }
  if (button.dataset.action === "map") openMap(edit_id);
  if (button.dataset.action === "review") { setAddress({ tab: "review" }); trigger("review", {}); }
});

// --- drawing -------------------------------------------------------------------------------------------------------
function ago(iso) {
  const seconds = (Date.now() - new Date(iso).getTime()) / 1000;
  const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  if (seconds < 45) return "just now";
  for (const [unit, size, until] of [["minute", 60, 3570], ["hour", 3600, 84600], ["day", 86400, 86400 * 6.5]]) {
    if (seconds < until) return relative.format(-Math.round(seconds / size), unit);
  }
  return new Date(iso).toLocaleDateString("en", { day: "numeric", month: "short", year: "numeric" });
}

function cell(name, className, ...children) {
  const node = el("td", className, null, { "data-label": name });
  node.append(...children);
  return node;
}

function clamped(text) { return el("div", "gs-clamp", text, { title: text }); }

function drawRow(row, selected) {
  const tr = el("tr", row.id === selected ? "selected" : "", null, { id: `edit-${row.id}` });
  tr.dataset.id = row.id;
  tr.dataset.state = row.state;
  if (row.id === selected) tr.setAttribute("aria-current", "true");
  const prompt = cell("Prompt", "gs-c-prompt", clamped(row.prompt));
  if (row.phrasings || row.source) {
    const more = el("div", "gs-more");
    if (row.phrasings) more.append(el("span", "", row.phrasings === 1 ? "1 other phrasing" : `${row.phrasings} other phrasings`));
    if (row.source) more.append(el("a", "", "Source", { href: row.source, target: "_blank", rel: "noopener noreferrer", title: row.source }));
    prompt.append(more);
  }
  const time = el("time", "", ago(row.at), { datetime: row.at, title: new Date(row.at).toLocaleString() });
  const action = el("button", "gs-btn", row.action === "undo" ? "Undo" : "Redo", { type: "button", "data-action": row.action, "aria-label": `${row.action === "undo" ? "Undo" : "Redo"} the edit of “${row.prompt}”` });
  const map = el("button", "gs-link", "Map", { type: "button", "data-action": "map", "aria-label": `Show the edit of “${row.prompt}” on the map` });
  tr.append(
    prompt,
    cell("Target", "gs-c-target", clamped(row.target)),
    cell("Author", "gs-c-author", el("div", "gs-cut", row.author || "—", { title: row.author })),
    cell("Time", "gs-c-time", time),
    cell("ε", "gs-c-number", row.epsilon || "—"),
    cell("Matches", "gs-c-number", String(row.matches)),
    cell("State", "gs-c-state", el("span", `gs-state ${row.state}`, row.state_label)),
    cell("Actions", "gs-c-actions", action, map),
  );
  return tr;
}

function emptyState(value) {
  const box = el("div", "gs-empty");
  if (value.everything) {
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

function drawTable(value) {
  if (!value.rows.length) { body.replaceChildren(emptyState(value)); return; }
  const table = el("table", "gs-table");
  table.append(el("caption", "gs-sr", "Edits, newest first"));
  const head = el("tr");
  head.append(...COLUMNS.map((name) => el("th", name === "ε" || name === "Matches" ? "gs-c-number" : "", name, { scope: "col" })));
  const thead = el("thead"), rows = el("tbody");
  thead.append(head);
  rows.append(...value.rows.map((row) => drawRow(row, value.selected)));
  table.append(thead, rows);
  body.replaceChildren(table);
}

function drawPages(value) {
  const last = Math.min(value.offset + value.rows.length, value.total);
  const summary = value.total ? `${value.offset + 1}–${last} of ${value.total}` : "";
  say(live, value.everything ? (value.total === 1 ? "1 edit" : `${value.total} edits`) : "");
  pages.replaceChildren();
  if (value.total <= value.limit) return;
  const step = (text, offset, enabled) => {
    const button = el("button", "gs-btn", text, { type: "button", "data-offset": String(offset) });
    button.disabled = !enabled;
    return button;
  };
  pages.append(
    step("Newer", Math.max(0, value.offset - value.limit), value.offset > 0),
    el("span", "gs-note", summary),
    step("Older", value.offset + value.limit, last < value.total),
  );
}

function draw() {
  const value = data();
  if (!value) return;
  view = { search: value.search, state: value.state, offset: value.offset };
  const focus = document.activeElement;
  const kept = element.contains(focus) ? { ...focus.dataset, id: focus.closest("tr")?.dataset.id } : acting ? { id: acting } : null;
  acting = "";
  if (search !== focus) search.value = value.search;
  bar.hidden = !value.everything;
  filters.replaceChildren(...value.filters.map((item) => {
    const button = el("button", "gs-filter", null, { type: "button", "aria-pressed": String(item.state === value.state) });
    button.dataset.state = item.state;
    button.append(item.label, el("span", "gs-filter-count", String(item.count)));
    return button;
  }));
  if ((value.selected ?? "") !== marked) { marked = value.selected ?? ""; unseen = Boolean(marked); }
  drawTable(value);
  drawPages(value);
  bring();
  if (kept) {  // the focused button was drawn anew: give the focus to its successor
    const row = kept.id ? body.querySelector(`tr[data-id="${CSS.escape(kept.id)}"]`) : null;
    const successor =
      row?.querySelector(kept.action === "map" ? "[data-action=map]" : "[data-action=undo], [data-action=redo]") ??
      (kept.state !== undefined ? filters.querySelector(`button[data-state="${CSS.escape(kept.state)}"]`) : null) ??
      (kept.offset !== undefined ? pages.querySelector("button:not(:disabled)") : null);
    successor?.focus({ preventScroll: true });
  }
}

// A page in the background has no height; it is told when it gets one.
function bring() {
  if (!unseen || !body.clientHeight) return;
  const row = body.querySelector("tr[aria-current]");
  if (!row) return;
  unseen = false;
  row.scrollIntoView({ block: "center" });
}
new ResizeObserver(bring).observe(body);
draw();
watch("value", draw);
