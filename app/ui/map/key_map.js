// @ts-check
// The map: keeps the points, which come once (`points`; a selection brings only what it changes, `paint`), draws, and turns
// clicks, lassos, searches and keys into events with edit ids. What is drawn is said in figure.js and its neighbours.
// All words go through textContent, or through Plotly's own text, which the server has escaped.
import { setAddress } from "../components/address.js";
import { modeColours, onModeChange } from "../components/colours.js";
import { follow } from "../components/component.js";
import { find, say } from "../components/dom.js";
import { downloads } from "../components/downloads.js";
import { listenToKeys, listenToPlot } from "./gestures.js";
import { Ghosts } from "./ghosts.js";
import { focusedLine, focusLine, landingLines } from "./landings.js";
import { finderOf, markedList, pickedWords } from "./picked.js";
import { Stage } from "./stage.js";
import { steppedFrom } from "./steps.js";
import { placeTip, tipLines } from "./tip.js";
import { emptyNodes, legendNodes } from "./words.js";

const TYPING_MS = 150;
const STEPPING_MS = 2000; // Who presses J again sooner goes on from where the last one leads, though that is not drawn yet.
const FILE = "grace-studio-map";
const BESIDE = "(min-width: 801px)"; // Narrower pages have one column.

/** @typedef {{keys: Set<string>, queries: Set<string>, why: string}} Marks what a lasso or a search has picked out */

export class KeyMap {
  /** @param {import("../components/component.js").Component} component */
  constructor({ element, trigger }) {
    this.trigger = trigger;
    this.root = find(element, ".gs-map");
    this.plot = this.part("plot");
    this.search = /** @type {HTMLInputElement} */ (find(this.root, ".gs-map-search input"));
    this.list = this.part("marked"); // What is picked out; it may stand in another column.
    /** @type {any} */
    this.value = null;
    /** @type {any} */
    this.scene = null; // The last points that the server sent.
    /** @type {Marks | null} */
    this.marks = null;
    /** @type {{kind: string, id: string} | null} */
    this.ring = null; // The point that a person picked in the list.
    /** @type {{kind: string, id: string} | null} */
    this.tip = null; // The point whose words are shown.
    this.selections = 0;
    this.asked = 0; // Counts the tables that were asked for.
    /** @type {Map<number, (table: import("../components/csv.js").Table) => void>} */
    this.tables = new Map(); // Who waits for which of them.
    /** @type {string | null} */
    this.addressed = null; // The edit that stands in the page's address since the map was drawn.
    /** @type {(words: string) => Marks | null} */
    this.found = () => null; // Words to what holds them, among the points.
    /** @type {{id: string | null, at: number} | null} */
    this.stepping = null; // The key that J or K went to, until the server has followed.
    /** @type {{selected: string | null, key: string | null, ids: string[]}} */
    this.passed = { selected: null, key: null, ids: [] }; // The last selected key, and what could be gone through with it.
    /** @type {boolean | null} */
    this.switched = null; // How the switch for undone keys was just set, until the server has followed.
    this.landed = "";
    this.heard = 0; // The number of the newest prompt whose words were announced.
    this.ghosts = new Ghosts(() => this.redraw());
    this.stage = new Stage(this.plot, {
      own: () => ({ marks: this.marks, ring: this.ring, selections: this.selections, ghosts: this.ghosts.shown() }),
      bind: () => listenToPlot(this.plot, this),
      drawn: () => this.renewTip(),
      moved: () => this.hideTip(),
      failed: (error) => this.failed(error),
    });
    this.listen();
  }

  /** All of the map as a table: what is drawn holds long texts cut short, so the server is asked for it. */
  table() {
    this.asked += 1;
    this.trigger("export_table", { asked: this.asked });
    return new Promise((resolve) => { this.tables.set(this.asked, resolve); });
  }

  part(name) {
    return find(this.root, `.gs-map-${name}`);
  }

  failed(error) {
    console.error(error);
    this.part("status").hidden = false;
    say(this.part("status"), error.message);
  }

  listen() {
    listenToKeys(this.root, this.plot, this);
    let typing = 0;
    this.search.addEventListener("input", () => {
      clearTimeout(typing);
      typing = setTimeout(() => this.mark(this.found(this.search.value)), TYPING_MS);
    });
    this.search.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        this.clearSearch();
        this.plot.focus();
      } else if (event.key === "Enter") {
        clearTimeout(typing);
        this.selectFound();
      }
    });
    const undone = /** @type {HTMLInputElement} */ (find(this.part("undone"), "input"));
    undone.addEventListener("change", () => {
      this.switched = undone.checked;
      this.trigger("show_undone", { shown: undone.checked });
    });
    this.part("downloads").append(downloads({
      filename: FILE, label: "the map", savePicture: (format) => this.stage.savePicture(format, FILE),
      table: () => this.table(), onError: (error) => this.failed(error),
    }));
    new ResizeObserver(() => {
      if (this.plot.clientWidth === 0) return;
      if (this.stage.stale || !this.stage.bound) this.redraw();
      else this.stage.resize();
    }).observe(this.plot);
    onModeChange(() => this.redraw());
  }

  // -- Drawing ----------------------------------------------------------------------------------------------------------

  redraw() {
    if (this.value) this.draw(this.value);
  }

  draw(value) {
    this.value = value;
    this.tables.get(value.table?.asked)?.(value.table);
    this.tables.delete(value.table?.asked);
    if (value.selected !== this.addressed) {
      this.addressed = value.selected;
      setAddress({ edit: value.selected });
    }
    this.part("legend").replaceChildren(...legendNodes(value.legend, modeColours()));
    this.part("empty").hidden = !value.empty;
    if (value.empty) this.part("empty").replaceChildren(...emptyNodes(value.empty));
    this.drawLandings(value.landings);
    this.drawUndone(value.undone);
    say(this.part("note"), value.note);
    say(this.part("status"), value.status);
    this.part("status").hidden = !value.status;
    say(this.part("live"), value.spoken);
    this.root.classList.toggle("gs-map-blank", Boolean(value.empty));
    const before = this.scene;
    if (!this.takePoints(value)) return;
    this.drawMarked();
    if (value.selected_key === this.stepping?.id) this.stepping = null;
    if (value.selected_key) this.passed = { selected: value.selected, key: value.selected_key, ids: this.steppable() };
    const moved = before && before.id !== this.scene.id && before.layout !== this.scene.layout;
    this.stage.draw(value, this.scene, moved ? before : null);
  }

  /** Takes in the points that came with this value; false where they are still missing. */
  takePoints(value) {
    const old = this.scene;
    if (value.points && old?.id !== value.points.id) {
      this.scene = value.points;
      this.found = finderOf(this.scene);
      this.ghosts.follow(old, this.scene);
      // Shown anew here; what was picked out stays so on other pages, with a button to redo what was undone.
      if (this.marks?.why === "search") this.marks = this.found(this.search.value);
    }
    if (this.scene?.id === value.scene_id) return true;
    this.trigger("need_points", {});
    return false;
  }

  /** The switch that shows the keys of undone edits, where there are any. What was just clicked stays until it is answered. */
  drawUndone({ count, shown }) {
    if (this.switched === shown || !count) this.switched = null;
    const box = this.part("undone");
    box.hidden = !count;
    /** @type {HTMLInputElement} */ (find(box, "input")).checked = this.switched ?? shown;
    say(find(box, ".gs-map-count"), count.toLocaleString("en"));
  }

  drawLandings(landings) {
    const { number, prompt, words, key } = landings;
    const now = JSON.stringify([number, words, key]);
    if (now === this.landed) return;
    this.landed = now;
    const box = this.part("landing");
    const focus = focusedLine(box);
    box.hidden = !prompt.length;
    box.replaceChildren(...landingLines(landings, {
      onShow: (id) => this.trigger("select_edit", { edit_id: id }),
      onClear: (one) => this.trigger("clear_landing", { number: one }),
    }));
    if (focus) focusLine(box, focus, this.plot);
    const newest = number.at(-1) ?? 0;
    if (newest > this.heard) say(this.part("heard"), `“${prompt.at(-1)}” ${words.at(-1)} Not logged.`);
    this.heard = newest;
  }

  /** The list stands in the column beside the map, so that the map keeps its width; where there is none, below the plot. */
  drawMarked() {
    const beside = window.matchMedia(BESIDE).matches && document.querySelector("#gs-map-picked .gs-map-picked-room");
    const room = beside || find(this.root, ".gs-map-stage");
    if (this.list.parentElement !== room) room.append(this.list);
    this.list.hidden = !this.marks;
    if (!this.marks) return;
    this.list.replaceChildren(...markedList(this.scene, this.marks, {
      chosen: this.value.paint.keys.chosen,
      onClear: () => {
        this.clearSearch();
        this.plot.focus();
      },
      onPick: (kind, row) => {
        this.pickOut(kind, row);
        this.stage.next(() => this.showTip(kind, row));
      },
    }));
  }

  // -- Words at a point -------------------------------------------------------------------------------------------------

  pointsOf(kind) {
    const { undone, landings } = this.value;
    return { undone: undone.keys, landings: { ...landings, id: landings.number } }[kind] ?? this.scene[kind];
  }

  showTip(kind, row) {
    const at = this.pointsOf(kind);
    this.tip = { kind, id: at.id[row] };
    const far = kind === "queries" ? this.value.paint.distances?.[row] : undefined;
    placeTip(this.part("tip"), this.plot, at.x[row], at.y[row], tipLines(kind, at, row, far, this.scene.keys.target));
  }

  hideTip() {
    this.tip = null;
    this.part("tip").hidden = true;
  }

  /** After a redrawing the words may have changed, and the point may be elsewhere or gone. */
  renewTip() {
    if (!this.tip) return;
    const row = this.pointsOf(this.tip.kind).id.indexOf(this.tip.id);
    if (row < 0) this.hideTip();
    else this.showTip(this.tip.kind, row);
  }

  // -- Picking out many, and selecting one ------------------------------------------------------------------------------

  /** Picks out these points, and with them perhaps selects an edit, in one event; pages that list edits follow. */
  mark(next, selected = null) {
    if (next || this.marks) {
      this.marks = next;
      this.trigger("pick_keys", { edit_ids: next && [...next.keys], selected });
    }
    say(this.part("heard"), next ? pickedWords(next) : "");
    this.ring = null;
    this.selections += 1;
    this.hideTip();
    this.redraw();
  }

  clearSearch() {
    this.search.value = "";
    this.mark(null);
  }

  /** Picks out what the search finds, and selects its first key, or the edit that answers its first query. */
  selectFound() {
    const next = this.found(this.search.value);
    const { keys, queries } = this.scene;
    const key = next ? keys.id.find((id) => next.keys.has(id)) : null;
    const row = next ? queries.id.findIndex((id, at) => next.queries.has(id) && queries.key[at] >= 0) : -1;
    this.mark(next, key ?? (row >= 0 ? keys.id[queries.key[row]] : null));
  }

  /** Ring one point, and select the edit that it is or that answers it. */
  pickOut(kind, row) {
    this.ring = { kind, id: this.scene[kind].id[row] };
    const key = kind === "keys" ? row : this.scene.queries.key[row];
    if (key >= 0) this.trigger("select_edit", { edit_id: this.scene.keys.id[key] });
    this.redraw();
  }

  select(id) {
    this.ring = null;
    if (id) this.trigger("select_edit", { edit_id: id });
  }

  /** The keys that J and K go through: those that a lasso or a search picked out, where there are any. */
  steppable() {
    const { marks, scene } = this;
    return marks?.keys.size ? scene.keys.id.filter((id) => marks.keys.has(id)) : scene.keys.id;
  }

  /** To the next key, or the one before. */
  step(direction) {
    const quick = this.stepping && Date.now() - this.stepping.at < STEPPING_MS ? this.stepping.id : null;
    const { selected, selected_key } = this.value;
    const undone = selected && selected === this.passed.selected ? this.passed.key : null;
    const id = steppedFrom(this.steppable(), quick ?? selected_key ?? undone, direction, this.passed.ids);
    this.stepping = { id, at: Date.now() };
    this.trigger("select_edit", { edit_id: id });
  }
}

/** @param {import("../components/component.js").Component} component */
export function start(component) {
  const map = new KeyMap(component);
  follow(component, (value) => map.draw(value));
}
