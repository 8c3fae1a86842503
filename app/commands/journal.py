"""`grace-studio journal`: list, show, verify, export, undo, redo and back up a journal, without its model."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

from app.errors import JournalError, NotFound, SettingsError
from app.journal.events import Event, Redone, Undone
from app.journal.export import exported, json_schema
from app.journal.state.journal_state import JournalState
from app.journal.store import JournalStore
from app.journal.verify import verify
from app.settings import Settings

_SHOWN = 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `journal` takes besides the settings."""
    parser.description = _SUMMARY
    parser.add_argument("action", choices=tuple(_ACTIONS), help="what to do; each is explained above")
    parser.add_argument("subject", nargs="?", metavar="ID_OR_FILE", help="of the codebook, of the edit, or the file to write")
    parser.add_argument("--author", default="command line", metavar="NAME", help="who undoes or redoes (default: command line)")
    parser.add_argument("--without-vectors", action="store_true", help="export texts and numbers only")
    parser.add_argument("--schema", action="store_true", help="export the JSON Schema of the events instead of the events")


def run(settings: Settings, arguments: argparse.Namespace) -> None:
    """Do one of the actions."""
    with JournalStore(settings.effective_database_url, create=False) as store:
        _ACTIONS[arguments.action](store, arguments)


def _list(store: JournalStore, arguments: argparse.Namespace) -> None:
    """List all codebooks."""
    for info in store.codebooks():
        counts = ", ".join(f"{number} {kind}" for kind, number in info.kinds.items()) or "no events"
        layers = f"key layer {info.config.get('key_layer')}, value layer {info.config.get('value_layer')}"
        print(f"{info.codebook_id}  {info.model_name}  since {info.at[:16]}  {layers}  ({counts})")


def _show(store: JournalStore, arguments: argparse.Namespace) -> None:
    """Show the edits of a codebook, oldest first; its id may be left out where there is one."""
    state = JournalState.of(store.events(_codebook(store, arguments.subject)))
    for record in state.edits.values():
        word = "undone" if record.undone else "in force"
        told = f"{_short(record.edit.prompt)} → {_short(record.edit.target)}"
        print(f"{record.edit.edit_id}  {word:<8}  {told}  {record.event.author}")
    for one in state.broken:
        word = "undone" if one.undone else "broken"
        print(f"{one.broken.about}  {word:<8}  {one.broken.kind}: {one.broken.reason}")


def _verify(store: JournalStore, arguments: argparse.Namespace) -> None:
    """Check every checksum, every gap and that all can be folded; ends with 2 where something is wrong."""
    found = verify(store)
    print(
        f"{store.label}: {_counted(found.codebooks, 'codebook')}, {_counted(found.events, 'event')}, "
        f"{_counted(len(found.problems), 'problem')}."
    )
    for problem in found.problems:
        print(problem)
    if found.problems:
        raise JournalError(f"The journal {store.label} has {_counted(len(found.problems), 'problem')}, listed above.")


def _export(store: JournalStore, arguments: argparse.Namespace) -> None:
    """Write all events as JSON Lines, to a file or to the screen."""
    lines = [json_schema()] if arguments.schema else exported(store, vectors=not arguments.without_vectors)
    if arguments.subject is None:
        for line in lines:
            print(json.dumps(line))
        return
    try:
        with Path(arguments.subject).open("x", encoding="ascii") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)
    except OSError as error:
        raise SettingsError(f"{arguments.subject} cannot be written ({error.strerror}). Choose another file.") from error


def _undo(store: JournalStore, arguments: argparse.Namespace) -> None:
    """Withdraw an edit."""
    _append(store, arguments, Undone)


def _redo(store: JournalStore, arguments: argparse.Namespace) -> None:
    """Restore a withdrawn edit."""
    _append(store, arguments, Redone)


def _backup(store: JournalStore, arguments: argparse.Namespace) -> None:
    """Write a copy into a new file, also while others write."""
    store.copy_to(Path(_given(arguments, "the file to write")))


_ACTIONS: dict[str, Callable[[JournalStore, argparse.Namespace], None]] = {
    "list": _list, "show": _show, "verify": _verify, "export": _export, "undo": _undo, "redo": _redo, "backup": _backup,
}  # fmt: skip
_SUMMARY = "Look after a journal, without its model.\n" + "\n".join(f"  {name:<8}{act.__doc__}" for name, act in _ACTIONS.items())


def _append(store: JournalStore, arguments: argparse.Namespace, kind: type[Undone] | type[Redone]) -> None:
    event: Event = kind(_given(arguments, "the id of the edit (see grace-studio journal show)"))
    for info in store.codebooks():
        state = JournalState.of(store.events(info.codebook_id))
        if state.undone(event.subject) is not None:
            state.check(event)
            store.append(info.codebook_id, event, author=arguments.author, expected_seq=state.revision)
            return
    raise NotFound(
        f"There is no edit {event.subject!r} in the journal {store.label}; grace-studio journal show lists those that are."
    )


def _codebook(store: JournalStore, wanted: str | None) -> str:
    ids = [info.codebook_id for info in store.codebooks() if info.codebook_id.startswith(wanted or "")]
    if len(ids) != 1:
        asked = (
            f"{_counted(len(ids), 'codebook')} fit {wanted!r}"
            if wanted
            else f"The journal holds {_counted(len(ids), 'codebook')}"
        )
        raise NotFound(f"{asked}; give the id of one of those that grace-studio journal list names.")
    return ids[0]


def _given(arguments: argparse.Namespace, what: str) -> str:
    if arguments.subject is None:
        raise SettingsError(f"grace-studio journal {arguments.action} needs {what}.")
    return str(arguments.subject)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"
