"""Greedy answers: streamed, cut where they must be, the same alone and in company."""

from __future__ import annotations

import pytest

from grace_core.answering.attached import attached
from grace_core.answering.generate import decode, decode_bare, generate, generate_batch
from grace_core.codebook.codebook import Codebook
from grace_core.codebook.encoder import Encoder
from grace_core.config import GraceConfig
from grace_core.errors import Cancelled, InputError
from grace_core.models.language_model import LanguageModel
from grace_core.testing import calibrated
from tests.grace_core.running import batch_of, continued, edit_for, hooks

PROMPTS = ("Who was Ada Lovelace?", "Hi", "a", "Tell me about the river Rhine in one sentence, please.")


def some_codebook(model: LanguageModel, *edited: str) -> Codebook:
    codebook = calibrated(model)
    for i, prompt in enumerate(edited):
        codebook = codebook.with_edit(edit_for(model, codebook, prompt, f"Paris {i}.", edit_id=f"e{i}", seed=i))
    return codebook


def test_without_a_match_the_answer_is_the_models_own(tiny: LanguageModel) -> None:
    codebook = some_codebook(tiny, "Where is London now?")
    for prompt in PROMPTS:
        found = generate(tiny, codebook, prompt, max_new_tokens=10)
        bare = continued(tiny, batch_of(tiny, [prompt]), use_cache=True)[0]
        assert [token for token in found.ids if token not in tiny.eos_ids] == bare
        assert found.edit_id is None
        assert found.text == tiny.text(bare)


@pytest.mark.parametrize("prompt", PROMPTS)
def test_an_edited_answer_equals_decoding_with_the_codebook_attached_throughout(tiny: LanguageModel, prompt: str) -> None:
    codebook = some_codebook(tiny, prompt)
    found = generate(tiny, codebook, prompt, max_new_tokens=10)
    batch = batch_of(tiny, [prompt])
    with attached(tiny, codebook, batch):
        want = continued(tiny, batch, use_cache=False)[0]
    assert found.edit_id == "e0"
    assert [token for token in found.ids if token not in tiny.eos_ids] == want


def test_an_answer_does_not_depend_on_its_neighbours(tiny: LanguageModel) -> None:
    codebook = some_codebook(tiny, *PROMPTS[:2])
    together = generate_batch(tiny, codebook, PROMPTS, max_new_tokens=12)
    reverse = generate_batch(tiny, codebook, PROMPTS[::-1], max_new_tokens=12)[::-1]
    alone = [generate(tiny, codebook, prompt, max_new_tokens=12) for prompt in PROMPTS]
    assert [g.ids for g in together] == [g.ids for g in alone] == [g.ids for g in reverse]
    assert [g.edit_id for g in together] == ["e0", "e1", None, None]
    assert [g.prompt for g in together] == list(PROMPTS)


def test_nothing_to_answer_gives_no_answers(tiny: LanguageModel) -> None:
    assert generate_batch(tiny, calibrated(tiny), []) == []


def test_text_streams_and_ends_as_the_whole_answer(tiny: LanguageModel) -> None:
    seen: list[str] = []
    found = generate(tiny, calibrated(tiny), PROMPTS[0], max_new_tokens=8, on_text=seen.append)
    assert seen[-1] == found.text
    assert not any(text.endswith("\ufffd") for text in seen)
    assert len(seen) <= len(found.ids)


def test_tokens_are_given_row_by_row_as_they_come(tiny: LanguageModel) -> None:
    seen: list[tuple[int, int]] = []
    found = generate_batch(tiny, calibrated(tiny), PROMPTS, max_new_tokens=5, on_token=lambda r, t: seen.append((r, t)))
    for row, generation in enumerate(found):
        assert tuple(token for r, token in seen if r == row) == generation.ids


@pytest.mark.parametrize("limit", [1, 3])
def test_an_answer_is_cut_at_the_limit_and_says_so(llama: LanguageModel, limit: int) -> None:
    found = generate(llama, calibrated(llama), PROMPTS[0], max_new_tokens=limit)
    assert len(found.ids) == limit
    assert found.truncated


def test_an_answer_that_ends_by_itself_is_not_truncated(taught: LanguageModel) -> None:
    found = generate(taught, calibrated(taught), "Who was Ada Lovelace?")
    assert not found.truncated
    assert found.ids[-1] == taught.end_id
    assert found.ids[:-1] == tuple(taught.tokenizer(found.text, add_special_tokens=False).input_ids)


def test_a_matched_target_is_never_cut_short(tiny: LanguageModel) -> None:
    codebook = some_codebook(tiny, PROMPTS[0])
    length = len(codebook.edits[0].target_ids)
    found = generate_batch(tiny, codebook, [PROMPTS[0], "Where is London?"], max_new_tokens=2)
    assert len(found[0].ids) == length or found[0].ids[-1] in tiny.eos_ids
    assert len(found[1].ids) <= 2


def test_an_answer_never_leaves_the_context(gpt2: LanguageModel) -> None:
    found = generate(gpt2, calibrated(gpt2), "?" * 250, max_new_tokens=50)
    assert len(found.ids) <= 6


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_beside_a_prompt_that_fills_the_context_an_answer_is_what_it_is_alone(name: str, request: pytest.FixtureRequest) -> None:
    model: LanguageModel = request.getfixturevalue(name)
    room = model.context - len(model.prompt("a").ids)
    long, short = "?" * (room - 3), "Hi"
    own = [model.prompt(text) for text in (long, short)]
    assert model.context - len(own[0].ids) < 8
    codebook = some_codebook(model, "Where is London now?")
    together = decode(model, codebook, own, 20)
    alone = [decode(model, codebook, [prompt], 20)[0] for prompt in own]
    assert [answer.ids for answer in together] == [answer.ids for answer in alone]
    assert len(own[0].ids) + len(together[0].ids) <= model.context
    bare = decode_bare(model, own, 20)
    assert bare == [decode_bare(model, [prompt], 20)[0] for prompt in own] == [answer.ids for answer in alone]


def test_tokens_of_rows_that_are_decoded_apart_are_given_with_their_row(gpt2: LanguageModel) -> None:
    seen: list[tuple[int, int]] = []
    found = generate_batch(
        gpt2, calibrated(gpt2), ["?" * 250, "Hi"], max_new_tokens=20, on_token=lambda r, t: seen.append((r, t))
    )
    for row, answer in enumerate(found):
        assert tuple(token for r, token in seen if r == row) == answer.ids


def test_the_activation_is_the_prompts_own(tiny: LanguageModel) -> None:
    codebook = some_codebook(tiny, PROMPTS[0])
    found = generate(tiny, codebook, PROMPTS[0], max_new_tokens=1)
    assert found.activation.tobytes() == codebook.edits[0].activation.tobytes()
    assert found.match.distance == pytest.approx(0, abs=1e-6)


def test_stopping_is_asked_before_each_token_and_leaves_no_hook(tiny: LanguageModel) -> None:
    calls = iter([False] * (len(tiny.blocks) + 2) + [True])
    before = hooks(tiny)
    seen: list[str] = []
    with pytest.raises(Cancelled):
        generate(tiny, calibrated(tiny), PROMPTS[0], on_text=seen.append, cancelled=lambda: next(calls))
    assert len(seen) <= 2
    assert hooks(tiny) == before


def test_stopping_does_not_wait_for_a_long_prompt_to_pass(tiny: LanguageModel) -> None:
    codebook, passed = calibrated(tiny), list[int]()
    counting = [block.register_forward_hook(lambda *_, layer=i: passed.append(layer)) for i, block in enumerate(tiny.blocks)]
    before = hooks(tiny)
    with pytest.raises(Cancelled):
        generate(tiny, codebook, PROMPTS[0], cancelled=lambda: len(passed) > 1)
    assert passed == [0, 1]
    assert hooks(tiny) == before
    for handle in counting:
        handle.remove()


@pytest.mark.parametrize("prompt", ["", "   "])
def test_an_empty_prompt_is_refused(tiny: LanguageModel, prompt: str) -> None:
    with pytest.raises(InputError, match="prompt is empty"):
        generate(tiny, calibrated(tiny), prompt)


@pytest.mark.real
def test_the_real_model_decodes_alike_with_its_cache_and_without(real: LanguageModel) -> None:
    config = GraceConfig.early(pool="mean", encoding="raw", distance="euclidean").resolved(30)
    codebook = Codebook(config, Encoder.raw(real.width))
    codebook = codebook.with_edit(edit_for(real, codebook, PROMPTS[0], "Paris.", edit_id="e"))
    own = [real.prompt(text) for text in PROMPTS]
    found = decode(real, codebook, own, 8)
    batch = batch_of(real, PROMPTS)
    ended = [[token for token in g.ids if token not in real.eos_ids] for g in found]
    for use_cache in (True, False):
        with attached(real, codebook, batch) as routing:
            assert ended == [row[:8] for row in continued(real, batch, use_cache, most=8)]
        assert [match.edit_id for match in routing.matches] == ["e", None, None, None]
    assert [g.edit_id for g in found] == ["e", None, None, None]
