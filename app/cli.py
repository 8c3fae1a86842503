"""The `grace-studio` command. Without a subcommand it starts the app.

It imports nothing heavy: `--help`, `--version` and a mistyped flag answer at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, NoReturn

from app import __version__
from app.server.stopping import end
from app.settings import OPTIONS, Settings, make_settings
from grace_core.errors import GraceError

PROGRAM = "grace-studio"
EXIT_ERROR = 2
EXIT_INTERRUPTED = 130

EXAMPLES = """\
examples:
  grace-studio                                      the default model on http://127.0.0.1:7860
  grace-studio --model Qwen/Qwen2.5-0.5B-Instruct   another model from the hub
  grace-studio --model ./my-model --layer 18        a folder made by save_pretrained, values at block 18
  grace-studio --preset paper --layer 20            as published: last token, one layer, raw distance, radius 1
  grace-studio --data-dir ./team --port 8000        another journal, another port
  grace-studio fetch                                fetch the model and stop (for images and machines without a network)

Every flag is also an environment variable: GRACE_STUDIO_ and its name, such as GRACE_STUDIO_DATA_DIR. Flags win.
"""


@dataclass(frozen=True)
class Command:
    """One subcommand.

    add_arguments: adds what is its own to the parser (settings are added by `options`).
    options: the settings it takes, by option name.
    """

    name: str
    summary: str
    run: Callable[[Settings, argparse.Namespace], None]
    options: tuple[str, ...]
    add_arguments: Callable[[argparse.ArgumentParser], None] | None = None


def _lazy(module: str, function: str) -> Callable[..., None]:
    """A function that is imported when it is called."""

    def call(*arguments: Any) -> None:
        getattr(import_module(module), function)(*arguments)

    return call


_OF_THE_MODEL = ("model", "preset", "layer", "key_layer", "epsilon", "cache")


def _command(name: str, summary: str, module: str, options: tuple[str, ...]) -> Command:
    """One whose module has `run` and `add_arguments`."""
    return Command(name, summary, _lazy(module, "run"), options, _lazy(module, "add_arguments"))


SERVE = Command(
    "serve",
    "start the app (what happens without a command)",
    lambda settings, _: _lazy("app.server.serve", "serve")(settings),
    tuple(o.name for o in OPTIONS),
)
COMMANDS: tuple[Command, ...] = (
    SERVE,
    Command(
        "fetch",
        "fetch and convert the model, print its folder, stop",
        lambda settings, _: _lazy("app.server.serve", "fetch")(settings),
        ("model", "cache"),
    ),
    _command("call", "do an action in a studio that runs, print its result as JSON", "app.commands.call", ("host", "port")),
    _command("eval", "make many edits from a file and measure the final codebook", "app.commands.evaluate", _OF_THE_MODEL),
    _command(
        "experiment",
        "run a published stream of edits and measure on the way",
        "app.commands.experiment",
        ("model", "layer", "key_layer", "epsilon", "cache"),
    ),
    _command(
        "bench",
        "time edits and generation against the published recipe and the bare model",
        "app.commands.benchmark",
        _OF_THE_MODEL,
    ),
    _command(
        "journal",
        "list, show, verify, export, undo, redo or back up a journal, without its model",
        "app.commands.journal",
        ("data_dir", "database_url"),
    ),
)


def make_parser(command: Command) -> argparse.ArgumentParser:
    """The parser of one subcommand; that of `serve` is also the program's own, and lists the others."""
    is_default = command is SERVE
    listing = "\n".join(f"  {other.name:<12}{other.summary}" for other in COMMANDS)
    parser = argparse.ArgumentParser(
        prog=PROGRAM if is_default else f"{PROGRAM} {command.name}",
        usage=f"{PROGRAM} [command] [options]" if is_default else None,
        description=(
            "Grace Studio: correct a language model's answers in the browser, and undo each correction at any time."
            if is_default
            else command.summary.capitalize() + "."
        ),
        epilog=f"commands (grace-studio COMMAND --help for each):\n{listing}\n\n{EXAMPLES}" if is_default else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    if command.add_arguments is not None:
        command.add_arguments(parser)
    for option in OPTIONS:
        if option.name not in command.options:
            continue
        help_text = f"{option.help} (default: {option.default})".replace("%", "%%")
        if option.is_switch:
            parser.add_argument(option.flag, dest=option.name, action="store_const", const="true", help=help_text)
        else:
            # Text as typed: `make_settings` reads flags and environment by the same rules, with the same messages.
            parser.add_argument(option.flag, dest=option.name, metavar=option.metavar, help=help_text)
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    named = {command.name: command for command in COMMANDS}
    command = named[words.pop(0)] if words and words[0] in named else SERVE
    parser = make_parser(command)
    if words and not words[0].startswith("-") and command is SERVE:
        parser.error(f"unknown command “{words[0]}”; the commands are {', '.join(named)}")
    arguments = parser.parse_args(words)
    flags = {name: getattr(arguments, name) for name in command.options}
    try:
        command.run(make_settings(flags, os.environ), arguments)
    except GraceError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return EXIT_ERROR
    except KeyboardInterrupt:
        print(f"{PROGRAM}: stopped.", file=sys.stderr)
        return EXIT_INTERRUPTED
    return 0


def run() -> NoReturn:
    """The `grace-studio` program itself."""
    end(main())


if __name__ == "__main__":
    run()
