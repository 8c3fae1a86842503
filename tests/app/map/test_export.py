"""The map's CSV: every point, whole, with who wrote it, when, and on what source."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from app.map.export import map_table
from app.map.layout.layout import Layout
from app.map.scene import MapScene
from app.map.trials import Landed
from app.map.undone_keys import UndoneKey
from tests.app.map.map_samples import two_keys
from tests.app.ui.samples import NOON, row

LONG = "word " * 200


def test_texts_are_whole_and_have_author_time_and_source() -> None:
    view = two_keys()
    keys = (replace(view.keys[0], target=LONG), view.keys[1])
    queries = (replace(view.queries[0], text=LONG, author="Noor", at=NOON), *view.queries[1:])
    view = replace(view, keys=keys, queries=queries)
    scene = MapScene(view, Layout(1, "mds", False, np.zeros((2, 2)), np.ones((5, 2)), np.ones(2)), "euclidean")
    edits = {"a": row("a", source_url="https://example.org/ada")}
    tried = Landed(3, "Ada?", 0.5, 0.25, view.keys[0], 0.1, True)
    columns, rows = map_table(scene, edits, selected="b", undone=[UndoneKey("u", "Who?", LONG, 1.0, 2.0)], landed=[tried])

    def of(name: str) -> list[object]:
        return [one[columns.index(name)] for one in rows]

    assert {len(one) for one in rows} == {len(columns)}
    assert of("kind") == ["key"] * 3 + ["query"] * 5 + ["prompt tried"]
    assert of("id") == ["a", "b", "u", "q0", "q1", "q2", "q3", "q4", 3]
    assert [of("target or logged answer")[at] for at in (0, 2, 3)] == [LONG] * 3
    assert [of("author")[at] for at in (0, 3)] == ["Mira", "Noor"]
    assert [of("time")[at] for at in (0, 1, 3)] == [NOON.isoformat(), None, NOON.isoformat()]
    assert of("source")[0] == "https://example.org/ada"
    assert of("answered by")[3:] == ["a", "b", "b", "b", None, "a"]
    assert of("standing")[1:3] == ["selected", "undone"]
    assert of("standing")[5] == "answered by this edit"
