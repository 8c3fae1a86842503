// @ts-check
// The prompt word by word, for the key that is chosen: nothing of it is asked for again.
import { follow } from "../components/component.js";
import { saveCsv } from "../components/csv.js";
import { el, find, say } from "../components/dom.js";

function pieceNode({ text, number, way, share, turns, says }) {
  if (number === null) return text.trim() ? el("span", "gs-words-rest", text.trim()) : null;
  const node = el("span", `gs-word ${way}${turns ? " turns" : ""}`, null, { title: says });
  node.style.setProperty("--gs-word-share", String(share));
  node.append(el("b", "", text), el("small", "", number));
  return node;
}

function lineNodes({ name, away, pieces }) {
  const label = el("div", "gs-words-name", name);
  label.append(el("span", "gs-words-away", away));
  const text = el("p", "gs-words-text");
  text.append(...pieces.map(pieceNode).filter((node) => node !== null));
  return [label, text];
}

/** @param {import("../components/component.js").Component} component */
export function start(component) {
  const root = find(component.element, ".gs-words");
  const part = (name) => find(root, `.gs-words-${name}`);
  const choice = /** @type {HTMLSelectElement} */ (part("key"));
  const save = el("button", "gs-download", "CSV", { type: "button", "aria-label": "Download what each word does as CSV" });
  find(root, ".gs-downloads").append(save);
  /** @type {any} */
  let value = null;

  function draw() {
    const chosen = value.keys[Number(choice.value)] ?? null;
    say(part("sentence"), chosen ? chosen.sentence : "");
    part("lines").replaceChildren(...(chosen ? chosen.lines.flatMap(lineNodes) : []));
  }

  choice.addEventListener("change", draw);
  save.addEventListener("click", () => value?.table && saveCsv(value.filename, value.table));
  follow(component, (now) => {
    value = now;
    const some = now.keys.length > 0;
    part("empty").hidden = some;
    say(part("empty"), now.empty);
    part("head").hidden = !some;
    part("note").hidden = !some;
    choice.replaceChildren(...now.keys.map(({ name }, at) => el("option", "", name, { value: at })));
    choice.value = "0";
    draw();
  });
}
