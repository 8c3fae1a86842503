"""The tiny model that ships with the library: the example in its docstring runs, and it is the same one every time."""

from __future__ import annotations

import textwrap

import grace_core.testing
from grace_core.models.language_model import LanguageModel
from grace_core.testing import ANSWERS, NAMES, taught_model


def test_the_printed_example_runs_and_the_model_is_the_same_every_time(taught: LanguageModel) -> None:
    text = grace_core.testing.__doc__
    assert text is not None
    names: dict[str, object] = {}
    exec(textwrap.dedent(text.split("\n\n", 1)[1]), names)
    model = names["model"]
    assert isinstance(model, LanguageModel)
    assert (model.fingerprint, model.template) == (taught.fingerprint, taught.template)
    assert model.cache_dir is None


def test_every_public_name_is_there() -> None:
    assert all(hasattr(grace_core.testing, name) for name in grace_core.testing.__all__)
    assert len(ANSWERS) == len(NAMES)
    assert callable(taught_model)
