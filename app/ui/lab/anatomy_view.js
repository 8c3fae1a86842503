// @ts-check
// The verdict on one prompt and its two answers.
import { openMap } from "../components/address.js";
import { valueOf } from "../components/component.js";
import { el, find, say } from "../components/dom.js";

/** @param {import("../components/component.js").Component} component */
export function start({ element, props, trigger, watch }) {
  const root = find(element, ".gs-anatomy");

  function draw() {
    const value = valueOf(props);
    root.hidden = !value;
    if (!value) return;
    root.dataset.matched = value.matched;
    say(find(root, ".gs-anatomy-title"), value.title);
    say(find(root, ".gs-anatomy-verdict"), value.verdict);
    const edit = find(root, ".gs-anatomy-edit");
    edit.replaceChildren();
    edit.hidden = !value.edit_id;
    if (value.edit_id) {
      const link = el("button", "gs-link", value.edit_prompt, { type: "button", "aria-label": `Show this edit on the map: ${value.edit_prompt}` });
      link.addEventListener("click", () => openMap(trigger, value.edit_id));
      edit.append("Answered by the edit of ", link);
    }
    const target = find(root, ".gs-anatomy-target");
    target.hidden = !value.target;
    say(target, value.target ? `Its target, which this is not: ${value.target}` : "");
    const without = find(root, ".without p");
    say(find(root, ".with p"), value.with || "(an empty answer)");
    say(without, value.same ? "The same answer, token by token." : value.without || "(an empty answer)");
    without.classList.toggle("gs-note", value.same);
    for (const side of ["with", "without"]) {
      say(find(root, `.${side} .gs-cut-note`), value[`${side}_cut`] ? " · cut off at the longest answer allowed" : "");
    }
  }

  draw();
  watch("value", draw);
}
