"""What a person does and sees in a browser, in words: gestures on the pages and what stands there afterwards."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.browser.studio import HOST

# One model on few cores, and other work beside it.
ANSWER_MS = 120_000
EDIT_MS = 300_000
VIEW_MS = 60_000
expect.set_options(timeout=30_000)  # a click's answer waits its turn behind whatever else the server does

# Where the words [start, end) of the answer lie on the screen: the middle of the line at both ends.
SPAN_ON_SCREEN = """(box, [start, end]) => {
  const walker = document.createTreeWalker(box, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  let at = 0;
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const next = at + node.data.length;
    if (at <= start && start < next) range.setStart(node, start - at);
    if (at < end && end <= next) range.setEnd(node, end - at);
    at = next;
  }
  const rects = [...range.getClientRects()].filter((rect) => rect.width > 0);
  const first = rects[0], last = rects[rects.length - 1];
  return [first.left + 1, first.top + first.height / 2, last.right - 1, last.top + last.height / 2];
}"""

# What Plotly has drawn: the keys and the queries with the id that a click on each gives.
DRAWN = """(plot) => {
  const of = (meta) => (plot.data ?? []).filter((trace) => trace.meta === meta).flatMap((trace) => [...trace.customdata]);
  return { keys: of("key"), queries: of("query") };
}"""
# Of each key and each query its id and where it stands on the screen; for a query also the edit that answers it.
PLACES = """(plot) => {
  const { xaxis, yaxis } = plot._fullLayout;
  const box = plot.getBoundingClientRect();
  const of = (meta) => (plot.data ?? []).filter((trace) => trace.meta === meta).flatMap((trace) => [...trace.x].map((x, at) =>
    [trace.customdata?.[at] ?? "", box.left + xaxis._offset + xaxis.d2p(x), box.top + yaxis._offset + yaxis.d2p(trace.y[at])]));
  return { keys: of("key"), queries: of("query"), undone: of("undone") };
}"""
# Where the map's own coordinates have a key, whatever part of them is in view.
COORDINATES = """(plot, [meta, id]) => {
  const trace = plot.data.find((one) => one.meta === meta);
  const row = trace.customdata.indexOf(id);
  return [trace.x[row], trace.y[row]];
}"""
# The key that the map draws as the selected one, and the keys that a search or a lasso has not greyed out.
CHOSEN = """(plot) => {
  const { marker, customdata, selectedpoints } = plot.data.find((trace) => trace.meta === "key");
  const largest = Math.max(...marker.size);
  const chosen = customdata.filter((_, row) => marker.size[row] === largest);
  return {
    chosen: chosen.length === 1 && customdata.length > 1 ? chosen[0] : null,
    bright: selectedpoints ? [...selectedpoints].map((row) => customdata[row]) : [...customdata],
    all: [...customdata],
  };
}"""
# The part of the map that is in view: how wide it is, and how far from its middle a key stands, both in map units.
VIEW = """(plot, id) => {
  const { xaxis, yaxis } = plot._fullLayout;
  const trace = plot.data.find((one) => one.meta === "key");
  const row = trace.customdata.indexOf(id);
  const middle = ({ range: [low, high] }) => (low + high) / 2;
  return { width: xaxis.range[1] - xaxis.range[0],
    off: row < 0 ? null : Math.hypot(trace.x[row] - middle(xaxis), trace.y[row] - middle(yaxis)) };
}"""
KEY_ON_SCREEN = """(plot, id) => {
  const trace = plot.data.find((one) => one.meta === "key");
  const row = trace.customdata.indexOf(id);
  const { xaxis, yaxis } = plot._fullLayout;
  const box = plot.getBoundingClientRect();
  return [box.left + xaxis._offset + xaxis.d2p(trace.x[row]), box.top + yaxis._offset + yaxis.d2p(trace.y[row])];
}"""


def a_claim(text: str) -> str:
    """The second sentence, where a biography begins to be made up; else the first."""
    found = re.findall(r"\S.{11,}?[.!?](?=\s|$)", text, re.DOTALL)
    return str((found[:2] or [text])[-1]).strip()


class Reviewer:
    """One person's browser. Everything it asks the network for is kept in `requests`, its failures in `errors`."""

    def __init__(self, browser: Browser, url: str) -> None:
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.url = url
        self.context: BrowserContext = browser.new_context(
            viewport={"width": 1440, "height": 900}, color_scheme="light", locale="en-GB", reduced_motion="reduce"
        )
        self.context.set_default_timeout(VIEW_MS)
        self.context.on("request", lambda request: self.requests.append(request.url))
        self.page: Page = self.context.new_page()
        self.page.on("websocket", lambda socket: self.requests.append(socket.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def close(self) -> None:
        self.context.close()

    @property
    def requests_outside(self) -> list[str]:
        """Requests to other hosts; what a page holds in itself (data:, blob:) asks nobody."""
        return [url for url in self.requests if urlsplit(url).scheme not in ("data", "blob") and urlsplit(url).hostname != HOST]

    def open(self) -> None:
        """Wait until the page has settled too: it chooses its tab as it loads, and a click before that is lost."""
        before = len(self.requests)
        self.page.goto(self.url)
        expect(self.page.locator("#gs-status .gs-count")).not_to_be_empty(timeout=60_000)
        # What follows from loading is asked for once loading is through.
        while sum("/queue/join" in url for url in self.requests[before:]) < 2:
            self.page.wait_for_timeout(50)

    def tab(self, name: str) -> None:
        self.page.locator(f"#gs-tab-{name}-button").click()

    @property
    def count(self) -> Locator:
        """How many edits the header says are in force."""
        return self.page.locator("#gs-status .gs-count")

    def sign(self, name: str) -> None:
        """Say who one is; the journal keeps it with all that one does."""
        self.page.locator("#gs-author :is(input, textarea)").fill(name)

    # --- Review ---------------------------------------------------------------------------------------------------
    @property
    def answer(self) -> Locator:
        return self.page.locator(".gs-text")

    def ask(self, prompt: str) -> str:
        """Type a prompt, send it, wait for the answer."""
        self.tab("review")
        self.page.locator("#gs-prompt textarea").fill(prompt)
        self.page.locator("#gs-send").click()
        self.page.locator(".gs-marker:is([data-phase=waiting], [data-phase=writing])").wait_for(timeout=ANSWER_MS)
        self.page.locator(".gs-marker[data-phase=done]").wait_for(timeout=ANSWER_MS)
        return self.answer.text_content() or ""

    def mark(self, words: str, verdict: str) -> None:
        """Drag over these words of the answer and choose a verdict."""
        text = self.answer.text_content() or ""
        start = _utf16(text[: text.index(words)])
        self.answer.scroll_into_view_if_needed()
        x1, y1, x2, y2 = self.answer.evaluate(SPAN_ON_SCREEN, [start, start + _utf16(words)])
        mouse = self.page.mouse
        mouse.move(x1, y1)
        mouse.down()
        mouse.move((x1 + x2) / 2, (y1 + y2) / 2, steps=4)
        mouse.move(x2, y2, steps=4)
        mouse.up()
        self.page.locator(f".gs-verdict.{verdict}").click()
        expect(self.page.locator(f".gs-mark.{verdict}")).to_have_count(1)

    def correct(self, sentence: str) -> None:
        """Paste the correct response over what stands there, press Edit, wait for the outcome."""
        self.begin_to_correct(sentence)
        self.page.locator(".gs-outcome:not([hidden])").wait_for(timeout=EDIT_MS)

    def begin_to_correct(self, sentence: str) -> None:
        """The same without the waiting."""
        self.page.locator("#gs-target textarea").click()
        self.page.keyboard.press("Control+A")
        self.page.keyboard.insert_text(sentence)
        self.page.locator("#gs-edit").click()

    @property
    def outcome(self) -> Locator:
        return self.page.locator(".gs-outcome:not([hidden])")

    # --- Map ------------------------------------------------------------------------------------------------------
    def legend(self) -> dict[str, int]:
        """Each line of the map's legend and its count."""
        lines = self.page.locator(".gs-map-legend li").all()
        counts = {}
        for line in lines:
            count, label = (line.locator(f"span:nth-of-type({n})").text_content() or "" for n in (2, 3))
            if count:
                counts[label] = int(count.replace(",", ""))
        return counts

    def drawn(self) -> dict[str, list[str]]:
        """The ids that lie on the map: of each key its edit, of each query the edit that answers it now, or none."""
        drawn: dict[str, list[str]] = self.page.locator(".gs-map-plot").evaluate(DRAWN)
        return drawn

    def open_map(self) -> None:
        """Open the map and wait until its layout stands still."""
        self.tab("map")
        self.page.locator(".gs-map-plot .plot-container").wait_for()
        self.page.get_by_role("button", name="New layout").and_(self.page.locator(":enabled")).wait_for(timeout=180_000)

    def click_key(self, edit_id: str) -> None:
        x, y = self.page.locator(".gs-map-plot").evaluate(KEY_ON_SCREEN, edit_id)
        self.page.mouse.click(x, y)

    def places(self) -> dict[str, list[tuple[str, float, float]]]:
        """Where keys, queries and undone keys stand on the screen: (edit id or "", x, y)."""
        found = self.map.evaluate(PLACES)
        return {kind: [(name, x, y) for name, x, y in rows] for kind, rows in found.items()}

    def coordinates(self, meta: str, edit_id: str) -> tuple[float, float]:
        """Of one key on the map. meta: key, or undone."""
        x, y = self.map.evaluate(COORDINATES, [meta, edit_id])
        return x, y

    @property
    def map(self) -> Locator:
        return self.page.locator(".gs-map-plot")

    @property
    def chosen(self) -> dict[str, Any]:
        """What the map draws as selected ("chosen"), what is not greyed out ("bright"), and all keys."""
        found: dict[str, Any] = self.map.evaluate(CHOSEN)
        return found

    def press(self, keys: str) -> None:
        """Keys on the map, one after another."""
        self.map.focus()
        for key in keys.split():
            self.page.keyboard.press(key)

    def view(self, edit_id: str) -> dict[str, float]:
        """How wide the part of the map in view is, and how far from its middle the key stands."""
        found: dict[str, float] = self.map.evaluate(VIEW, edit_id)
        return found

    def search_map(self, words: str) -> None:
        self.press("/")
        self.page.keyboard.type(words)

    def lasso(self, corners: list[tuple[float, float]]) -> None:
        """Draw a lasso through these points of the screen."""
        self.map.hover()
        self.page.locator("[data-attr=dragmode][data-val=lasso]").click()
        self.page.mouse.move(*corners[0])
        self.page.mouse.down()
        for corner in (*corners[1:], corners[0]):
            self.page.mouse.move(*corner, steps=8)
        self.page.mouse.up()
        self.picked.wait_for()

    @property
    def picked(self) -> Locator:
        """The list of what a lasso or a search has picked out."""
        return self.page.locator(".gs-map-marked:not([hidden])")

    def land(self, prompt: str) -> Locator:
        """Ask where a prompt would land; returns what is said of it."""
        self.page.locator("#gs-land :is(input, textarea)").fill(prompt)
        self.page.locator("#gs-land-show").click()
        said = self.page.locator(".gs-map-landing:not([hidden])")
        said.wait_for(timeout=ANSWER_MS)
        return said

    def download(self, within: str, kind: str) -> bytes:
        """What a figure's download button saves."""
        with self.page.expect_download(timeout=VIEW_MS) as saving:
            self.page.locator(f"{within} .gs-download", has_text=kind).click()
        return saving.value.path().read_bytes()

    @property
    def detail(self) -> Locator:
        return self.page.locator("#gs-edit-detail")

    # --- Lab ------------------------------------------------------------------------------------------------------
    def open_lab(self, part: str) -> None:
        """part: whatif, calibrate, sweep or anatomy."""
        self.tab("lab")
        self.page.locator(f"#gs-lab-{part}-button").click()

    def try_epsilon(self, epsilon: float) -> None:
        """Type an ε beside the slider and wait for what it would change."""
        number = self.page.locator("#gs-whatif-epsilon input")
        number.fill(str(epsilon))
        number.press("Tab")
        expect(self.page.locator(".gs-whatif-sentence")).to_contain_text(f"With ε {epsilon:g}", timeout=VIEW_MS)

    def changed_answers(self) -> list[tuple[str, str]]:
        """The table of queries that would be answered otherwise: (prompt, what becomes of it)."""
        rows = self.page.locator(".gs-whatif-table tbody tr").all()
        return [
            (row.locator(".gs-whatif-prompt").text_content() or "", row.locator(".gs-whatif-kind").text_content() or "")
            for row in rows
        ]

    # --- Edits ----------------------------------------------------------------------------------------------------
    def row(self, edit_id: str) -> Locator:
        return self.page.locator(f"#edit-{edit_id}")

    def row_state(self, edit_id: str, state: str) -> None:
        expect(self.row(edit_id)).to_have_attribute("data-state", state, timeout=VIEW_MS)

    # --- pictures ---------------------------------------------------------------------------------------------------
    def picture(self, path: Any) -> None:
        """The page as it stands, light and dark, as high as it has to be: name-light.png and name-dark.png."""
        switch = self.page.locator(".gs-mode")
        size = self.page.viewport_size
        assert size is not None
        whole = int(self.page.locator(".gradio-container").evaluate("(node) => node.scrollHeight"))
        self.page.set_viewport_size({"width": size["width"], "height": min(max(size["height"], whole), 2400)})
        for mode in ("light", "dark"):
            self.page.mouse.move(0, 0)
            self.page.evaluate("window.scrollTo(0, 0)")
            self.page.wait_for_timeout(1000)  # fonts, transitions and the map's redrawing come to rest
            self.page.screenshot(path=path.with_name(f"{path.stem}-{mode}.png"))
            switch.click()
        self.page.set_viewport_size(size)


def _utf16(text: str) -> int:
    """Length as a browser counts it."""
    return len(text.encode("utf-16-le")) // 2
