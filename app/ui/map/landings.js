// @ts-check
// The prompts that are tried: a line for each, the newest first.
import { el } from "../components/dom.js";

/** The lines, as nodes. onShow(key), onClear(number): what their buttons do; the number is null for all of them. */
export function landingLines({ number, prompt, words, key }, { onShow, onClear }) {
  const button = (kind, text, label, act) => {
    const node = el("button", "gs-link", text, { type: "button", "aria-label": label, "data-kind": kind });
    node.addEventListener("click", act);
    return node;
  };
  const lines = prompt.map((text, at) => {
    const line = el("p", "gs-map-landed");
    line.append(
      el("span", "gs-map-star", `★ ${number[at]}`, { "aria-hidden": "true" }),
      el("span", "gs-map-landed-words", `“${text}” ${words[at]}`),
    );
    if (key[at]) line.append(button("show", "Show this key", `Show the key nearest to “${text}”`, () => onShow(key[at])));
    line.append(button("clear", "Clear", `Clear where “${text}” lands`, () => onClear(number[at])));
    return line;
  });
  if (!lines.length) return [];
  const last = el("p", "gs-map-landed");
  last.append(el("span", "gs-map-landed-words", "Not logged."));
  if (lines.length > 1) last.append(button("clear", "Clear all", "Clear where all of them land", () => onClear(null)));
  return [...lines.reverse(), last];
}

/** Which line and kind of button has the focus in this box; null where none has. */
export function focusedLine(box) {
  const button = document.activeElement;
  const line = button instanceof HTMLElement && box.contains(button) ? button.closest(".gs-map-landed") : null;
  return button instanceof HTMLElement && line ? { at: [...box.children].indexOf(line), kind: button.dataset.kind } : null;
}

/** Puts it back: a line is mostly cleared to clear the next one. `elsewhere` gets it where no line is left. */
export function focusLine(box, { at, kind }, elsewhere) {
  const lines = [...box.querySelectorAll(".gs-map-landed:has(.gs-map-star)")];
  const line = lines[Math.min(at, lines.length - 1)];
  (line?.querySelector(`[data-kind=${kind}]`) ?? line?.querySelector("[data-kind=clear]") ?? elsewhere).focus({ preventScroll: true });
}
