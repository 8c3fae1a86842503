// @ts-check
// A marked answer as elements: its text with the marks on it, the list of marks, and who answered.
import { el } from "../components/dom.js";
import { points } from "./spans.js";

const SHORT = 60;

/** The text in pieces; each knows all marks that cover it. */
export function textNodes({ text, marks, segments }) {
  const characters = Array.from(text);
  const verdict = new Map(marks.map((item) => [item.id, item.verdict]));
  return segments.map(([start, end, ids]) => {
    const piece = characters.slice(start, end).join("");
    if (!ids.length) return document.createTextNode(piece);
    const verdicts = ids.map((id) => verdict.get(id));
    const node = el("span", `gs-marked ${verdicts[verdicts.length - 1]}`, piece, { title: verdicts.join(" and ") });
    node.dataset.marks = ids.join(" ");
    // One line under the words for each mark that covers them: the first shadow lies on top of the next, longer one.
    node.style.boxShadow = verdicts.map((one, i) => `0 ${2 + 3 * i}px 0 var(--gs-${one})`).join(", ");
    return node;
  });
}

/** The list of marks. point(id, on): a mark is pointed at, or no longer. */
export function markNodes(marks, point) {
  return marks.map((item) => {
    const row = el("li", `gs-mark ${item.verdict}`);
    const short = points(item.text) > SHORT ? `${Array.from(item.text).slice(0, SHORT - 2).join("")}…` : item.text;
    const remove = el("button", "gs-remove", "×", { type: "button", "aria-label": `Remove the mark ${item.verdict} on “${short}”`, title: "Remove this mark" });
    remove.dataset.id = item.id;
    row.append(el("span", "gs-dot"), el("b", "", item.verdict), el("span", "gs-marked-text", `“${short}”`), remove);
    if (item.author) row.title = `Marked by ${item.author}`;
    row.addEventListener("mouseenter", () => point(item.id, true));
    row.addEventListener("mouseleave", () => point(item.id, false));
    remove.addEventListener("focus", () => point(item.id, true));
    remove.addEventListener("blur", () => point(item.id, false));
    return row;
  });
}

/** Who answered, with a link to the map where there is a key to see. open(id): shows an edit there. */
export function sourceNodes({ source, truncated }, open) {
  /** @type {(Node | string)[]} */
  const nodes = [el("b", "", source.label), el("span", "gs-distance", ` · ${source.detail}`)];
  if (truncated) nodes.push(el("span", "gs-distance", " · cut off at the longest answer allowed"));
  if (source.edit_id) {
    const link = el("button", "gs-link", source.kind === "edit" ? "Show on the map" : "Show that key", { type: "button" });
    link.addEventListener("click", () => open(source.edit_id));
    nodes.push(" · ", link);
  }
  return nodes;
}

/** A button for each verdict, which leaves the selection as it is. */
export function verdictNodes(verdicts, choose) {
  return verdicts.map(([verdict, key], index) => {
    const button = el("button", `gs-verdict ${verdict}`, null, { type: "button", "aria-keyshortcuts": `${index + 1} ${key}` });
    button.append(el("span", "gs-dot"), el("span", "", verdict), el("kbd", "", String(index + 1)));
    button.addEventListener("mousedown", (event) => event.preventDefault());
    button.addEventListener("click", () => choose(verdict));
    return button;
  });
}
