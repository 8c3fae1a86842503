const root = element.querySelector(".gs-marker");
const box = element.querySelector(".gs-text");
const wrap = element.querySelector(".gs-text-wrap");
const bar = element.querySelector(".gs-verdicts");
const list = element.querySelector(".gs-marks");
const line = element.querySelector(".gs-source");
let shown = null;      // the value on screen
let span = null;       // the selected [start, end) in code points, while the toolbar is open
let pressing = false;  // a pointer is down: wait for its end before the toolbar opens

// --- selection <-> code points -------------------------------------------------------------------------------------
const points = (text) => Array.from(text).length;

/** The selection inside the text, without white space at its ends; null where there is none. */
function selected() {
  const selection = window.getSelection();
  if (!selection.rangeCount) return null;
  const range = selection.getRangeAt(0);
  if (range.collapsed || !box.contains(range.startContainer) || !box.contains(range.endContainer)) return null;
  const before = document.createRange();
  before.selectNodeContents(box);
  before.setEnd(range.startContainer, range.startOffset);
  const text = range.toString();
  if (!text.trim()) return null;
  const start = points(before.toString()) + points(text) - points(text.trimStart());
  return [start, start + points(text.trim())];
}

/** Put the caret behind a code point, so that the keyboard goes on where a mark ended. */
function placeCaret(offset) {
  const walker = document.createTreeWalker(box, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const characters = Array.from(node.data);
    if (offset <= characters.length) {
      window.getSelection().collapse(node, characters.slice(0, offset).join("").length);
      return;
    }
    offset -= characters.length;
  }
}

// --- toolbar -------------------------------------------------------------------------------------------------------
function closeBar() { span = null; bar.hidden = true; }

function openBar() {
  if (!shown?.query_id) return;
  const found = selected();
  if (!found) { if (!bar.contains(document.activeElement)) closeBar(); return; }
  span = found;
  bar.hidden = false;
  const rects = window.getSelection().getRangeAt(0).getClientRects();
  const last = rects[rects.length - 1] ?? box.getBoundingClientRect();
  const frame = wrap.getBoundingClientRect();
  const left = Math.min(Math.max(0, last.left - frame.left), Math.max(0, frame.width - bar.offsetWidth));
  bar.style.left = `${left}px`;
  bar.style.top = `${last.bottom - frame.top + 8}px`;
}

function mark(verdict) {
  if (!span || !shown?.query_id) return;
  const [start, end] = span;
  const byKeyboard = document.activeElement === box || bar.contains(document.activeElement);
  closeBar();
  window.getSelection().removeAllRanges();
  root.dataset.caret = byKeyboard ? String(end) : "";
  trigger("mark", { query_id: shown.query_id, start, end, verdict });
}

function buildBar(verdicts) {
  bar.replaceChildren(...verdicts.map(([verdict, key], index) => {
    const button = el("button", `gs-verdict ${verdict}`, null, { type: "button", "aria-keyshortcuts": `${index + 1} ${key}` });
    button.append(el("span", "gs-dot"), el("span", "", verdict), el("kbd", "", String(index + 1)));
    button.addEventListener("mousedown", (event) => event.preventDefault());  // keep the selection
    button.addEventListener("click", () => mark(verdict));
    return button;
  }));
}

function verdictOf(key) {
  const verdicts = shown?.verdicts ?? [];
  const number = Number(key) - 1;
  return (verdicts[number] ?? verdicts.find(([, letter]) => letter === key.toLowerCase()))?.[0];
}

wrap.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape" && span) { closeBar(); box.focus(); return; }
  const verdict = event.key.length === 1 && span ? verdictOf(event.key) : null;
  if (verdict) { event.preventDefault(); mark(verdict); }
});
// The text is editable for the browser only so that it has a caret and selection by keyboard; it never changes.
for (const type of ["beforeinput", "paste", "cut", "drop", "dragstart"]) box.addEventListener(type, (e) => e.preventDefault());
box.addEventListener("compositionend", () => draw(true));
box.addEventListener("pointerdown", () => { pressing = true; });
const release = () => { if (pressing) { pressing = false; setTimeout(openBar, 0); } };
document.addEventListener("pointerup", release);
document.addEventListener("pointercancel", release);
let settled = 0;
document.addEventListener("selectionchange", () => {
  clearTimeout(settled);
  if (pressing || !element.isConnected) return;
  settled = setTimeout(openBar, 120);
});

// --- drawing -------------------------------------------------------------------------------------------------------
function drawText(value) {
  const characters = Array.from(value.text);
  const byId = new Map(value.marks.map((item) => [item.id, item]));
  box.replaceChildren(...value.segments.map(([start, end, ids]) => {
    const text = characters.slice(start, end).join("");
    if (!ids.length) return document.createTextNode(text);
    const verdicts = ids.map((id) => byId.get(id).verdict);
    const piece = el("span", `gs-marked ${verdicts[verdicts.length - 1]}`, text, { title: verdicts.join(" and ") });
    piece.dataset.marks = ids.join(" ");
    // One line under the words for each mark that covers them: the first shadow lies on top of the next, longer one.
    piece.style.boxShadow = verdicts.map((verdict, i) => `0 ${2 + 3 * i}px 0 var(--gs-${verdict})`).join(", ");
    return piece;
  }));
}

function point(id, on) {
  for (const piece of box.querySelectorAll(".gs-marked")) {
    piece.classList.toggle("pointed", on && piece.dataset.marks.split(" ").includes(id));
  }
}

function drawMarks(value) {
  list.replaceChildren(...value.marks.map((item) => {
    const row = el("li", `gs-mark ${item.verdict}`);
    const short = points(item.text) > 60 ? `${Array.from(item.text).slice(0, 58).join("")}…` : item.text;
    const remove = el("button", "gs-remove", "×", { type: "button", "aria-label": `Remove the mark ${item.verdict} on “${short}”`, title: "Remove this mark" });
    remove.dataset.id = item.id;
    row.append(el("span", "gs-dot"), el("b", "", item.verdict), el("span", "gs-marked-text", `“${short}”`), remove);
    if (item.author) row.title = `Marked by ${item.author}`;
    row.addEventListener("mouseenter", () => point(item.id, true));
    row.addEventListener("mouseleave", () => point(item.id, false));
    remove.addEventListener("focus", () => point(item.id, true));
    remove.addEventListener("blur", () => point(item.id, false));
    return row;
  }));
}
list.addEventListener("click", (event) => {
  const button = event.target.closest(".gs-remove");
  if (!button) return;
  button.disabled = true;
  trigger("unmark", { mark_id: button.dataset.id });
});

function drawSource(value) {
  const from = value.source;
  if (!from) { line.dataset.kind = ""; say(line, value.status); return; }
  line.dataset.kind = from.kind;
  line.replaceChildren(el("b", "", from.label), el("span", "gs-distance", ` · ${from.detail}`));
  if (value.truncated) line.append(el("span", "gs-distance", " · cut off at the longest answer allowed"));
  if (from.edit_id) {
    const link = el("button", "gs-link", from.kind === "edit" ? "Show on the map" : "Show that key", { type: "button" });
    link.addEventListener("click", () => openMap(from.edit_id));
    line.append(" · ", link);
  }
}

function draw(force = false) {
  const value = data();
  if (!value) return;
  const markable = Boolean(value.query_id);
  if (!shown) buildBar(value.verdicts);
  root.dataset.phase = value.phase;
  root.dataset.marked = value.marks.length ? "yes" : "no";
  box.setAttribute("aria-busy", String(value.phase === "writing"));
  box.contentEditable = markable ? "true" : "false";
  const changed = force || !shown || shown.text !== value.text || JSON.stringify(shown.segments) !== JSON.stringify(value.segments)
    || JSON.stringify(shown.marks) !== JSON.stringify(value.marks);
  shown = value;
  if (changed) { closeBar(); drawText(value); drawMarks(value); }
  drawSource(value);
  if (root.dataset.caret) {
    box.focus({ preventScroll: true });
    placeCaret(Number(root.dataset.caret));
    root.dataset.caret = "";
  }
}
draw();
watch("value", () => draw());
