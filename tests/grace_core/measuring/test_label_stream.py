"""Labels that change half way: what is asked, edited and counted."""

from __future__ import annotations

import pytest

from grace_core.answering.generate import generate
from grace_core.errors import Cancelled, InputError
from grace_core.measuring.label_stream import Labelled, make_stream, run_labels
from grace_core.models.language_model import LanguageModel
from grace_core.testing import NAMES, PHRASES, calibrated
from grace_core.testing.taught import LABEL_OF

TRAIN = [Labelled(phrase.format(name), LABEL_OF[name]) for phrase in PHRASES[:5] for name in NAMES]
TEST = [Labelled(PHRASES[5].format(name), LABEL_OF[name]) for name in NAMES]


def test_labels_change_half_way_and_unseen_texts_follow() -> None:
    stream = make_stream(TRAIN, TEST, labels=2, each=4)
    assert len(stream.before) == len(stream.after) == 6
    assert set(stream.new_label) == set(stream.new_label.values())
    assert all(old != new for old, new in stream.new_label.items())
    truth = {row.text: row.label for row in TRAIN}
    assert all(row.label == truth[row.text] for row in stream.before)
    assert all(row.label == stream.new_label.get(truth[row.text], truth[row.text]) for row in stream.after)
    assert len(stream.changed) + len(stream.kept) == len(TEST)
    assert make_stream(TRAIN, TEST, labels=2, each=4) == stream


@pytest.mark.parametrize("labels", [0, 1, 4])
def test_as_many_labels_as_there_are_may_change(labels: int) -> None:
    with pytest.raises(InputError, match=f"{labels} labels are to change; give from 2 to 3"):
        make_stream(TRAIN, TEST, labels=labels, each=2)


@pytest.mark.parametrize("each", [0, 6])
def test_a_label_with_fewer_texts_than_are_asked_is_named(each: int) -> None:
    with pytest.raises(
        InputError, match=f"{each} texts of each label are to be asked; the label 'other' has 5. Give from 1 to 5"
    ):
        make_stream(TRAIN, TEST, labels=2, each=each)


def test_what_is_wrong_is_edited_and_the_rest_is_left(bert: LanguageModel) -> None:
    stream = make_stream(TRAIN, TEST, labels=2, each=5)
    told: list[float] = []
    codebook, looks = run_labels(bert, calibrated(bert), stream, every=2, progress=lambda stage, done: told.append(done))
    first, last = looks[0], looks[-1]
    assert (first.asked, first.edits, first.keys, first.past) == (0, 0, 0, None)
    assert last.asked == len(stream.before) + len(stream.after)
    assert last.edits > 0
    assert last.keys == len(codebook) <= last.edits
    assert last.past is not None
    assert last.past > 0.8
    assert [look.edits for look in looks] == sorted(look.edits for look in looks)
    assert told == sorted(told)
    wrong = [row for row in stream.after if generate(bert, codebook.with_edits([]), row.text).text != row.label]
    assert last.edits + last.failed >= len({row.text for row in wrong}) // 2


def test_it_stops_when_it_is_asked_to(bert: LanguageModel) -> None:
    with pytest.raises(Cancelled):
        run_labels(bert, calibrated(bert), make_stream(TRAIN, TEST, labels=2, each=5), cancelled=lambda: True)
