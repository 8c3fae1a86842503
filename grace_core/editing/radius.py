"""How far a new key may reach: siblings, the background and the reviewer's own phrasings decide it before any other key does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from grace_core.codebook.codebook import Codebook
from grace_core.codebook.encoder import Reader
from grace_core.codebook.geometry import Matrix, halves, pair_distances, two_distances
from grace_core.editing.fitting import Calibration, background_prompts, sibling_activations, sibling_subjects
from grace_core.models.activations import activations_of
from grace_core.models.language_model import LanguageModel
from grace_core.models.prompts import Prompt

_SHARE = 0.7
"""How much of the way to the nearest sibling a radius may go. Half way, as between two edits, costs zsRE 5 % of its
paraphrases and protects no stranger more: siblings are not edited, so nothing of theirs needs the other half."""
_SUBJECT_SHARE, _SUBJECT_LEAST = 0.9, 0.8
"""The same of the subject's part alone, where a learned encoder tells it; and how much of ε is left to it in any case. In long
questions a sibling differs in a detail, and says little of how far the same question in other words is."""
_STRETCH = 0.9
"""How much of the way to a prompt that must not be answered a reviewer's own phrasing may stretch a radius."""
_ROOM = 0.9
"""A calibration is due where siblings leave a key less than this share of the radius that it asks for."""
_SPARE = 1e-3
"""Beyond the furthest phrasing, for rounding."""
_SMALLEST = 0.02
"""A radius below which rounding in a batch could lose the edited prompt itself (cosine distance)."""


@dataclass(frozen=True, eq=False)
class Readings:
    """Pooled hidden states of a prompt (width,) and of its phrasings (phrasings, width), float32, before encoding."""

    own: Matrix = field(repr=False)
    phrasings: Matrix = field(repr=False)

    def furthest(self, codebook: Codebook) -> float:
        """Distance to the furthest phrasing, with a little to spare for rounding; 0 without phrasings."""
        return float(self._distances(codebook, self.phrasings).max()) + _SPARE if len(self.phrasings) else 0.0

    def nearest(self, codebook: Codebook, others: Matrix) -> float:
        """Distance to the nearest of some other activations (others, width); there must be one."""
        return float(self._distances(codebook, others).min())

    def _distances(self, codebook: Codebook, others: Matrix) -> np.ndarray:
        query = codebook.encoder(self.own[None])[0]
        return pair_distances(query, codebook.encoder(others), codebook.config.distance)


@dataclass(frozen=True, eq=False)
class Reach:
    """The codebook to edit (recalibrated where siblings would be answered too), that step, and the radius to ask for.

    subject_epsilon: how far the subject's part may be; None: as far as the radius.
    """

    codebook: Codebook
    calibration: Calibration | None
    epsilon: float
    subject_epsilon: float | None = None


class Radii:
    """Finds radii on one model. Keeps what it read of the background, for the next edit."""

    def __init__(self, model: LanguageModel) -> None:
        """`model` is read only."""
        self._model = model
        self._background: tuple[Reader, Matrix] | None = None

    def reach(self, codebook: Codebook, prompt: Prompt, readings: Readings, cancelled: Callable[[], bool]) -> Reach:
        """Where the key of a prompt ends, before other keys have their say.

        The radius ends before the nearest sibling; a phrasing that the reviewer gave may stretch it further, but never to
        a sibling, nor, beyond what any key asks for, to a background prompt: those stand for all that nobody edited.

        Raises:
            Cancelled: as soon as `cancelled` says so.
        """
        config = codebook.config
        if config.encoding == "raw" or not config.siblings:
            return Reach(codebook, None, config.epsilon)
        learned = codebook.encoder.learned
        if learned is not None:
            epsilon = max(config.epsilon, self._wanted(codebook, readings, cancelled))
            subjects = sibling_subjects(self._model, learned, prompt.text, config.siblings)
            return Reach(codebook, None, epsilon, self._subject_reach(readings, subjects, epsilon))
        texts, others = sibling_activations(self._model, codebook, prompt.text)
        if not texts:
            return Reach(codebook, None, max(config.epsilon, self._wanted(codebook, readings, cancelled)))
        step = None
        if _SHARE * readings.nearest(codebook, others) < _ROOM * config.epsilon:
            rows = np.concatenate([others, readings.own[None]])
            step = Calibration.of_siblings(codebook.encoder.version + 1, prompt.text, texts, rows)
            codebook = codebook.recalibrated(codebook.encoder.joined(rows, config.directions))
        sibling = readings.nearest(codebook, others)
        wanted = min(self._wanted(codebook, readings, cancelled), _STRETCH * sibling)
        return Reach(codebook, step, max(_SMALLEST, min(config.epsilon, _SHARE * sibling), wanted))

    @staticmethod
    def _subject_reach(readings: Readings, siblings: Matrix, epsilon: float) -> float | None:
        """How far the subject's part may be: siblings end it, who differ in that alone; the question keeps all of ε.

        siblings: (siblings, dimensions) their subjects' halves. None without any.
        """
        if not len(siblings):
            return None
        own, _ = halves(readings.own)
        sibling = float(np.square(siblings - own).sum(axis=1).min()) / 2.0
        phrased = two_distances(readings.own, readings.phrasings)[:, 0].max(initial=0.0) + _SPARE
        capped = max(_SUBJECT_LEAST * epsilon, _SUBJECT_SHARE * sibling)
        return min(epsilon, max(capped, min(float(phrased), _STRETCH * sibling)))

    def _wanted(self, codebook: Codebook, readings: Readings, cancelled: Callable[[], bool]) -> float:
        """The radius that takes in the reviewer's phrasings, as far as the background lets it; 0 without phrasings."""
        furthest, config = readings.furthest(codebook), codebook.config
        if furthest <= config.epsilon:
            return furthest
        reader, learned = codebook.reader, codebook.encoder.learned
        if learned is not None and len(learned.background):
            return max(config.epsilon, min(furthest, _STRETCH * readings.nearest(codebook, learned.background)))
        if self._background is None or not self._background[0].same(reader):
            prompts = [self._model.prompt(text) for text in background_prompts(self._model)]
            self._background = (reader, activations_of(self._model, reader, prompts, cancelled=cancelled))
        return max(config.epsilon, min(furthest, _STRETCH * readings.nearest(codebook, self._background[1])))
