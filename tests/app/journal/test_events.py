"""Events and their stored form."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from app.errors import JournalError
from app.journal.events import (
    EVENT_TYPES,
    Calibrated,
    EncodedArray,
    EventData,
    Marked,
    Undone,
    decode,
    encode,
)
from app.journal.events.base import KINDS, Event, StoredEvent, kind
from app.journal.state.journal_state import JournalState
from tests.app.journal.samples import edited, generated, histories, one_of_each, vector


def test_every_kind_has_a_name_of_its_own() -> None:
    assert len({event_type.KIND for event_type in EVENT_TYPES}) == len(EVENT_TYPES)
    assert {type(data) for data in one_of_each()} == set(EVENT_TYPES)


@given(histories())
def test_what_is_decoded_equals_what_was_encoded(history: list[EventData]) -> None:
    for data in history:
        stored = encode(data)
        assert stored.payload.isascii()
        assert "\0" not in stored.payload
        assert decode(stored.kind, stored.payload, stored.arrays, where="here") == data


def test_arrays_come_back_bit_for_bit_and_read_only() -> None:
    odd = np.array([-0.0, 3.4e38, 1e-45], np.float32)
    data = generated(activation=odd)
    stored = encode(data)
    back = decode(stored.kind, stored.payload, stored.arrays, where="here")
    assert not isinstance(back, Undone)
    assert back == data
    activation = getattr(back, "activation")  # noqa: B009
    assert activation.tobytes() == odd.tobytes()
    assert activation.dtype == np.float32
    assert not activation.flags.writeable


def test_a_view_with_strides_is_stored_in_reading_order() -> None:
    columns = np.arange(6, dtype=np.float32).reshape(2, 3).T
    stored = encode(Calibrated(1, "", (), columns))
    back = decode(stored.kind, stored.payload, stored.arrays, where="here")
    assert isinstance(back, Calibrated)
    assert back.activations.tolist() == [[0, 3], [1, 4], [2, 5]]


def test_equality_looks_at_arrays_too() -> None:
    assert edited() == edited()
    assert hash(edited()) == hash(edited())
    assert edited() != edited(value=np.stack([vector(3), vector(99)]))
    assert edited() != edited(prompt="another")
    assert edited() != Undone("e1")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"activation": vector(1).astype(np.float64)}, r"Edited\.activation must be a float32 array .* got float64"),
        ({"activation": vector(1)[None]}, r"of 1 dimension\(s\), got float32 of shape \(1, 8\)"),
        ({"value": [1.0]}, r"Edited\.value .* got list"),
        ({"target_ids": [1, 2]}, r"Edited\.target_ids must be a valid tuple, got \[1, 2\]"),
        ({"target_ids": (1, "2")}, r"target_ids\[1\] must be a valid integer, got '2'"),
        ({"target_ids": (True,)}, r"target_ids"),
        ({"losses": ("1",)}, r"losses\[0\] must be a valid number"),
        ({"query_id": 3}, r"Edited\.query_id must be a valid string, got 3"),
        ({"activation": vector(1) * np.nan}, r"Edited\.activation holds NaN or infinity in 8 of 8 places"),
        ({"value": np.array([[1, np.inf]], np.float32)}, r"Edited\.value holds NaN or infinity in 1 of 2 places"),
        ({"requested_epsilon": -1.0}, r"Edited\.requested_epsilon must be greater than 0, got -1\.0"),
        ({"requested_epsilon": float("nan")}, r"Edited\.requested_epsilon must be"),
        ({"losses": (float("inf"),)}, r"Edited\.losses\[0\] must be a finite number, got inf"),
        ({"prompt": None}, r"Edited\.prompt must be a valid string, got None"),
        ({"change": None}, r"change"),
    ],
)
def test_a_wrong_type_is_refused_when_the_event_is_made(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        edited(**changes)


def test_an_unknown_verdict_is_refused() -> None:
    with pytest.raises(TypeError, match=r"verdict must be .*fabricated.*got 'lovely'"):
        Marked("m", "q", 0, 1, "x", "lovely")  # type: ignore[arg-type]


def test_what_json_cannot_hold_is_refused() -> None:
    with pytest.raises(TypeError, match="float32 is not JSON serializable"):
        encode(edited(losses=(np.float32(1),)))
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode(edited(change={"epsilon": float("nan")}))


def test_an_unknown_kind_is_refused_by_name() -> None:
    with pytest.raises(JournalError, match=r"^Event 9 of x is of the kind 'merged'.*newer version wrote it\. Update"):
        decode("merged", "{}", {}, where="Event 9 of x")


def test_an_unknown_field_is_refused_by_name() -> None:
    with pytest.raises(JournalError, match=r"^here \(undone\) has fields .*\(why\): a newer version wrote it\. Update"):
        decode("undone", '{"edit_id": "e1", "why": "typo"}', {}, where="here")


@pytest.mark.parametrize(
    ("payload", "arrays"),
    [
        ("{", {}),
        ("[" * 200_000, {}),
        ("[]", {}),
        ("{}", {}),
        (json.dumps({"version": "1", "reason": "", "prompts": []}), {}),
        (json.dumps({"version": 1, "reason": "", "prompts": []}), {}),
        (
            json.dumps({"version": 1, "reason": "", "prompts": []}),
            {"activations": EncodedArray("<f4", "[2, 2]", b"too short")},
        ),
        (
            json.dumps({"version": 1, "reason": "", "prompts": []}),
            {"activations": EncodedArray("<f8", "[1, 1]", b"12345678")},
        ),
        (json.dumps({"version": 1, "reason": "", "prompts": []}), {"activations": EncodedArray("<f4", "[1]", b"1234")}),
        (json.dumps({"version": 1, "reason": "", "prompts": []}), {"activations": EncodedArray("<f4", "{}", b"1234")}),
    ],
)
def test_a_damaged_row_is_a_journal_error(payload: str, arrays: dict[str, EncodedArray]) -> None:
    with pytest.raises(JournalError, match=r"^here \(calibrated\) is damaged: .*backup"):
        decode("calibrated", payload, arrays, where="here")


@dataclass
class Claims:
    """The state of a noun that the rest of the journal has never heard of."""

    held_by: dict[str, str] = field(default_factory=dict)

    def copied(self) -> Claims:
        return Claims(dict(self.held_by))


def test_a_kind_of_another_noun_needs_nothing_but_its_own_module() -> None:
    @kind("claimed", changes_codebook=False)
    class Claimed(Event):
        item_id: str

        def problem(self, state: JournalState) -> str | None:
            return f"{self.item_id} is taken" if self.item_id in state.part(Claims).held_by else None

        def fold(self, state: JournalState, event: StoredEvent) -> None:
            state.part(Claims).held_by[self.item_id] = event.author

    try:
        stored = encode(Claimed("i1"))
        claimed = decode(stored.kind, stored.payload, stored.arrays, where="here")
        state = JournalState.of([StoredEvent(1, "c", datetime(2026, 1, 1, tzinfo=UTC), "ada", claimed)])
        assert state.copied().part(Claims).held_by == {"i1": "ada"}
        with pytest.raises(JournalError, match="i1 is taken"):
            state.check(claimed)
        assert (state.folded, state.revision) == (0, 1)
    finally:
        del KINDS["claimed"]


def test_a_name_on_disk_belongs_to_one_kind() -> None:
    with pytest.raises(ValueError, match="'edited' is registered already, by Edited"):
        kind("edited")(Event)
