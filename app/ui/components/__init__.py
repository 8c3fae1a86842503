"""Parts that several pages share: a value function (pure), a `gr.HTML` that draws it, a script and a style beside it.

The parts of one page stand in its own folder.

Scripts build the DOM with `textContent` only: prompts and model output are untrusted.
"""

from __future__ import annotations

import itertools
from functools import cache
from importlib.resources import files

drawing_number = itertools.count(1).__next__
"""A new number for each drawing of a list: an action that failed leaves its rows equal, and the button must be freed."""


@cache
def asset(name: str) -> str:
    """The text of a style; `name` is its path inside app/ui."""
    return (files("app.ui") / name).read_text(encoding="utf-8")
