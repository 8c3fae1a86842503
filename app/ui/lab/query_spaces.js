// @ts-check
// The query spaces that a codebook has had, each known by its id.
import { follow } from "../components/component.js";
import { el, find, moment, pressed } from "../components/dom.js";

function item(row) {
  const line = el("li");
  const words = el("div", "gs-eps-words");
  const meta = el("span", "gs-eps-meta", row.author ? `${row.author} · ` : "");
  meta.append(row.at ? moment(row.at) : "as this codebook began");
  words.append(el("strong", "", row.title), ` · ε ${row.epsilon}`, meta);
  line.append(words);
  if (row.in_force) line.append(el("span", "gs-eps-meta", "in use"));
  else line.append(el("button", "gs-btn", "Go back", {
    type: "button", "data-id": row.id, "aria-label": `Go back to ${row.title}`,
  }));
  return line;
}

/** @param {import("../components/component.js").Component} component */
export function start(component) {
  const root = find(component.element, ".gs-eps-history");

  root.addEventListener("click", (event) => {
    const button = pressed(event, "button[data-id]");
    if (!button) return;
    for (const other of root.querySelectorAll("button")) other.disabled = true;
    component.trigger("go_back", { reading_id: button.dataset.id });
  });

  follow(component, ({ rows, more }) => {
    const list = el("ol");
    list.append(...rows.map(item));
    root.replaceChildren(list, ...(more ? [el("p", "gs-note", `and ${more} older ones`)] : []));
  });
}
