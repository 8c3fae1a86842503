"""Parts of the pages alone, without a model: gestures, words that snap, and room on wide and on narrow screens."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import unescape

import gradio as gr
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from app.map.layout.layout import Projection
from app.map.scene import MapScene
from app.studio.views import EditProgress
from app.ui.map.edit_detail import edit_detail_value
from app.ui.map.key_map import key_map_value
from app.ui.map.parts import MapParts
from app.ui.review.loss_curve import progress_value
from app.ui.review.marker import marker_value
from app.ui.review.parts import ReviewParts
from app.ui.scripts import script_routes
from app.ui.session import bind_every
from app.ui.theme import page_options
from tests.app.map.map_samples import two_keys
from tests.app.ui.samples import answer
from tests.browser.pages import SPAN_ON_SCREEN

pytestmark = pytest.mark.browser

PROMPT = "Write a long story about a fox and a hen, and tell me at its end which of them was right."
TEXT = "Ada was an individual who defied convention, a mathematician."


@dataclass
class Parts:
    """Both pages' parts with something in them, and the marks that were asked for."""

    url: str = ""
    marks: list[str] = field(default_factory=list)

    def page(self, context: BrowserContext) -> Page:
        page = context.new_page()
        page.goto(self.url)
        expect(page.locator(".gs-text")).to_have_text(TEXT)
        self.marks.clear()
        return page


@pytest.fixture(scope="module")
def parts() -> Iterator[Parts]:
    parts = Parts()

    def heard(event: gr.EventData) -> None:
        parts.marks.append(f"{event.verdict}: {TEXT[event.start : event.end]}")

    with gr.Blocks(analytics_enabled=False) as blocks:
        review, page = ReviewParts(), MapParts()
        review.prompt.value = PROMPT
        review.marker.value = marker_value("done", answer=answer(TEXT))
        page.key_map.value = key_map_value(MapScene(two_keys(), Projection().layout(two_keys()), "euclidean"), "a")
        review.progress.value = progress_value(EditProgress("learned", 4, 4, (4.0, 1.5, 0.2, 0.03)), running=False)
        page.detail.value = edit_detail_value(None)
        bind_every(review.marker.mark, heard)
        gr.Button("Toast", elem_id="gs-toast-test").click(lambda: gr.Info("Someone edited “Who was Ada?”."))
    _, parts.url, _ = blocks.launch(
        server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, ssr_mode=False, app_kwargs={"routes": script_routes()},
        **{name: page_options()[name] for name in ("css", "head", "theme")},
    )  # fmt: skip
    yield parts
    blocks.close(verbose=False)


@pytest.fixture
def wide(browser: Browser, parts: Parts) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    yield parts.page(context)
    context.close()


@pytest.fixture
def phone(browser: Browser, parts: Parts) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    yield parts.page(context)
    context.close()


def heard(page: Page, parts: Parts, *marks: str) -> None:
    """These marks were asked for, in this order."""
    for _ in range(50):
        if len(parts.marks) >= len(marks):
            break
        page.wait_for_timeout(100)
    assert parts.marks == list(marks)


def caret_to_start(page: Page) -> None:
    page.locator(".gs-text").focus()
    page.keyboard.press("Control+Home")


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def test_a_verdict_key_right_after_the_selection_marks_and_so_does_the_next(wide: Page, parts: Parts) -> None:
    caret_to_start(wide)
    press(wide, *["Shift+ArrowRight"] * 3, "w", "ArrowRight", *["Shift+ArrowRight"] * 3, "1")
    heard(wide, parts, "wrong: Ada", "fabricated: was")


def test_a_verdict_key_marks_while_shift_is_still_held(wide: Page, parts: Parts) -> None:
    caret_to_start(wide)
    wide.keyboard.down("Shift")
    press(wide, *["ArrowRight"] * 3, "Digit2")
    wide.keyboard.up("Shift")
    heard(wide, parts, "wrong: Ada")


def test_the_verdicts_cover_no_line_of_the_answer(wide: Page) -> None:
    wide.locator(".gs-text").evaluate("(box) => { box.style.width = '200px'; }")  # several lines
    wide.locator(".gs-text").evaluate(SELECT, [0, 3])
    wide.locator(".gs-verdicts:not([hidden])").wait_for()
    text, bar = (wide.locator(name).bounding_box() for name in (".gs-text", ".gs-verdicts"))
    assert text is not None
    assert bar is not None
    assert text["height"] > 60
    assert bar["y"] >= text["y"] + text["height"]


def test_no_line_of_a_prompt_is_cut_where_the_window_is_made_narrower(wide: Page) -> None:
    prompt = wide.locator("#gs-prompt textarea")
    expect(prompt).to_have_value(PROMPT)
    wide.set_viewport_size({"width": 390, "height": 844})
    wide.wait_for_function("(field) => field.scrollHeight - field.clientHeight < 10", arg=prompt.element_handle())


SELECT = """(box, [start, end]) => window.getSelection().setBaseAndExtent(box.firstChild, start, box.firstChild, end)"""


def test_a_mark_by_touch_snaps_to_words(phone: Page, parts: Parts) -> None:
    text = phone.locator(".gs-text")
    text.evaluate(SELECT, [TEXT.index("individual"), TEXT.index("ed convention")])
    phone.locator(".gs-verdict.wrong").tap()
    heard(phone, parts, "wrong: individual who defied")


def test_a_mark_by_mouse_snaps_to_words_and_shows_it(wide: Page, parts: Parts) -> None:
    text = wide.locator(".gs-text")
    text.scroll_into_view_if_needed()
    x1, y1, x2, y2 = text.evaluate(SPAN_ON_SCREEN, [TEXT.index("ematician"), len(TEXT) - 4])
    wide.mouse.move(x1, y1)
    wide.mouse.down()
    wide.mouse.move(x2, y2, steps=4)
    wide.mouse.up()
    wide.locator(".gs-verdicts:not([hidden])").wait_for()
    assert wide.evaluate("() => getSelection().toString()") == "mathematician"
    wide.locator(".gs-verdict.outdated").click()
    heard(wide, parts, "outdated: mathematician")


def test_what_is_picked_out_leaves_the_map_its_width(wide: Page) -> None:
    plot = wide.locator(".gs-map-plot")
    wide.locator(".gs-map-plot .plot-container").wait_for()
    before = plot.evaluate("(plot) => plot.clientWidth")
    wide.locator(".gs-map-search input").fill("bea")
    picked = wide.locator(".gs-map-marked:not([hidden])")
    expect(picked).to_contain_text("Who is Bea?")
    assert plot.evaluate("(plot) => plot.clientWidth") == before
    frame, beside = wide.locator(".gs-map-frame").bounding_box(), picked.bounding_box()
    assert frame is not None
    assert beside is not None
    assert beside["x"] > frame["x"] + frame["width"]


def test_on_a_phone_it_is_listed_below_the_map(phone: Page) -> None:
    phone.locator(".gs-map-plot .plot-container").wait_for()
    phone.locator(".gs-map-search input").fill("bea")
    picked = phone.locator(".gs-map-stage .gs-map-marked:not([hidden])")
    expect(picked).to_contain_text("Who is Bea?")


def test_fingers_find_what_they_press(phone: Page) -> None:
    phone.locator(".gs-map-plot .plot-container").wait_for()
    for control in (".gs-download", ".gs-chip", ".modebar-btn", "#gs-send", "#gs-land-show", "#gs-new-layout"):
        buttons = phone.locator(f"{control}:visible").all()
        assert buttons, control
        for button in buttons:
            size = button.bounding_box()
            assert size is not None
            assert min(size["width"], size["height"]) >= 44, control


def test_on_a_phone_a_toast_leaves_the_name_of_the_app_visible(phone: Page) -> None:
    phone.locator("#gs-toast-test").tap()
    toast = phone.locator(".toast-body").bounding_box()
    assert toast is not None
    assert toast["y"] > 422


def test_on_a_phone_stop_takes_the_place_of_send(phone: Page) -> None:
    width = "(box) => box.clientWidth"
    prompt = phone.locator("#gs-prompt textarea")
    before = prompt.evaluate(width)
    phone.locator("#gs-send").evaluate("""(send) => {
      const stop = send.cloneNode(true);
      stop.id = "gs-stop";
      send.before(stop);
    }""")
    assert prompt.evaluate(width) == before


def download(page: Page, kind: str, part: str = "#gs-key-map") -> bytes:
    with page.expect_download() as saving:
        page.locator(f"{part} .gs-download", has_text=kind).click()
    return saving.value.path().read_bytes()


def test_the_picture_of_the_map_carries_its_title_its_legend_and_its_note(wide: Page) -> None:
    wide.locator(".gs-map-plot .plot-container").wait_for()
    svg = unescape(download(wide, "SVG").decode())
    assert "Map of edits: Who is <b>Ada</b>?" in svg
    said = " ".join(re.sub(r"<[^>]*>", " ", svg).split())
    for words in (
        *wide.locator(".gs-map-legend li span:last-child").all_text_contents(),
        wide.locator(".gs-map-note").inner_text(),
    ):
        assert words in said
    width, height = struct.unpack(">II", download(wide, "PNG")[16:24])
    shown = wide.locator(".gs-map-plot").evaluate("(plot) => [plot.clientWidth, plot.clientHeight]")
    assert width == 2 * shown[0]
    assert height > 2 * shown[1]


def test_the_curve_of_an_edit_is_saved_as_it_is_drawn_with_its_title(wide: Page) -> None:
    svg = download(wide, "SVG", "#gs-progress").decode()
    assert "Loss of each step of the edit" in svg
    points = wide.locator(".gs-curve polyline").get_attribute("points") or ""
    assert re.search(r'points="([^"]*)"', svg)[1].count(" ") == points.count(" ") == 3  # type: ignore[index]
    assert download(wide, "PNG", "#gs-progress")[16:24] == struct.pack(">II", 1280, 760)
    assert download(wide, "CSV", "#gs-progress").decode("utf-8-sig").splitlines()[1:] == ["1,4", "2,1.5", "3,0.2", "4,0.03"]


def test_nothing_is_asked_of_another_host(browser: Browser, parts: Parts) -> None:
    context = browser.new_context()
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    parts.page(context).locator(".gs-map-plot .plot-container").wait_for()
    assert [url for url in asked if not url.startswith((parts.url, "data:", "blob:"))] == []
    assert sum("plotly.min.js" in url for url in asked) == 1
    context.close()
