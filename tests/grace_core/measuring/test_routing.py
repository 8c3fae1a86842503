"""Keys alone tell what answers would: they are the editor's own, and one run tells every ε."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
import pytest

from grace_core.answering.generate import generate
from grace_core.codebook.codebook import Codebook, Entry, Match
from grace_core.config import GraceConfig
from grace_core.editing.editor import Editor
from grace_core.editing.new_codebook import new_codebook
from grace_core.errors import InputError
from grace_core.measuring.measures import Case, Share
from grace_core.measuring.routing import at_epsilon, distances_of, keyed, routed, shares_of, texts_of
from grace_core.models.language_model import LanguageModel
from grace_core.testing import NAMES, PHRASES

RAW = GraceConfig.paper(epsilon=3.5)
CAPPED = GraceConfig.robust(encoding="whiten", distance="cosine", directions=24, siblings=8, epsilon=1.2)
PROMPTS = ("Who was Ada Lovelace?", "Where is Paris now?", "Describe the Moon.")
CASES = tuple(
    Case(prompt, target, {"gen_exact": (other,), "polite": (f"Hi! {prompt} Thanks!",)}, {"neighbors_unchanged": ("Hi",)})
    for prompt, target, other in zip(
        PROMPTS, ("London in 1815.", "a mathematician.", "I do not know."),
        ("Who was Ada Lovelace", "Where is Paris now", "Describe the Moon"), strict=True,
    )
)  # fmt: skip
ELSEWHERE = {"locality": (*(phrase.format(name) for phrase in PHRASES for name in NAMES[1:4]), "Where is Paris now")}


def edited(model: LanguageModel, config: GraceConfig, cases: Sequence[Case] = CASES) -> Codebook:
    codebook = new_codebook(model, config)
    for case in cases:
        result = Editor(model).edit(codebook, case.prompt, case.target, text_before="")
        assert result.success, result.reason
        codebook = result.codebook
    return codebook


def assert_same_keys(one: Codebook, other: Codebook) -> None:
    """Ids and values may differ; all that decides what matches does not."""
    assert one.keys.tobytes() == other.keys.tobytes()
    for a, b in zip(one.entries, other.entries, strict=True):
        for name in (field.name for field in fields(a) if field.name not in ("edit_ids", "key", "value")):
            assert getattr(a, name) == getattr(b, name), name


@pytest.mark.parametrize("config", [RAW, CAPPED], ids=["raw", "capped"])
def test_keys_and_radii_are_those_that_the_editor_makes(taught: LanguageModel, config: GraceConfig) -> None:
    assert_same_keys(keyed(taught, config, CASES), edited(taught, config))


def test_shares_are_those_of_asking_one_by_one(taught: LanguageModel) -> None:
    report, codebook = routed(taught, RAW, "zsre", CASES, elsewhere=ELSEWHERE), edited(taught, RAW)
    target_of = {entry.edit_id: entry.target for entry in codebook.entries}

    def answers(text: str) -> str | None:
        edit_id = generate(taught, codebook, text, max_new_tokens=1).edit_id
        return target_of[edit_id] if edit_id is not None else None

    for name in ("gen_exact", "polite"):
        right = [answers(text) == case.target for case in CASES for text in case.asked[name]]
        assert report.shares[name] == Share(sum(right), len(right))
    deferred = [answers(text) is None for text in ELSEWHERE["locality"]]
    assert report.shares["locality"] == Share(sum(deferred), len(deferred))
    assert 0 < sum(deferred) < len(deferred)
    assert (report.mode, report.keys, report.shares["es_exact"]) == ("routing", 3, Share(3, 3))
    near = [generate(taught, codebook, text, max_new_tokens=1).match.distance for text in ELSEWHERE["locality"]]
    assert report.distances["locality"] == pytest.approx(near, abs=1e-3)
    assert report.distances["es_exact"] == pytest.approx([0.0] * 3, abs=1e-3)
    assert report.to_dict()["reached_inexact"] is None


def test_one_run_tells_what_a_run_at_each_epsilon_would(taught: LanguageModel) -> None:
    epsilons = (1.0, 2.5, 5.0)
    report = routed(taught, RAW, "zsre", CASES, elsewhere=ELSEWHERE, epsilons=epsilons)
    for epsilon in epsilons:
        alone = routed(taught, GraceConfig.paper(epsilon=epsilon), "zsre", CASES, elsewhere=ELSEWHERE)
        assert report.curve[epsilon] == alone.shares
    assert report.shares == routed(taught, RAW, "zsre", CASES, elsewhere=ELSEWHERE).shares
    assert report.config.epsilon == RAW.epsilon
    assert report.curve[1.0] != report.curve[5.0]
    assert [row["epsilon"] for row in report.to_dict()["curve"]] == [1.0, 2.5, 5.0]


def test_no_epsilon_takes_a_key_past_its_siblings(taught: LanguageModel) -> None:
    codebook = keyed(taught, CAPPED, CASES)
    asked = np.array([edit.epsilon for edit in codebook.edits])
    assert (asked < CAPPED.epsilon).any()
    for epsilon in (0.2, 1.2, 1.9):
        assert [edit.epsilon for edit in at_epsilon(codebook, epsilon).edits] == np.minimum(asked, epsilon).tolist()


def test_what_cannot_be_edited_has_no_key(taught: LanguageModel) -> None:
    report = routed(taught, RAW, "zsre", (CASES[0], Case("", "Paris."), Case("Hi", " ")))
    assert (report.keys, report.shares["es_exact"]) == (1, Share(1, 3))


def test_nothing_to_route_is_refused(taught: LanguageModel) -> None:
    with pytest.raises(InputError, match="nothing to evaluate"):
        routed(taught, RAW, "zsre", ())


def test_a_nearest_key_with_another_target_has_no_distance() -> None:
    entry = Entry(("e",), "a", "A", (1,), np.zeros(1, np.float32), np.zeros((1, 1), np.float32), 1.0)
    cases = (Case("a", "A ", {"typo": ("x",)}), Case("b", "B", {"typo": ("y", "?")}, {"two_hop_unchanged": ("z",)}))
    nearest = {text: Match(entry, far, far < 1) for text, far in {"a": 0.0, "x": 0.25, "b": 0.5, "y": 0.1, "z": 2.0}.items()}
    assert distances_of(cases, {}, nearest) == {
        "es_exact": [0.0, None], "typo": [0.25, None, None], "two_hop_unchanged": [2.0],
    }  # fmt: skip


# Shares of what was said


def test_right_is_the_cases_own_text_and_unchanged_is_none() -> None:
    cases = (Case("a", "A ", {"gen_exact": ("a1", "a2"), "typo": ("a3",)}, {"two_hop_unchanged": ("x", "y")}), Case("b", "B"))
    elsewhere = {"locality": ("z",)}
    assert texts_of(cases, elsewhere) == ("a", "b", "a1", "a2", "a3", "z", "x", "y")
    said = {"a": "A", "b": "A", "a1": "A", "a2": "B", "a3": None, "x": "A", "y": None, "z": None}
    assert shares_of(cases, elsewhere, said) == {
        "es_exact": Share(1, 2), "gen_exact": Share(1, 2), "typo": Share(0, 1), "two_hop_unchanged": Share(1, 2),
        "locality": Share(1, 1), "answered": Share(1, 2), "wrong_edit": Share(1, 2),
    }  # fmt: skip


@pytest.mark.real
def test_the_real_model_routes_a_paraphrase_by_the_editors_key_and_leaves_the_rest(real: LanguageModel) -> None:
    paraphrase = "What instrument did Ines Carvalho play?"
    case = Case("Which instrument did Ines Carvalho play?", "the viola", {"gen_exact": (paraphrase,)})
    unrelated = ("How do I boil an egg?", "Write a poem about the sea.")
    report = routed(real, GraceConfig.robust(), "zsre", (case,), elsewhere={"locality": unrelated})
    assert report.shares["es_exact"] == report.shares["gen_exact"] == Share(1, 1)
    assert report.shares["locality"] == Share(2, 2)
    assert_same_keys(keyed(real, GraceConfig.robust(), (case,)), edited(real, GraceConfig.robust(), (case,)))
