"""Print the tables of reference.md from the code: `cog -rP -I assets/docs assets/docs/*.md` writes them, a test checks them."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Sequence

import app.errors
import grace_core.errors
from app.cli import COMMANDS
from app.server.actions import ACTIONS, REFUSALS
from app.settings import OPTIONS
from grace_core.measuring.in_context import COLUMNS
from grace_core.measuring.measures import MEASURES


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a Markdown table."""
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |")


def commands() -> None:
    """Every subcommand with the settings that it takes."""
    table(
        ("command", "what it does", "settings"),
        [
            (
                f"`grace-studio {command.name}`",
                command.summary,
                "all"
                if len(command.options) == len(OPTIONS)
                else ", ".join(f"`{o.flag}`" for o in OPTIONS if o.name in command.options),
            )
            for command in COMMANDS
        ],
    )


def settings() -> None:
    """Every setting: flag, variable, default, meaning."""
    table(
        ("flag", "variable", "default", "meaning"),
        [(f"`{o.flag}{' ' + o.metavar if o.metavar else ''}`", f"`{o.variable}`", o.default, o.help) for o in OPTIONS],
    )


def measures() -> None:
    """Every share of an evaluation's report."""
    table(("key", "share of"), [(f"`{name}`", meaning) for name, meaning in MEASURES.items()])


def facts() -> None:
    """Every column of what an evaluation says of facts before prompts."""
    table(("key", "share of"), [(f"`{name}`", meaning) for name, meaning in COLUMNS.items()])


def actions() -> None:
    """Every action with its arguments."""
    table(
        ("action", "arguments", "what it does"),
        [
            (
                f"`{action.name}`",
                ", ".join(f"`{name}`" for name in action.arguments.model_fields),
                action.doc,
            )
            for action in ACTIONS
        ],
    )


def codes() -> None:
    """The codes of errors that a door may answer."""
    table(("code", "HTTP", "error"), [(f"`{code}`", str(status), f"`{kind.__name__}`") for kind, code, status in REFUSALS])


def errors() -> None:
    """Every error that is meant for a person, parents before children."""
    rows = []
    for module in (grace_core.errors, app.errors):
        for node in ast.parse(inspect.getsource(module)).body:
            if isinstance(node, ast.ClassDef):
                doc = (ast.get_docstring(node) or "").replace("\n", " ")
                rows.append((f"`{node.name}`", f"`{ast.unparse(node.bases[0])}`", doc))
    table(("error", "is a", "when"), rows)
