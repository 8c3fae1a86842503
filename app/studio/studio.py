"""The studio: services side by side over one journal, each given what it needs. Here they are put together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from app.journal.store import JournalStore
from app.studio.answers import Answers
from app.studio.edits import Edits
from app.studio.epsilon import Epsilon
from app.studio.listing import Listing
from app.studio.live import LiveCodebook
from app.studio.measurements import Measurements
from app.studio.model_thread import ModelThread
from app.studio.query_space import QuerySpaces
from app.studio.views import Status
from grace_core.answering.generate import MAX_NEW_TOKENS
from grace_core.codebook.codebook import Codebook
from grace_core.config import GraceConfig
from grace_core.editing.editor import Editor
from grace_core.models.language_model import LanguageModel


class OpenStudio:
    """A `Studio` over an open journal: each of its methods is that of the service which does it.

    live: the journal in use, which pages do not see.
    """

    def __init__(
        self, live: LiveCodebook, *, data_dir: Path | None = None,
        max_new_tokens: int = MAX_NEW_TOKENS, in_context: bool = False,
        editor: Callable[[LanguageModel], Editor] = Editor,
    ) -> None:  # fmt: skip
        """Start the model's thread. Without a model, all works that needs none; `attach` brings it later.

        data_dir: shown in the status line; else it says where the journal is.
        in_context: whether facts are put before prompts (`generate`) where whoever asks does not say.
        """
        self.live = live
        self._thread = thread = ModelThread(live.model)
        self._data_dir, self._in_context = data_dir, in_context
        answers = Answers(live, thread, max_new_tokens, in_context)
        self.generate, self.try_prompt, self.answer = answers.generate, answers.try_prompt, answers.answer
        self.mark, self.replace_mark, self.unmark, self.marks = answers.mark, answers.replace_mark, answers.unmark, answers.marks
        edits = Edits(live, thread, editor, max_new_tokens)
        self.edit, self.undo, self.redo = edits.edit, edits.undo, edits.redo
        listing = Listing(live)
        self.edits, self.edits_mark, self.detail = listing.edits, listing.edits_mark, listing.detail
        self.map_view, self.map_moment, self.undone_keys = listing.map_view, listing.map_moment, listing.undone_keys
        epsilon = Epsilon(live, thread)
        self.moment, self.set_epsilon, self.yardstick = epsilon.moment, epsilon.set_epsilon, epsilon.yardstick
        self.fit_epsilon = epsilon.fit_epsilon
        self.undo_epsilon, self.redo_epsilon = epsilon.undo_epsilon, epsilon.redo_epsilon
        self.epsilon_changes = epsilon.epsilon_changes
        self._spaces = spaces = QuerySpaces(live, thread)
        self.query_space, self.query_spaces, self.calibrated_on = spaces.query_space, spaces.query_spaces, spaces.calibrated_on
        self.foresee_query_space, self.use_query_space = spaces.foresee_query_space, spaces.use_query_space
        self.return_to = spaces.return_to
        self.foresee_learned, self.use_learned = spaces.foresee_learned, spaces.use_learned
        measurements = Measurements(thread, lambda: live.now().codebook, epsilon.moment, spaces.calibrated_on)
        self.anatomy, self.scan, self.sweep = measurements.anatomy, measurements.scan, measurements.sweep
        self.leave, self.close = thread.leave, thread.close

    @classmethod
    def open(
        cls, model: LanguageModel, config: GraceConfig, store: JournalStore, *,
        data_dir: Path | None = None, max_new_tokens: int = MAX_NEW_TOKENS, in_context: bool = False,
        editor: Callable[[LanguageModel], Editor] = Editor,
        progress: Callable[[str, float], None] = lambda stage, fraction: None,
    ) -> OpenStudio:  # fmt: skip
        """Read the journal of this model and these layers, or begin one. `config` need not be resolved.

        The store stays its opener's; `close` ends the model's thread alone.
        """
        live = LiveCodebook.of_model(store, model, config, progress)
        return cls(live, data_dir=data_dir, max_new_tokens=max_new_tokens, in_context=in_context, editor=editor)

    def attach(self, model: LanguageModel) -> None:
        """Read and answer prompts with this model from now on.

        Raises:
            StudioError: it is another model than the codebook's.
        """
        self._thread.attach(self.live.attach(model))

    @property
    def codebook(self) -> Codebook:
        """Of the last snapshot; immutable."""
        return self.live.snapshot.codebook

    @property
    def query_space_id(self) -> str:
        """The id of the query space in force."""
        return self._spaces.query_space_id

    def revision(self) -> int:
        """Rises with every event of the journal, whoever wrote it."""
        return self.live.now().state.revision

    def status(self) -> Status:
        """What is open and how much is in it."""
        now, info = self.live.now(), self.live.info
        config = now.codebook.config
        assert config.key_layer is not None  # resolved
        assert config.value_layer is not None
        return Status(
            model_name=info.model_name,
            fingerprint=info.fingerprint,
            preset=config.preset,
            key_layer=config.key_layer,
            value_layer=config.value_layer,
            epsilon=config.epsilon,
            active_edits=sum(len(entry.edit_ids) for entry in now.codebook.entries),
            queries=len(now.state.queries),
            data_dir=str(self._data_dir or self.live.label),
            codebook_id=self.live.codebook_id,
            pool=config.pool,
            encoding=config.encoding,
            reread=now.state.query_space.reread is not None,
            in_context=self._in_context,
        )
