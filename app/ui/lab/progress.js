// @ts-check
// How far a measurement is.
import { follow } from "../components/component.js";
import { find, say } from "../components/dom.js";

/** @param {import("../components/component.js").Component} component */
export function start(component) {
  const root = find(component.element, ".gs-progress");
  const bar = find(root, ".gs-bar");
  follow(component, ({ stage, fraction }) => {
    root.hidden = !stage;
    if (!stage) return;
    const percent = Math.round(100 * fraction);
    say(find(root, ".gs-stage"), stage);
    say(find(root, ".gs-loss"), `${percent} %`);
    bar.setAttribute("aria-valuenow", String(percent));
    find(bar, ".gs-bar-fill").style.width = `${percent}%`;
  });
}
