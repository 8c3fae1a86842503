"""Begin a codebook: its encoder is that of the model, or is calibrated for it."""

from __future__ import annotations

from grace_core.codebook.codebook import Codebook
from grace_core.codebook.encoder import Encoder
from grace_core.config import GraceConfig
from grace_core.editing.fitting import Progress, encoder_of, first_calibration
from grace_core.editing.learned_encoders import learned_encoder
from grace_core.models.language_model import LanguageModel


def new_codebook(model: LanguageModel, config: GraceConfig | None = None, *, progress: Progress | None = None) -> Codebook:
    """An empty codebook for a model; what its encoding needs is taken from the package or the cache, or made now.

    Raises:
        InputError: a layer that the model does not have.
    """
    resolved = model.resolved(config or model.family.config())
    return Codebook(resolved, _encoder(model, resolved, progress), fingerprint=model.fingerprint, template=model.template)


def _encoder(model: LanguageModel, config: GraceConfig, progress: Progress | None) -> Encoder:
    if config.encoding == "learned":
        return Encoder.fixed(learned_encoder(model, config, progress=progress or (lambda stage, fraction: None)))
    first = first_calibration(model, config, progress)
    return encoder_of(model, config, [first] if first is not None else [])
