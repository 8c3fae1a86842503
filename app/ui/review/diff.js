const root = element.querySelector(".gs-outcome");
const find = (selector) => root.querySelector(selector);

function fill(side, pieces, tag) {
  side.replaceChildren(...pieces.map(([text, changed]) => (changed ? el(tag, "", text) : document.createTextNode(text))));
}

function draw() {
  const value = data();
  root.hidden = !value?.visible;
  if (root.hidden) return;
  root.dataset.success = value.success ?? "";
  root.dataset.undone = Boolean(value.undone);
  if (value.undone) {
    say(find(".gs-verdict-line"), "Undone");
    say(find(".gs-outcome-prompt"), value.undone);
    return;
  }
  say(find(".gs-verdict-line"), value.title);
  say(find(".gs-outcome-prompt"), `Prompt: ${value.prompt}`);
  say(find(".gs-reason"), value.reason);
  say(find(".gs-outcome-note"), value.note);
  say(find(".before h3"), value.before_title);
  say(find(".after h3"), value.after_title);
  fill(find(".before p"), value.before, "del");
  fill(find(".after p"), value.after, "ins");
  find(".after").hidden = !value.show_after;
  const sentence = find(".gs-sentence");
  sentence.replaceChildren(value.sentence);
  if (value.edit_id) {
    const link = el("button", "gs-link", "Show on the map", { type: "button" });
    link.addEventListener("click", () => openMap(value.edit_id));
    const undo = el("button", "gs-link", "Undo", { type: "button", id: "gs-outcome-undo" });
    undo.addEventListener("click", () => { undo.disabled = true; trigger("undo", { edit_id: value.edit_id }); });
    sentence.append(" ", link, " · ", undo);
  }
  root.scrollIntoView({ behavior: "smooth", block: "nearest" });
}
draw();
watch("value", draw);
