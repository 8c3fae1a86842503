"""The map in a real browser, on real queries: every way to select, a probe that is not logged, undo, downloads."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from xml.etree import ElementTree

import pytest
from playwright.sync_api import expect

from app.journal.events import Generated
from tests.browser.conftest import Taught, pictures_only, take_picture
from tests.browser.pages import VIEW, Reviewer

pytestmark = [pytest.mark.real, pytest.mark.browser, pytest.mark.timeout(1200)]


def selected_everywhere(visitor: Reviewer, edit_id: str, prompt: str) -> None:
    """One selection: in the detail, on the map and in the figures of true distances."""
    expect(visitor.detail.locator(".gs-detail-prompt")).to_have_text(prompt)
    expect(visitor.detail.locator(f"a[href*='{edit_id}']")).to_be_visible()
    expect(visitor.page.locator("#gs-radial .gs-figure-plot .plot-container")).to_be_visible()
    expect(visitor.page.locator("#gs-strip .gs-figure-plot .plot-container")).to_be_visible()
    assert visitor.chosen["chosen"] == edit_id


def test_a_click_selects_a_key_and_the_edit_that_answers_a_query(taught_studio: Taught, visitor: Reviewer) -> None:
    visitor.open_map()
    expect(visitor.detail).to_contain_text("No edit selected")
    fact = taught_studio.facts[2]
    visitor.click_key(taught_studio.ids[fact.prompt])
    selected_everywhere(visitor, taught_studio.ids[fact.prompt], fact.prompt)
    visitor.tab("edits")
    expect(visitor.page.locator("#gs-edits tr[aria-current=true]")).to_have_id(f"edit-{taught_studio.ids[fact.prompt]}")
    visitor.tab("map")
    assert visitor.page.locator("[clip-path*='//']").count() == 0, (
        "an address changes with the tab, and what it clips would vanish"
    )

    places = visitor.places()
    prompts = {edit_id: prompt for prompt, edit_id in taught_studio.ids.items()}
    edit_id, x, y = next(query for query in places["queries"] if query[0] and apart(query, places["keys"], 14))
    visitor.page.mouse.click(x, y)
    selected_everywhere(visitor, edit_id, prompts[edit_id])
    assert visitor.map.evaluate("(plot) => plot.data.some((trace) => trace.meta === 'ring')"), "the query is ringed"


def test_search_and_keys_select_among_what_is_found(taught_studio: Taught, visitor: Reviewer) -> None:
    visitor.open_map()
    order = visitor.chosen["all"]
    prompts = {edit_id: prompt for prompt, edit_id in taught_studio.ids.items()}
    assert sorted(order) == sorted(prompts)

    wanted = [edit_id for edit_id in order if "capital" in prompts[edit_id]]
    assert 1 < len(wanted) < len(order)
    visitor.search_map("capital of")
    expect(visitor.picked).to_contain_text(f"{len(wanted)} keys")
    assert sorted(visitor.chosen["bright"]) == sorted(wanted)
    assert visitor.chosen["all"] == order, "what was not found is greyed, not gone"
    visitor.page.keyboard.press("Enter")
    selected_everywhere(visitor, wanted[0], prompts[wanted[0]])
    visitor.press("j")
    selected_everywhere(visitor, wanted[1], prompts[wanted[1]])

    visitor.press("Escape")
    expect(visitor.page.locator(".gs-map-marked")).to_be_hidden()
    after = order[(order.index(wanted[1]) + 1) % len(order)]
    visitor.press("j")
    selected_everywhere(visitor, after, prompts[after])
    visitor.press("k")
    selected_everywhere(visitor, wanted[1], prompts[wanted[1]])
    visitor.press("Escape")
    expect(visitor.detail).to_contain_text("No edit selected")

    visitor.press("?")
    expect(visitor.page.get_by_role("dialog", name="On the map")).to_be_visible()
    visitor.page.keyboard.press("Escape")
    expect(visitor.map).to_be_focused()


def test_keys_zoom_to_the_selected_key_and_a_next_one_comes_into_view(taught_studio: Taught, visitor: Reviewer) -> None:
    visitor.open_map()
    order = visitor.chosen["all"]
    prompts = {edit_id: prompt for prompt, edit_id in taught_studio.ids.items()}
    whole = visitor.view(order[0])["width"]
    visitor.press("J")  # without Shift: what Caps Lock makes of it
    selected_everywhere(visitor, order[0], prompts[order[0]])
    visitor.press("F")
    wait_for_view(visitor, order[0], narrower_than=0.75 * whole)
    for edit_id in order[1:]:
        visitor.press("j")
        selected_everywhere(visitor, edit_id, prompts[edit_id])
        wait_for_view(visitor, edit_id, narrower_than=0.75 * whole, centred=False)
    visitor.press("0")
    visitor.page.wait_for_function(
        "([view, wide]) => eval(view)(document.querySelector('.gs-map-plot')).width > wide", arg=[VIEW, 0.95 * whole]
    )


def wait_for_view(visitor: Reviewer, edit_id: str, *, narrower_than: float, centred: bool = True) -> None:
    """Wait until the map is zoomed in with this key in its middle, or anywhere in view."""
    visitor.page.wait_for_function(
        """([view, id, wide, share]) => {
          const { width, off } = eval(view)(document.querySelector(".gs-map-plot"), id);
          return width < wide && off < share * width;
        }""",
        arg=[VIEW, edit_id, narrower_than, 0.01 if centred else 0.75],
    )


def test_a_lasso_picks_out_what_it_surrounds(taught_studio: Taught, visitor: Reviewer) -> None:
    visitor.open_map()
    places = visitor.places()
    (inside, x, y), *others = sorted(places["keys"], key=lambda key: key[1])
    corners = [(x - 13, y - 13), (x + 13, y - 13), (x + 13, y + 13), (x - 13, y + 13)]
    keys = [key for key in others if abs(key[1] - x) < 13 and abs(key[2] - y) < 13]
    assert not keys, "the leftmost key stands alone"
    visitor.lasso(corners)
    expect(visitor.picked).to_contain_text("1 key,")
    prompts = {edit_id: prompt for prompt, edit_id in taught_studio.ids.items()}
    selected_everywhere(visitor, inside, prompts[inside])
    assert visitor.chosen["bright"] == [inside]
    only_picked_are_listed(visitor, [inside])

    # Around everything, then one of the list.
    visitor.press("Escape Escape")
    expect(visitor.detail).to_contain_text("No edit selected")
    box = visitor.map.bounding_box()
    assert box is not None
    left, top, right, bottom = box["x"] + 12, box["y"] + 12, box["x"] + box["width"] - 12, box["y"] + box["height"] - 12
    visitor.lasso([(left, top), (left, bottom), (right, bottom), (right, top)])
    expect(visitor.picked).to_contain_text(f"{len(places['keys'])} keys, {len(places['queries'])} queries")
    listed = [f for f in taught_studio.facts if visitor.picked.get_by_role("button", name=f.prompt).count()]
    only_picked_are_listed(visitor, [key[0] for key in places["keys"]])
    fact = listed[-1]  # of very many only some are listed
    visitor.picked.get_by_role("button", name=fact.prompt).click()
    selected_everywhere(visitor, taught_studio.ids[fact.prompt], fact.prompt)
    visitor.press("Escape")
    visitor.tab("edits")
    expect(visitor.page.locator("#gs-edits .gs-filter", has_text="Picked on the map")).to_have_count(0)
    expect(visitor.page.locator("#gs-edits .gs-filter[aria-pressed=true]")).to_contain_text("All")


def only_picked_are_listed(visitor: Reviewer, edit_ids: list[str]) -> None:
    """The Edits page shows what is picked out on the map; back to the map."""
    visitor.tab("edits")
    expect(visitor.page.locator("#gs-edits .gs-filter[aria-pressed=true]")).to_have_text(f"Picked on the map{len(edit_ids)}")
    rows = visitor.page.locator("#gs-edits tbody tr")
    expect(rows).to_have_count(min(len(edit_ids), 25))
    assert {row.get_attribute("data-id") for row in rows.all()} <= set(edit_ids)
    visitor.tab("map")


def test_a_probe_says_what_would_answer_and_is_not_logged(taught_studio: Taught, visitor: Reviewer) -> None:
    visitor.open_map()
    before = len(list(taught_studio.studio.journal(Generated)))
    fact = taught_studio.facts[0]
    asked, other = f"Please tell me: {fact.prompt}", "How do I knit a scarf?"
    said = visitor.land(asked)
    expect(said).to_contain_text(f"“{asked}” would be answered by an edit")
    expect(said).to_contain_text("Not logged.")
    visitor.land(other)
    lines = said.locator(".gs-map-landed")
    expect(lines).to_have_count(3)  # one each, and what is true of both
    expect(lines.first).to_contain_text(f"“{other}” would be answered by the model itself")
    expect(visitor.page.locator(".gs-map-legend")).to_contain_text("2prompts tried")
    first, _ = stars(visitor, 2)
    rows = list(csv.DictReader(io.StringIO(visitor.download("#gs-key-map", "CSV").decode("utf-8-sig"))))
    assert [row["prompt"] for row in rows if row["kind"] == "prompt tried"] == [asked, other]
    take_picture(visitor, "map-probe")
    said.get_by_role("button", name=f"Clear where “{other}” lands").click()
    expect(lines).to_have_count(2)
    assert stars(visitor, 1) == [first], "the other one stays where it is"
    said.get_by_role("button", name=f"Show the key nearest to “{asked}”").click()
    selected_everywhere(visitor, taught_studio.ids[fact.prompt], fact.prompt)
    assert len(visitor.places()["queries"]) == taught_studio.queries
    assert len(list(taught_studio.studio.journal(Generated))) == before


def stars(visitor: Reviewer, count: int) -> list[list[float]]:
    """Where the prompts stand that were tried, as soon as there are so many."""
    found = visitor.page.wait_for_function(
        """(count) => {
          const trace = document.querySelector(".gs-map-plot").data.find((one) => one.meta === "landing");
          return trace?.x.length === count && trace.x.map((x, at) => [x, trace.y[at]]);
        }""",
        arg=count,
    )
    places: list[list[float]] = found.json_value()
    return places


def test_undo_with_a_key_then_see_and_redo_what_is_undone(taught_studio: Taught, visitor: Reviewer) -> None:
    visitor.open_map()
    fact = taught_studio.facts[1]
    edit_id = taught_studio.ids[fact.prompt]
    undone = visitor.page.locator(".gs-map-undone")
    expect(undone).to_be_hidden()
    visitor.click_key(edit_id)
    selected_everywhere(visitor, edit_id, fact.prompt)
    stood = visitor.coordinates("key", edit_id)
    visitor.press("u")
    expect(visitor.page.locator("#gs-map-redo")).to_be_visible()
    assert edit_id not in visitor.drawn()["keys"]
    assert taught_studio.studio.edits()[fact.prompt]["state"] == "undone"

    visitor.press("Escape")
    expect(undone).to_contain_text("show 1 undone")
    undone.locator("input").check()
    visitor.page.wait_for_function("document.querySelector('.gs-map-plot').data.some((trace) => trace.meta === 'undone')")
    (shown,) = visitor.places()["undone"]
    assert shown[0] == edit_id
    assert visitor.coordinates("undone", edit_id) == pytest.approx(stood, abs=1e-3), "where its key stood"
    visitor.page.mouse.click(shown[1], shown[2])
    expect(visitor.detail.locator(".gs-detail-prompt")).to_have_text(fact.prompt)
    expect(visitor.detail).to_contain_text("Undone")
    visitor.page.locator("#gs-map-redo").click()
    expect(undone).to_be_hidden()
    selected_everywhere(visitor, edit_id, fact.prompt)


def test_what_a_search_picked_out_stays_listed_though_one_of_it_is_undone(taught_studio: Taught, visitor: Reviewer) -> None:
    visitor.open_map()
    order = visitor.chosen["all"]
    prompts = {edit_id: prompt for prompt, edit_id in taught_studio.ids.items()}
    gone, beside, *_ = wanted = [edit_id for edit_id in order if "capital" in prompts[edit_id]]
    visitor.search_map("capital of")
    visitor.page.keyboard.press("Enter")
    selected_everywhere(visitor, gone, prompts[gone])
    visitor.press("u")
    expect(visitor.page.locator("#gs-map-redo")).to_be_visible()
    visitor.press("j")
    selected_everywhere(visitor, beside, prompts[beside])  # where the undone key stood, not at the beginning

    visitor.tab("edits")
    pressed = visitor.page.locator("#gs-edits .gs-filter[aria-pressed=true]")
    expect(pressed).to_have_text(f"Picked on the map{len(wanted)}")
    visitor.row_state(gone, "undone")
    visitor.row(gone).get_by_role("button", name="Redo").click()
    visitor.row_state(gone, "active")
    expect(pressed).to_have_text(f"Picked on the map{len(wanted)}")

    visitor.tab("map")
    visitor.press("Escape")
    expect(visitor.page.locator(".gs-map-marked")).to_be_hidden()
    order = visitor.chosen["all"]
    after = order[(order.index(beside) + 3) % len(order)]
    visitor.press("j j j")  # quicker than the server answers
    selected_everywhere(visitor, after, prompts[after])


def test_a_prompt_tried_is_brought_into_view(taught_studio: Taught, visitor: Reviewer) -> None:
    visitor.open_map()
    first, *_ = visitor.chosen["all"]
    whole = visitor.view(first)["width"]
    visitor.press("j")
    selected_everywhere(visitor, first, {edit_id: prompt for prompt, edit_id in taught_studio.ids.items()}[first])
    visitor.press("f")
    wait_for_view(visitor, first, narrower_than=0.75 * whole)
    for count, prompt in enumerate(("x" * 300, "How do I knit a scarf?"), start=1):
        visitor.land(prompt)
        stars(visitor, count)
        visitor.page.wait_for_function(
            """() => {
              const plot = document.querySelector(".gs-map-plot");
              const trace = plot.data.find((one) => one.meta === "landing");
              const inside = (place, { range }) => place > range[0] && place < range[1];
              return trace && inside(trace.x.at(-1), plot.layout.xaxis) && inside(trace.y.at(-1), plot.layout.yaxis);
            }"""
        )
    box = visitor.page.locator(".gs-map-landing")
    assert box.evaluate("(node) => node.scrollWidth <= node.clientWidth"), "a long word is broken"


def test_figures_are_saved_as_png_svg_and_csv(taught_studio: Taught, visitor: Reviewer) -> None:
    visitor.open_map()
    fact = taught_studio.facts[3]
    visitor.click_key(taught_studio.ids[fact.prompt])
    selected_everywhere(visitor, taught_studio.ids[fact.prompt], fact.prompt)
    points = len(taught_studio.facts) + taught_studio.queries
    for figure in ("#gs-key-map", "#gs-radial", "#gs-strip"):
        png = visitor.download(figure, "PNG")
        assert png.startswith(b"\x89PNG\r\n\x1a\n")
        assert len(png) > 10_000
        assert ElementTree.fromstring(visitor.download(figure, "SVG")).tag.endswith("svg")
        rows = list(csv.DictReader(io.StringIO(visitor.download(figure, "CSV").decode("utf-8-sig"))))
        # The figures of true distances hold the nearest ones, where there are many.
        assert len(rows) == points or (figure != "#gs-key-map" and 60 < len(rows) < points)
        assert [row["prompt"] for row in rows if row["standing"] == "selected"] == [fact.prompt]


@pictures_only
def test_pictures(taught_studio: Taught, visitor: Reviewer) -> None:
    visitor.open_map()
    take_picture(visitor, "map-all")
    fact = taught_studio.mistaken
    visitor.click_key(taught_studio.ids[fact.prompt])
    selected_everywhere(visitor, taught_studio.ids[fact.prompt], fact.prompt)
    take_picture(visitor, "map")
    visitor.press("Escape")
    visitor.search_map("river")
    visitor.picked.wait_for()
    take_picture(visitor, "map-search")


def apart(point: tuple[str, float, float], others: Iterable[tuple[str, float, float]], pixels: float) -> bool:
    """Whether the point is farther than so many pixels from all others."""
    return all((point[1] - x) ** 2 + (point[2] - y) ** 2 > pixels**2 for _, x, y in others)
