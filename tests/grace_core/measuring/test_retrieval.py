"""The nearest edited prompt's stored text, within ε; and a sentence encoder from a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from grace_core.codebook.geometry import Matrix
from grace_core.config import GraceConfig
from grace_core.errors import InputError, ModelError
from grace_core.measuring.measures import Case, Share
from grace_core.measuring.retrieval import retrieved, sentence_encoder
from grace_core.models.language_model import LanguageModel

CONFIG = GraceConfig.paper(epsilon=0.3)
CASES = (
    Case("who was Ada", "Ada.", {"gen_exact": ("Ada who was", "who is Ada")}, {"other_question_unchanged": ("where was Ada",)}),
    Case("where is Paris", "Here.", {"gen_exact": ("who was Paris",)}),
)


def words(texts: Sequence[str]) -> Matrix:
    """Bags of words of unit length."""
    known = ("who", "was", "ada", "where", "is", "paris", "sing")
    rows = np.array([[text.lower().split().count(word) for word in known] for text in texts], dtype=np.float32)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_what_is_near_is_answered_with_the_nearest_text_and_the_rest_is_left(taught: LanguageModel) -> None:
    report = retrieved(
        taught, CONFIG, "zsre", CASES, words, "words", elsewhere={"locality": ("sing",)}, epsilons=(0.3, 0.4)
    )  # fmt: skip
    assert (report.mode, report.model, report.keys) == ("retrieval", "words", 2)
    assert report.shares["es_exact"] == Share(2, 2)
    assert report.shares["gen_exact"] == Share(1, 3)
    assert report.shares["other_question_unchanged"] == report.shares["locality"] == Share(1, 1)
    # Two of three words in common: 1/3 away.
    assert report.curve[0.3] == report.shares
    assert report.curve[0.4]["gen_exact"] == Share(2, 3)
    assert report.curve[0.4]["wrong_edit"] == Share(1, 3)
    assert report.curve[0.4]["other_question_unchanged"] == Share(0, 1)


def test_of_equal_prompts_the_last_counts_and_empty_ones_are_left_out(taught: LanguageModel) -> None:
    report = retrieved(taught, CONFIG, "zsre", (*CASES, Case("who was Ada", "Else."), Case("sing", " ")), words, "words")
    assert (report.keys, report.shares["es_exact"]) == (2, Share(2, 4))
    with pytest.raises(InputError, match="nothing to retrieve"):
        retrieved(taught, CONFIG, "zsre", (Case("sing", " "),), words, "words")


def test_an_encoder_pools_its_last_states_without_padding(tmp_path: Path) -> None:
    from transformers import BertConfig, BertModel, BertTokenizer

    (tmp_path / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "who", "was", "ada"]))
    config = BertConfig(
        vocab_size=8, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, max_position_embeddings=32
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertModel(config).save_pretrained(tmp_path)
    BertTokenizer(vocab_file=str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    encode = sentence_encoder(tmp_path)
    together = encode(["who", "who was ada", "ada was"])
    assert np.linalg.norm(together, axis=1) == pytest.approx(np.ones(3), abs=1e-5)
    assert together == pytest.approx(np.concatenate([encode([text]) for text in ("who", "who was ada", "ada was")]), abs=1e-5)
    assert abs(together[0] - together[1]).max() > 1e-3


def test_a_folder_without_an_encoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds no sentence encoder"):
        sentence_encoder(tmp_path)
