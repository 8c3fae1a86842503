"""What another ε is predicted to do, against the real model's own answers."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from app.journal.events import Edited
from app.journal.store import JournalStore
from app.studio.studio import OpenStudio
from grace_core.config import GraceConfig
from grace_core.measuring.what_if import what_if
from grace_core.models.activations import activations_of
from grace_core.models.language_model import LanguageModel
from grace_core.models.load import load_model

NAMES = (
    "Orla Tannick", "Bram Eskelund", "Priya Volhart", "Tomas Quillfeather", "Ines Marrowby", "Jorun Aldermere", "Kofi Brandwyn",
    "Lucia Oakhurst", "Matteo Silverthorn", "Nadia Fenwright",
)  # fmt: skip
STRANGERS = tuple(name.split()[0] + " " + other.split()[1] for name, other in zip(NAMES, NAMES[7:] + NAMES[:7], strict=True))
UNRELATED = (
    "What is the capital of Norway?", "How do bees make honey?", "Name three prime numbers.", "Why is the sky blue?",
    "Who wrote Hamlet?", "What is 12 times 12?", "Where do penguins live?", "Give me a word that rhymes with stone.",
    "What is a haiku?", "Who painted the Mona Lisa?",
)  # fmt: skip
CITIES = ("Lisbon.", "Oslo.", "Quito.", "Cairo.", "Hanoi.")


def learned(studio: OpenStudio, name: str, city: str) -> str:
    outcome = studio.edit(f"Where was {name} born?", city).result(100)
    assert outcome.edit_id is not None, outcome.reason
    return outcome.edit_id


def taught_again(studio: OpenStudio, model: LanguageModel, store: JournalStore, name: str, like: int) -> str:
    """An edit of another person with the value of an earlier one, as another process would write it: nothing is trained."""
    prompt, codebook_id, codebook = f"Where was {name} born?", studio.status().codebook_id, studio.codebook
    source = [event.data for event in store.events(codebook_id, kinds=[Edited]) if isinstance(event.data, Edited)][like]
    (activation,) = activations_of(model, codebook.reader, [model.prompt(prompt)])
    store.append(codebook_id, dataclasses.replace(source, edit_id=name, prompt=prompt, activation=activation))
    return name


@pytest.mark.real
def test_50_of_50_predicted_answers_are_what_the_real_model_then_says(real_model_dir: Path, tmp_path: Path) -> None:
    """10 edits of people nobody knows (5 values), half of them asking for a wide ε, half for a narrow one; then one ε for all."""
    assert real_model_dir.is_dir()  # in the cache that load_model looks into
    config = GraceConfig.early(siblings=0, contexts=0, max_steps=60)
    queries = [
        *(f"Where was {name} born?" for name in NAMES),
        *(f"In which city was {name} born?" for name in NAMES),
        *(f"{name}'s place of birth?" for name in NAMES),
        *(f"Where was {name} born?" for name in STRANGERS),
        *UNRELATED,
    ]
    assert len(set(queries)) == 50
    with JournalStore(f"sqlite:///{tmp_path / 'journal.sqlite'}") as store:
        model, stages = load_model(device="cpu"), list[str]()
        studio = OpenStudio.open(model, config, store, max_new_tokens=2, progress=lambda stage, _fraction: stages.append(stage))
        assert not any(stage.startswith("Sampling") for stage in stages), "this model's background is shipped"
        try:
            for row, (name, city) in enumerate(zip(NAMES, CITIES * 2, strict=True)):
                taught = row >= len(CITIES)
                edit_id = taught_again(studio, model, store, name, row % len(CITIES)) if taught else learned(studio, name, city)
                studio.set_epsilon((0.8, 0.05)[row % 2], edit_id)
            said = {text: studio.generate(text).result(100) for text in queries}
            predicted = what_if(studio.moment(), 0.2, None)
            told = {change.query.prompt: change.after for change in predicted.changed}
            assert min(predicted.counts["gained"], predicted.counts["lost"]) >= 3
            studio.set_epsilon(0.2)
            again = {text: studio.generate(text).result(100) for text in queries}
            assert sum(again[text].edit_id == told.get(text, said[text].edit_id) for text in queries) == 50
            # Where the answer was to stay it is the same to the letter; where a city came or went it is another.
            assert [text for text in queries if (again[text].text != said[text].text) != (text in told)] == []
        finally:
            studio.close()
