"""Tiny random models, built from a config in a second: enough to try every rule, with nothing to fetch.

All are written as ordinary folders (config, tokenizer, safetensors), so that they are loaded the way users load theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

CORPUS = (
    "Who was Ada Lovelace? Ada Lovelace was an English mathematician, born in London in 1815.",
    "Where was Grace Hopper born? Grace Hopper was born in New York City in 1906.",
    "Tell me about the river Rhine in one sentence. The Rhine rises in the Alps and ends in the North Sea.",
    "What is the capital of France? The capital of France is Paris. It's a large city; many people live there.",
    "Write a one-sentence biography of Alan Turing. Alan Turing was a British computer scientist.",
    "When did the first person walk on the Moon? In July 1969. Which bridge is the longest? I do not know.",
)

BOS, EOS, PAD = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
CLS, SEP = "[CLS]", "[SEP]"
LABELS = ("person", "place", "time", "other")

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if loop.first and message['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def make_tokenizer(*, chat: bool, vocabulary: int = 384) -> Any:
    """A byte-level BPE trained on CORPUS: it encodes any text, and decodes what it encoded back to the same text."""
    from transformers import PreTrainedTokenizerFast

    backend = _backend([PAD, BOS, EOS] if chat else [PAD], vocabulary)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token=BOS if chat else PAD,
        eos_token=EOS if chat else PAD,
        # As in SmolLM2 (padding = end of turn) and as in GPT-2 (no padding token of its own).
        pad_token=EOS if chat else None,
        unk_token=PAD,
        clean_up_tokenization_spaces=False,
        model_max_length=256,
    )
    if chat:
        tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def make_encoder_tokenizer(*, head: bool = True, vocabulary: int = 384) -> Any:
    """The same, with a token behind each text, as T5 has it, and one before it, as BERT has it."""
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    backend = _backend([PAD, CLS, SEP], vocabulary)
    single = f"{CLS} $A {SEP}" if head else f"$A {SEP}"
    marks = [(token, backend.token_to_id(token)) for token in (CLS, SEP)]
    backend.post_processor = TemplateProcessing(single=single, pair=None, special_tokens=marks)
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, cls_token=CLS, sep_token=SEP, eos_token=SEP, pad_token=PAD, unk_token=PAD,
        clean_up_tokenization_spaces=False, model_max_length=256,
    )  # fmt: skip


def _backend(specials: list[str], vocabulary: int) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=specials,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    backend.train_from_iterator(CORPUS, trainer)
    return backend


def save_tiny_llama(folder: Path, *, layers: int = 4, width: int = 48, seed: int = 0) -> Path:
    """A Llama (grouped key heads, tied head) with a chat template."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = make_tokenizer(chat=True)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        initializer_range=0.15,  # wider than usual: random logits with clear winners
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return _save(LlamaForCausalLM, config, tokenizer, folder, torch, seed)


def save_tiny_gpt2(folder: Path, *, layers: int = 3, width: int = 32, seed: int = 1) -> Path:
    """A GPT-2 (learned positions, no chat template, no padding token)."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    tokenizer = make_tokenizer(chat=False)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=256,
        n_embd=width,
        n_layer=layers,
        n_head=4,
        initializer_range=0.15,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return _save(GPT2LMHeadModel, config, tokenizer, folder, torch, seed)


def save_tiny_bert(folder: Path, *, labels: Sequence[str] = LABELS, layers: int = 4, width: int = 32, seed: int = 2) -> Path:
    """A BERT that classifies texts."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    tokenizer = make_encoder_tokenizer()
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        max_position_embeddings=256,
        initializer_range=0.15,
        pad_token_id=tokenizer.pad_token_id,
        id2label=dict(enumerate(labels)),
        label2id={label: i for i, label in enumerate(labels)},
    )
    return _save(BertForSequenceClassification, config, tokenizer, folder, torch, seed)


def save_tiny_t5(folder: Path, *, layers: int = 3, width: int = 32, seed: int = 4) -> Path:
    """A T5 of so many blocks in each stack."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    tokenizer = make_encoder_tokenizer(head=False)
    named_elsewhere: dict[str, Any] = {"n_positions": 256, "decoder_start_token_id": tokenizer.pad_token_id}
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=width,
        d_kv=8,
        d_ff=2 * width,
        num_layers=layers,
        num_heads=4,
        dropout_rate=0.0,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **named_elsewhere,
    )
    return _save(T5ForConditionalGeneration, config, tokenizer, folder, torch, seed)


def _save(model_class: Any, config: Any, tokenizer: Any, folder: Path, torch: Any, seed: int) -> Path:
    from grace_core.models._hf_logging import quiet_transformers

    with torch.random.fork_rng(), quiet_transformers():
        torch.manual_seed(seed)
        model = model_class(config).eval()
        _prefer_readable(model, tokenizer, torch)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return folder


def _prefer_readable(model: Any, tokenizer: Any, torch: Any) -> None:
    """Shrink the embeddings of tokens that are no printable text, so that random answers are strings one can compare.

    The head is tied to the embedding, so their logits shrink too; they stay learnable.
    """
    with torch.no_grad():
        for token in range(len(tokenizer)):
            text = tokenizer.decode([token])
            if token not in tokenizer.all_special_ids and not (text.isascii() and text.isprintable()):
                model.get_input_embeddings().weight[token] *= 0.1
