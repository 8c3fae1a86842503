"""The numbers of a report are what asking the model again one by one gives, and they fall where something breaks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from grace_core.answering.attached import attached
from grace_core.answering.generate import generate
from grace_core.codebook.codebook import Codebook
from grace_core.config import GraceConfig
from grace_core.editing.editor import Editor
from grace_core.editing.new_codebook import new_codebook
from grace_core.editing.training_prompts import training_contexts
from grace_core.errors import InputError
from grace_core.measuring.asking import answers, exact_answers, unchanged
from grace_core.measuring.evaluate import Report, checked, evaluate, make, measure
from grace_core.measuring.measures import MEASURES, Case, Share
from grace_core.models.batch import Batch
from grace_core.models.language_model import LanguageModel
from grace_core.testing import NAMES, PHRASES
from grace_core.testing.taught import ANSWERS

CONFIG = GraceConfig.paper(epsilon=3.5, max_steps=80, stop_loss=0.05)
"""Raw queries: nothing to calibrate. The radius is wide enough that some phrasings match, and small enough that some do not."""
PROMPTS = ("Who was Ada Lovelace?", "Where is Paris now?", "Describe the Moon.")
PARAPHRASES = (
    ("Who was Ada Lovelace", "Describe Ada Lovelace."),
    ("Where is Paris now", "When was Paris born?"),
    ("Describe the Moon", "What is the Moon?"),
)
UNRELATED = tuple(phrase.format(name) for phrase in PHRASES for name in NAMES[1:4])
HOPELESS = "Zq7 #vW ~~ kJ?! xX0"


def ids_of(model: LanguageModel, codebook: Codebook, prompt: str, tokens: int = 20) -> tuple[int, ...]:
    return generate(model, codebook, prompt, max_new_tokens=tokens).ids[:tokens]


def says(model: LanguageModel, codebook: Codebook, prompt: str, target: str) -> bool:
    wanted = model.target_ids(prompt, target)
    return ids_of(model, codebook, prompt, len(wanted)) == wanted


def case(prompt: str, target: str, *paraphrases: str, neighbors: tuple[str, ...] = ()) -> Case:
    return Case(prompt, target, {"gen_exact": paraphrases}, {"neighbors_unchanged": neighbors})


def codebook_config(model: LanguageModel) -> GraceConfig:
    return CONFIG.resolved(len(model.blocks))


def values(report: Report) -> dict[str, float]:
    return {name: share.value for name, share in report.shares.items()}


def edited(model: LanguageModel, cases: Sequence[Case], config: GraceConfig = CONFIG) -> Codebook:
    """What `evaluate` measures, made here."""
    codebook = new_codebook(model, config)
    for case in cases:
        codebook = Editor(model).edit(codebook, case.prompt, case.target).codebook
    return codebook


@pytest.fixture(scope="module")
def cases(taught: LanguageModel) -> tuple[Case, ...]:
    """Three edits with different targets that the model does not give by itself."""
    bare = new_codebook(taught, CONFIG)
    now = [generate(taught, bare, prompt, max_new_tokens=20).text for prompt in PROMPTS]
    free = [answer for answer in ANSWERS if answer not in now]
    rows = zip(PROMPTS, free, PARAPHRASES, strict=False)
    return tuple(case(prompt, target, *paraphrases, neighbors=("Hi",)) for prompt, target, paraphrases in rows)


@pytest.fixture(scope="module")
def codebook(taught: LanguageModel, cases: tuple[Case, ...]) -> Codebook:
    return edited(taught, cases)


@pytest.fixture(scope="module")
def report(taught: LanguageModel, cases: tuple[Case, ...]) -> Report:
    return evaluate(
        taught, CONFIG, "zsre", cases, elsewhere={"locality": UNRELATED, "strangers_unchanged": ("Who was Alan Turing?",)}
    )


def test_edits_that_took_are_counted_as_exact(taught: LanguageModel, report: Report) -> None:
    assert (report.edits, report.keys) == (3, 3)
    assert report.shares["es_exact"] == report.shares["err"] == Share(3, 3)
    said = report.to_dict()
    assert (said["kind"], said["mode"], said["preset"], said["calibrations"]) == ("zsre", "edits", "paper", 0)
    assert said["config"] == codebook_config(taught).to_dict()
    assert 0 < said["steps_per_edit"] <= 80
    assert said["seconds_per_edit"] > 0
    assert said["ms_per_token_ratio"] > 0


def test_paraphrases_are_measured_as_asking_one_by_one_would(
    taught: LanguageModel, report: Report, cases: tuple[Case, ...], codebook: Codebook
) -> None:
    owner = {entry.edit_id: entry.target for entry in codebook.entries}
    asked = [(text, case) for case in cases for text in case.asked["gen_exact"]]
    found = [generate(taught, codebook, text, max_new_tokens=20) for text, _ in asked]
    exact = [says(taught, codebook, text, case.target) for text, case in asked]
    right = [g.edit_id is not None and owner[g.edit_id] == case.target for g, (_, case) in zip(found, asked, strict=True)]
    wrong = [g.edit_id is not None and not ok for g, ok in zip(found, right, strict=True)]
    found_shares = values(report)
    assert found_shares["gen_exact"] == pytest.approx(np.mean(exact))
    assert found_shares["answered"] == report.lookup["gen_exact"].value == pytest.approx(np.mean(right))
    assert found_shares["wrong_edit"] == pytest.approx(np.mean(wrong))
    inexact = [not ok for ok, reached in zip(exact, right, strict=True) if reached]
    assert found_shares["reached_inexact"] == pytest.approx(np.mean(inexact))
    assert report.by_phrasing == {"gen_exact[0]": np.mean(exact[0::2]), "gen_exact[1]": np.mean(exact[1::2])}
    assert np.mean(right) > 0
    assert np.mean(exact) < 1


def test_token_accuracy_is_teacher_forced_with_the_codebook_in_place(
    taught: LanguageModel, report: Report, cases: tuple[Case, ...], codebook: Codebook
) -> None:
    shares = []
    for text, wanted in [(text, case.target) for case in cases for text in case.asked["gen_exact"]]:
        own, target = taught.prompt(text), taught.target_ids(text, wanted)
        with torch.inference_mode(), attached(taught, codebook, Batch.of(taught, [own])):
            logits = taught.module(input_ids=torch.tensor([own.ids + target[:-1]]), use_cache=False).logits
        likely = logits[0, len(own.ids) - 1 :].argmax(-1).tolist()
        shares.append(np.mean([a == b for a, b in zip(likely, target, strict=True)]))
    assert report.figures["gen_token"] == pytest.approx(np.mean(shares), abs=1e-6)
    assert report.shares["gen_exact"].value <= np.mean(shares)


def test_what_must_not_change_is_measured_as_asking_one_by_one_would(
    taught: LanguageModel, report: Report, codebook: Codebook
) -> None:
    bare = new_codebook(taught, CONFIG)
    for name, prompts in (
        ("locality", UNRELATED),
        ("neighbors_unchanged", ("Hi",) * 3),
        ("strangers_unchanged", ("Who was Alan Turing?",)),
    ):
        same = [ids_of(taught, codebook, prompt) == ids_of(taught, bare, prompt) for prompt in prompts]
        assert report.shares[name] == Share(sum(same), len(prompts))
        deferred = [generate(taught, codebook, prompt, max_new_tokens=1).edit_id is None for prompt in prompts]
        assert report.lookup[name] == Share(sum(deferred), len(prompts))


def test_the_report_is_plain_json_with_every_measure_and_an_interval_for_each_share(report: Report) -> None:
    said = json.loads(json.dumps(report.to_dict()))
    assert set(MEASURES) <= said.keys()
    measured = {name for name in MEASURES if said[name] is not None}
    assert measured == set(report.shares) == set(said["intervals"]) == set(said["counts"])
    assert all(said["intervals"][name][0] <= said[name] <= said["intervals"][name][1] for name in measured)
    assert said["as_is"] is said["two_hop_unchanged"] is None


# What lowers them


def test_an_edit_that_does_not_take_lowers_the_success_and_the_others_stay(
    taught: LanguageModel, cases: tuple[Case, ...]
) -> None:
    failing = (*cases[:2], Case(cases[2].prompt, HOPELESS))
    report = evaluate(taught, CONFIG, "zsre", failing)
    assert (report.edits, report.keys) == (3, 2)
    assert report.shares["es_exact"] == Share(2, 3)
    assert report.shares["err"] == Share(2, 2)


def test_what_does_not_fit_the_model_counts_as_failed_and_does_not_end_the_evaluation(
    taught: LanguageModel, cases: tuple[Case, ...]
) -> None:
    unfit = (case(PROMPTS[2], "word and " * 300, "Who was Ada Lovelace?", "Hi"), case("Hi", " "), case("", "Paris."))
    report = evaluate(taught, CONFIG, "zsre", (cases[0], *unfit))
    assert (report.edits, report.keys) == (4, 1)
    assert report.shares["es_exact"] == Share(1, 4)
    # Its two phrasings: one is answered by another's edit, none by its own.
    own = evaluate(taught, CONFIG, "zsre", cases[:1])
    assert values(report)["gen_exact"] == pytest.approx(values(own)["gen_exact"] / 2)
    assert report.figures["gen_token"] == pytest.approx((own.figures["gen_token"] or 0.0) / 2)
    assert values(report)["wrong_edit"] >= 1 / 4


def test_an_edit_of_the_same_prompt_again_is_measured_on_the_final_codebook(
    taught: LanguageModel, cases: tuple[Case, ...]
) -> None:
    report = evaluate(taught, CONFIG, "zsre", (cases[0], replace(cases[1], prompt=cases[0].prompt)))
    assert (report.edits, report.keys, report.shares["es_exact"]) == (2, 1, Share(1, 2))


def test_a_broken_value_lowers_the_success(taught: LanguageModel, cases: tuple[Case, ...], codebook: Codebook) -> None:
    first, *rest = codebook.edits
    broken = codebook.with_edits([replace(first, value=np.zeros_like(first.value)), *rest])
    asked = [(case.prompt, case.target) for case in cases]
    assert exact_answers(taught, codebook, asked) == [True, True, True]
    assert exact_answers(taught, broken, asked) == [False, True, True]


def test_exact_means_the_end_too(taught: LanguageModel, cases: tuple[Case, ...], codebook: Codebook) -> None:
    target = cases[0].target
    asked = [(cases[0].prompt, text) for text in (target, target[:-2], target + " Yes.", target.upper())]
    assert exact_answers(taught, codebook, asked) == [True, False, False, False]


def test_many_prompts_are_asked_in_batches_and_keep_their_order(
    taught: LanguageModel, cases: tuple[Case, ...], codebook: Codebook
) -> None:
    asked = [(case.prompt, case.target if i % 3 else HOPELESS) for i in range(14) for case in cases]
    assert exact_answers(taught, codebook, asked) == [target != HOPELESS for _, target in asked]


# Each answer beside its target


def test_an_answer_is_right_or_wrong_by_who_gives_it_and_exact_by_what_it_says(
    taught: LanguageModel, cases: tuple[Case, ...], codebook: Codebook
) -> None:
    own, others = answers(taught, codebook, [(cases[0].prompt, cases[0].target), (cases[0].prompt, cases[1].target)])
    assert (own.right, own.wrong, own.exact, own.contains) == (True, False, True, True)
    assert (others.right, others.wrong, others.exact, others.contains) == (False, True, False, False)
    assert own.slip == len(taught.target_ids(cases[0].prompt, cases[0].target))
    assert others.slip < own.slip
    deferred, unfit = answers(taught, codebook, [("Hi", "Paris."), ("", "Paris.")])
    assert not any((deferred.right, deferred.wrong, unfit.right, unfit.wrong, unfit.exact, unfit.contains))


def test_an_answer_that_holds_the_target_need_not_be_exact(
    taught: LanguageModel, cases: tuple[Case, ...], codebook: Codebook
) -> None:
    prompt, target = cases[0].prompt, cases[0].target
    without_its_full_stop = target.removesuffix(".")
    assert without_its_full_stop != target
    found = answers(taught, codebook, [(prompt, without_its_full_stop)], free=50)
    assert [(answer.exact, answer.contains) for answer in found] == [(False, True)]


def test_what_is_decoded_freely_is_reported_exact_and_by_what_it_holds(
    taught: LanguageModel, cases: tuple[Case, ...], codebook: Codebook
) -> None:
    first = replace(cases[0], asked={"as_is": (cases[0].prompt,), "typo": (cases[0].prompt,)})
    part = Case(cases[1].prompt, cases[1].target.split()[0], {"as_is": (cases[1].prompt,)})
    seen = measure(taught, codebook, (first, part))
    assert seen.shares["as_is"] == Share(1, 2)
    assert seen.shares["as_is_contains"] == Share(2, 2)
    assert "typo_contains" not in seen.shares


def test_tokens_before_a_slip_are_counted_of_values_that_were_not_kept_too(
    taught: LanguageModel, cases: tuple[Case, ...]
) -> None:
    failing = replace(cases[1], target=f"{cases[1].target} {HOPELESS}")
    made = make(taught, CONFIG, (cases[0], failing))
    assert made.taken == (0,)
    assert made.slips.keys() == {1}
    report = evaluate(taught, CONFIG, "unke", (cases[0], failing))
    whole = len(taught.target_ids(cases[0].prompt, cases[0].target))
    assert report.tokens_before_slip["es_exact"]["median"] == (whole + made.slips[1]) / 2
    assert report.tokens_before_slip.keys() == {"es_exact", "gen_exact"}


def test_what_training_sees_is_not_asked(taught: LanguageModel, cases: tuple[Case, ...]) -> None:
    config = replace(CONFIG, contexts=4)
    seen = training_contexts(taught, config, taught.prompt(cases[0].prompt))[0].text
    first = replace(cases[0], asked={"gen_exact": (seen, *PARAPHRASES[0])})
    run = checked(taught, config, (first, cases[1]), {})
    assert (run.cases[0].asked["gen_exact"], run.cases[1], run.excluded) == (PARAPHRASES[0], cases[1], 1)
    report = evaluate(taught, config, "zsre", (first, cases[1]))
    assert report.excluded == 1
    assert report.shares["gen_exact"].of == 4
    assert set(report.by_phrasing) == {"gen_exact[0]", "gen_exact[1]", "gen_exact[2]"}
    assert report.by_phrasing["gen_exact[0]"] == says(
        taught, edited(taught, cases[:2], config), PARAPHRASES[1][0], cases[1].target
    )


def test_what_another_row_edits_need_not_stay_as_it_is(taught: LanguageModel, cases: tuple[Case, ...]) -> None:
    first = replace(cases[0], unchanged={"neighbors_unchanged": (f" {PROMPTS[1]}", "Hi")})
    run = checked(taught, CONFIG, (first, cases[1]), {"locality": (PROMPTS[0], "Sing.")})
    assert run.cases[0].unchanged == {"neighbors_unchanged": ("Hi",)}
    assert run.elsewhere == {"locality": ("Sing.",)}
    assert run.excluded == 2
    assert evaluate(taught, CONFIG, "zsre", (first, cases[1])).shares["neighbors_unchanged"] == Share(2, 2)


# Unchanged


def test_prompts_that_are_deferred_count_as_unchanged(taught: LanguageModel, codebook: Codebook) -> None:
    deferring = [text for text in UNRELATED if generate(taught, codebook, text, max_new_tokens=1).edit_id is None]
    assert deferring
    assert unchanged(taught, codebook, deferring) == [True] * len(deferring)


def test_a_matched_prompt_whose_answer_changes_lowers_it(taught: LanguageModel, codebook: Codebook) -> None:
    deferring = [text for text in UNRELATED if generate(taught, codebook, text, max_new_tokens=1).edit_id is None][:3]
    assert unchanged(taught, codebook, [*deferring, PROMPTS[0]]) == [True, True, True, False]
    assert unchanged(taught, codebook, PROMPTS) == [False] * 3


def test_a_matched_prompt_whose_answer_stays_is_unchanged(taught: LanguageModel) -> None:
    bare = new_codebook(taught, CONFIG)
    now = generate(taught, bare, PROMPTS[0], max_new_tokens=20).text
    result = Editor(taught).edit(bare, PROMPTS[0], now, text_before="something else")
    assert result.success, result.reason
    assert unchanged(taught, result.codebook, [PROMPTS[0]]) == [True]


def test_only_the_first_tokens_count(taught: LanguageModel, codebook: Codebook) -> None:
    bare = codebook.with_edits(())
    first = codebook.edits[0]
    same_start = next(
        (n for n in range(20, 0, -1) if ids_of(taught, bare, first.prompt, n) == ids_of(taught, codebook, first.prompt, n)), 0
    )
    assert same_start < 20
    for tokens in (1, same_start, same_start + 1):
        if tokens:
            assert unchanged(taught, codebook, [first.prompt], tokens) == [tokens <= same_start]


# A codebook from elsewhere


def test_a_codebook_is_measured_however_it_was_made(
    taught: LanguageModel, cases: tuple[Case, ...], codebook: Codebook, report: Report
) -> None:
    seen = measure(taught, codebook, cases, elsewhere={"locality": UNRELATED})
    assert seen.shares["gen_exact"] == report.shares["gen_exact"]
    assert seen.shares["answered"] == report.shares["answered"]
    assert seen.shares["locality"] == report.shares["locality"]
    assert [answer.exact for answer in seen.answers["es_exact"]] == [True, True, True]
    assert "strangers_unchanged" not in seen.shares
    left = measure(taught, codebook.without(codebook.edits[1].edit_id), cases)
    assert [answer.exact for answer in left.answers["es_exact"]] == [True, False, True]


# What was not asked


def test_what_has_no_prompts_has_no_number(taught: LanguageModel, cases: tuple[Case, ...], codebook: Codebook) -> None:
    report = evaluate(taught, CONFIG, "bios", [Case(cases[0].prompt, cases[0].target)])
    assert unchanged(taught, codebook, ()) == []
    assert set(report.shares) == {"es_exact", "err"}
    assert report.figures["gen_token"] is None
    assert report.by_phrasing == {}


def test_cases_with_different_numbers_of_phrasings_keep_their_slots(taught: LanguageModel, cases: tuple[Case, ...]) -> None:
    prompt, target = cases[0].prompt, cases[0].target
    uneven = (case(prompt, target, prompt), case(cases[1].prompt, cases[1].target, "Hi", cases[1].prompt))
    report = evaluate(taught, CONFIG, "zsre", uneven)
    assert report.by_phrasing == {"gen_exact[0]": 0.5, "gen_exact[1]": 1.0}


def test_nothing_to_evaluate_is_refused(taught: LanguageModel) -> None:
    with pytest.raises(InputError, match=r"nothing to evaluate.*--limit is 0"):
        evaluate(taught, CONFIG, "zsre", ())


def test_progress_rises_to_the_end(taught: LanguageModel, cases: tuple[Case, ...]) -> None:
    seen: list[tuple[str, float]] = []
    evaluate(taught, CONFIG, "zsre", cases, progress=lambda stage, fraction: seen.append((stage, fraction)))
    assert [stage for stage, _ in seen if stage.startswith("Edit ")] == ["Edit 1 of 3", "Edit 2 of 3", "Edit 3 of 3"]
    fractions = [fraction for _, fraction in seen]
    assert fractions == sorted(fractions)
    assert 0 <= fractions[0] <= fractions[-1] <= 1
