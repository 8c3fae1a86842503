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
KEY_ON_SCREEN = """(plot, id) => {
  const trace = plot.data.find((one) => one.meta === "key");
  const row = trace.customdata.indexOf(id);
  const { xaxis, yaxis } = plot._fullLayout;
  const box = plot.getBoundingClientRect();
  return [box.left + xaxis._offset + xaxis.d2p(trace.x[row]), box.top + yaxis._offset + yaxis.d2p(trace.y[row])];
}"""


def first_sentence(text: str) -> str:
    found = re.match(r"\s*(.{12,}?[.!?])(?=\s|$)", text, re.DOTALL)
    return (found[1] if found else text).strip()


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
        self.page.goto(self.url)
        expect(self.page.locator("#gs-status .gs-count")).not_to_be_empty(timeout=60_000)

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
        self.page.locator("#gs-target textarea").click()
        self.page.keyboard.press("Control+A")
        self.page.keyboard.insert_text(sentence)
        self.page.locator("#gs-edit").click()
        self.page.locator(".gs-outcome:not([hidden])").wait_for(timeout=EDIT_MS)

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

    @property
    def detail(self) -> Locator:
        return self.page.locator("#gs-edit-detail")

    # --- Edits ----------------------------------------------------------------------------------------------------
    def row(self, edit_id: str) -> Locator:
        return self.page.locator(f"#edit-{edit_id}")

    def row_state(self, edit_id: str, state: str) -> None:
        expect(self.row(edit_id)).to_have_attribute("data-state", state, timeout=VIEW_MS)

    # --- pictures ---------------------------------------------------------------------------------------------------
    def picture(self, path: Any) -> None:
        """The page as it stands, in both modes, as high as it has to be."""
        switch = self.page.locator(".gs-mode")
        size = self.page.viewport_size
        assert size is not None
        whole = int(self.page.locator(".gradio-container").evaluate("(node) => node.scrollHeight"))
        self.page.set_viewport_size({"width": size["width"], "height": min(max(size["height"], whole), 1300)})
        for suffix in ("", "-dark"):
            self.page.mouse.move(0, 0)
            self.page.evaluate("window.scrollTo(0, 0)")
            self.page.wait_for_timeout(1000)  # fonts, transitions and the map's redrawing come to rest
            self.page.screenshot(path=path.with_name(f"{path.stem}{suffix}.png"))
            switch.click()
        self.page.set_viewport_size(size)


def _utf16(text: str) -> int:
    """Length as a browser counts it."""
    return len(text.encode("utf-16-le")) // 2
