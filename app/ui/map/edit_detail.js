// @ts-check
// Everything about one edit.
import { valueOf } from "../components/component.js";
import { el, find, moment } from "../components/dom.js";

const number = (value) => value.toFixed(2);

/** A name and what is said of it. */
function row(list, name, ...content) {
  const cell = el("dd");
  cell.append(...content);
  list.append(el("dt", "", name), cell);
  return cell;
}

/** One that may be long: it scrolls. */
function longRow(list, name, ...content) {
  row(list, name, ...content).classList.add("gs-detail-long");
}

/**
 * A table with right-aligned numbers; `open` makes the first cell of a row a button.
 * @param {string} caption
 * @param {string[][]} heads
 * @param {any[]} rows
 * @param {((id: string) => void) | null} open
 */
function table(caption, heads, rows, open = null) {
  const node = el("table");
  node.append(el("caption", "gs-sr", caption));
  const head = node.createTHead().insertRow();
  heads.forEach(([text, kind]) => head.append(el("th", kind, text, { scope: "col" })));
  const body = node.createTBody();
  for (const { values, title, id, below = [] } of rows) {
    const line = body.insertRow();
    values.forEach((value, index) => {
      const cell = line.insertCell();
      cell.className = heads[index][1];
      if (index > 0) cell.append(el("span", "", value));
      else if (open) {
        const button = el("button", "gs-link gs-detail-text", value, { type: "button", title });
        button.addEventListener("click", () => open(id));
        cell.append(button);
      } else cell.append(el("span", "gs-detail-text", value, { title }), ...below);
    });
  }
  return node;
}

function permalink(id) {
  const address = new URL(window.location.href);
  address.searchParams.set("edit", id);
  return el("a", "gs-link", "Permalink", { href: address.pathname + address.search, title: "A link to this edit" });
}

/** The answer that was logged; where another than this edit gave it, that is said. */
function answer(one) {
  const words = el("span", "gs-detail-answer", null, { title: one.text });
  if (one.said_then) words.append(el("span", "gs-detail-then", "Said then: "));
  words.append(one.text);
  return words;
}

function section(title, ...content) {
  const node = el("section");
  node.append(el("h4", "", title), ...content);
  return node;
}

function facts(edit) {
  const list = el("dl");
  longRow(list, "Target", el("span", "gs-detail-target", edit.target));
  if (edit.paraphrases.length) longRow(list, "Also asked as", ...edit.paraphrases.map((text) => el("div", "", text)));
  row(list, "Radius ε now", edit.epsilon === null ? "not in force" : number(edit.epsilon) + (edit.subject_end === null ? "" : `, the subject's part ends at ${number(edit.subject_end)}`));
  row(list, "What it did", edit.change);
  row(list, "Made", moment(edit.at), edit.author ? ` by ${edit.author}` : "");
  if (edit.source_url) {
    row(list, "Source", edit.source_is_link
      ? el("a", "gs-link", edit.source_url, { href: edit.source_url, target: "_blank", rel: "noopener noreferrer nofollow" })
      : `${edit.source_url} (no web address)`);
  }
  if (edit.text_before) longRow(list, "Said before", edit.text_before);
  return list;
}

function matched(value) {
  const rows = value.matched.map((one) => ({
    values: [one.prompt, number(one.distance)], title: one.prompt, below: [answer(one), moment(one.at)],
  }));
  const content = rows.length
    ? table("Queries this edit answers", [["Query", ""], ["Distance", "num"]], rows)
    : el("p", "gs-note", "None yet. Ask the edited prompt, or a rephrasing of it, on the Review page.");
  const more = value.matched_more ? [el("p", "gs-note", `and ${value.matched_more.toLocaleString("en")} more`)] : [];
  const then = value.matched.some((one) => one.said_then)
    ? [el("p", "gs-note", "“Said then” is what was answered when it was asked. Asked again, it gets this edit's target.")] : [];
  return section(`Queries it answers (${value.matched_total.toLocaleString("en")})`, ...then, content, ...more);
}

function nearest(neighbors, open) {
  if (!neighbors.length) return section("Nearest keys", el("p", "gs-note", "It is the only key."));
  const rows = neighbors.map((one) => ({
    id: one.edit_id, values: [one.name, number(one.distance), number(one.gap)], title: `${one.prompt}\n→ ${one.target}`,
  }));
  return section("Nearest keys", table("Nearest keys", [["Key", ""], ["Distance", "num"], ["Gap", "num"]], rows, open),
    el("p", "gs-note", "Gap is the true distance less both radii: the room before the balls touch. Below 0 they overlap, and the nearer key answers there."));
}

/** @param {import("../components/component.js").Component} component */
export function start({ element, props, trigger, watch }) {
  const root = find(element, ".gs-detail");

  function draw() {
    const value = valueOf(props);
    if (!value?.edit) {
      const hint = el("div", "gs-detail-none");
      hint.append(el("h3", "gs-heading", value?.title ?? "No edit selected"), el("p", "gs-note", value?.hint ?? ""));
      root.replaceChildren(hint);
      return;
    }
    const { edit } = value;
    const head = el("header");
    head.append(el("span", `gs-state ${edit.state}`, edit.state_label), permalink(edit.id));
    root.replaceChildren(head, el("h3", "gs-detail-prompt", edit.prompt), facts(edit), matched(value),
      nearest(value.neighbors, (edit_id) => trigger("open_edit", { edit_id })));
  }

  draw();
  watch("value", draw);
}
