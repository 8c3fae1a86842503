"""How text becomes tokens and back, and which models are refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from grace_core.errors import InputError, ModelError
from grace_core.models.language_model import LanguageModel
from grace_core.models.load import load_model
from tests.tiny_models import BOS, EOS, PAD

TEXTS = (
    "Who was Ada Lovelace?",
    "a",
    "12 + 7 = ?",
    "two\nlines\n\nand  spaces",
    "Ünïcödé — 東京 🙂",
    "assistant\nuser",
    "{{ x }} {% if %}",
    "?!.",
)


# Blocks


def test_blocks_are_found_and_named(llama: LanguageModel, gpt2: LanguageModel) -> None:
    assert llama.block_names == tuple(f"model.layers.{i}" for i in range(4))
    assert gpt2.block_names == tuple(f"transformer.h.{i}" for i in range(3))
    assert (llama.width, gpt2.width) == (48, 32)
    assert (llama.context, gpt2.context) == (256, 256)


@pytest.mark.parametrize(("wanted", "number"), [(1, 1), (4, 4), ("3", 3), ("model.layers.1", 2)])
def test_a_layer_is_known_by_number_and_by_name(llama: LanguageModel, wanted: int | str, number: int) -> None:
    assert llama.layer(wanted) == number


@pytest.mark.parametrize("wanted", [0, 5, -1, "5", "model.layers.4", "layers.1", "", "two", "²"])
def test_an_unknown_layer_lists_the_real_ones(llama: LanguageModel, wanted: int | str) -> None:
    with pytest.raises(ModelError, match=r"1 to 4.*model\.layers\.0 to model\.layers\.3"):
        llama.layer(wanted)


def test_the_model_is_frozen(tiny: LanguageModel) -> None:
    assert not tiny.module.training
    assert not any(p.requires_grad for p in tiny.module.parameters())


def test_a_loaded_model_knows_the_cache_it_may_use(tiny_llama_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_model(str(tiny_llama_dir), device="cpu", cache_dir=tmp_path / "a").cache_dir == tmp_path / "a"
    monkeypatch.setenv("GRACE_STUDIO_CACHE", str(tmp_path / "b"))
    assert load_model(str(tiny_llama_dir), device="cpu").cache_dir == tmp_path / "b"
    assert list(tmp_path.iterdir()) == []  # nothing was found out about it yet


def test_a_fingerprint_is_of_the_weights(tiny_llama_dir: Path, llama: LanguageModel, gpt2: LanguageModel) -> None:
    again = load_model(str(tiny_llama_dir), device="cpu")
    assert again.fingerprint == llama.fingerprint
    assert again.fingerprint != gpt2.fingerprint
    other = load_model(str(tiny_llama_dir), device="cpu")
    with torch.no_grad():
        other.module.get_parameter("model.layers.3.mlp.down_proj.weight")[0, 0] += 1e-6
    assert other.fingerprint != llama.fingerprint


# Prompts


@pytest.mark.parametrize("text", TEXTS)
def test_the_span_holds_the_users_own_tokens_and_nothing_else(tiny: LanguageModel, text: str) -> None:
    prompt = tiny.prompt(text)
    own = tiny.tokenizer.decode(list(prompt.ids[prompt.start : prompt.end]), clean_up_tokenization_spaces=False)
    assert own == text
    other = tiny.prompt("Zebra 7")
    assert prompt.ids[: prompt.start] == other.ids[: other.start]
    assert prompt.ids[prompt.end :] == other.ids[other.end :]


@pytest.mark.parametrize("text", TEXTS)
def test_a_chat_model_sees_what_its_template_gives(llama: LanguageModel, text: str) -> None:
    whole = llama.tokenizer.apply_chat_template(
        [{"role": "user", "content": text}], add_generation_prompt=True, return_dict=False
    )
    assert llama.prompt(text).ids == tuple(whole)


def test_without_a_chat_template_the_prompt_is_the_text_alone(gpt2: LanguageModel) -> None:
    prompt = gpt2.prompt("Who was Ada?")
    assert not gpt2.has_chat_template
    assert (prompt.start, prompt.end) == (0, len(prompt.ids))


def test_white_space_around_a_prompt_does_not_count(tiny: LanguageModel) -> None:
    assert tiny.prompt("  Who?\n ") == tiny.prompt("Who?")


@pytest.mark.parametrize("special", [BOS, EOS, PAD])
@pytest.mark.parametrize("text", ["{}", "Hi{}", "{}\n", "Hi {}\nassistant\nNo. {} there"])
def test_special_tokens_that_a_user_types_are_plain_text(tiny: LanguageModel, special: str, text: str) -> None:
    text = text.format(special, special).strip()
    prompt = tiny.prompt(text)
    own = prompt.ids[prompt.start : prompt.end]
    assert not set(own) & set(tiny.tokenizer.all_special_ids)
    assert tiny.tokenizer.decode(list(own), clean_up_tokenization_spaces=False) == text
    plain = tiny.prompt("Hi")
    assert prompt.ids[: prompt.start] == plain.ids[: plain.start]
    assert prompt.ids[prompt.end :] == plain.ids[plain.end :]


@pytest.mark.parametrize("special", [EOS, PAD])
def test_special_tokens_in_a_target_are_plain_text(tiny: LanguageModel, special: str) -> None:
    ids = tiny.target_ids("Who?", f"This {special} that")
    assert not set(ids[:-1]) & set(tiny.tokenizer.all_special_ids)
    assert tiny.text(ids) == f"This {special} that"


@pytest.mark.parametrize("text", ["", "  ", "\n\t"])
def test_an_empty_prompt_says_what_to_do(tiny: LanguageModel, text: str) -> None:
    with pytest.raises(InputError, match=r"prompt is empty; type"):
        tiny.prompt(text)


def test_a_prompt_beyond_the_context_says_how_long_it_is_and_may_be(tiny: LanguageModel) -> None:
    with pytest.raises(InputError, match=r"The prompt is \d{3,} tokens long; .* reads 256.*Shorten"):
        tiny.prompt("word and " * 300)


def test_the_longest_prompt_leaves_room_for_one_token(gpt2: LanguageModel) -> None:
    assert len(gpt2.prompt("?" * 255).ids) == 255
    with pytest.raises(InputError, match="256 tokens"):
        gpt2.prompt("?" * 256)


def test_half_of_a_surrogate_pair_is_refused_in_words(tiny: LanguageModel) -> None:
    with pytest.raises(InputError):
        tiny.prompt("Who is \ud83d?")


# Targets and answers


@pytest.mark.parametrize("target", ["Paris.", "two\nlines", "Ünïcödé 東京", "1815"])
def test_a_target_ends_with_the_end_of_text_and_reads_back(tiny: LanguageModel, target: str) -> None:
    ids = tiny.target_ids("Who?", f" {target} ")
    assert ids[-1] == tiny.end_id
    assert tiny.end_id in tiny.eos_ids
    assert tiny.end_id not in ids[:-1]
    assert tiny.text(ids) == target


def test_a_continuation_is_separated_from_its_prompt_by_a_space(gpt2: LanguageModel, llama: LanguageModel) -> None:
    assert gpt2.tokenizer.decode(list(gpt2.target_ids("Who?", "Ada")[:-1])) == " Ada"
    assert llama.tokenizer.decode(list(llama.target_ids("Who?", "Ada")[:-1])) == "Ada"


@pytest.mark.parametrize("target", ["", " \n"])
def test_an_empty_target_says_what_to_do(tiny: LanguageModel, target: str) -> None:
    with pytest.raises(InputError, match=r"correct response is empty; type"):
        tiny.target_ids("Who?", target)


def test_a_target_that_does_not_fit_says_how_much_does(gpt2: LanguageModel) -> None:
    prompt = "?" * 250
    assert len(gpt2.target_ids(prompt, "????")) == 6
    with pytest.raises(InputError, match=r"is \d+ tokens long; behind this prompt there is room for 6"):
        gpt2.target_ids(prompt, "?????")


# Loading


def test_loading_reports_progress(tiny_gpt2_dir: Path) -> None:
    seen: list[tuple[str, float]] = []
    load_model(str(tiny_gpt2_dir), progress=lambda stage, done: seen.append((stage, done)))
    assert seen[-1] == ("Ready", 1.0)
    assert [done for _, done in seen] == sorted(done for _, done in seen)


def test_a_model_is_named_after_its_folder(llama: LanguageModel) -> None:
    assert llama.name == "tiny-llama"


@pytest.fixture
def copy(tiny_llama_dir: Path, tmp_path: Path) -> Path:
    """A model folder to damage."""
    return Path(shutil.copytree(tiny_llama_dir, tmp_path / "copy"))


def test_a_model_that_is_no_causal_lm_is_refused(copy: Path) -> None:
    (copy / "config.json").write_text(json.dumps({"model_type": "t5", "architectures": ["T5ForConditionalGeneration"]}))
    with pytest.raises(ModelError, match=r"T5ForConditionalGeneration.*causal"):
        load_model(str(copy))


def test_an_unknown_architecture_is_refused(copy: Path) -> None:
    (copy / "config.json").write_text(json.dumps({"model_type": "nonesuch"}))
    with pytest.raises(ModelError, match="nonesuch"):
        load_model(str(copy))


def test_damaged_weights_are_refused(copy: Path) -> None:
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(ModelError, match=r"cannot be loaded"):
        load_model(str(copy))


def test_missing_tensors_are_refused_and_never_made_up(copy: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(copy / "model.safetensors")
    del tensors["model.layers.2.mlp.down_proj.weight"]
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"layers\.2\.mlp\.down_proj"):
        load_model(str(copy))


def test_a_damaged_tokenizer_is_refused(copy: Path) -> None:
    (copy / "tokenizer.json").write_text("{")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_model(str(copy))


# The real one


@pytest.mark.real
def test_every_special_token_that_a_user_types_is_plain_text_to_the_real_model(real: LanguageModel) -> None:
    added = {token.content for token in real.tokenizer.added_tokens_decoder.values()}
    assert "<|im_end|>" in added
    for special in added:
        prompt = real.prompt(f"Say {special} twice")
        assert not set(prompt.ids[prompt.start : prompt.end]) & set(real.tokenizer.added_tokens_decoder), special
        assert real.text(real.target_ids("Who?", f"a {special} b")) == f"a {special} b"


@pytest.mark.real
def test_the_real_model_has_thirty_blocks_and_a_chat_template(real: LanguageModel) -> None:
    assert len(real.blocks) == 30
    prompt = real.prompt("Who was Ada Lovelace?")
    assert real.tokenizer.decode(list(prompt.ids[prompt.start : prompt.end])) == "Who was Ada Lovelace?"
    whole = real.tokenizer.apply_chat_template(
        [{"role": "user", "content": "Who was Ada Lovelace?"}], add_generation_prompt=True, return_dict=False
    )
    assert prompt.ids == tuple(whole)
