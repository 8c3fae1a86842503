"""What pages, endpoints, commands and tests see of the studio: one method for each thing that a person can do.

`app.studio.studio.OpenStudio` is the real one. Safe to call from any thread. What needs the model is a job: `asker`
names the one person or browser that it is for, since askers take turns.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from app.studio.jobs import Job
from app.studio.query_space import Foreseen
from app.studio.views import (
    Answer,
    EditDetail,
    EditOutcome,
    EditPage,
    EditRow,
    EditsMark,
    EditState,
    EpsilonRow,
    MapMoment,
    MapView,
    Mark,
    QuerySpace,
    QuerySpaceRow,
    Status,
    Trial,
    UndoneKeys,
    Verdict,
)
from grace_core.answering.anatomy import Anatomy
from grace_core.config import Encoding, Pool
from grace_core.measuring.distances import Choice
from grace_core.measuring.epsilon_curves import Yardstick
from grace_core.measuring.epsilon_fit import EpsilonFit
from grace_core.measuring.query_scan import Scan
from grace_core.measuring.value_sweep import Sweep
from grace_core.measuring.what_if import Moment


class Studio(Protocol):
    """The product without a page."""

    # ── prompt, mark, edit, undo

    def status(self) -> Status:
        """What is open and how much is in it."""
        ...

    def generate(self, prompt: str, *, in_context: bool | None = None, author: str = "", asker: str = "") -> Job[Answer]:
        """Answer a prompt and log it. The job reports `PartialAnswer`.

        in_context: where no edit answers but one is about the same subject, put its fact before the prompt; None: as started.

        Raises:
            InputError: an empty prompt, one beyond the context window, or facts where queries have no part for the subject.
        """
        ...

    def answer(self, query_id: str) -> Answer:
        """A logged answer again."""
        ...

    def mark(self, query_id: str, start: int, end: int, verdict: Verdict, *, author: str = "") -> Mark:
        """Give a verdict on text[start:end] (code points) of a logged answer.

        Raises:
            InputError: an unknown verdict, or a span that is empty or outside the answer.
            NotFound: an unknown answer.
        """
        ...

    def replace_mark(self, mark_id: str, verdict: Verdict, *, author: str = "") -> Mark:
        """Give another verdict on the words of a mark: the former one goes, in one transaction.

        Raises:
            InputError: an unknown verdict.
            NotFound: an unknown mark.
        """
        ...

    def unmark(self, mark_id: str, *, author: str = "") -> None:
        """Remove a mark; the journal keeps that it was there."""
        ...

    def marks(self, query_id: str) -> tuple[Mark, ...]:
        """The marks on one answer."""
        ...

    def edit(
        self,
        prompt: str,
        target: str,
        *,
        paraphrases: Sequence[str] = (),
        source_url: str = "",
        query_id: str | None = None,
        author: str = "",
        asker: str = "",
    ) -> Job[EditOutcome]:
        """Make the model answer `prompt` with `target`. The job reports `EditProgress`; cancelling it keeps nothing.

        Raises:
            InputError: an empty prompt or target, or one that does not fit.
        """
        ...

    def undo(self, edit_id: str, *, author: str = "") -> EditRow:
        """Withdraw an edit; the codebook becomes the one that never saw it.

        Raises:
            NotFound: an unknown edit.
            InputError: it is undone already.
        """
        ...

    def redo(self, edit_id: str, *, author: str = "") -> EditRow:
        """Restore an undone edit, at its old place in the order.

        Raises:
            NotFound: an unknown edit.
            InputError: it is not undone.
        """
        ...

    # ── look

    def edits(
        self,
        *,
        search: str = "",
        state: EditState | None = None,
        among: Collection[str] | None = None,
        offset: int = 0,
        limit: int = 50,
        holding: str | None = None,
    ) -> EditPage:
        """Edits, newest first: those whose prompt, target, author, source or id contains all of `search`'s words.

        among: ids of edits, where only those are wanted.
        holding: the id of an edit; where it is among them, the page is the one that it is on, whatever `offset` says.
        """
        ...

    def edits_mark(self) -> EditsMark:
        """What tells one state of the edits from another, without a row of any. For pages that watch what others do."""
        ...

    def detail(self, edit_id: str) -> EditDetail:
        """One edit with its neighbours and the logged queries that it answers under the present codebook.

        Raises:
            NotFound: an unknown edit.
        """
        ...

    def map_view(self, *, max_queries: int = 20000) -> MapView:
        """Keys in force and the latest queries with their vectors, as the present codebook answers them."""
        ...

    def map_moment(self) -> MapMoment:
        """`map_view` and what it was made from; another browser may change that right after."""
        ...

    def undone_keys(self, limit: int) -> UndoneKeys:
        """The newest undone edits, at most `limit`, with the queries of their prompts under the present codebook."""
        ...

    def try_prompt(self, prompt: str, *, asker: str = "") -> Job[Trial]:
        """Read a prompt as a query without answering or logging it: what would answer it is the codebook's to say.

        Raises:
            InputError: an empty prompt, or one beyond the context window.
        """
        ...

    # ── ε

    def moment(self) -> Moment:
        """The present codebook and what it says of every logged query: all that predicting another ε needs."""
        ...

    def set_epsilon(
        self, epsilon: float, edit_id: str | None = None, *, query_space_id: str | None = None, author: str = ""
    ) -> EpsilonRow:
        """Let the key of one edit, or (None) every edit made so far, ask for another radius. One event; it can be undone.

        query_space_id: of the one in whose unit it is (`Moment.query_space_id`); None: the present one.

        Raises:
            InputError: a radius that cannot be or is in another unit, an edit without a key, or no edit at all.
        """
        ...

    def undo_epsilon(self, change_id: str, *, author: str = "") -> EpsilonRow:
        """Withdraw a change of ε; the codebook becomes the one that never saw it.

        Raises:
            NotFound: an unknown change.
            InputError: it is undone already, or was made in another query space.
        """
        ...

    def redo_epsilon(self, change_id: str, *, author: str = "") -> EpsilonRow:
        """Restore a withdrawn change of ε, at its old place in the order.

        Raises:
            NotFound: an unknown change.
            InputError: it is not undone, or was made in another query space.
        """
        ...

    def epsilon_changes(self) -> tuple[EpsilonRow, ...]:
        """Every change of ε of the present query space, newest first; those of another one return with it."""
        ...

    def yardstick(self, *, asker: str = "") -> Job[Yardstick]:
        """Phrasings that edits should reach and prompts that they should not touch, read up to the key layer.

        The job reports `Stage`s; what was read once is kept.
        """
        ...

    def fit_epsilon(self, edit_id: str, should: Sequence[str], should_not: Sequence[str], *, asker: str = "") -> Job[EpsilonFit]:
        """Which ε of an edit agrees best with prompts that it should answer and prompts that it should not. Writes nothing.

        The job reports `Stage`s; no encoder is fitted. The job raises InputError: no prompt, one in both lists, or an edit
        without a key.
        """
        ...

    # ── query space

    @property
    def query_space_id(self) -> str:
        """The id of the query space in force."""
        ...

    def query_space(self) -> QuerySpace:
        """How queries are read and where values are put in at present."""
        ...

    def query_spaces(self) -> tuple[QuerySpaceRow, ...]:
        """All query spaces that this codebook has had, newest first; the last one is that which it began with."""
        ...

    def foresee_query_space(self, choice: Choice, epsilon: float, *, asker: str = "") -> Job[Foreseen]:
        """Which logged queries another choice, with this ε for every edit, would answer otherwise. Writes nothing.

        The job reports `Stage`s; what it reads is kept for `use_query_space`. It raises what `Rereader.reread` does.
        """
        ...

    def use_query_space(
        self, choice: Choice, epsilon: float, *, seen: int | None = None, author: str = "", asker: str = ""
    ) -> Job[Foreseen]:
        """Read queries under another choice from now on, every edit asking for this ε. The job reports `Stage`s.

        seen: `Foreseen.seen` of the preview that this is to hold for. The job raises what `Rereader.reread` does, and
        InputError where the codebook has changed since then.
        """
        ...

    def return_to(self, query_space_id: str, *, author: str = "", asker: str = "") -> Job[Foreseen]:
        """Read queries as before: bit for bit the encoder, the queries and the radii that it was left with.

        Edits and queries made since are read there. The job reports `Stage`s and raises what `Rereader.returned` does.
        """
        ...

    def foresee_learned(self, *, asker: str = "") -> Job[Foreseen]:
        """Which logged queries would be answered otherwise if this codebook moved to the learned encoder. Writes nothing.

        Every prompt of the journal is read anew; the job reports `Stage`s. A model whose encoder is not fitted yet is fitted
        first, which takes minutes. The job raises InputError where the codebook uses it already.
        """
        ...

    def use_learned(self, *, seen: int | None = None, author: str = "", asker: str = "") -> Job[Foreseen]:
        """Move to the learned encoder, in one transaction; `return_to` goes back. Raises and reports as `use_query_space`."""
        ...

    # ── measure

    def anatomy(self, prompt: str, *, asker: str = "") -> Job[Anatomy]:
        """Why this prompt gets its answer; nothing is logged. The job reports `Stage`s.

        The job raises InputError: an empty prompt, or one beyond the context window.
        """
        ...

    def scan(
        self,
        layers: Sequence[int],
        pools: Sequence[Pool],
        encodings: Sequence[Encoding],
        *,
        unrelated: Sequence[str] = (),
        max_edits: int = 50,
        max_unrelated: int = 100,
        asker: str = "",
    ) -> Job[Scan]:
        """How well each choice tells paraphrases from what must not match. The job reports `Stage`s.

        unrelated: a person's own prompts that must not match; () takes some of the background's.
        The job raises InputError: nothing to measure, or a prompt that does not fit.
        """
        ...

    def sweep(self, layers: Sequence[int], *, edits: int = 4, max_steps: int = 60, asker: str = "") -> Job[Sweep]:
        """Learn some edits at each layer, and ask their phrasings; the values are thrown away. The job reports `Stage`s.

        The job raises InputError: no edits, no layer, or a layer below the one at which queries are read.
        """
        ...

    # ── what is open

    def revision(self) -> int:
        """Rises with every event of the journal, whoever wrote it."""
        ...

    def leave(self, asker: str) -> None:
        """Call off all jobs of an asker who is gone: what waits is dropped, what runs stops; what is written stays."""
        ...
