// @ts-check
// What another ε would change.
import { openMap } from "../components/address.js";
import { follow } from "../components/component.js";
import { saveCsv } from "../components/csv.js";
import { el, find, say } from "../components/dom.js";

const HEADS = ["Query", "Answered now by", "Then", "Distance", "ε of its key", ""];

function who(text, model) {
  return el("div", model ? "gs-whatif-model" : "gs-clamp", text, { title: text });
}

function cell(name, ...children) {
  const node = el("td", "", null, { "data-label": name });
  node.append(...children);
  return node;
}

/** A button that opens an edit on the map. */
function mapLink(id, className, text, attributes, open) {
  const link = el("button", className, text, { type: "button", ...attributes });
  link.addEventListener("click", () => open(id));
  return link;
}

function row(one, open) {
  const tr = el("tr");
  tr.append(
    cell(HEADS[0], el("div", "gs-whatif-prompt gs-clamp", one.prompt, { title: `${one.prompt}\n→ ${one.text}` })),
    cell(HEADS[1], who(one.now, one.now_model)),
    cell(HEADS[2], el("span", `gs-whatif-kind ${one.kind}`, one.kind_label), who(one.then, one.then_model)),
    cell(HEADS[3], el("span", "", one.distance), ...(one.parts ? one.parts.split(", ").map((part) => el("span", "gs-whatif-part", part)) : [])),
    cell(HEADS[4], el("span", "", one.radii)),
    cell(HEADS[5], mapLink(one.id, "gs-link", "Map", { "aria-label": `Show on the map the edit that this is about: ${one.prompt}` }, open)),
  );
  return tr;
}

function changes(value, open) {
  if (!value.rows.length) return [];
  const table = el("table", "gs-whatif-table");
  table.append(el("caption", "gs-sr", "Logged queries that would be answered otherwise"));
  const head = el("tr");
  head.append(...HEADS.map((name) => el("th", "", name, { scope: "col" })));
  const thead = el("thead"), body = el("tbody");
  thead.append(head);
  body.append(...value.rows.map((one) => row(one, open)));
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

function caps(value, open) {
  if (!value.caps.length) return [];
  const list = el("ul");
  list.append(...value.caps.map((cap) => {
    const item = el("li");
    item.append(mapLink(cap.id, "gs-link gs-whatif-capped", cap.prompt, { title: `${cap.prompt}: show on the map` }, open), ` ${cap.text}`);
    return item;
  }));
  const more = value.caps_more ? [el("p", "gs-note", `and ${value.caps_more.toLocaleString("en")} more keys`)] : [];
  return [el("h3", "gs-heading", "Keys that would not get what is asked for"), list, ...more];
}

function tile({ count, kind, label }) {
  const box = el("div", `gs-whatif-tile ${count ? kind : "none"}`);
  box.append(el("span", "gs-whatif-count", count.toLocaleString("en")), el("span", "gs-whatif-label", label));
  return box;
}

/** @param {import("../components/component.js").Component} component */
export function start(component) {
  const root = find(component.element, ".gs-whatif");
  const part = (name) => find(root, `.gs-whatif-${name}`);
  const open = (id) => openMap(component.trigger, id);

  follow(component, (value) => {
    part("tiles").replaceChildren(...value.tiles.map(tile));
    say(part("sentence"), value.sentence);
    part("empty").hidden = !value.empty;
    if (value.empty) {
      const steps = el("ol");
      steps.append(...value.empty.steps.map((step) => el("li", "", step)));
      part("empty").replaceChildren(el("h3", "", value.empty.title), steps);
    }
    part("changes").replaceChildren(...changes(value, open));
    part("caps").replaceChildren(...caps(value, open));
  });

  // The name of the present choice stands in its search box: select it, so that typing searches.
  document.addEventListener("focusin", ({ target }) => {
    if (target instanceof HTMLInputElement && target.matches("#gs-whatif-choice input")) setTimeout(() => target.select(), 0);
  });
}
