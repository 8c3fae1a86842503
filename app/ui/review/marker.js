// @ts-check
// The answer and the verdicts on its words: select, then press a key or a button of the toolbar.
import { openMap } from "../components/address.js";
import { follow } from "../components/component.js";
import { find, pressed, say } from "../components/dom.js";
import { markNodes, sourceNodes, textNodes, verdictNodes } from "./marks.js";
import { selectIn, selectionIn } from "./selection.js";
import { markedSpan, verdictOf } from "./spans.js";

// The toolbar waits until a selection by keyboard or by touch stands still. Keys do not wait for the toolbar.
const STILL_MS = 120;

class Marker {
  /** @param {import("../components/component.js").Component} component */
  constructor({ element, trigger }) {
    this.element = element;
    this.trigger = trigger;
    this.root = find(element, ".gs-marker");
    this.box = find(element, ".gs-text");
    this.wrap = find(element, ".gs-text-wrap");
    this.bar = find(element, ".gs-verdicts");
    this.list = find(element, ".gs-marks");
    /** @type {any} */
    this.shown = null; // The value on screen.
    /** @type {[number, number] | null} */
    this.span = null; // The words that the open toolbar is about.
    this.pressing = false; // A pointer is down: the toolbar opens when it is released.
    this.listen();
  }

  listen() {
    this.wrap.addEventListener("keydown", (event) => this.key(event));
    // The text is editable for the browser only so that it has a caret and selection by keyboard; it never changes.
    for (const type of ["beforeinput", "paste", "cut", "drop", "dragstart"]) {
      this.box.addEventListener(type, (event) => event.preventDefault());
    }
    this.box.addEventListener("compositionend", () => this.drawText());
    this.box.addEventListener("pointerdown", () => { this.pressing = true; });
    for (const type of ["pointerup", "pointercancel"]) document.addEventListener(type, (event) => this.release(event));
    let settled = 0;
    document.addEventListener("selectionchange", () => {
      clearTimeout(settled);
      if (!this.pressing && this.element.isConnected) settled = setTimeout(() => this.openBar(), STILL_MS);
    });
    this.list.addEventListener("click", (event) => {
      const button = pressed(event, ".gs-remove");
      if (!button) return;
      button.disabled = true;
      this.trigger("unmark", { mark_id: button.dataset.id });
    });
  }

  /** The words that are selected now; null where there are none, or where they cannot be marked. */
  selected() {
    const ends = this.shown?.query_id ? selectionIn(this.box) : null;
    return ends && markedSpan(this.shown.text, [Math.min(ends.anchor, ends.focus), Math.max(ends.anchor, ends.focus)]);
  }

  /** A mouse has let go: what it selected becomes whole words. A finger's selection has handles of its own, which stay. */
  release(event) {
    if (!this.pressing) return;
    this.pressing = false;
    setTimeout(() => {
      const span = this.selected();
      if (span && event.pointerType === "mouse") selectIn(this.box, { anchor: span[0], focus: span[1] });
      this.openBar();
    }, 0);
  }

  closeBar() {
    this.span = null;
    this.bar.hidden = true;
  }

  openBar() {
    const span = this.selected();
    if (!span) {
      if (!this.bar.contains(document.activeElement)) this.closeBar();
      return;
    }
    this.span = span;
    this.bar.hidden = false;
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && this.span) {
      this.closeBar();
      this.box.focus();
      return;
    }
    const verdict = event.key.length === 1 && (this.selected() ?? this.span) ? verdictOf(this.shown.verdicts, event) : undefined;
    if (!verdict) return;
    event.preventDefault();
    this.mark(verdict);
  }

  mark(verdict) {
    const span = this.selected() ?? this.span;
    if (!span || !this.shown?.query_id) return;
    const byKeyboard = document.activeElement === this.box || this.bar.contains(document.activeElement);
    this.closeBar();
    window.getSelection()?.removeAllRanges();
    if (byKeyboard) { // The keyboard goes on where the mark ended, also before the server has answered.
      this.box.focus({ preventScroll: true });
      selectIn(this.box, { anchor: span[1], focus: span[1] });
    }
    this.trigger("mark", { query_id: this.shown.query_id, start: span[0], end: span[1], verdict });
  }

  draw(value) {
    const before = this.shown;
    const changed = ["text", "segments", "marks"].some((name) => JSON.stringify(before?.[name]) !== JSON.stringify(value[name]));
    this.shown = value;
    if (!before) this.bar.replaceChildren(...verdictNodes(value.verdicts, (verdict) => this.mark(verdict)));
    this.root.dataset.phase = value.phase;
    this.root.dataset.marked = value.marks.length ? "yes" : "no";
    this.box.setAttribute("aria-busy", String(value.phase === "writing"));
    this.box.contentEditable = value.query_id ? "true" : "false";
    if (changed) {
      if (before?.text !== value.text) this.closeBar();
      this.drawText();
      this.list.replaceChildren(...markNodes(value.marks, (id, on) => this.point(id, on)));
    }
    this.drawSource();
  }

  /** What is selected stays selected: the answer to one mark may come while the next words are being selected. */
  drawText() {
    const ends = selectionIn(this.box);
    this.box.replaceChildren(...textNodes(this.shown));
    if (ends) selectIn(this.box, ends);
  }

  point(id, on) {
    for (const piece of this.box.querySelectorAll(".gs-marked")) {
      const ids = piece instanceof HTMLElement ? piece.dataset.marks?.split(" ") : [];
      piece.classList.toggle("pointed", on && Boolean(ids?.includes(id)));
    }
  }

  drawSource() {
    const line = find(this.root, ".gs-source");
    const { source, status } = this.shown;
    line.dataset.kind = source?.kind ?? "";
    if (source) line.replaceChildren(...sourceNodes(this.shown, (id) => openMap(this.trigger, id)));
    else say(line, status);
  }
}

/** @param {import("../components/component.js").Component} component */
export function start(component) {
  const marker = new Marker(component);
  follow(component, (value) => marker.draw(value));
}
