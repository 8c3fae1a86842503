"""The hooks read: deferring changes no bit, a value lands on its row's last prompt token, and nothing stays behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from grace_core.answering.attached import attached
from grace_core.codebook.codebook import Codebook
from grace_core.codebook.encoder import Encoder
from grace_core.config import GraceConfig
from grace_core.models.activations import activations_of, hidden_after
from grace_core.models.hooks import block_hooks
from grace_core.models.language_model import LanguageModel
from grace_core.testing import calibrated
from grace_core.testing.codebooks import learned
from tests.grace_core.running import batch_of, continued, edit_for, hooks, logits, own_last

PROMPTS = ("Who was Ada Lovelace?", "Hi", "Tell me about the river Rhine in one sentence, please.")


def with_edit_of(model: LanguageModel, prompt: str, **overrides: Any) -> Codebook:
    codebook = calibrated(model, **overrides)
    return codebook.with_edit(edit_for(model, codebook, prompt, "Paris.", edit_id="e"))


# Deferring


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("texts", [PROMPTS[:1], PROMPTS])
def test_deferring_leaves_every_logit_bitwise_as_the_bare_models(tiny: LanguageModel, texts: Sequence[str], side: str) -> None:
    batch = batch_of(tiny, texts, side)
    codebook = with_edit_of(tiny, "Where is London now?")
    bare = logits(tiny, batch)
    for empty_or_not in (calibrated(tiny), codebook):
        with attached(tiny, empty_or_not, batch) as routing:
            assert torch.equal(logits(tiny, batch), bare)
        assert not any(match.matched for match in routing.matches)
        assert routing.values == {}


def test_rows_that_defer_beside_one_that_matches_stay_bitwise_the_same(tiny: LanguageModel) -> None:
    batch = batch_of(tiny, PROMPTS)
    bare = logits(tiny, batch)
    with attached(tiny, with_edit_of(tiny, PROMPTS[1]), batch) as routing:
        edited = logits(tiny, batch)
    assert [match.matched for match in routing.matches] == [False, True, False]
    assert torch.equal(edited[0], bare[0])
    assert torch.equal(edited[2], bare[2])
    assert not torch.equal(edited[1, -1], bare[1, -1])


# Writing


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("span", ["last", "tail"])
@pytest.mark.parametrize("layers", [(1, 2), (1, 3), (2, 3), (2, 2), (1, 1)])
def test_a_match_replaces_the_last_prompt_tokens_states_after_the_value_layer(
    tiny: LanguageModel, layers: tuple[int, int], span: str, side: str
) -> None:
    key_layer, value_layer = layers
    codebook = with_edit_of(tiny, PROMPTS[0], key_layer=key_layer, value_layer=value_layer, span=span)
    batch = batch_of(tiny, PROMPTS, side)
    want = hidden_after(tiny, value_layer, batch).clone()
    seen: list[torch.Tensor] = []
    with attached(tiny, codebook, batch), block_hooks(tiny, [(value_layer, lambda h: seen.append(h.clone()))], tokens=1):
        logits(tiny, batch)
    value = torch.from_numpy(codebook.edits[0].value)
    assert len(value) == (tiny.tail if span == "tail" and tiny.has_chat_template else 1)
    want[0, batch.last[0] + 1 - len(value) : batch.last[0] + 1] = value
    assert torch.equal(seen[0], want)


@pytest.mark.parametrize("config", [GraceConfig.paper(), GraceConfig.paper(value_layer=1)])
def test_the_paper_preset_reads_and_writes_too(tiny: LanguageModel, config: GraceConfig) -> None:
    codebook = Codebook(config.resolved(len(tiny.blocks)), Encoder.raw(tiny.width))
    codebook = codebook.with_edit(edit_for(tiny, codebook, PROMPTS[0], "Paris.", edit_id="e"))
    batch = batch_of(tiny, PROMPTS)
    bare = logits(tiny, batch)
    with attached(tiny, codebook, batch) as routing:
        edited = logits(tiny, batch)
    assert routing.matches[0].edit_id == "e"
    assert not torch.equal(edited[0, -1], bare[0, -1])


def test_a_routing_names_match_distance_and_activation_of_each_row(tiny: LanguageModel) -> None:
    codebook = with_edit_of(tiny, PROMPTS[2])
    batch = batch_of(tiny, PROMPTS)
    with attached(tiny, codebook, batch) as routing:
        assert not routing.activations
        logits(tiny, batch)
    assert [m.edit_id for m in routing.matches] == [None, None, "e"]
    assert all(m.distance is not None and m.entry is codebook.entries[0] for m in routing.matches)
    assert routing.matches[2].distance == pytest.approx(0, abs=1e-5)
    for row, text in enumerate(PROMPTS):
        alone = activations_of(tiny, codebook.reader, [tiny.prompt(text)])[0]
        assert routing.activations[row] == pytest.approx(alone, abs=1e-4)


def test_reading_happens_once_and_later_passes_use_the_same_match(tiny: LanguageModel) -> None:
    batch = batch_of(tiny, PROMPTS)
    with attached(tiny, with_edit_of(tiny, PROMPTS[0]), batch) as routing:
        first, matches = logits(tiny, batch), routing.matches
        assert torch.equal(logits(tiny, batch), first)
        assert routing.matches is matches


# Neighbours


def test_a_question_in_capitals_is_routed_as_in_lower_case_in_any_company(tiny: LanguageModel) -> None:
    asked = "Who was Ada Lovelace?"
    codebook = learned(tiny)
    codebook = codebook.with_edit(edit_for(tiny, codebook, asked.lower(), "Paris.", edit_id="e"))
    prompts = (PROMPTS[2], asked.upper())
    batch = batch_of(tiny, prompts)
    bare = logits(tiny, batch)
    with attached(tiny, codebook, batch) as routing:
        edited = logits(tiny, batch)
    assert routing.matches[1].edit_id == "e"
    assert routing.matches[1].distance == pytest.approx(0.0, abs=1e-6)
    assert (routing.activations[1] == activations_of(tiny, codebook.reader, [tiny.prompt(asked.upper())])[0]).all()
    if not routing.matches[0].matched:
        assert torch.equal(edited[0], bare[0])
    assert not torch.equal(edited[1, -1], bare[1, -1])


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("edited", range(3))
def test_a_row_does_not_depend_on_its_neighbours(tiny: LanguageModel, side: str, edited: int) -> None:
    codebook = with_edit_of(tiny, PROMPTS[edited])
    together = batch_of(tiny, PROMPTS, side)
    with attached(tiny, codebook, together) as routing:
        found = own_last(logits(tiny, together), together)
    for row, text in enumerate(PROMPTS):
        alone = batch_of(tiny, [text])
        with attached(tiny, codebook, alone) as own:
            want = own_last(logits(tiny, alone), alone)[0]
        assert routing.matches[row].edit_id == own.matches[0].edit_id == ("e" if row == edited else None)
        assert routing.activations[row] == pytest.approx(own.activations[0], abs=1e-4)
        torch.testing.assert_close(found[row], want, atol=2e-4, rtol=1e-4)


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=50).map(str.strip)


@given(
    texts=st.lists(TEXT.filter(bool), min_size=1, max_size=4, unique=True),
    edited=st.integers(0, 3),
    side=st.sampled_from(["left", "right"]),
    span=st.sampled_from(["last", "tail"]),
)
@settings(max_examples=40, deadline=None)
def test_in_any_company_and_padding_a_row_is_answered_as_alone_and_a_deferred_one_keeps_its_bits(
    tiny: LanguageModel, texts: list[str], edited: int, side: str, span: str
) -> None:
    own = texts[edited % len(texts)]
    codebook = with_edit_of(tiny, own, span=span)
    epsilon = codebook.entries[0].epsilon
    batch = batch_of(tiny, texts, side)
    bare = logits(tiny, batch)
    with attached(tiny, codebook, batch) as routing:
        found = logits(tiny, batch)
    for row, text in enumerate(texts):
        alone = batch_of(tiny, [text])
        with attached(tiny, codebook, alone) as by_itself:
            want = own_last(logits(tiny, alone), alone)[0]
        distance = by_itself.matches[0].distance
        assert distance is not None
        assume(abs(distance - epsilon) > 1e-3)  # on the rim, rounding decides
        matched = routing.matches[row].matched
        assert matched == by_itself.matches[0].matched
        assert matched or text != own
        torch.testing.assert_close(own_last(found, batch)[row], want, atol=5e-4, rtol=1e-3)
        if not matched:
            assert torch.equal(found[row], bare[row])


# With and without a KV cache, by transformers' own generate


@pytest.mark.parametrize("texts", [PROMPTS, ("a",), ("a", "b"), ("Hi", PROMPTS[2])])
def test_decoding_with_the_cache_equals_decoding_without(tiny: LanguageModel, texts: Sequence[str]) -> None:
    codebook = with_edit_of(tiny, texts[0])
    batch = batch_of(tiny, texts)
    bare = continued(tiny, batch, use_cache=True)
    found = []
    for use_cache in (True, False):
        with attached(tiny, codebook, batch) as routing:
            found.append(continued(tiny, batch, use_cache))
        assert routing.matches[0].edit_id == "e"
    assert found[0] == found[1]
    assert found[0][0] != bare[0]
    assert found[0][1:] == bare[1:]


# Afterwards


def test_the_hooks_are_gone_afterwards_also_when_something_failed_inside(tiny: LanguageModel) -> None:
    batch = batch_of(tiny, PROMPTS)
    bare, before = logits(tiny, batch), hooks(tiny)
    codebook = with_edit_of(tiny, PROMPTS[0])
    with attached(tiny, codebook, batch):
        assert hooks(tiny) > before
        logits(tiny, batch)
    assert hooks(tiny) == before
    with pytest.raises(IndexError), attached(tiny, codebook, batch):
        tiny.module(input_ids=torch.tensor([[10**6]]))
    assert hooks(tiny) == before
    assert torch.equal(logits(tiny, batch), bare)


# The real model


@pytest.mark.real
def test_deferring_on_the_real_model_is_bitwise_exact(real: LanguageModel) -> None:
    batch = batch_of(real, PROMPTS)
    bare = logits(real, batch)
    codebook = Codebook(
        GraceConfig.early(pool="mean", encoding="raw", distance="euclidean").resolved(30), Encoder.raw(real.width)
    )
    codebook = codebook.with_edit(edit_for(real, codebook, "Where is London?", "Paris.", edit_id="e"))
    with attached(real, codebook, batch) as routing:
        assert torch.equal(logits(real, batch), bare)
    assert not any(match.matched for match in routing.matches)
