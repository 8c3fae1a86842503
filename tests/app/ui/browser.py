"""A browser session without a browser: it fires the events of an app and keeps what the page then shows.

Gradio itself reads inputs, calls the handler and writes outputs (`Blocks.process_api`), as for a request of a real page.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import gradio as gr
from gradio.block_function import BlockFunction
from gradio.state_holder import SessionState

from app.studio.facade import Studio
from app.ui.session import PageContext, Session


def context(studio: Studio, author: str = "Mira") -> PageContext:
    """What a page needs of the shell, made inside the Blocks that are open. Its tab is open: it draws each revision."""
    selected, picked, revision = gr.State(None), gr.State(None), gr.State(-1)
    return PageContext(studio, gr.State(Session()), gr.Textbox(author), selected, picked, revision, gr.Tabs(), revision)


class Toasts:
    """Stands in for an app's way to a browser: keeps what pops up there, by browser. No warning filter, which tasks share."""

    def __init__(self) -> None:
        self.of: dict[str, list[tuple[str, str]]] = {}

    def __call__(self, event_id: str, log: str, level: str, **_: Any) -> None:
        self.of.setdefault(event_id, []).append((level, log))


class Browser:
    """One session. What it shows is read with `value` and `props`."""

    def __init__(self, app: gr.Blocks, name: str = "browser", query: dict[str, str] | None = None) -> None:
        """name: the session's. query: of the address."""
        self.app = app
        self.request = gr.Request(session_hash=name, query_params=query or {})
        self._toasts: Toasts = vars(app._queue).setdefault("log_message", Toasts())
        self._event_id = f"{name} {id(self)}"
        self._state = SessionState(app)
        self._values: dict[int, Any] = {}
        self._props: dict[int, dict[str, Any]] = {}

    @property
    def toasts(self) -> list[str]:
        """The warnings that popped up."""
        return self._popped("warning")

    @property
    def news(self) -> list[str]:
        """What popped up and is no warning."""
        return self._popped("info")

    def _popped(self, level: str) -> list[str]:
        return [text for own, text in self._toasts.of.get(self._event_id, []) if own == level]

    def value(self, component: Any) -> Any:
        """The value of a component or a state, as this session has it."""
        if isinstance(component, gr.State):
            return self._state[component._id]
        empty = "" if isinstance(component, gr.Textbox) and component.value is None else component.value
        return self._values.get(component._id, empty)

    def props(self, component: Any) -> dict[str, Any]:
        """What the handlers have set of a component besides its value: visible, interactive, selected."""
        return self._props.get(component._id, {})

    def shown(self) -> list[Any]:
        """The values that handlers have set, and what was typed."""
        return list(self._values.values())

    def type(self, component: Any, value: Any) -> None:
        """As if the person had typed it. No event."""
        self._values[component._id] = value

    def fire(self, component: Any, event: str, **data: Any) -> None:
        """An event with its data, and all that follows from it, to the end."""
        asyncio.run(self.fired(component, event, **data))

    async def fired(self, component: Any, event: str, **data: Any) -> None:
        """`fire` on an event loop that runs already."""
        target = None if event == "unload" else component._id
        functions = [fn for fn in self.app.fns.values() if (target, event) in fn.targets and fn.fn is not None]
        assert functions, f"nothing is bound to {event} of {component}"
        for fn in functions:
            async for _ in self.run(fn, data):
                pass

    async def run(self, fn: BlockFunction, data: Any) -> AsyncIterator[None]:
        """One handler; each of its updates is shown when it comes."""
        iterator, changed, generating = None, set[int](), True
        while generating:
            result = await self.app.process_api(
                fn, [None if one.stateful else self.value(one) for one in fn.inputs], self._state, iterator=iterator,
                event_data=gr.EventData(None, data), request=self.request, event_id=self._event_id,
            )  # fmt: skip
            ended = iterator is not None and not result["is_generating"]  # a generator's end brings no update
            iterator, generating = result["iterator"], result["is_generating"]
            changed |= set(result["changed_state_ids"])
            for component, value in zip(fn.outputs, [] if ended else result["data"], strict=not ended):
                self._show(component, value)
            yield
        for state in [self.app.blocks[one] for one in sorted(changed)]:
            if any((state._id, "change") in other.targets for other in self.app.fns.values()):
                await self.fired(state, "change")

    def _show(self, component: Any, value: Any) -> None:
        if component.stateful:
            return
        if isinstance(value, dict) and value.get("__type__") == "update":
            self._props.setdefault(component._id, {}).update({key: one for key, one in value.items() if key != "value"})
            if "value" not in value:
                return
            value = value["value"]
        self._values[component._id] = value
