"""Studios on one journal file and a tiny model that was taught a few sentences, and what tests say of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from app.journal.events import Calibrated, Edited, EventData, StoredEvent
from app.journal.state.journal_state import JournalState
from app.journal.store import JournalStore
from app.studio.studio import OpenStudio
from app.studio.views import EditOutcome
from grace_core.codebook.codebook import Codebook
from grace_core.codebook.encoder import Encoder
from grace_core.config import GraceConfig
from grace_core.editing.editor import Editor, EditResult
from grace_core.editing.fitting import Calibration, encoder_of
from grace_core.models.language_model import LanguageModel
from grace_core.testing import first_step
from grace_core.testing.taught import ANSWERS
from tests.grace_core.builders import assert_same
from tests.grace_core.running import edit_for

PROMPT = "Who was Ada Lovelace?"
OTHER = "Where is Paris now?"
THIRD = "Describe the Moon."
SMALL: dict[str, Any] = {"siblings": 0, "contexts": 0, "directions": 16, "epsilon": 0.1}
HOPELESS = "Zq7 #vW ~~ kJ?! xX0 {} Yu8 /)= Pp" * 2
"""What the tiny model cannot be made to say, so that learning it goes on until it is called off."""
SOON = 60.0


class Journal:
    """Studios on one journal file, each with a store of its own, as in different processes.

    meanwhile: happens once, when the next edit has been learned and its result is not taken yet.
    """

    def __init__(self, model: LanguageModel, folder: Path) -> None:
        self.model, self.url = model, f"sqlite:///{folder / 'journal.db'}"
        self.meanwhile: Callable[[], object] | None = None
        self._open: list[tuple[OpenStudio, JournalStore]] = []

    def config(self, **overrides: Any) -> GraceConfig:
        return GraceConfig.early(**(SMALL | overrides)).resolved(len(self.model.blocks))

    def codebook_id(self, store: JournalStore, **overrides: Any) -> str:
        config = self.config(**overrides).identity()
        return store.codebook_id(fingerprint=self.model.fingerprint, model_name=self.model.name, config=config)

    def open(
        self, store: JournalStore | None = None, *, calibrate: bool = True, max_new_tokens: int = 16, **overrides: Any
    ) -> OpenStudio:
        """`calibrate`: begin the journal with a small background, where the product would sample one for seconds."""
        store = store or JournalStore(self.url)
        own = self.codebook_id(store, **overrides)
        if calibrate and not store.last_seq(own):
            step = first_step(self.model, self.config(**overrides))
            store.append(own, Calibrated(step.version, step.reason, step.prompts, step.activations))
        studio = OpenStudio.open(self.model, self.config(**overrides), store, max_new_tokens=max_new_tokens, editor=self._editor)
        self._open.append((studio, store))
        return studio

    def write(self, *data: EventData, **overrides: Any) -> None:
        """As another process would."""
        with JournalStore(self.url) as store:
            store.append(self.codebook_id(store, **overrides), *data)

    def events(self, **overrides: Any) -> list[StoredEvent]:
        with JournalStore(self.url) as store:
            return list(store.events(self.codebook_id(store, **overrides)))

    def folded(self, **overrides: Any) -> Codebook:
        """The codebook that a fresh reader of the journal gets."""
        state = JournalState.of(self.events(**overrides))
        weighed = len(state.query_space.weighed)
        steps = [Calibration(c.version, c.reason, c.prompts, c.activations, weighed) for c in state.calibrations]
        config = state.query_space.config(self.config(**overrides))
        encoder = encoder_of(self.model, config, steps)
        return Codebook(config, encoder, state.active_edits(), fingerprint=self.model.fingerprint)

    def _editor(self, model: LanguageModel) -> Editor:
        return Interruptible(model, self._learned)

    def _learned(self) -> None:
        then, self.meanwhile = self.meanwhile, None
        if then is not None:
            then()

    def close(self) -> None:
        for studio, store in self._open:
            studio.close()
            store.close()
        self._open = []


def said(studio: OpenStudio, prompt: str) -> str:
    return studio.generate(prompt).result(SOON).text


def other_than(*texts: str) -> str:
    return next(answer for answer in ANSWERS if answer not in texts)


def edited(studio: OpenStudio, prompt: str = PROMPT, target: str | None = None, **options: Any) -> EditOutcome:
    """A real edit that takes."""
    outcome = studio.edit(prompt, target or other_than(said(studio, prompt)), **options).result(SOON)
    assert outcome.success, outcome.reason
    return outcome


def id_of(outcome: EditOutcome) -> str:
    assert outcome.edit_id is not None
    return outcome.edit_id


def event_of(
    model: LanguageModel, codebook: Codebook, prompt: str, target: str, edit_id: str, seed: int, reading: str = ""
) -> Edited:
    """An edit whose value was drawn, not learned: the journal of somebody else."""
    edit = edit_for(model, codebook, prompt, target, edit_id=edit_id, seed=seed)
    return Edited(
        edit_id=edit_id, query_id=None, prompt=edit.prompt, target=edit.target, target_ids=edit.target_ids, paraphrases=(),
        source_url="", text_before="", text_after="", change={"kind": "added", "sentence": "Added."},
        requested_epsilon=edit.epsilon, losses=(), seconds=0.0, activation=edit.activation, value=edit.value, reading=reading,
    )  # fmt: skip


def assert_same_encoder(one: Encoder, other: Encoder) -> None:
    assert (one.dimensions, one.version, one.weights) == (other.dimensions, other.version, other.weights)
    for a, b in ((one.mean, other.mean), (one.projection, other.projection)):
        assert (a is None) == (b is None)
        assert a is None or b is None or a.tobytes() == b.tobytes()


def assert_is_the_journals(journal: Journal, studio: OpenStudio, **overrides: Any) -> None:
    """The live snapshot is, bit for bit, a fresh fold of the journal."""
    fresh = journal.folded(**overrides)
    assert_same(studio.codebook, fresh)
    assert_same_encoder(studio.codebook.encoder, fresh.encoder)
    events = journal.events(**overrides)
    assert studio.revision() == events[-1].seq


class Interruptible(Editor):
    """An editor that, when it has learned, lets something happen before its result is taken."""

    def __init__(self, model: LanguageModel, then: Callable[[], object]) -> None:
        super().__init__(model)
        self.then = then

    def edit(self, *arguments: Any, **options: Any) -> EditResult:
        result = super().edit(*arguments, **options)
        self.then()
        return result


class Contended(JournalStore):
    """A store to which others write just before this one does, as often as there are `others`."""

    others: Sequence[Callable[[], object]] = ()

    def append(self, *arguments: Any, **options: Any) -> tuple[StoredEvent, ...]:
        if self.others:
            first, *self.others = self.others
            first()
        return super().append(*arguments, **options)
