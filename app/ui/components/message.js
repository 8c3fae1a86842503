// @ts-check
// One line for a person: what was wrong, or what goes on.
import { follow } from "./component.js";
import { find, say } from "./dom.js";

/** @param {import("./component.js").Component} component */
export function start(component) {
  const boxed = find(component.element, ".gs-message");
  const plain = find(component.element, ".gs-note");
  follow(component, ({ text, tone }) => {
    for (const name of ["error", "good"]) boxed.classList.toggle(name, tone === name);
    say(boxed, tone === "plain" ? "" : text);
    say(plain, tone === "plain" ? text : "");
  });
}
