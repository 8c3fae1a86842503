"""The choices behind one codebook, validated when they are made; knows no model and no codebook.

A layer is a block's number, 1 for the first: "after block 3" means its output. What a number resolves to in a live
model is `models.LanguageModel`'s business.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, Self, get_args

from grace_core.errors import InputError

Preset = Literal["robust", "early", "paper"]
Pool = Literal["last", "mean", "weighted"]
Encoding = Literal["raw", "whiten", "learned"]
Distance = Literal["euclidean", "cosine", "two_keys"]
Rule = Literal["published", "separated"]
Span = Literal["last", "tail", "all"]

PRESETS: tuple[Preset, ...] = get_args(Preset)
FURTHEST: dict[Distance, float] = {"cosine": 2.0, "euclidean": float("inf"), "two_keys": 4.0}
"""No radius reaches so far."""
BEYOND: dict[Distance, str] = {
    "cosine": "a cosine distance never exceeds 2", "euclidean": "it must be finite",
    "two_keys": "from 4 on a key would answer whatever is asked",
}  # fmt: skip
MAX_PHRASINGS = 64
"""Of one edit. Each is read, learned and checked; dozens teach a value all that thousands do."""
_IDENTITY = ("key_layer", "value_layer", "span", "pool", "token_weight", "encoding", "directions", "distance", "rule")


@dataclass(frozen=True)
class GraceConfig:
    """How queries are read, how keys are kept apart and how values are learned.

    Raises:
        InputError: an option that is unknown, out of range or at odds with another one.
    """

    preset: Preset = "robust"
    """The name that these choices started from."""
    key_layer: int | None = None
    """The block after which the query is read; None: the first, or, in the paper's preset, the one below the value's.

    A learned encoding reads several blocks, the highest of them the value's: this is that one then."""
    value_layer: int | None = None
    """The block whose output is replaced by a value; None: seven tenths up the model."""
    span: Span = "tail"
    """Where: at the last prompt token, or at all tokens that the chat template puts behind the user's text (else the last). In
    an encoder, where each token sees all others, it is all tokens of the prompt: the answer then depends on the value alone."""
    pool: Pool = "weighted"
    """Which tokens make the query: the last one, the mean of the user's own, or their mean with frequent ones weighing less."""
    token_weight: float = 1e-3
    """`a` in the weight a / (a + p(token)) of the weighted pool (smooth inverse frequency, Arora et al. 2017)."""
    encoding: Encoding = "learned"
    """raw: hidden states are compared as they are. whiten: centred, scaled along their leading directions and made unit length;
    edits join what it is calibrated on. learned: by the two keys of an encoder that was fitted once and never changes."""
    directions: int = 384
    """How many leading principal directions the whitened query keeps, at most."""
    distance: Distance = "two_keys"
    """cosine: 1 - cos, 0 same and 1 unrelated. euclidean: the paper's. two_keys: the larger of the subject's and the question's
    1 - cos, each over its own scale; 1 is where the encoder takes two prompts for the same."""
    rule: Rule = "separated"
    """published: Algorithm 1 of the paper, edit by edit. separated: a radius ends half way to the nearest other target."""
    epsilon: float = 1.0
    """The radius that a new key asks for, in units of `distance`."""
    siblings: int = 32
    """How many prompts with another subject are made from an edited prompt, to keep its key away from strangers; 0: none."""
    contexts: int = 8
    """On how many unrelated prompts a value is trained besides its own, so that it holds for phrasings nobody thought of."""
    learning_rate: float = 0.3
    """Adam's, as a share of the hidden state's root mean square; it falls over the steps."""
    max_steps: int = 200
    """Give up training a value after so many steps."""
    stop_loss: float = 0.05
    """Stop once each row decodes exactly and its mean loss (nats per token) is at most this; 0: take all steps."""

    def __post_init__(self) -> None:
        """Check each option, and those that depend on each other."""
        for name, choices in (
            ("preset", Preset),
            ("pool", Pool),
            ("encoding", Encoding),
            ("distance", Distance),
            ("rule", Rule),
            ("span", Span),
        ):
            if getattr(self, name) not in get_args(choices):
                raise InputError(f"{name} is {getattr(self, name)!r}; use one of {', '.join(get_args(choices))}.")
        for name, low in (("directions", 1), ("siblings", 0), ("contexts", 0), ("max_steps", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < low:
                raise InputError(f"{name} is {value!r}; use a whole number of at least {low}.")
        for name in ("token_weight", "epsilon", "learning_rate"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not 0 < value < float("inf"):
                raise InputError(f"{name} is {value!r}; use a number above 0.")
        stop_loss: Any = self.stop_loss
        if not isinstance(stop_loss, int | float) or not stop_loss >= 0:
            raise InputError(f"stop_loss is {stop_loss!r}; use 0 or more.")
        for name in ("key_layer", "value_layer"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < 1):
                raise InputError(f"{name} is {value!r}; use a block's number, 1 for the first.")
        if self.value_layer is not None and self.key_layer is not None and self.value_layer < self.key_layer:
            raise InputError(
                f"value_layer {self.value_layer} is below key_layer {self.key_layer}; "
                "the query must be read before the value is written."
            )
        if self.epsilon >= FURTHEST[self.distance]:
            raise InputError(f"epsilon is {self.epsilon}; {BEYOND[self.distance]}.")
        if self.distance == "cosine" and self.encoding == "raw":
            raise InputError("A cosine distance needs unit vectors, which encoding='whiten' gives; raw ones are euclidean.")
        if (self.distance == "two_keys") != (self.encoding == "learned"):
            raise InputError(
                f"distance={self.distance!r} and encoding={self.encoding!r} do not go together; 'two_keys' goes with 'learned'."
            )

    @classmethod
    def robust(cls, **overrides: Any) -> Self:
        """The default: a learned encoder that tells both the subject and the question, keys kept apart."""
        return replace(cls(), **overrides)

    @classmethod
    def early(cls, **overrides: Any) -> Self:
        """The former default: an early block's weighted mean over the user's tokens, whitened. It tells subjects apart alone."""
        former = cls(preset="early", encoding="whiten", distance="cosine", epsilon=0.45)
        return replace(former, **overrides)

    @classmethod
    def paper(cls, **overrides: Any) -> Self:
        """GRACE as published (Hartvigsen et al., NeurIPS 2023, Algorithm 1): one layer, last token, Euclidean, ε = 1.

        The adapted layer l is `value_layer`; its input, the hidden state after block l - 1, is the query.
        """
        published = cls(
            preset="paper", pool="last", encoding="raw", distance="euclidean", rule="published",
            epsilon=1.0, span="last", learning_rate=0.15, siblings=0, contexts=0, max_steps=100, stop_loss=0.0,
        )  # fmt: skip
        return replace(published, **overrides)

    @classmethod
    def named(cls, preset: str, **overrides: Any) -> Self:
        """The preset of that name, with some choices changed."""
        if preset not in PRESETS:
            raise InputError(f"The preset is {preset!r}; use one of {', '.join(PRESETS)}.")
        made = {"robust": cls.robust, "early": cls.early, "paper": cls.paper}
        return made[preset](**overrides)

    def resolved(self, blocks: int) -> Self:
        """The same choices for a model of `blocks` blocks, with every layer a number.

        Raises:
            InputError: a layer that the model does not have.
        """
        value_layer = self.value_layer if self.value_layer is not None else max(1, round(0.7 * blocks))
        below = max(1, value_layer - 1) if self.preset == "paper" else 1
        key_layer = self.key_layer if self.key_layer is not None else below
        if self.encoding == "learned":
            if self.key_layer not in (None, value_layer):
                raise InputError(
                    f"key_layer is {self.key_layer}, but a learned encoding reads blocks up to the value's, {value_layer}. "
                    "Leave it out, or choose the preset “early”."
                )
            key_layer = value_layer
        for name, layer in (("key_layer", key_layer), ("value_layer", value_layer)):
            if not 1 <= layer <= blocks:
                raise InputError(f"{name} {layer} does not exist; this model's blocks are 1 to {blocks}.")
        return replace(self, key_layer=key_layer, value_layer=value_layer)

    def identity(self) -> dict[str, Any]:
        """The choices that decide what stored queries, values and radii mean; plain JSON.

        Two configs with one identity work on the same codebook. How values are learned and what ε a new key asks for may
        change between edits, and between versions of this library.
        """
        return {name: getattr(self, name) for name in _IDENTITY}

    @classmethod
    def of_identity(cls, identity: dict[str, Any]) -> Self:
        """A configuration with this identity, and for the rest what the preset of such queries has.

        Raises:
            InputError: a name that is no option.
        """
        cls.from_dict(identity)  # names what is unknown
        published = identity.get("encoding") == "raw" and identity.get("rule") == "published"
        preset = "paper" if published else "robust" if identity.get("encoding") == "learned" else "early"
        return cls.named(preset, **identity)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON; `from_dict` is the inverse."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Read `to_dict`'s form.

        Raises:
            InputError: a name that is no option.
        """
        unknown = set(data) - {field.name for field in fields(cls)}
        if unknown:
            raise InputError(f"Unknown options {sorted(unknown)}; this version knows {[field.name for field in fields(cls)]}.")
        return cls(**data)
