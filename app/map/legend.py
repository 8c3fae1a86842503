"""The map in words: its legend with counts, and the note that says what this very map is worth. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from app.charts.plotly import shorten
from app.map.circles import Inside
from app.map.colouring import COLOURED_KEYS, CROWD, Groups
from app.map.scene import MapScene
from app.map.trials import Landed
from app.studio.views import MapView

Symbol = Literal["key", "dot", "circle", "star"]

# With more keys than this, no circles are drawn until one is selected.
CIRCLES = 400
# Pairs of circle and query that are compared for the note under a map without a selection.
_COMPARED = 200_000


@dataclass(frozen=True)
class LegendItem:
    """A line of the legend: what a mark means and how many there are now (None where that says nothing)."""

    label: str
    count: int | None
    colour: str
    symbol: Symbol


def legend(view: MapView, by_class: Groups, chosen: int | None) -> tuple[LegendItem, ...]:
    alike = "@own" if len(view.keys) > COLOURED_KEYS else "@text"
    items = [LegendItem("key" if len(view.keys) == 1 else "keys", len(view.keys), alike if chosen is None else "@grey", "key")]
    for group in reversed(by_class.groups):
        several = chosen is None and 1 < len(view.keys) <= COLOURED_KEYS and group.label == "answered by an edit"
        label = "answered by an edit, in its key's colour" if several else group.label
        items.append(LegendItem(label, len(group.rows), group.swatch, "dot"))
    if len(view.keys) <= (CIRCLES if chosen is None else CROWD):
        items.append(LegendItem("ε, approximate", None, "@muted", "circle"))
    elif chosen is not None:
        items.append(LegendItem("ε, approximate", None, "@own", "circle"))
    return tuple(items)


def tried_legend(count: int) -> tuple[LegendItem, ...]:
    """The line of the prompts that are tried and not logged, where there are any."""
    return (LegendItem("prompt tried" if count == 1 else "prompts tried", count, "@text", "star"),) if count else ()


def landing_words(landed: Landed) -> str:
    """What would answer a prompt that is tried, as a sentence without its subject."""
    if landed.key is None:
        return "would be answered by the model itself: there is no key yet."
    parts = "" if landed.parts is None else f" ({landed.parts})"
    near = f"nearest key “{shorten(landed.key.prompt, 160)}” at distance {landed.distance:.2f}{parts}"
    if landed.matched:
        return f"would be answered by an edit: {near}, within its ε {landed.key.epsilon:.2f}."
    if landed.distance <= landed.key.epsilon:
        end = landed.key.epsilon if landed.key.subject_end is None else landed.key.subject_end
        return f"would be answered by the model itself: {near}, but about another subject: that part ends at {end:.2f}."
    return f"would be answered by the model itself: {near}, outside its ε {landed.key.epsilon:.2f}."


def note(scene: MapScene, chosen: int | None) -> str:
    keys = len(scene.view.keys)
    if chosen is None:
        colour = "Colours are exact: what answers each query now."
    else:
        colour = "Colours are exact: which queries the selected edit answers now."
    parts = [colour, "Positions and dashed circles are approximate: a plane cannot keep every distance."]
    if chosen is None and keys > CIRCLES:
        parts.append(f"With more than {CIRCLES} keys, circles are left out until one is selected.")
    elif len(scene.view.queries):
        circle = "its circle" if chosen is not None or keys == 1 else "a circle"
        radius = "ε" if chosen is not None or keys == 1 else "that key's ε"
        inside = Inside(0, 0, 0)
        if chosen is not None:
            inside = scene.inside(chosen, selected=True)
            if scene.shown_radius(chosen) > scene.radii([chosen])[0]:
                parts.append("Its circle is drawn larger than its ε, so that it can be seen.")
        elif keys * len(scene.view.queries) <= _COMPARED:
            inside = scene.inside_all
        else:
            parts.append("With so many points, how many queries are truly within ε is counted for a selected key only.")
        if inside.drawn:
            parts.append(
                f"Of {inside.drawn:,} {_queries(inside.drawn)} drawn inside {circle}, {inside.truly:,} truly within {radius}."
            )
        if inside.missed:
            parts.append(f"{inside.missed:,} {_queries(inside.missed)} within {radius} drawn outside.")
    return " ".join(parts)


def _queries(count: int) -> str:
    return "query" if count == 1 else "queries"
