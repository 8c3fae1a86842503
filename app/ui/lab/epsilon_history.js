// Changes of ε, each known by its id. Built with textContent only.
const root = element.querySelector(".gs-eps-history");
let acting = ""; // whose button was pressed: it gets the focus back when the rows are drawn anew

root.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-id]");
  if (!button || button.disabled) return;
  acting = button.dataset.id;
  button.disabled = true;
  if (button.dataset.action === "undo") trigger("undo", { change_id: acting });
  else trigger("redo", { change_id: acting });
});

function item(row) {
  const line = el("li", row.undone ? "undone" : "");
  const words = el("div", "gs-eps-words");
  const when = new Date(row.at);
  const meta = el("span", "gs-eps-meta", row.author ? `${row.author} · ` : "");
  meta.append(el("time", "", when.toLocaleString([], { dateStyle: "medium", timeStyle: "short" }), { datetime: row.at }));
  if (row.undone) meta.append(" · undone");
  words.append(el("strong", "", `ε ${row.epsilon}`), " for ", el("span", "gs-eps-about", row.all ? row.about : `“${row.about}”`), meta);
  const verb = row.undone ? "Redo" : "Undo";
  const button = el("button", "gs-btn", verb, {
    type: "button", "data-id": row.id, "data-action": verb.toLowerCase(), "aria-label": `${verb} the change of ε to ${row.epsilon} for ${row.about}`,
  });
  line.append(words, button);
  return line;
}

function draw() {
  const value = data();
  if (!value) return;
  if (!value.rows.length) {
    root.replaceChildren(el("p", "gs-note", "None yet. What you apply is listed here, and can be undone at any time, exactly."));
    return;
  }
  const list = el("ol");
  list.append(...value.rows.map(item));
  root.replaceChildren(list, ...(value.more ? [el("p", "gs-note", `and ${value.more} older ones`)] : []));
  if (acting) root.querySelector(`button[data-id="${CSS.escape(acting)}"]`)?.focus({ preventScroll: true });
  acting = "";
}

draw();
watch("value", draw);
