const root = element.querySelector(".gs-anatomy");
const part = (name) => root.querySelector(name);

function draw() {
  const value = data();
  root.hidden = !value;
  if (!value) return;
  root.dataset.matched = value.matched;
  say(part(".gs-anatomy-title"), value.title);
  say(part(".gs-anatomy-verdict"), value.verdict);
  const edit = part(".gs-anatomy-edit");
  edit.replaceChildren();
  edit.hidden = !value.edit_id;
  if (value.edit_id) {
    const link = el("button", "gs-link", value.edit_prompt, { type: "button", "aria-label": `Show this edit on the map: ${value.edit_prompt}` });
    link.addEventListener("click", () => openMap(value.edit_id));
    edit.append("Answered by the edit of ", link);
  }
  part(".gs-anatomy-target").hidden = !value.target;
  say(part(".gs-anatomy-target"), value.target ? `Its target, which this is not: ${value.target}` : "");
  say(part(".with p"), value.with || "(an empty answer)");
  say(part(".without p"), value.same ? "The same answer, token by token." : value.without || "(an empty answer)");
  part(".without p").classList.toggle("gs-note", value.same);
}
draw();
watch("value", draw);
