"""Edits: make one, withdraw it, restore it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from app.errors import StudioError
from app.journal.events import Calibrated, Edited, Event, Redone, Undone
from app.studio.jobs import Job
from app.studio.live import LiveCodebook, Snapshot
from app.studio.model_thread import ModelThread
from app.studio.rows import change_shown, edit_row
from app.studio.texts import checked_author, checked_phrasings, checked_source, checked_text
from app.studio.views import EditOutcome, EditProgress, EditRow
from grace_core.editing.editor import Editor, EditResult
from grace_core.errors import Cancelled, InputError
from grace_core.models.language_model import LanguageModel
from grace_core.models.precision import arithmetic_of


@dataclass(frozen=True)
class _Request:
    """What was asked for, checked."""

    prompt: str
    target: str
    paraphrases: tuple[str, ...]
    source_url: str
    query_id: str | None
    author: str


class Edits:
    """One method for each thing that a person can do with an edit; `app.studio.facade.Studio` says more of each."""

    def __init__(
        self, live: LiveCodebook, thread: ModelThread, editor: Callable[[LanguageModel], Editor], max_new_tokens: int
    ) -> None:
        """editor: makes edits on a model. max_new_tokens: of the answers before and after."""
        self._live, self._thread, self._max_new_tokens = live, thread, max_new_tokens
        self._editor_of = editor
        self._editor: Editor | None = None

    def edit(
        self, prompt: str, target: str, *, paraphrases: Sequence[str] = (), source_url: str = "",
        query_id: str | None = None, author: str = "", asker: str = "",
    ) -> Job[EditOutcome]:  # fmt: skip
        """Make the model answer `prompt` with `target`."""
        text = self._thread.model.prompt(checked_text(prompt, "prompt")).text
        self._thread.model.target_ids(text, checked_text(target, "response"))
        if query_id is not None:
            self._live.now().query(query_id)
        request = _Request(
            text, target, checked_phrasings(paraphrases), checked_source(source_url), query_id, checked_author(author)
        )
        return self._thread.submit(lambda model, job: self._edit(model, job, request), asker)

    def undo(self, edit_id: str, *, author: str = "") -> EditRow:
        """Withdraw an edit; the codebook becomes the one that never saw it."""

        def decide(now: Snapshot) -> Sequence[Event]:
            if now.edit_or_broken(edit_id).undone:
                raise InputError("This edit is undone already; Redo brings it back.")
            return [Undone(edit_id)]

        now = self._live.commit(decide, author=author)
        return edit_row(now, now.edit_or_broken(edit_id))

    def redo(self, edit_id: str, *, author: str = "") -> EditRow:
        """Restore an undone edit, at its old place in the order."""

        def decide(now: Snapshot) -> Sequence[Event]:
            if not now.edit_or_broken(edit_id).undone:
                raise InputError("This edit is not undone; there is nothing to restore.")
            return [Redone(edit_id)]

        now = self._live.commit(decide, author=author)
        return edit_row(now, now.edit_or_broken(edit_id))

    def _edit(self, model: LanguageModel, job: Job[EditOutcome], request: _Request) -> EditOutcome:
        before = self._live.now()
        result = self._learned(model, job, before, request)
        if result.edit is None or result.change is None:
            return _failed(result)
        change = change_shown(result.change, result.codebook)
        kept = {**asdict(change), "sentence": change.sentence()}
        if result.losses:
            kept["arithmetic"] = arithmetic_of(model)
        data = Edited(
            edit_id=result.edit.edit_id, query_id=request.query_id, prompt=result.prompt, target=result.target,
            target_ids=result.edit.target_ids, paraphrases=result.edit.paraphrases, source_url=request.source_url,
            text_before=result.text_before, text_after=result.text_after,
            change=kept, requested_epsilon=float(result.edit.epsilon),
            losses=result.losses, seconds=result.seconds, activation=result.edit.activation, value=result.edit.value,
            reading=before.query_space_id, subject_epsilon=result.edit.subject_epsilon,
        )  # fmt: skip

        def decide(now: Snapshot) -> Sequence[Event]:
            if now.codebook.encoder is not before.codebook.encoder:
                same = now.query_space_id == before.query_space_id
                why = "The codebook was recalibrated meanwhile" if same else "Prompts are read otherwise by now (Lab, Calibrate)"
                raise StudioError(f"{why}; nothing was kept. Edit once more.")
            if (step := result.calibration) is None:
                return [data]
            version = now.state.next_version
            return [Calibrated(version, step.reason, step.prompts, step.activations, before.query_space_id), data]

        if job.cancelled:
            raise Cancelled("Stopped; nothing was kept.")
        # The snapshot comes from the journal's own record, as after a restart; without another's edit in between it is
        # the one that was checked.
        after = self._live.commit(decide, author=request.author)
        return EditOutcome(
            True, data.edit_id, data.prompt, data.target, data.text_before, data.text_after, change, change.epsilon,
            data.losses, data.seconds, note=_note(result, _changed_answers(before, after)),
        )  # fmt: skip

    def _learned(self, model: LanguageModel, job: Job[EditOutcome], now: Snapshot, request: _Request) -> EditResult:
        losses: list[float] = []
        stage = "Starting"

        def on_stage(words: str) -> None:
            nonlocal stage
            stage = words
            job.report(EditProgress(stage, len(losses), now.codebook.config.max_steps, tuple(losses)))

        def on_step(step: int, loss: float) -> None:
            losses.append(loss)
            job.report(EditProgress(stage, step, now.codebook.config.max_steps, tuple(losses)))

        if self._editor is None or self._editor.model is not model:
            self._editor = self._editor_of(model)
        return self._editor.edit(
            now.codebook, request.prompt, request.target, paraphrases=request.paraphrases,
            text_before=_known_answer(now, request), max_new_tokens=self._max_new_tokens,
            on_stage=on_stage, on_step=on_step, cancelled=lambda: job.cancelled,
        )  # fmt: skip


def _known_answer(now: Snapshot, request: _Request) -> str | None:
    """The logged answer where the codebook would still give it (greedy answers repeat); None: ask the model."""
    if request.query_id is None:
        return None
    record = now.query(request.query_id)
    match = now.codebook.match(now.codebook.encoder(record.activation[None]))[0]
    logged = record.generated
    return logged.text if logged.prompt == request.prompt and match.edit_id == logged.edit_id else None


def _changed_answers(before: Snapshot, after: Snapshot) -> int:
    """Logged queries that another edit, or none, would answer now; other than by the edits' own coming and going."""
    if before.codebook.encoder.version == after.codebook.encoder.version:
        return 0
    then = {one.record.generated.query_id: one.match.edit_id for one in before.matched}
    now = {one.record.generated.query_id: one.match.edit_id for one in after.matched}
    old = {entry.edit_id for entry in before.codebook.entries}
    return sum(a != (b := now[query_id]) and (a in old or b in old) for query_id, a in then.items())


def _failed(result: EditResult) -> EditOutcome:
    return EditOutcome(
        False, None, result.prompt, result.target, result.text_before, result.text_after, None, None,
        result.losses, result.seconds, reason=result.reason,
    )  # fmt: skip


def _note(result: EditResult, changed: int) -> str:
    parts = []
    if result.unreached:
        parts.append("Not reached by this key: " + "; ".join(f"“{text}”" for text in result.unreached) + ".")
    if result.inexact:
        parts.append("Reached, but not answered word for word: " + "; ".join(f"“{text}”" for text in result.inexact) + ".")
    if result.calibration is not None:
        count = len(result.calibration.prompts)
        parts.append(f"The encoder was calibrated on {count} prompts like this one, so that other subjects stay apart.")
    if changed:
        parts.append(f"That changed what answers {changed} earlier {'query' if changed == 1 else 'queries'}.")
    return " ".join(parts)
