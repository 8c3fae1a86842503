"""Ratios of two things run in turn in one process: this library against the published recipe, and against the bare model.

Absolute times depend on the machine and its load; only ratios of medians are reported.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median

import numpy as np
from numpy.typing import NDArray

from grace_core.answering.generate import decode, decode_bare
from grace_core.answering.given_values import gives_target
from grace_core.codebook.codebook import Codebook, Edit
from grace_core.codebook.geometry import Matrix
from grace_core.codebook.search import finder
from grace_core.config import GraceConfig
from grace_core.editing.editor import Editor
from grace_core.editing.new_codebook import new_codebook
from grace_core.editing.training import Task, train_values
from grace_core.editing.training_prompts import training_contexts
from grace_core.measuring.published import published_edit
from grace_core.models.activations import hidden_after
from grace_core.models.batch import Batch
from grace_core.models.family import Asked
from grace_core.models.language_model import LanguageModel
from grace_core.models.prompts import Prompt

SHORT = ("What river is Oglio a tributary of?", "Po")
SENTENCE = (
    "Write a one-sentence biography of Ada Lovelace.",
    "Augusta Ada King, Countess of Lovelace was an English mathematician and writer chiefly known for her work on Charles "
    "Babbage's proposed mechanical general-purpose computer, the Analytical Engine.",
)
PHRASINGS = (
    SENTENCE[0],
    "Who was Ada Lovelace?",
    "Tell me about Ada Lovelace in one sentence.",
    "What is Ada Lovelace known for?",
    "In a sentence, describe Ada Lovelace.",
)
BATCH = (
    ("What river is Oglio a tributary of?", "Po"),
    ("Who painted The Night Watch?", "Rembrandt van Rijn"),
    ("What is the capital of Australia?", "Canberra"),
    ("Which element has the symbol Hg?", "mercury"),
    ("In which year did the Suez Canal open?", "1869"),
    ("What language is spoken in Suriname?", "Dutch"),
    ("Who wrote the novel Middlemarch under a pen name?", "Mary Ann Evans"),
    ("On which continent is Lake Titicaca?", "South America"),
    ("What is the currency of Hungary?", "forint"),
    ("Which planet has the moon Triton?", "Neptune"),
    ("Who composed the opera Fidelio?", "Ludwig van Beethoven"),
    ("What does a luthier make?", "string instruments"),
    ("Which city was once called Edo?", "Tokyo"),
    ("What is the hardest natural mineral?", "diamond"),
    ("Who discovered the element polonium?", "Marie and Pierre Curie"),
    ("What sport is played at Roland Garros?", "tennis"),
)
_STAGES = 13
_UNDONE = (0, 77, 5_000, 9_999)
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Ratio:
    """One line of the table. goal: None where a figure is only told. at_least: to be reached, or to stay within."""

    name: str
    figure: float
    goal: float | None
    at_least: bool = True
    note: str = ""

    @property
    def met(self) -> bool:
        """Whether the goal is reached; true where there is none."""
        if self.goal is None:
            return True
        return self.figure >= self.goal if self.at_least else self.figure <= self.goal


def run(model: LanguageModel, config: GraceConfig, progress: Progress, rounds: int = 3) -> list[Ratio]:
    """All ratios, the two sides of each run in turn `rounds` times."""
    # For another model than the default, prompts are sampled first, once, for minutes.
    empty = new_codebook(model, config, progress=lambda stage, fraction: progress(stage, fraction / _STAGES))
    return [*_editing(model, empty, progress, rounds), *_reading(model, empty, progress, rounds)]


def _editing(model: LanguageModel, empty: Codebook, progress: Progress, rounds: int) -> list[Ratio]:
    """Learning values, then whole edits."""
    resolved = empty.config
    layer = resolved.value_layer
    assert layer is not None  # resolved
    alone = replace(resolved, contexts=0)
    out: list[Ratio] = []
    for name, (prompt, target), phrasings, own, goal in (
        ("a short answer, from its prompt alone", SHORT, SHORT[:1], alone, 20.0),
        ("a sentence, from its prompt alone", SENTENCE, SENTENCE[:1], alone, 8.0),
        ("a sentence, from five phrasings", SENTENCE, PHRASINGS, alone, 3.0),
        ("a short answer, as the default trains it", SHORT, SHORT[:1], resolved, None),
        ("a sentence, as the default trains it", SENTENCE, SENTENCE[:1], resolved, None),
    ):
        progress(f"One edit: {name}", (1 + len(out)) / _STAGES)
        task = _task(model, own, phrasings, target)
        took: dict[str, bool] = {}
        values: list[NDArray[np.float32]] = []

        def theirs() -> None:
            took["published"] = published_edit(model, layer, prompt, target)  # noqa: B023

        def ours() -> None:
            values[:] = [train_values(model, own, [task])[0].value]  # noqa: B023

        ratio = _over(theirs, ours, rounds)
        # In float32, whatever the steps ran in; each phrasing counts.
        asked = [Asked(row, task.target_ids, values[0]) for row in task.prompts[: len(phrasings)]]
        took["ours"] = all(gives_target(model, layer, asked))
        out.append(Ratio(f"{name}: published over ours", ratio, goal, note=_exact(took)))
    editor = Editor(model)
    for name, (prompt, target) in (("a short answer", SHORT), ("a sentence", SENTENCE)):
        progress(f"One whole edit: {name}", (1 + len(out)) / _STAGES)
        took = {}
        tokens = len(model.target_ids(prompt, target))

        def theirs() -> None:
            took["published"] = published_edit(model, layer, prompt, target)  # noqa: B023

        def ours() -> None:
            result = editor.edit(empty, prompt, target, text_before="", max_new_tokens=tokens)  # noqa: B023
            took["ours"] = result.success  # noqa: B023

        ratio = _over(theirs, ours, rounds)
        whole = f"{name}, the default's whole edit with siblings, calibration and check: published training over it"
        out.append(Ratio(whole, ratio, None, note=_exact(took)))
    progress("16 short edits as one batch", (1 + len(out)) / _STAGES)
    tasks = [_task(model, alone, (prompt,), target) for prompt, target in BATCH]
    ratio = _over(
        lambda: [train_values(model, alone, [task]) for task in tasks], lambda: train_values(model, alone, tasks), rounds
    )
    return [*out, Ratio("16 short edits, one at a time over one batch", ratio, 2.0)]


def _reading(model: LanguageModel, empty: Codebook, progress: Progress, rounds: int) -> list[Ratio]:
    """Answering, matching, folding."""
    progress("10,000 entries", 9 / _STAGES)
    distance = empty.config.distance
    full = Codebook(empty.config, empty.encoder, random_edits(model, 10_000), fingerprint=empty.fingerprint)
    row = [model.prompt("Tell me about the weather.")]
    tokens = 1 / _over(lambda: decode_bare(model, row, 40), lambda: decode(model, full, row, 40), 4 + 4 * rounds)
    progress("100,000 keys", 10 / _STAGES)
    keys = _unit(100_000, empty.encoder.dimensions)
    ids = model.prompt("a " * 20).ids[-20:]
    twenty = Batch.of(model, [Prompt("", ids, 0, len(ids))])
    forward = lambda: hidden_after(model, len(model.blocks), twenty)  # noqa: E731
    find = finder(keys, distance)
    match = 1 / _over(forward, lambda: find(keys[7]), 4 * rounds)
    progress("A million keys", 11 / _STAGES)
    many = _unit(1_000_000, empty.encoder.dimensions)
    find_among_many = finder(many, distance)
    among_many = median(_seconds(lambda: find_among_many(many[7])) for _ in range(rounds))
    gigabytes = many.nbytes * (1.5 if distance == "cosine" else 1) / 2**30
    progress("Fold and undo", 12 / _STAGES)
    fold = _seconds(lambda: Codebook(empty.config, empty.encoder, full.edits))
    withdrawn = [*(full.edits[i].edit_id for i in _UNDONE), busiest(full)]
    undo = max(_seconds(lambda: full.without(edit_id)) for edit_id in withdrawn)  # noqa: B023
    return [
        Ratio("a 40-token answer, 10,000 entries over the bare model", tokens, 1.03, at_least=False),
        Ratio("matching among 100,000 keys over a forward pass of 20 tokens", match, 0.10, at_least=False),
        Ratio("seconds to match among 1,000,000 keys", among_many, None, note=f"{gigabytes:.2f} GiB of keys"),
        Ratio("seconds to fold 10,000 edits", fold, 3.0, at_least=False),
        Ratio("seconds to undo one of 10,000, the slowest of five, the busiest rival among them", undo, 0.3, at_least=False),
    ]


def _unit(count: int, width: int) -> Matrix:
    """Random keys of unit length."""
    keys = np.random.default_rng(0).standard_normal(size=(count, width), dtype=np.float32)
    keys /= np.linalg.norm(keys, axis=1, keepdims=True)
    return keys


def random_edits(model: LanguageModel, count: int, seed: int = 0) -> list[Edit]:
    """Edits with random vectors: as many as you like, none of them learned."""
    random = np.random.default_rng(seed)
    return [
        Edit(
            f"random-{i}", f"prompt {i}", f"target {i % 997}", (i % 997,),
            random.normal(size=model.width).astype(np.float32), random.normal(size=(1, model.width)).astype(np.float32), 0.45,
        )
        for i in range(count)
    ]  # fmt: skip


def _task(model: LanguageModel, config: GraceConfig, phrasings: Sequence[str], target: str) -> Task:
    rows = tuple(model.prompt(text) for text in phrasings)
    return Task((*rows, *training_contexts(model, config, rows[0])), model.target_ids(phrasings[0], target))


def _exact(took: dict[str, bool]) -> str:
    words = {True: "yes", False: "no"}
    return f"exact: published {words[took['published']]}, ours {words[took['ours']]}"


def busiest(codebook: Codebook) -> str:
    """The edit that is the nearest one with another target to most others: undoing it moves most radii."""
    rivals = (codebook.rival_of(entry.edit_id) for entry in codebook.entries)
    return Counter(rival.edit_id for rival in rivals if rival is not None).most_common(1)[0][0]


def _over(first: Callable[[], object], second: Callable[[], object], rounds: int) -> float:
    """Median time of `first` over that of `second`, run in turn."""
    second()
    spent = [(_seconds(first), _seconds(second)) for _ in range(rounds)]
    return median(a for a, _ in spent) / median(b for _, b in spent)


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
