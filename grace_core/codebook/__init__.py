"""Codebook, geometry, search, encoder and file: numpy only, no torch, no model.

A codebook file can be read and matched where neither torch nor transformers is installed:

    codebook = read_codebook("ada.safetensors")
    match = codebook.match(codebook.encoder(activations))  # activations: (queries, width) float32, pooled hidden states
"""

from grace_core.codebook.change import Change, Cut, Shrunk, describe_change
from grace_core.codebook.codebook import Codebook, Edit, Entry, Match, Rival, checked_epsilon
from grace_core.codebook.encoder import Background, Encoder
from grace_core.codebook.file import load_codebook, read_codebook, save_codebook
from grace_core.codebook.template import Template
from grace_core.codebook.token_weights import TokenWeights

__all__ = [
    "Background",
    "Change",
    "Codebook",
    "Cut",
    "Edit",
    "Encoder",
    "Entry",
    "Match",
    "Rival",
    "Shrunk",
    "Template",
    "TokenWeights",
    "checked_epsilon",
    "describe_change",
    "load_codebook",
    "read_codebook",
    "save_codebook",
]
