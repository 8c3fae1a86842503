"""Events to write: one of each kind by hand, and hypothesis strategies for all that a field may hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from app.journal.events import (
    VERDICTS,
    Calibrated,
    Edited,
    EpsilonChanged,
    EpsilonRedone,
    EpsilonUndone,
    EventData,
    Fitted,
    Float32,
    Generated,
    Marked,
    Redone,
    Reread,
    Returned,
    Undone,
    Unmarked,
)
from grace_core.config import Encoding
from tests.grace_core.builders import small_learned

WIDTH = 8


def vector(seed: int, width: int = WIDTH) -> Float32:
    return np.random.default_rng(seed).normal(size=width).astype(np.float32)


def generated(query_id: str = "q1", **changes: Any) -> Generated:
    values: dict[str, Any] = {
        "query_id": query_id,
        "prompt": "Who was Ada Lovelace?",
        "text": "Ada Lovelace was born in Paris.",
        "edit_id": None,
        "nearest_edit_id": None,
        "distance": None,
        "epsilon": None,
        "truncated": False,
        "activation": vector(1),
        "in_context_of": "e0",
    }
    return Generated(**values | changes)


def edited(edit_id: str = "e1", **changes: Any) -> Edited:
    values: dict[str, Any] = {
        "edit_id": edit_id,
        "query_id": None,
        "prompt": "Who was Ada Lovelace?",
        "target": "Ada Lovelace was born in London.",
        "target_ids": (5, 7, 2),
        "paraphrases": ("Tell me about Ada Lovelace.",),
        "source_url": "https://example.org/ada",
        "text_before": "Ada Lovelace was born in Paris.",
        "text_after": "Ada Lovelace was born in London.",
        "change": {"kind": "added", "epsilon": 0.9, "shrunk": [["e0", "p", 0.9, 0.4]]},
        "requested_epsilon": 0.9,
        "losses": (3.5, 0.1 + 0.2, 1e-300),
        "seconds": 1.25,
        "activation": vector(2),
        "value": np.stack([vector(3), vector(6)]),
    }
    return Edited(**values | changes)


def reread(reading_id: str = "r1", prompts: tuple[str, ...] = (), **changes: Any) -> Reread:
    """Another reading; `activations` are drawn from the id unless given."""
    seed = sum(reading_id.encode())
    values: dict[str, Any] = {
        "reading_id": reading_id,
        "key_layer": 2,
        "pool": "last",
        "encoding": "whiten",
        "distance": "cosine",
        "epsilon": 0.25,
        "version": 2,
        "background": ("a", "b", "c"),
        "weighed": 2,
        "prompts": prompts,
        "background_activations": np.random.default_rng(seed).normal(size=(3, WIDTH)).astype(np.float32),
        "activations": np.random.default_rng(seed + 1).normal(size=(len(prompts), WIDTH)).astype(np.float32),
    }
    return Reread(**values | changes)


def one_of_each() -> tuple[EventData, ...]:
    """A possible history with every kind in it."""
    return (
        generated("q1"),
        Marked("m1", "q1", 25, 30, "Paris", "fabricated"),
        edited("e1", query_id="q1"),
        Undone("e1"),
        Redone("e1"),
        Unmarked("m1"),
        Fitted.of(small_learned(), begins=False),
        Calibrated(1, "first start", ("a", "b"), np.stack([vector(4), vector(5)])),
        EpsilonChanged("c1", ("e1",), 0.3),
        EpsilonUndone("c1"),
        EpsilonRedone("c1"),
        reread("r1", ("Who was Ada Lovelace?",)),
        Returned("", 0.5, (), np.zeros((0, WIDTH), np.float32)),
    )


# All that is text, NUL too, which no text column of PostgreSQL takes.
texts = st.text(max_size=12)
floats = st.floats(allow_nan=False, allow_infinity=False)
radii = st.floats(min_value=0, exclude_min=True, allow_nan=False, allow_infinity=False)
vectors = st.binary(min_size=4 * WIDTH, max_size=4 * WIDTH).map(
    lambda raw: np.nan_to_num(np.frombuffer(raw, np.float32), nan=0.5, posinf=1.0, neginf=-1.0)
)
nothing = st.none()

_change_values = st.recursive(
    nothing | st.booleans() | st.integers() | floats | texts, lambda inner: st.lists(inner, max_size=3), max_leaves=5
)


def anything_edited(edit_id: str, reading: str = "") -> st.SearchStrategy[Edited]:
    return st.builds(
        Edited,
        edit_id=st.just(edit_id),
        query_id=nothing | texts,
        prompt=texts,
        target=texts,
        target_ids=st.lists(st.integers(), max_size=4).map(tuple),
        paraphrases=st.lists(texts, max_size=3).map(tuple),
        source_url=st.sampled_from(["", "https://example.org/é", "a book"]),
        text_before=texts,
        text_after=texts,
        change=st.dictionaries(texts, _change_values, max_size=3),
        requested_epsilon=radii,
        losses=st.lists(floats, max_size=4).map(tuple),
        seconds=floats,
        activation=vectors,
        value=vectors.map(lambda row: row.reshape(2, -1)),
        reading=st.just(reading),
    )


def anything_generated(query_id: str, reading: str = "") -> st.SearchStrategy[Generated]:
    return st.builds(
        Generated,
        query_id=st.just(query_id),
        prompt=texts,
        text=texts,
        edit_id=nothing | texts,
        nearest_edit_id=nothing | texts,
        distance=nothing | floats,
        epsilon=nothing | floats,
        truncated=st.booleans(),
        activation=vectors,
        reading=st.just(reading),
    )


def anything_marked(mark_id: str, query_id: str) -> st.SearchStrategy[EventData]:
    return st.builds(
        Marked,
        mark_id=st.just(mark_id),
        query_id=st.just(query_id),
        start=st.integers(0, 9),
        end=st.integers(10, 20),
        text=texts,
        verdict=st.sampled_from(VERDICTS),
    )


def anything_calibrated(version: int, reading: str = "") -> st.SearchStrategy[EventData]:
    return st.builds(
        Calibrated,
        version=st.just(version),
        reason=texts,
        prompts=st.lists(texts, max_size=3).map(tuple),
        activations=st.lists(vectors, max_size=3).map(matrix),
        reading=st.just(reading),
    )


def matrix(rows: Sequence[Float32]) -> Float32:
    return np.stack(rows) if rows else np.zeros((0, WIDTH), np.float32)


ENCODINGS: tuple[Encoding, ...] = ("raw", "whiten")


@st.composite
def anything_reread(draw: st.DrawFn, reading_id: str, version: int, prompts: tuple[str, ...]) -> EventData:
    background = tuple(draw(st.lists(texts, max_size=3)))
    encoding = draw(st.sampled_from(ENCODINGS))
    rows = 0 if encoding == "raw" else len(background)
    return Reread(
        reading_id, draw(st.integers(1, 30)), draw(st.sampled_from(["last", "mean", "weighted"])), encoding,
        "euclidean" if encoding == "raw" else "cosine", draw(radii), version, background,
        draw(st.integers(0, len(background))), prompts,
        matrix([draw(vectors) for _ in range(rows)]), matrix([draw(vectors) for _ in prompts]),
    )  # fmt: skip


@st.composite
def anything_returned(draw: st.DrawFn, reading_id: str, prompts: tuple[str, ...]) -> EventData:
    return Returned(reading_id, draw(radii), prompts, matrix([draw(vectors) for _ in prompts]))


@st.composite
def histories(draw: st.DrawFn, max_size: int = 20) -> list[EventData]:
    """Possible histories of any mixture: every next event is one that can follow."""
    history: list[EventData] = []
    undone: dict[str, bool] = {}
    queries: list[str] = []
    marks: list[str] = []
    changes_in: dict[str, dict[str, bool]] = {"": {}}
    reading, texts_seen = "", set[str]()
    for index in range(draw(st.integers(0, max_size))):
        changes = changes_in[reading]
        options = ["edit", "query", "calibrate", "reread"]
        options += ["return"] if len(changes_in) > 1 else []
        options += ["undo"] if not all(undone.values()) else []
        options += ["redo"] if any(undone.values()) else []
        options += ["mark"] if queries else []
        options += ["unmark"] if marks else []
        options += ["epsilon"] if undone else []
        options += ["epsilon back"] if not all(changes.values()) else []
        options += ["epsilon again"] if any(changes.values()) else []
        match draw(st.sampled_from(options)):
            case "edit":
                made = draw(anything_edited(f"e{index}", reading))
                history.append(made)
                undone[f"e{index}"] = False
                texts_seen.add(made.prompt)
            case "undo":
                edit_id = draw(st.sampled_from([edit_id for edit_id, gone in undone.items() if not gone]))
                history.append(Undone(edit_id))
                undone[edit_id] = True
            case "redo":
                edit_id = draw(st.sampled_from([edit_id for edit_id, gone in undone.items() if gone]))
                history.append(Redone(edit_id))
                undone[edit_id] = False
            case "query":
                asked = draw(anything_generated(f"q{index}", reading))
                history.append(asked)
                queries.append(f"q{index}")
                texts_seen.add(asked.prompt)
            case "mark":
                history.append(draw(anything_marked(f"m{index}", draw(st.sampled_from(queries)))))
                marks.append(f"m{index}")
            case "unmark":
                history.append(Unmarked(marks.pop(draw(st.integers(0, len(marks) - 1)))))
            case "epsilon":
                some = st.lists(st.sampled_from(list(undone)), min_size=1, unique=True).map(tuple)
                history.append(EpsilonChanged(f"c{index}", draw(nothing | some), draw(radii), reading))
                changes[f"c{index}"] = False
            case "epsilon back":
                change_id = draw(st.sampled_from([change_id for change_id, gone in changes.items() if not gone]))
                history.append(EpsilonUndone(change_id))
                changes[change_id] = True
            case "epsilon again":
                change_id = draw(st.sampled_from([change_id for change_id, gone in changes.items() if gone]))
                history.append(EpsilonRedone(change_id))
                changes[change_id] = False
            case "calibrate":
                history.append(draw(anything_calibrated(index + 1, reading)))
            case "reread":
                reading = f"r{index}"
                history.append(draw(anything_reread(reading, index + 1, tuple(sorted(texts_seen)))))
                changes_in[reading] = {}
            case "return":
                reading = draw(st.sampled_from([other for other in changes_in if other != reading]))
                # Texts that it knows too: their activations there must not be touched by what is carried.
                history.append(draw(anything_returned(reading, tuple(sorted(texts_seen)))))
    return history
