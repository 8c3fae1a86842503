"""Small random models of many architectures: config options beyond those that all share, by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from grace_core.testing.tiny_models import LABELS, make_encoder_tokenizer, make_tokenizer

WIDTH, BLOCKS, HEADS, LENGTH = 32, 4, 4, 128
SHARED: dict[str, Any] = {
    "hidden_size": WIDTH, "intermediate_size": 2 * WIDTH, "num_hidden_layers": BLOCKS, "num_attention_heads": HEADS,
    "num_key_value_heads": 2, "max_position_embeddings": LENGTH, "initializer_range": 0.2,
}  # fmt: skip
EXPERTS: dict[str, Any] = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": WIDTH}
_GPT2 = {"n_embd": WIDTH, "n_layer": BLOCKS, "n_head": HEADS, "n_positions": LENGTH, "initializer_range": 0.2}
_NEO = {
    "hidden_size": WIDTH,
    "num_layers": BLOCKS,
    "num_heads": HEADS,
    "max_position_embeddings": LENGTH,
    "initializer_range": 0.2,
}
_MPT = {"d_model": WIDTH, "n_layers": BLOCKS, "n_heads": HEADS, "max_seq_len": LENGTH, "initializer_range": 0.2}
_RWKV = {"hidden_size": WIDTH, "num_hidden_layers": BLOCKS, "context_length": LENGTH, "attention_hidden_size": WIDTH}
_GEMMA = {"head_dim": 8, "query_pre_attn_scalar": 8}
_MAMBA = {"hidden_size": WIDTH, "num_hidden_layers": BLOCKS, "state_size": 8, "initializer_range": 0.2}
_ENCODER = {name: SHARED[name] for name in SHARED if name != "num_key_value_heads"}

ARCHITECTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaForCausalLM", SHARED),
    "qwen2": ("Qwen2ForCausalLM", SHARED),
    "qwen2-window": ("Qwen2ForCausalLM", SHARED | {"use_sliding_window": True, "sliding_window": 16, "max_window_layers": 2}),
    "qwen3": ("Qwen3ForCausalLM", SHARED | {"head_dim": 8}),
    "qwen2-moe": ("Qwen2MoeForCausalLM", SHARED | EXPERTS | {"shared_expert_intermediate_size": WIDTH}),
    "qwen3-next": (
        "Qwen3NextForCausalLM",
        SHARED | EXPERTS | {
            "head_dim": 8, "linear_num_value_heads": 4, "linear_num_key_heads": 2, "linear_key_head_dim": 8,
            "linear_value_head_dim": 8, "shared_expert_intermediate_size": WIDTH,
        },
    ),
    "gemma": ("GemmaForCausalLM", SHARED | {"head_dim": 8}),
    "gemma2": ("Gemma2ForCausalLM", SHARED | _GEMMA | {"sliding_window": 16}),
    "gemma2-4096": ("Gemma2ForCausalLM", SHARED | _GEMMA | {"sliding_window": 4096}),
    "gemma3": ("Gemma3ForCausalLM", SHARED | _GEMMA | {"sliding_window": 16}),
    "gemma3-8": ("Gemma3ForCausalLM", SHARED | _GEMMA | {"num_hidden_layers": 8, "sliding_window": 4096}),
    "gemma3n": (
        "Gemma3nForCausalLM",
        SHARED | {
            "head_dim": 8, "intermediate_size": [64] * 4, "sliding_window": 16, "vocab_size_per_layer_input": 384,
            "num_kv_shared_layers": 0, "hidden_size_per_layer_input": 8, "laurel_rank": 8,
            "activation_sparsity_pattern": [0.0] * 4,
        },
    ),
    "phi": ("PhiForCausalLM", SHARED),
    "phi3": ("Phi3ForCausalLM", SHARED | {"sliding_window": 16}),
    "mistral": ("MistralForCausalLM", SHARED | {"sliding_window": 4096}),
    "mistral-window": ("MistralForCausalLM", SHARED | {"sliding_window": 8}),
    "ministral": ("MinistralForCausalLM", SHARED | {"head_dim": 8, "sliding_window": 16}),
    "mixtral": ("MixtralForCausalLM", SHARED | {"num_local_experts": 4, "sliding_window": None}),
    "olmo": ("OlmoForCausalLM", SHARED),
    "olmo2": ("Olmo2ForCausalLM", SHARED),
    "olmo3": ("Olmo3ForCausalLM", SHARED | {"sliding_window": 16}),
    "smollm3": ("SmolLM3ForCausalLM", SHARED),
    "granite": ("GraniteForCausalLM", SHARED | {"logits_scaling": 4.0, "residual_multiplier": 0.5}),
    "gpt-neox": ("GPTNeoXForCausalLM", SHARED),
    "pythia": ("GPTNeoXForCausalLM", SHARED | {"use_parallel_residual": False}),
    "gpt-oss": ("GptOssForCausalLM", SHARED | {"head_dim": 8, "num_local_experts": 4, "sliding_window": 16}),
    "opt": ("OPTForCausalLM", SHARED | {"ffn_dim": 64, "word_embed_proj_dim": WIDTH, "init_std": 0.2}),
    "opt-350m": (
        "OPTForCausalLM",
        SHARED | {"ffn_dim": 64, "word_embed_proj_dim": 16, "do_layer_norm_before": False, "init_std": 0.2},
    ),
    "gpt2": ("GPT2LMHeadModel", _GPT2),
    "gpt-neo": ("GPTNeoForCausalLM", _NEO | {"attention_types": [[["global", "local"], 2]], "window_size": 16}),
    "gpt-j": ("GPTJForCausalLM", _GPT2 | {"rotary_dim": 4}),
    "codegen": ("CodeGenForCausalLM", _GPT2 | {"rotary_dim": 4}),
    "bloom": ("BloomForCausalLM", {"hidden_size": WIDTH, "n_layer": BLOCKS, "n_head": HEADS, "initializer_range": 0.2}),
    "falcon": ("FalconForCausalLM", SHARED | {"new_decoder_architecture": False, "alibi": False}),
    "falcon-alibi": ("FalconForCausalLM", SHARED | {"alibi": True, "new_decoder_architecture": False}),
    "mpt": ("MptForCausalLM", _MPT),
    "cohere": ("CohereForCausalLM", SHARED),
    "cohere2": ("Cohere2ForCausalLM", SHARED | {"sliding_window": 16}),
    "stablelm": ("StableLmForCausalLM", SHARED),
    "exaone4": ("Exaone4ForCausalLM", SHARED | {"sliding_window": 16}),
    "lfm2": ("Lfm2ForCausalLM", SHARED | {"layer_types": ["conv", "conv", "full_attention", "conv"], "block_ff_dim": 64}),
    "llama4": (
        "Llama4ForCausalLM",
        SHARED | {
            "head_dim": 8, "intermediate_size_mlp": 64, "num_local_experts": 4, "attention_chunk_size": 16,
            "no_rope_layers": [1, 1, 1, 0],
        },
    ),
    "deepseek-v3": (
        "DeepseekV3ForCausalLM",
        SHARED | {
            "num_key_value_heads": 4, "q_lora_rank": 16, "kv_lora_rank": 16, "qk_rope_head_dim": 4, "v_head_dim": 8,
            "qk_nope_head_dim": 4, "n_routed_experts": 4, "num_experts_per_tok": 2, "n_group": 1, "topk_group": 1,
            "moe_intermediate_size": 32, "first_k_dense_replace": 1,
        },
    ),
    "bert-decoder": ("BertLMHeadModel", _ENCODER | {"is_decoder": True}),
    "mamba": ("MambaForCausalLM", _MAMBA),
    "mamba2": ("Mamba2ForCausalLM", _MAMBA | {"num_heads": 8, "head_dim": 8, "n_groups": 2, "chunk_size": 8}),
    "recurrent-gemma": (
        "RecurrentGemmaForCausalLM",
        SHARED | {
            "lru_width": WIDTH, "head_dim": 8, "attention_window_size": 16,
            "block_types": ["recurrent", "recurrent", "attention"],
        },
    ),
    "rwkv": ("RwkvForCausalLM", _RWKV),
}  # fmt: skip


_PLAIN: dict[str, Any] = {
    "hidden_size": WIDTH, "intermediate_size": 2 * WIDTH, "num_hidden_layers": BLOCKS, "num_attention_heads": HEADS,
    "initializer_range": 0.2,
}  # fmt: skip
_BERT = _PLAIN | {"max_position_embeddings": LENGTH}
_DISTIL = {"dim": WIDTH, "hidden_dim": 64, "n_layers": BLOCKS, "n_heads": HEADS, "max_position_embeddings": LENGTH}
_DEBERTA = _BERT | {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "pooler_hidden_size": WIDTH}
_T5 = {"d_model": WIDTH, "d_kv": 8, "d_ff": 64, "num_layers": BLOCKS, "num_heads": HEADS, "decoder_start_token_id": 0}
_BART = {
    "d_model": WIDTH, "encoder_layers": BLOCKS, "decoder_layers": 2, "encoder_attention_heads": HEADS, "init_std": 0.2,
    "decoder_attention_heads": HEADS, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "max_position_embeddings": LENGTH,
}  # fmt: skip

ENCODERS: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("BertForSequenceClassification", _BERT),
    "roberta": ("RobertaForSequenceClassification", _BERT),
    "xlm-roberta": ("XLMRobertaForSequenceClassification", _BERT),
    "distilbert": ("DistilBertForSequenceClassification", _DISTIL | {"initializer_range": 0.2}),
    "electra": ("ElectraForSequenceClassification", _BERT | {"embedding_size": WIDTH}),
    "mpnet": ("MPNetForSequenceClassification", _BERT),
    "deberta": ("DebertaForSequenceClassification", _DEBERTA),
    "deberta-v2": ("DebertaV2ForSequenceClassification", _DEBERTA | {"position_buckets": 16, "norm_rel_ebd": "layer_norm"}),
    "modernbert": ("ModernBertForSequenceClassification", _BERT | {"local_attention": 16, "initializer_cutoff_factor": 2.0}),
    "modernbert-mean": (
        "ModernBertForSequenceClassification", _BERT | {"local_attention": 16, "classifier_pooling": "mean"},
    ),
    "gpt2-classifier": ("GPT2ForSequenceClassification", _GPT2),
    "llama-classifier": ("LlamaForSequenceClassification", SHARED),
    "t5": ("T5ForConditionalGeneration", _T5),
    "t5-v1.1": ("T5ForConditionalGeneration", _T5 | {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}),
    "mt5": ("MT5ForConditionalGeneration", _T5),
    "bart": ("BartForConditionalGeneration", _BART | {"decoder_start_token_id": 2, "forced_bos_token_id": 1}),
    "mbart": ("MBartForConditionalGeneration", _BART | {"decoder_start_token_id": 2}),
    "pegasus": ("PegasusForConditionalGeneration", _BART | {"decoder_start_token_id": 0}),
    "marian": ("MarianMTModel", _BART | {"decoder_start_token_id": 0}),
}  # fmt: skip
"""Those that read a prompt in an encoder: classifiers, of decoders too, and encoder-decoder models."""


def save(name: str, folder: Path, *, chat: bool = True) -> Path:
    """The model of that name as an ordinary folder."""
    kind, options = ARCHITECTURES[name]
    return save_as(kind, options, folder, chat=chat)


def save_encoder(name: str, folder: Path) -> Path:
    """The model of that name among ENCODERS as an ordinary folder."""
    kind, options = ENCODERS[name]
    tokenizer = make_encoder_tokenizer(head="T5" not in kind)
    ends = {"bos_token_id": 1, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    labels = {"id2label": dict(enumerate(LABELS)), "label2id": {label: i for i, label in enumerate(LABELS)}}
    return _saved(kind, ends | options | (labels if "Classification" in kind else {}), tokenizer, folder)


def save_as(kind: str, options: dict[str, Any], folder: Path, *, chat: bool = True) -> Path:
    """A random model of a transformers class as an ordinary folder."""
    tokenizer = make_tokenizer(chat=chat)
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": 0}
    return _saved(kind, ends | options, tokenizer, folder)


def _saved(kind: str, options: dict[str, Any], tokenizer: Any, folder: Path) -> Path:
    import torch
    import transformers

    from grace_core.models._hf_logging import quiet_transformers

    model_class: Any = getattr(transformers, kind)
    with torch.random.fork_rng(devices=[]), quiet_transformers():
        torch.manual_seed(3)
        model = model_class(model_class.config_class(vocab_size=len(tokenizer), **options)).eval()
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return folder
