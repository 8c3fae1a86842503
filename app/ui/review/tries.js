// @ts-check
// Other phrasings asked after an edit.
import { valueOf } from "../components/component.js";
import { el, find } from "../components/dom.js";

/** @param {import("../components/component.js").Component} component */
export function start({ element, props, watch }) {
  const list = find(element, ".gs-tries");

  function draw() {
    list.replaceChildren(...(valueOf(props) ?? []).map((item) => {
      const row = el("li", `gs-try ${item.kind}`);
      row.append(el("p", "gs-try-prompt", item.prompt), el("p", "gs-try-text", item.text), el("p", "gs-try-label", item.label));
      return row;
    }));
  }

  draw();
  watch("value", draw);
}
