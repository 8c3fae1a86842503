// What another ε would change. Built with textContent only.
const root = element.querySelector(".gs-whatif");
const part = Object.fromEntries(
  ["tiles", "sentence", "empty", "changes", "caps"].map((name) => [name, root.querySelector(`.gs-whatif-${name}`)]),
);

function who(text, model) { return el("div", model ? "gs-whatif-model" : "gs-clamp", text, { title: text }); }

function cell(name, ...children) {
  const node = el("td", "", null, { "data-label": name });
  node.append(...children);
  return node;
}

function row(one) {
  const tr = el("tr");
  const prompt = el("div", "gs-whatif-prompt gs-clamp", one.prompt, { title: `${one.prompt}\n→ ${one.text}` });
  const link = el("button", "gs-link", "Map", { type: "button", "aria-label": `Show on the map the edit that this is about: ${one.prompt}` });
  link.addEventListener("click", () => openMap(one.id));
  tr.append(
    cell("Query", prompt),
    cell("Answered now by", who(one.now, one.now_model)),
    cell("Then", el("span", `gs-whatif-kind ${one.kind}`, one.kind_label), who(one.then, one.then_model)),
    cell("Distance", el("span", "", one.distance)),
    cell("ε of its key", el("span", "", one.radii)),
    cell("", link),
  );
  return tr;
}

function changes(value) {
  if (!value.rows.length) return [];
  const table = el("table", "gs-whatif-table");
  table.append(el("caption", "gs-sr", "Logged queries that would be answered otherwise"));
  const head = el("tr");
  head.append(...["Query", "Answered now by", "Then", "Distance", "ε of its key", ""].map((name) => el("th", "", name, { scope: "col" })));
  const thead = el("thead"), body = el("tbody");
  thead.append(head);
  body.append(...value.rows.map(row));
  table.append(thead, body);
  const more = value.more ? [el("p", "gs-note", `and ${value.more.toLocaleString("en")} more`)] : [];
  const box = el("div", "gs-whatif-scroll", null, { tabindex: "0", role: "group", "aria-label": "Changed answers" });
  box.append(table, ...more);
  const above = el("div", "gs-whatif-head");
  const save = el("button", "gs-download", "CSV", { type: "button", "aria-label": "Download the changed answers as CSV" });
  save.addEventListener("click", () => saveCsv("grace-studio-changed-answers", value.table));
  const bar = el("span", "gs-downloads");
  bar.append(el("span", "gs-download-title", "Download"), save);
  above.append(el("h3", "gs-heading", "Queries that would be answered otherwise"), bar);
  return [above, box];
}

function caps(value) {
  if (!value.caps.length) return [];
  const list = el("ul");
  list.append(...value.caps.map((cap) => {
    const item = el("li");
    const name = el("button", "gs-link gs-whatif-capped", cap.prompt, { type: "button", title: `${cap.prompt}: show on the map` });
    name.addEventListener("click", () => openMap(cap.id));
    item.append(name, ` ${cap.text}`);
    return item;
  }));
  const more = value.caps_more ? [el("p", "gs-note", `and ${value.caps_more.toLocaleString("en")} more keys`)] : [];
  return [el("h3", "gs-heading", "Keys that would not get what is asked for"), list, ...more];
}

function draw() {
  const value = data();
  if (!value) return;
  part.tiles.replaceChildren(...value.tiles.map((tile) => {
    const box = el("div", `gs-whatif-tile ${tile.count ? tile.kind : "none"}`);
    box.append(el("span", "gs-whatif-count", tile.count.toLocaleString("en")), el("span", "gs-whatif-label", tile.label));
    return box;
  }));
  say(part.sentence, value.sentence);
  part.empty.hidden = !value.empty;
  if (value.empty) {
    const steps = el("ol");
    steps.append(...value.empty.steps.map((step) => el("li", "", step)));
    part.empty.replaceChildren(el("h3", "", value.empty.title), steps);
  }
  part.changes.replaceChildren(...changes(value));
  part.caps.replaceChildren(...caps(value));
}

// The name of the present choice stands in its search box: select it, so that typing searches.
document.addEventListener("focusin", (event) => {
  if (event.target.matches?.("#gs-whatif-choice input")) setTimeout(() => event.target.select(), 0);
});

draw();
watch("value", draw);
