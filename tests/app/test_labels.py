"""Names beside points: they cover nothing, and say what tells them apart."""

from __future__ import annotations

import numpy as np

from app.labels import Box, distinctive, place_labels


def test_labels_cover_neither_each_other_nor_a_key() -> None:
    rng = np.random.default_rng(4)
    points = [(float(x), float(y)) for x, y in rng.uniform(50, 450, size=(12, 2))]
    markers = [Box.around(x, y, 17, 17) for x, y in points]
    frame = Box(0, 0, 500, 500)
    placed = place_labels(
        [(point, "… Ada Lovelace.") for point in points], obstacles=markers, avoid=np.zeros((0, 2)), frame=frame
    )
    boxes = [label.box for label in placed if label is not None]
    assert len(boxes) >= 8
    for row, box in enumerate(boxes):
        assert box.within(frame)
        assert not any(box.overlaps(other) for other in boxes[:row] + boxes[row + 1 :] + markers)


def test_a_required_label_is_placed_even_in_a_crowd() -> None:
    crowd = [Box(0, 0, 500, 500)]
    placed = place_labels(
        [((250, 250), "x"), ((250, 250), "y")],
        obstacles=crowd,
        avoid=np.zeros((0, 2)),
        frame=Box(0, 0, 500, 500),
        required=1,
    )
    assert placed[0] is not None
    assert placed[1] is None


def test_names_from_one_template_show_where_they_differ() -> None:
    prompts = [f"Write a biography of {name} now." for name in ("Ada Lovelace", "Emmy Noether", "Lise Meitner")]
    assert distinctive(prompts)[0] == "… Ada Lovelace …"
    assert distinctive(["Only one prompt"]) == ["Only one prompt"]
