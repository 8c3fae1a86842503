// Everything about one edit, built with textContent only.
const root = element.querySelector(".gs-detail");

const number = (value) => value.toFixed(2);

function row(list, name, ...content) {
  list.append(el("dt", "", name));
  const cell = el("dd");
  cell.append(...content);
  list.append(cell);
}

function when(iso) {
  return el("time", "", new Date(iso).toLocaleString([], { dateStyle: "medium", timeStyle: "short" }), { datetime: iso });
}

/** A table with right-aligned numbers; `open` makes the first cell of a row a button. */
function table(caption, heads, rows, open = null) {
  const node = el("table");
  node.append(el("caption", "gs-sr", caption));
  const head = node.createTHead().insertRow();
  heads.forEach(([text, kind]) => head.append(el("th", kind, text, { scope: "col" })));
  const body = node.createTBody();
  rows.forEach((cells) => {
    const line = body.insertRow();
    cells.values.forEach((value, index) => {
      const cell = line.insertCell();
      cell.className = heads[index][1];
      if (index === 0 && open) {
        const button = el("button", "gs-link gs-detail-text", value, { type: "button", title: cells.title });
        button.addEventListener("click", () => open(cells.id));
        cell.append(button);
      } else {
        cell.append(el("span", index === 0 ? "gs-detail-text" : "", value, index === 0 ? { title: cells.title } : {}));
        if (index === 0 && cells.below) cell.append(...cells.below);
      }
    });
  });
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

function draw() {
  const value = data();
  if (!value || !value.edit) {
    const hint = el("div", "gs-detail-none");
    hint.append(el("h3", "gs-heading", value?.title ?? "No edit selected"), el("p", "gs-note", value?.hint ?? ""));
    root.replaceChildren(hint);
    return;
  }
  const edit = value.edit;
  const head = el("header");
  head.append(el("span", `gs-state gs-state-${edit.state}`, edit.state_label), permalink(edit.id));
  const list = el("dl");
  row(list, "Target", el("span", "gs-detail-target", edit.target));
  if (edit.paraphrases.length) row(list, "Also asked as", ...edit.paraphrases.map((text) => el("div", "", text)));
  row(list, "Radius ε now", edit.epsilon === null ? "not in force" : number(edit.epsilon));
  row(list, "What it did", edit.change);
  row(list, "Made", when(edit.at), edit.author ? ` by ${edit.author}` : "");
  if (edit.source_url) {
    row(list, "Source", edit.source_is_link
      ? el("a", "gs-link", edit.source_url, { href: edit.source_url, target: "_blank", rel: "noopener noreferrer nofollow" })
      : edit.source_url);
  }
  if (edit.text_before) row(list, "Said before", edit.text_before);

  const matched = value.matched.length
    ? table("Queries this edit answers", [["Query", ""], ["Distance", "num"]],
      value.matched.map((one) => ({
        values: [one.prompt, number(one.distance)], title: one.prompt,
        below: [answer(one), when(one.at)],
      })))
    : el("p", "gs-note", "None yet. Ask the edited prompt, or a rephrasing of it, on the Review page.");
  const neighbors = value.neighbors.length
    ? table("Nearest keys", [["Key", ""], ["Distance", "num"], ["Gap", "num"]],
      value.neighbors.map((one) => ({
        id: one.edit_id, values: [one.name, number(one.distance), number(one.gap)], title: `${one.prompt}\n→ ${one.target}`,
      })), (id) => trigger("open_edit", { edit_id: id }))
    : el("p", "gs-note", "It is the only key.");
  const more = value.matched_more ? [el("p", "gs-note", `and ${value.matched_more.toLocaleString("en")} more`)] : [];
  const then = value.matched.some((one) => one.said_then)
    ? [el("p", "gs-note", "“Said then” is what was answered when it was asked. Asked again, it gets this edit's target.")] : [];
  root.replaceChildren(
    head,
    el("h3", "gs-detail-prompt", edit.prompt),
    list,
    section(`Queries it answers (${value.matched_total.toLocaleString("en")})`, ...then, matched, ...more),
    section("Nearest keys", neighbors, el("p", "gs-note", value.neighbors.length
      ? "Gap is the true distance less both radii: the room before the balls touch; below 0 they overlap." : "")),
  );
}

draw();
watch("value", draw);
