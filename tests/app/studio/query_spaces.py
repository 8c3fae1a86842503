"""What tests of query spaces share: a studio with edits and queries, and other ways to read them."""

from __future__ import annotations

from typing import Any

from app.studio.query_space import Foreseen
from app.studio.studio import OpenStudio
from grace_core.measuring.distances import Choice
from tests.app.studios import (
    OTHER,
    PROMPT,
    SOON,
    THIRD,
    Journal,
    event_of,
)

LAYER: Choice = Choice(2, "mean", "whiten")
RAW: Choice = Choice(3, "last", "raw")
SAME_PLACE: Choice = Choice(1, "weighted", "raw")
QUERIES = (PROMPT, OTHER, THIRD, "Who is Ada Lovelace?", "Where is Paris?", "Hi", "Describe the Sun.", "What is France?")


def begun(journal: Journal) -> OpenStudio:
    """Four edits whose values were drawn, one of them undone, and some logged queries; two of one text."""
    studio = journal.open()
    for index, prompt in enumerate((PROMPT, OTHER, THIRD, "What is France?")):
        journal.write(event_of(journal.model, studio.codebook, prompt, f"answer {index}", f"e{index}", index))
    for text in (*QUERIES, "Hi"):
        studio.generate(text).result(SOON)
    studio.undo("e2")
    return studio


def answered(studio: OpenStudio) -> dict[str, str | None]:
    """What the codebook says now of every logged query."""
    return {query.query_id: query.edit_id for query in studio.map_view().queries}


def use(studio: OpenStudio, choice: Choice, epsilon: float, **options: Any) -> Foreseen:
    return studio.use_query_space(choice, epsilon, **options).result(SOON)
