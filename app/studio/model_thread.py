"""The model and the one thread that runs it. The model may come later than the studio opens."""

from __future__ import annotations

from collections.abc import Callable

from app.errors import StudioError
from app.studio.jobs import Job, R, Worker
from grace_core.models.language_model import LanguageModel


class ModelThread:
    """Work that needs the model is done here, one job at a time."""

    def __init__(self, model: LanguageModel | None = None) -> None:
        """Start the thread; `attach` brings a model that is not there yet."""
        self._model = model
        self._worker = Worker()

    @property
    def model(self) -> LanguageModel:
        """The model itself.

        Raises:
            StudioError: it is not there yet.
        """
        if self._model is None:
            raise StudioError("No model is loaded, so prompts can be neither read nor answered. Load it, then try again.")
        return self._model

    def attach(self, model: LanguageModel) -> None:
        """Have this model do the work from now on."""
        self._model = model

    def submit(self, work: Callable[[LanguageModel, Job[R]], R], asker: str) -> Job[R]:
        """Queue work for the model, see `Worker.submit`.

        Raises:
            StudioError: the model is not there yet.
        """
        model = self.model
        return self._worker.submit(lambda job: work(model, job), asker)

    def leave(self, asker: str) -> None:
        """Call off all jobs of an asker who is gone: what waits is dropped, what runs stops; what is written stays."""
        self._worker.leave(asker)

    def close(self) -> None:
        """Call off what waits and what runs, and end the thread."""
        self._worker.close()
