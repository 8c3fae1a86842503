"""How text becomes tokens and back; what a template rendered is kept."""

from __future__ import annotations

import json
import shutil
import sys
import threading
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from grace_core.codebook.template import Template
from grace_core.errors import InputError, ModelError
from grace_core.models.language_model import LanguageModel
from grace_core.models.load import load_model
from grace_core.models.prompts import Prompt, in_capitals
from grace_core.testing.tiny_models import BOS, CHAT_TEMPLATE, EOS, PAD

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


@pytest.mark.parametrize(
    ("text", "capitals"),
    [("WHO WAS ADA LOVELACE?", True), ("ÜBER DEN 2. FLUSS", True), ("NASA", False), ("BBC TV?", False), ("Who Was Ada?", False),
     ("12 + 7 = ?", False), ("東京 東京 東京", False)],
)  # fmt: skip
def test_a_prompt_in_capitals_is_read_in_lower_case(tiny: LanguageModel, text: str, capitals: bool) -> None:
    assert in_capitals(text) == capitals
    prompt = tiny.prompt(text)
    assert tiny.prompts.as_read(prompt) == (tiny.prompt(text.lower()) if capitals else prompt)


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


# Templates that change, and those that are kept

DATED = "{{ '<|im_start|>system\nToday is ' + strftime_now('%d %B %Y at %H:%M:%S.%f') + '.<|im_end|>\n' }}" + CHAT_TEMPLATE


@pytest.fixture
def dated(tiny_llama_dir: Path, tmp_path: Path) -> Path:
    """A model whose template never renders the same twice."""
    folder = Path(shutil.copytree(tiny_llama_dir, tmp_path / "dated"))
    (folder / "chat_template.jinja").write_text(DATED)
    return folder


def test_a_template_with_a_date_moves_no_query_once_it_is_kept(dated: Path) -> None:
    made = load_model(str(dated), device="cpu")
    later = load_model(str(dated), device="cpu")
    assert later.template.head != made.template.head
    assert later.template.tokenizer == made.template.tokenizer
    again = later.with_template(made.template)
    assert again.template == made.template
    for text in TEXTS:
        assert again.prompt(text) == made.prompt(text) != later.prompt(text)
        assert made.prompt(text) == made.prompt(text)
    assert again.fingerprint == made.fingerprint
    assert again.tail == made.tail
    assert later.template.head != made.template.head  # with_template gives another one


def test_a_template_of_its_own_changes_nothing(tiny: LanguageModel) -> None:
    kept = Template(**json.loads(json.dumps(asdict(tiny.template))))
    again = tiny.with_template(replace(kept, head=tuple(kept.head), tail=tuple(kept.tail)))
    assert [again.prompt(text) for text in TEXTS] == [tiny.prompt(text) for text in TEXTS]


def test_a_template_of_another_tokenizer_is_refused(llama: LanguageModel, gpt2: LanguageModel) -> None:
    with pytest.raises(ModelError, match=r"made with the tokenizer .*…, and tiny-llama has"):
        llama.with_template(gpt2.template)


def test_another_vocabulary_or_other_rules_are_another_tokenizer(tiny_llama_dir: Path, tmp_path: Path) -> None:
    folders = [Path(shutil.copytree(tiny_llama_dir, tmp_path / name)) for name in ("same", "word", "rule", "merge")]
    for folder in folders[1:]:
        file = folder / "tokenizer.json"
        facts = json.loads(file.read_text())
        if folder.name == "word":
            vocab = facts["model"]["vocab"]
            one, two = list(vocab)[300:302]
            vocab[one], vocab[two] = vocab[two], vocab[one]
        elif folder.name == "rule":
            facts["pre_tokenizer"] = {
                "type": "Sequence",
                "pretokenizers": [{"type": "Digits", "individual_digits": True}, facts["pre_tokenizer"]],
            }
        else:
            facts["model"]["merges"] = facts["model"]["merges"][:20]
        file.write_text(json.dumps(facts))
    own = load_model(str(tiny_llama_dir), device="cpu")
    same, *others = (load_model(str(folder), device="cpu") for folder in folders)
    assert same.template == own.template
    assert len({model.template.tokenizer for model in (own, *others)}) == 4
    assert {model.fingerprint for model in others} == {own.fingerprint}


# Threads


def test_special_tokens_stay_plain_text_while_other_threads_render_templates(llama: LanguageModel) -> None:
    typed = f"Hi {EOS} there {BOS}"
    wanted, special = llama.prompt(typed), set(llama.tokenizer.all_special_ids)
    rendered = llama.prompt("Who was Ada Lovelace?")
    stop, wrong = threading.Event(), list[object]()

    def ask(text: str, right: Prompt) -> None:
        while not stop.is_set():
            found = llama.prompt(text)
            if found != right:
                wrong.append(found)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=ask, args=one) for one in ((typed, wanted), ("Who was Ada Lovelace?", rendered)) * 2]
    try:
        for thread in threads:
            thread.start()
        for _ in range(400):
            assert not set(llama.plain_ids(typed)) & special
            assert special & set(llama.tokenizer(typed).input_ids)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(interval)
    assert not wrong


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
