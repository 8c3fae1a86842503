from __future__ import annotations

from dataclasses import replace

from app.cli import SERVE, make_parser
from app.lab.start_command import adoption
from app.settings import make_settings
from grace_core.config import GraceConfig
from grace_core.measuring.distances import Choice

BASE = GraceConfig.early().resolved(30)


def started(command: str) -> GraceConfig:
    """What a studio that is started with these words would use."""
    arguments = make_parser(SERVE).parse_args(command.split()[1:])
    settings = make_settings({name: getattr(arguments, name) for name in SERVE.options}, {})
    return GraceConfig.named(settings.preset, **settings.config_overrides).resolved(30)


def test_the_command_gives_the_choice() -> None:
    choice = Choice(8, "weighted", "whiten")
    way = adoption(BASE, choice, 0.41237, 30)
    assert way.command is not None
    assert started(way.command) == choice.config(BASE, 0.4124)
    assert not way.moves_values


def test_a_query_above_the_values_moves_them() -> None:
    way = adoption(BASE, Choice(25, "weighted", "whiten"), 0.4, 30)
    assert way.moves_values
    assert way.command is not None
    assert started(way.command).value_layer == 25


def test_what_has_no_flag_is_told_as_options() -> None:
    choice = Choice(8, "last", "raw")
    way = adoption(BASE, choice, 3.5, 30)
    assert way.command is None
    made = eval(way.options, {"GraceConfig": GraceConfig})  # noqa: S307
    assert made.resolved(30) == choice.config(BASE, 3.5)


def test_what_the_studio_was_started_with_stays() -> None:
    way = adoption(replace(BASE, value_layer=18), Choice(1, "weighted", "whiten"), 0.45, 30)
    assert way.command == "grace-studio --preset early --layer 18"
