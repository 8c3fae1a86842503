"""Options are checked when they are made, and a wrong one says what would be right."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from grace_core.config import PRESETS, GraceConfig
from grace_core.errors import InputError


def test_paper_is_the_published_method() -> None:
    config = GraceConfig.paper()
    assert (config.pool, config.encoding, config.distance, config.rule) == ("last", "raw", "euclidean", "published")
    assert (config.epsilon, config.max_steps, config.stop_loss) == (1.0, 100, 0.0)
    assert (config.span, config.siblings, config.contexts) == ("last", 0, 0)


def test_robust_is_the_default() -> None:
    assert GraceConfig.robust() == GraceConfig()
    assert (GraceConfig().encoding, GraceConfig().distance, GraceConfig().epsilon) == ("learned", "two_keys", 1.0)


def test_the_former_default_has_a_name() -> None:
    early = GraceConfig.early()
    assert (early.pool, early.encoding, early.distance, early.epsilon) == ("weighted", "whiten", "cosine", 0.45)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_have_names(preset: str) -> None:
    config = GraceConfig.named(preset, max_steps=7)
    assert (config.preset, config.max_steps) == (preset, 7)


def test_an_unknown_preset_names_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"'best'.*robust, early, paper"):
        GraceConfig.named("best")


@pytest.mark.parametrize("option", ["preset", "pool", "encoding", "distance", "rule", "span"])
def test_an_unknown_choice_names_the_known_ones(option: str) -> None:
    wrong: dict[str, Any] = {option: "x"}
    with pytest.raises(InputError, match=rf"{option} is 'x'; use one of \w+, "):
        GraceConfig(**wrong)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("key_layer", 0),
        ("key_layer", 1.5),
        ("directions", 0),
        ("siblings", -1),
        ("contexts", -1),
        ("max_steps", 0),
        ("token_weight", 0.0),
        ("epsilon", -0.1),
        ("epsilon", 0.0),
        ("epsilon", float("nan")),
        ("learning_rate", 0.0),
        ("stop_loss", -1.0),
        ("stop_loss", float("nan")),
    ],
)
def test_a_number_out_of_range_is_refused_with_what_was_received(option: str, value: Any) -> None:
    with pytest.raises(InputError, match=rf"{option} is {re.escape(repr(value))}; use "):
        GraceConfig(**{option: value})


def test_the_query_is_read_before_the_value_is_written() -> None:
    with pytest.raises(InputError, match="value_layer 2 is below key_layer 3"):
        GraceConfig(key_layer=3, value_layer=2)
    assert GraceConfig(key_layer=3, value_layer=3).value_layer == 3


def test_a_config_is_frozen() -> None:
    with pytest.raises(AttributeError):
        GraceConfig().epsilon = 2.0  # type: ignore[misc]


# Layers


@pytest.mark.parametrize("config", [GraceConfig.early(), GraceConfig.paper()])
@pytest.mark.parametrize("blocks", [1, 2, 3, 4, 12, 30])
def test_resolving_gives_layers_that_the_model_has(config: GraceConfig, blocks: int) -> None:
    resolved = config.resolved(blocks)
    assert resolved.key_layer is not None
    assert resolved.value_layer is not None
    assert 1 <= resolved.key_layer <= resolved.value_layer <= blocks
    assert resolved.resolved(blocks) == resolved


def test_the_paper_reads_the_input_of_the_layer_that_it_adapts() -> None:
    resolved = GraceConfig.paper(value_layer=18).resolved(30)
    assert (resolved.key_layer, resolved.value_layer) == (17, 18)


@pytest.mark.parametrize("preset", ["early", "paper"])
@pytest.mark.parametrize("key_layer", [1, 5])
def test_a_key_layer_that_was_chosen_is_kept(preset: str, key_layer: int) -> None:
    assert GraceConfig.named(preset, key_layer=key_layer, value_layer=18).resolved(30).key_layer == key_layer


def test_a_learned_encoding_reads_up_to_the_layer_of_the_value_and_no_other() -> None:
    assert GraceConfig.robust(value_layer=18).resolved(30).key_layer == 18
    with pytest.raises(InputError, match="key_layer is 5, but a learned encoding reads blocks up to the value's, 18"):
        GraceConfig.robust(key_layer=5, value_layer=18).resolved(30)


@pytest.mark.parametrize(("encoding", "distance"), [("learned", "cosine"), ("whiten", "two_keys"), ("raw", "two_keys")])
def test_the_distance_of_two_keys_goes_with_a_learned_encoding_alone(encoding: Any, distance: Any) -> None:
    with pytest.raises(InputError, match="do not go together"):
        GraceConfig(encoding=encoding, distance=distance)


@pytest.mark.parametrize(("preset", "epsilon"), [("early", 2.0), ("robust", 4.0)])
def test_a_radius_that_would_answer_everything_is_refused(preset: str, epsilon: float) -> None:
    with pytest.raises(InputError, match=f"epsilon is {epsilon}"):
        GraceConfig.named(preset, epsilon=epsilon)


@pytest.mark.parametrize("layers", [{"value_layer": 31}, {"key_layer": 31, "value_layer": 31}, {"key_layer": 40}])
def test_an_unknown_layer_lists_the_real_ones(layers: dict[str, int]) -> None:
    with pytest.raises(InputError, match="1 to 30"):
        GraceConfig.early(**layers).resolved(30)


# JSON


@pytest.mark.parametrize("config", [GraceConfig.early(), GraceConfig.paper(epsilon=0.1 + 0.2).resolved(7)])
def test_a_config_survives_json(config: GraceConfig) -> None:
    assert GraceConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(InputError, match=r"\['radius'\]"):
        GraceConfig.from_dict({"radius": 1})


def test_changing_an_option_checks_it_too() -> None:
    with pytest.raises(InputError):
        replace(GraceConfig(), pool="max")  # type: ignore[arg-type]
