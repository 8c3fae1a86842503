// @ts-check
// Changes of ε, each known by its id.
import { follow } from "../components/component.js";
import { el, find, moment, pressed } from "../components/dom.js";

function item(row) {
  const line = el("li", row.undone ? "undone" : "");
  const words = el("div", "gs-eps-words");
  const meta = el("span", "gs-eps-meta", row.author ? `${row.author} · ` : "");
  meta.append(moment(row.at));
  if (row.undone) meta.append(" · undone");
  words.append(el("strong", "", `ε ${row.epsilon}`), " for ", el("span", "gs-eps-about", row.all ? row.about : `“${row.about}”`), meta);
  const verb = row.undone ? "Redo" : "Undo";
  line.append(words, el("button", "gs-btn", verb, {
    type: "button", "data-id": row.id, "data-action": verb.toLowerCase(), "aria-label": `${verb} the change of ε to ${row.epsilon} for ${row.about}`,
  }));
  return line;
}

/** @param {import("../components/component.js").Component} component */
export function start(component) {
  const root = find(component.element, ".gs-eps-history");
  let acting = ""; // Whose button was pressed: it gets the focus back when the rows are drawn anew.

  root.addEventListener("click", (event) => {
    const button = pressed(event, "button[data-id]");
    if (!button) return;
    acting = button.dataset.id ?? "";
    button.disabled = true;
    component.trigger(button.dataset.action === "undo" ? "undo" : "redo", { change_id: acting });
  });

  follow(component, ({ rows, more }) => {
    if (!rows.length) {
      root.replaceChildren(el("p", "gs-note", "None yet. What you apply is listed here, and can be undone at any time, exactly."));
      return;
    }
    const list = el("ol");
    list.append(...rows.map(item));
    root.replaceChildren(list, ...(more ? [el("p", "gs-note", `and ${more} older ones`)] : []));
    if (acting) /** @type {HTMLElement | null} */ (root.querySelector(`button[data-id="${CSS.escape(acting)}"]`))?.focus({ preventScroll: true });
    acting = "";
  });
}
