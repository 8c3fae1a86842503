"""A tiny taught model for tests and printed examples: built in seconds, the same every time, nothing to download.

from grace_core import Editor, generate
from grace_core.testing import calibrated, taught_model

model = taught_model()
result = Editor(model).edit(calibrated(model), "Who was Ada Lovelace?", "a mathematician.")
assert generate(model, result.codebook, "Who was Ada Lovelace?").text == "a mathematician."
"""

from grace_core.testing.codebooks import BACKGROUND, calibrated, first_step
from grace_core.testing.taught import ANSWERS, NAMES, PHRASES, taught_model, teach
from grace_core.testing.tiny_models import (
    LABELS,
    make_encoder_tokenizer,
    make_tokenizer,
    save_tiny_bert,
    save_tiny_gpt2,
    save_tiny_llama,
    save_tiny_t5,
)

__all__ = [
    "ANSWERS",
    "BACKGROUND",
    "LABELS",
    "NAMES",
    "PHRASES",
    "calibrated",
    "first_step",
    "make_encoder_tokenizer",
    "make_tokenizer",
    "save_tiny_bert",
    "save_tiny_gpt2",
    "save_tiny_llama",
    "save_tiny_t5",
    "taught_model",
    "teach",
]
