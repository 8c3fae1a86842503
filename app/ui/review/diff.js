// @ts-check
// What an edit changed: before and after, side by side.
import { openMap } from "../components/address.js";
import { valueOf } from "../components/component.js";
import { el, find, say } from "../components/dom.js";

function fill(side, pieces, tag) {
  side.replaceChildren(...pieces.map(([text, changed]) => (changed ? el(tag, "", text) : text)));
}

function links(edit_id, trigger) {
  const show = el("button", "gs-link", "Show on the map", { type: "button" });
  show.addEventListener("click", () => openMap(trigger, edit_id));
  const undo = el("button", "gs-link", "Undo", { type: "button", id: "gs-outcome-undo" });
  undo.addEventListener("click", () => {
    undo.disabled = true;
    trigger("undo", { edit_id });
  });
  return [" ", show, " · ", undo];
}

/** @param {import("../components/component.js").Component} component */
export function start({ element, props, trigger, watch }) {
  const root = find(element, ".gs-outcome");
  const part = (selector) => find(root, selector);

  function draw() {
    const value = valueOf(props);
    root.hidden = !value?.visible;
    if (root.hidden) return;
    root.dataset.success = value.success ?? "";
    root.dataset.undone = String(Boolean(value.undone));
    if (value.undone) {
      say(part(".gs-verdict-line"), "Undone");
      say(part(".gs-outcome-prompt"), value.undone);
      return;
    }
    say(part(".gs-verdict-line"), value.title);
    say(part(".gs-outcome-prompt"), `Prompt: ${value.prompt}`);
    say(part(".gs-reason"), value.reason);
    say(part(".gs-outcome-note"), value.note);
    say(part(".before h3"), value.before_title);
    say(part(".after h3"), value.after_title);
    fill(part(".before p"), value.before, "del");
    fill(part(".after p"), value.after, "ins");
    part(".after").hidden = !value.show_after;
    part(".gs-sentence").replaceChildren(value.sentence, ...(value.edit_id ? links(value.edit_id, trigger) : []));
    root.scrollIntoView({ behavior: "smooth", block: "nearest" });
  }

  draw();
  watch("value", draw);
}
