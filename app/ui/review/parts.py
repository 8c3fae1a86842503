"""What stands on the Review page, and which of its buttons can be pressed when. What they do is in `review`."""

from __future__ import annotations

import json
from typing import Any

import gradio as gr

from app.ui.components.message import build_message, message_value
from app.ui.review.diff import build_diff
from app.ui.review.loss_curve import build_loss_curve
from app.ui.review.marker import build_marker
from app.ui.review.tries import build_tries
from app.ui.session import bind

EXAMPLES = (
    "Who was Ada Lovelace?",
    "Write a one-sentence biography of Grace Hopper.",
    "What is the capital of Australia?",
)

Updates = dict[Any, Any]


class ReviewParts:
    """The page's components, built inside the tab that is open."""

    def __init__(self, *, in_context: bool = False) -> None:
        """Prompt and answer on the left, the correction on the right, the result of an edit below both.

        in_context: how the switch for facts stands at first.
        """
        with gr.Row(elem_classes="gs-columns"):
            with gr.Column(scale=7, min_width=340):
                self._layout_prompt(in_context)
                with gr.Column(elem_classes="gs-panel"):
                    self.marker = build_marker()
            with gr.Column(scale=5, min_width=320, elem_classes="gs-panel", elem_id="gs-correct"):
                self._layout_correction()
        with gr.Column(elem_classes="gs-panel", elem_id="gs-result", visible=False) as self.result:
            self.outcome = build_diff()
            with gr.Column(elem_id="gs-try-panel", visible=False) as self.try_panel:
                with gr.Row(elem_classes="gs-field-row"):
                    self.phrasing = gr.Textbox(
                        label="Try a phrasing",
                        placeholder="Ask the same thing in other words",
                        lines=1,
                        max_lines=3,
                        elem_id="gs-phrasing",
                        scale=1,
                    )
                    self.ask = gr.Button("Ask", elem_id="gs-ask", scale=0)
                    self.ask_stop = gr.Button("Stop", elem_id="gs-ask-stop", visible=False, scale=0)
                self.try_message = build_message("gs-try-message")
                self.tries = build_tries()

    def _layout_prompt(self, in_context: bool) -> None:
        with gr.Column(elem_classes="gs-panel"):
            with gr.Row(elem_classes="gs-field-row"):
                self.prompt = gr.Textbox(
                    label="Prompt",
                    placeholder="Ask the model something",
                    lines=1,
                    max_lines=8,
                    elem_id="gs-prompt",
                    autofocus=True,
                    scale=1,
                )
                self.stop = gr.Button("Stop", elem_id="gs-stop", visible=False, scale=0)
                self.send = gr.Button("Send", variant="primary", elem_id="gs-send", scale=0)
            self.prompt_message = build_message("gs-prompt-message")
            self.in_context = gr.Checkbox(
                in_context,
                label="Where no edit answers, put the fact of an edit about the same subject before the prompt",
                container=False,
                elem_id="gs-in-context",
            )
            with gr.Row(elem_classes="gs-chips"):
                for example in EXAMPLES:
                    chip = gr.Button(example, size="sm", elem_classes="gs-chip")
                    bind(chip.click, None, js=f"() => {json.dumps(example)}", outputs=self.prompt)

    def _layout_correction(self) -> None:
        gr.HTML('<h2 class="gs-heading">Correct it</h2>', apply_default_css=False, elem_classes="gs-part")
        self.corrects = build_message("gs-corrects", message_value("Send a prompt first.", "plain"))
        self.target = gr.Textbox(
            label="Correct response",
            placeholder="The answer will stand here: change what is wrong in it.",
            lines=4,
            max_lines=14,
            interactive=False,
            elem_id="gs-target",
        )
        self.cut = build_message("gs-cut")
        self.phrasings = gr.Textbox(
            label="Other phrasings of the prompt (optional, one per line)",
            placeholder="Real rephrasings make the edit hold for more ways of asking.",
            lines=2,
            max_lines=8,
            interactive=False,
            elem_id="gs-phrasings",
        )
        self.source_url = gr.Textbox(
            label="Source (optional)",
            placeholder="https://",
            max_lines=1,
            interactive=False,
            elem_id="gs-source-url",
        )
        self.edit_message = build_message("gs-edit-message")
        self.progress = build_loss_curve()
        with gr.Row(elem_classes="gs-actions"):
            self.cancel = gr.Button("Cancel", elem_id="gs-cancel", visible=False)
            self.edit = gr.Button("Edit", variant="primary", elem_id="gs-edit", interactive=False)

    def all(self) -> list[Any]:
        """Everything that an event of the page may change."""
        return [
            self.marker, self.prompt_message, self.send, self.stop, self.corrects, self.target, self.cut, self.phrasings,
            self.source_url, self.edit_message, self.progress, self.edit, self.cancel, self.result, self.outcome,
            self.try_panel, self.phrasing, self.ask, self.ask_stop, self.try_message, self.tries,
        ]  # fmt: skip

    def busy(self, stopper: gr.Button) -> Updates:
        """No second request from this page while one runs; `stopper` is the button that ends it."""
        return self._buttons(stopper, can_edit=False)

    def idle(self, *, can_edit: bool) -> Updates:
        """Nothing runs: every button can be pressed, Edit where there is an answer to correct."""
        return self._buttons(None, can_edit=can_edit)

    def _buttons(self, stopper: gr.Button | None, *, can_edit: bool) -> Updates:
        shown = {button: gr.update(visible=button is stopper) for button in (self.stop, self.cancel, self.ask_stop)}
        able = {self.send: stopper is None, self.ask: stopper is None, self.edit: can_edit}
        return {**shown, **{button: gr.update(interactive=free) for button, free in able.items()}}
