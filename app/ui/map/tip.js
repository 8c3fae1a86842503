// @ts-check
// The words at a point of the map, in a box of our own: Plotly's would need them in every trace, and as markup.
import { el } from "../components/dom.js";

/** What is said of a point: `kind` is keys, queries, undone or landings; `at` the points; `far` its distance to the selected key.
 *  targets: those of the keys. */
export function tipLines(kind, at, row, far, targets) {
  const lines = [el("strong", "", at.prompt[row])];
  if (kind === "queries") {
    // The answer is the logged one: an edit made since would answer otherwise now.
    if (at.text[row]) lines.push(el("span", "", `said then: ${at.text[row]}`));
    if (at.distance[row] !== null) {
      const key = at.key[row];
      if (key >= 0) lines.push(el("span", "", `now → ${targets[key]}`));
      const who = key >= 0 ? "by an edit" : "by the model itself";
      lines.push(el("span", "gs-map-tip-fact", `answered ${who} now; nearest key at ${at.distance[row].toFixed(2)}`));
    }
    if (far !== undefined) lines.push(el("span", "gs-map-tip-fact", `${far.toFixed(2)} from the selected key`));
    return lines;
  }
  if (kind === "landings") return [...lines, el("span", "", at.words[row])];
  lines.push(el("span", "", `→ ${at.target[row]}`));
  if (kind === "undone") {
    lines.push(el("span", "gs-map-tip-fact", "undone: its key stood about here"));
  } else {
    const shared = at.serves[row] > 1 ? `, serves ${at.serves[row]} edits` : "";
    lines.push(el("span", "gs-map-tip-fact", `ε ${at.epsilon[row].toFixed(2)}${shared}`));
  }
  return lines;
}

/** Puts the box beside a point (x, y) of the plot, inside the plot. */
export function placeTip(box, plot, x, y, lines) {
  const { xaxis, yaxis } = plot._fullLayout;
  const left = xaxis._offset + xaxis.d2p(x);
  const top = yaxis._offset + yaxis.d2p(y);
  box.replaceChildren(...lines);
  box.hidden = false;
  const { offsetWidth: width, offsetHeight: height } = box;
  box.style.left = `${Math.max(4, Math.min(left + 14, plot.clientWidth - width - 4))}px`;
  box.style.top = `${top + 14 + height > plot.clientHeight ? Math.max(4, top - 14 - height) : top + 14}px`;
}
