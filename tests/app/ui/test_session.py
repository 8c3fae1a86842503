"""Following a job, and what a person reads when something fails."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from app.studio.views import PartialAnswer
from app.ui.review.page import Current, keeps_typed, phrasing_lines
from app.ui.review.tries import try_value
from app.ui.session import Waiting, edits_mark, failure_text, follow, waiting_text
from grace_core.errors import Cancelled, InputError
from tests.app.ui.samples import DoneJob, FakeBench, answer, row


class QueuedJob(DoneJob):
    """A job whose place in the queue falls each time it is looked at."""

    def __init__(self, places: list[int], **options: Any) -> None:
        super().__init__(**options)
        self.places = places

    @property
    def position(self) -> int:  # type: ignore[override]
        return self.places.pop(0) if len(self.places) > 1 else self.places[0]


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.ui.session.POLL_SECONDS", 0)


def test_progress_is_preceded_by_each_new_place_in_the_queue() -> None:
    job: Any = QueuedJob([2, 2, 1, 0], events=(PartialAnswer("Ada"),))
    assert list(follow(job)) == [Waiting(2), Waiting(1), PartialAnswer("Ada")]


def test_a_job_cancelled_in_the_queue_is_not_waited_for() -> None:
    job: Any = QueuedJob([3])
    job.cancelled = True
    with pytest.raises(Cancelled):
        list(follow(job))


def test_the_error_of_a_job_comes_through() -> None:
    job: Any = DoneJob(error=InputError("Too long."))
    with pytest.raises(InputError, match="Too long"):
        list(follow(job))


def test_our_own_errors_are_shown_as_they_are() -> None:
    assert failure_text(InputError("The prompt is empty.")) == "The prompt is empty."


def test_other_errors_are_shown_as_such_and_logged_with_their_traceback(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        told = failure_text(RuntimeError("boom"))
    assert told.startswith("Something went wrong: RuntimeError: boom")
    assert caplog.records[0].exc_info is not None


def test_the_queue_is_counted_in_words() -> None:
    assert waiting_text(1) == "Waiting: 1 request is ahead of yours…"
    assert waiting_text(3) == "Waiting: 3 requests are ahead of yours…"


def test_a_new_edit_and_an_undo_both_change_the_mark() -> None:
    bench: Any = FakeBench()
    empty, newest = edits_mark(bench)
    assert newest is None
    bench.rows["e1"] = row("e1")
    one, newest = edits_mark(bench)
    assert newest is not None
    assert newest.edit_id == "e1"
    assert one != empty


def test_phrasings_are_lines_without_empty_ones() -> None:
    assert phrasing_lines(" Who is Ada?\n\n  \nAda, who?\n") == ("Who is Ada?", "Ada, who?")


def test_what_was_typed_is_kept_only_for_the_same_prompt() -> None:
    current = Current(prompt="Who was Ada?", text="A poet.")
    assert keeps_typed(current, "Who was Ada?", "A mathematician.")
    assert not keeps_typed(current, "Who was Ada?", "A poet.")
    assert not keeps_typed(current, "Who was Ada?", "  ")
    assert not keeps_typed(current, "Who was Alan?", "A mathematician.")


def test_a_try_says_who_answered() -> None:
    near = answer(edit_id="e1", nearest_edit_id="e1", distance=0.2, epsilon=0.9)
    far = answer(nearest_edit_id="e1", distance=1.3, epsilon=0.9)
    assert try_value(near, "e1", near.text)["label"] == "This edit answered · distance 0.20"
    assert try_value(near, "e1", "Ada.")["label"] == "This edit answered, in other words · distance 0.20"
    assert try_value(near, "e2", near.text)["label"].startswith("Another edit answered")
    assert try_value(far, "e1", "")["label"] == "The model itself answered · distance 1.30 (nearest ε 0.90)"
