"""GRACE editing of a frozen language model: load, edit, generate, save, load, undo.

README.md shows all of it in ten lines. Names are imported when they are first used, so that a command line that only
prints its help does not load torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grace_core.answering.generate import Generation, generate, generate_batch
    from grace_core.codebook import Codebook, Edit, Entry, Match, load_codebook, read_codebook, save_codebook
    from grace_core.config import GraceConfig
    from grace_core.editing.editor import Editor, EditResult
    from grace_core.editing.new_codebook import new_codebook
    from grace_core.errors import CodebookError, GraceError, InputError, ModelError
    from grace_core.models.language_model import LanguageModel
    from grace_core.models.load import load_model

_HOMES = {
    "editing.new_codebook": ("new_codebook",),
    "codebook": ("Codebook", "Edit", "Entry", "Match", "load_codebook", "read_codebook", "save_codebook"),
    "config": ("GraceConfig",),
    "editing.editor": ("EditResult", "Editor"),
    "errors": ("CodebookError", "GraceError", "InputError", "ModelError"),
    "answering.generate": ("Generation", "generate", "generate_batch"),
    "models.language_model": ("LanguageModel",),
    "models.load": ("load_model",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Codebook",
    "CodebookError",
    "Edit",
    "EditResult",
    "Editor",
    "Entry",
    "Generation",
    "GraceConfig",
    "GraceError",
    "InputError",
    "LanguageModel",
    "Match",
    "ModelError",
    "generate",
    "generate_batch",
    "load_codebook",
    "load_model",
    "new_codebook",
    "read_codebook",
    "save_codebook",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its module."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'grace_core' has no attribute {name!r}")
    return getattr(import_module(f"grace_core.{_HOME_OF[name]}"), name)
