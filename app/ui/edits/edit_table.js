// @ts-check
// The table of edits: what a person looks for and does in it. One listener for all rows; rows are known by their ids.
import { openMap, setAddress } from "../components/address.js";
import { follow } from "../components/component.js";
import { find, pressed, say } from "../components/dom.js";
import { filterNodes, pageNodes, tableNode } from "./rows.js";

const TYPING_MS = 250;

class EditTable {
  /** @param {import("../components/component.js").Component} component */
  constructor({ element, trigger }) {
    this.element = element;
    this.trigger = trigger;
    this.search = /** @type {HTMLInputElement} */ (find(element, "input[type=search]"));
    this.filters = find(element, ".gs-filters");
    this.body = find(element, ".gs-edits-body");
    this.pages = find(element, ".gs-pages");
    this.view = { search: "", state: "", offset: 0 };
    this.asked = 0; // Tells the answer to what was typed last from those to what was typed before.
    this.acting = ""; // The row whose button was pressed: it gets the focus back when its rows are drawn anew.
    this.marked = ""; // The selected edit, and whether its row is still to be scrolled to: it may be below the fold.
    this.unseen = false;
    this.listen();
  }

  listen() {
    let typing = 0;
    this.search.addEventListener("input", () => {
      clearTimeout(typing);
      typing = setTimeout(() => this.look({ search: this.search.value, offset: 0 }), TYPING_MS);
    });
    this.filters.addEventListener("click", (event) => {
      const button = pressed(event);
      if (button) this.look({ state: button.dataset.state, offset: 0 });
    });
    this.pages.addEventListener("click", (event) => {
      const button = pressed(event);
      if (button) this.look({ offset: Number(button.dataset.offset) });
    });
    this.body.addEventListener("click", (event) => {
      const button = pressed(event, "button[data-action]");
      if (button) this.act(button);
    });
    // A page in the background has no height; it is told when it gets one.
    new ResizeObserver(() => this.bring()).observe(this.body);
  }

  /** Ask for another part of the edits. */
  look(change) {
    this.asked += 1;
    this.trigger("view", { ...this.view, ...change, asked: this.asked });
  }

  act(button) {
    const { action } = button.dataset;
    const edit_id = button.closest("tr")?.dataset.id;
    if (action === "undo" || action === "redo") {
      this.acting = edit_id;
      button.disabled = true;
      this.trigger(action, { edit_id });
    }
    if (action === "map") openMap(this.trigger, edit_id);
    if (action === "review") {
      setAddress({ tab: "review" });
      this.trigger("review", {});
    }
  }

  draw(value) {
    this.view = { search: value.search, state: value.state, offset: value.offset };
    const kept = this.focused();
    if (this.search !== document.activeElement) this.search.value = value.search;
    find(this.element, ".gs-edits-bar").hidden = !value.everything;
    say(find(this.element, "[role=status]"), value.everything ? (value.total === 1 ? "1 edit" : `${value.total} edits`) : "");
    this.filters.replaceChildren(...filterNodes(value));
    this.body.replaceChildren(tableNode(value));
    this.pages.replaceChildren(...pageNodes(value));
    if ((value.selected ?? "") !== this.marked) {
      this.marked = value.selected ?? "";
      this.unseen = Boolean(this.marked);
    }
    this.bring();
    if (kept) this.refocus(kept);
  }

  /** What tells the focused button, or the one that was pressed, from all others.
   * @returns {Record<string, string | undefined> | null} */
  focused() {
    const focus = document.activeElement;
    const { acting } = this;
    this.acting = "";
    if (focus instanceof HTMLElement && this.element.contains(focus)) return { ...focus.dataset, id: focus.closest("tr")?.dataset.id };
    return acting ? { id: acting } : null;
  }

  /** The button was drawn anew: its successor gets the focus. */
  refocus(/** @type {Record<string, string | undefined>} */ { id, action, state, offset }) {
    const row = id ? this.body.querySelector(`tr[data-id="${CSS.escape(id)}"]`) : null;
    const successor =
      row?.querySelector(action === "map" ? "[data-action=map]" : "[data-action=undo], [data-action=redo]") ??
      (state !== undefined ? this.filters.querySelector(`button[data-state="${CSS.escape(state)}"]`) : null) ??
      (offset !== undefined ? this.pages.querySelector("button:not(:disabled)") : null);
    if (successor instanceof HTMLElement) successor.focus({ preventScroll: true });
  }

  /** Scroll to the selected edit, once, when it can be seen. */
  bring() {
    if (!this.unseen || !this.body.clientHeight) return;
    const row = this.body.querySelector("tr[aria-current]");
    if (!row) return;
    this.unseen = false;
    row.scrollIntoView({ block: "center" });
  }
}

/** @param {import("../components/component.js").Component} component */
export function start(component) {
  const table = new EditTable(component);
  follow(component, (value) => table.draw(value));
}
