// How prompts were read over time, each reading known by its id. Built with textContent only.
const root = element.querySelector(".gs-eps-history");

root.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-id]");
  if (!button || button.disabled) return;
  for (const other of root.querySelectorAll("button")) other.disabled = true;
  trigger("go_back", { reading_id: button.dataset.id });
});

function item(row) {
  const line = el("li");
  const words = el("div", "gs-eps-words");
  const meta = el("span", "gs-eps-meta", row.author ? `${row.author} · ` : "");
  if (row.at) {
    const when = new Date(row.at).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
    meta.append(el("time", "", when, { datetime: row.at }));
  } else meta.append("as this codebook began");
  words.append(el("strong", "", row.title), ` · ε ${row.epsilon}`, meta);
  line.append(words);
  if (row.in_force) line.append(el("span", "gs-eps-meta", "in use"));
  else line.append(el("button", "gs-btn", "Go back", {
    type: "button", "data-id": row.id, "aria-label": `Go back to ${row.title}`,
  }));
  return line;
}

function draw() {
  const value = data();
  if (!value) return;
  const list = el("ol");
  list.append(...value.rows.map(item));
  root.replaceChildren(list, ...(value.more ? [el("p", "gs-note", `and ${value.more} older ones`)] : []));
}

draw();
watch("value", draw);
