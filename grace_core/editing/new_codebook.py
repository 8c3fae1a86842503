"""Begin a codebook: its encoder is that of the model, or is calibrated for it."""

from __future__ import annotations

from collections.abc import Sequence

from grace_core.codebook.codebook import Codebook
from grace_core.codebook.encoder import Encoder
from grace_core.config import GraceConfig
from grace_core.editing.fitting import Progress, encoder_of, first_calibration
from grace_core.editing.learned_encoders import learned_encoder
from grace_core.models.language_model import LanguageModel


def new_codebook(
    model: LanguageModel, config: GraceConfig | None = None, *, background: Sequence[str] = (), progress: Progress | None = None
) -> Codebook:
    """An empty codebook for a model; what its encoding needs is taken from the package or the cache, or made now.

    Args:
        model: it is read only.
        config: None: what its family begins with.
        background: hundreds of prompts of the kind that will be asked, without answers; a whitened encoding tells apart what
            differs among them. (): prompts of many kinds.
        progress: a stage in words and the fraction done.

    Raises:
        InputError: a layer that the model does not have.
    """
    resolved = model.resolved(config or model.family.config(model))
    return Codebook(
        resolved, _encoder(model, resolved, background, progress), fingerprint=model.fingerprint, template=model.template
    )


def _encoder(model: LanguageModel, config: GraceConfig, background: Sequence[str], progress: Progress | None) -> Encoder:
    if config.encoding == "learned":
        return Encoder.fixed(learned_encoder(model, config, progress=progress or (lambda stage, fraction: None)))
    first = first_calibration(model, config, progress, background)
    return encoder_of(model, config, [first] if first is not None else [])
