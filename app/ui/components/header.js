// @ts-check
// The header, and what holds for the whole page: its address and its keys.
import { setAddress } from "./address.js";
import { follow } from "./component.js";
import { find, say } from "./dom.js";

// Ctrl or Cmd with Enter presses the button of the field one is in.
const BUTTONS = { "gs-prompt": "gs-send", "gs-target": "gs-edit", "gs-phrasings": "gs-edit", "gs-source-url": "gs-edit", "gs-phrasing": "gs-ask" };

/** @param {import("./component.js").Component} component */
export function start(component) {
  const { element } = component;
  const model = find(element, ".gs-model");
  const count = find(element, ".gs-count");
  follow(component, ({ model: name, detail, edits }) => {
    say(model, name);
    model.title = detail;
    say(count, edits === 1 ? "1 edit in force" : `${edits} edits in force`);
  });

  // A tab's own event also fires when it is first drawn, which would overwrite the address it was opened with.
  document.addEventListener("click", ({ target }) => {
    const tab = target instanceof Element ? target.closest("#gs-tabs [role=tab][data-tab-id]") : null;
    if (!(tab instanceof HTMLElement) || !element.isConnected) return;
    const name = tab.dataset.tabId ?? "";
    setAddress(tab.closest("#gs-lab-tabs") ? { tab: "lab", lab: name } : { tab: name });
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || !element.isConnected) return;
    const field = event.target instanceof Element ? event.target.closest(Object.keys(BUTTONS).map((id) => `#${id}`).join(", ")) : null;
    if (!field) return;
    event.preventDefault();
    document.getElementById(BUTTONS[field.id])?.click();
  });
}
