"""Lab › Anatomy of an answer: why this prompt gets this answer. Nothing here is logged."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import gradio as gr

from app.lab.anatomy_figures import keys_figure, keys_table, tokens_figure, tokens_table
from app.ui.components.figure import build_figure, figure_value
from app.ui.components.message import NONE, build_message, message_value
from app.ui.lab.anatomy_view import anatomy_value, build_anatomy_view
from app.ui.lab.anatomy_words import build_anatomy_words, words_value
from app.ui.lab.progress import build_lab_progress
from app.ui.lab.run import Updates, run_job, streams
from app.ui.open_map import bind_open_map
from app.ui.session import PageContext, Session, bind
from grace_core.answering.anatomy import Anatomy

OFFERED_EDITS, OFFERED_QUERIES = 200, 50


class AnatomyPart:
    """The components and their events."""

    def __init__(self, context: PageContext) -> None:
        self.context, self.studio = context, context.studio
        with gr.Column(elem_classes="gs-panel"):
            _heading("Anatomy of an answer", "h2")
            with gr.Row(elem_classes="gs-field-row"):
                self.prompt = gr.Textbox(
                    label="Prompt",
                    placeholder="Type a prompt: it is answered with and without the codebook, and not logged",
                    max_lines=4,
                    elem_id="gs-anatomy-prompt",
                    scale=1,
                )
                self.stop = gr.Button("Stop", visible=False, scale=0, elem_id="gs-anatomy-stop")
                self.go = gr.Button("Take apart", variant="primary", scale=0, elem_id="gs-anatomy-go")
            self.pick = gr.Dropdown(
                label="Or pick an edited prompt, one of its phrasings, or a logged query",
                choices=[],
                value=None,
                elem_id="gs-anatomy-pick",
            )
            self.message = build_message("gs-anatomy-message")
            self.progress = build_lab_progress("gs-anatomy-progress", "Progress of the anatomy")
            self.empty = build_message(
                "gs-anatomy-empty",
                message_value(
                    "Here you see why a prompt gets its answer: which keys are near its query and how far, whether the nearest "
                    "one matches, which words brought it there, what the model says with and without the codebook, and how the "
                    "next token's odds moved.",
                    "plain",
                ),
            )
        with gr.Column(visible=False, elem_id="gs-anatomy-result") as self.result:
            with gr.Column(elem_classes="gs-panel"):
                self.view = build_anatomy_view()
            with gr.Column(elem_classes="gs-panel"):
                _heading("Which words brought it near", "h3")
                self.words = build_anatomy_words()
            with gr.Row(elem_classes="gs-columns"):
                with gr.Column(elem_classes="gs-panel", min_width=420):
                    _heading("Nearest keys", "h3")
                    self.keys = build_figure(
                        elem_id="gs-anatomy-keys", label="Nearest keys", filename="grace-studio-nearest-keys", height=360
                    )
                with gr.Column(elem_classes="gs-panel", min_width=420):
                    _heading("Next token", "h3")
                    self.tokens = build_figure(
                        elem_id="gs-anatomy-tokens",
                        label="Next-token probabilities",
                        filename="grace-studio-next-token",
                        height=360,
                    )
        self._bind()

    def _bind(self) -> None:
        context = self.context
        outputs = [
            self.message, self.progress, self.empty, self.go, self.stop, self.result, self.view, self.words, self.keys,
            self.tokens,
        ]  # fmt: skip
        asking = [self.prompt, context.session]
        bind([self.go.click, self.prompt.submit], self.on_go, asking, outputs)
        bind(self.pick.input, lambda text: text or "", self.pick, self.prompt)
        bind(self.prompt.change, _other_prompt, [self.prompt, self.pick], self.pick)
        bind(self.stop.click, Session.cancel, context.session, queue=False)
        bind(context.redraw.change, self.offered, None, self.pick)
        bind_open_map(context, self.view)

    def offered(self) -> Any:
        """Prompts worth taking apart: edited ones, their phrasings, and the latest queries."""
        moment = self.studio.moment()
        edits = [edit for edit in reversed(moment.codebook.edits) if moment.codebook.entry_of(edit.edit_id) is not None]
        texts = [text for edit in edits[:OFFERED_EDITS] for text in (edit.prompt, *edit.paraphrases)]
        texts += [query.prompt for query in reversed(moment.queries[-OFFERED_QUERIES:])]
        return gr.update(choices=list(dict.fromkeys(texts)))

    @streams
    def on_go(self, prompt: str, session: Session) -> AsyncIterator[Updates]:
        """Take one prompt apart."""
        return run_job(
            session, partial(self.studio.anatomy, prompt), self._drawn, message=self.message, progress=self.progress,
            first="Reading the prompt",
            running={self.go: gr.update(interactive=False), self.stop: gr.update(visible=True)},
            ended=lambda: {self.go: gr.update(interactive=True), self.stop: gr.update(visible=False)},
        )  # fmt: skip

    def _drawn(self, anatomy: Anatomy) -> Updates:
        none = "No key yet: make an edit on the Review page, and its key appears here."
        keys = keys_figure(anatomy) if anatomy.keys else None
        return {
            self.empty: NONE,
            self.result: gr.update(visible=True),
            self.view: anatomy_value(anatomy),
            self.words: words_value(anatomy),
            self.keys: figure_value(keys, note=KEYS_NOTE, table=keys_table(anatomy), empty=none, spoken=anatomy.verdict()),
            self.tokens: figure_value(tokens_figure(anatomy), note=tokens_note(anatomy), table=tokens_table(anatomy)),
        }


KEYS_NOTE = (
    "Bars are how far each key reaches, its ε, and dots the query's true distance: a filled dot lies within its bar. "
    "Only the first key can answer, and only where all its dots are filled."
)


def tokens_note(anatomy: Anatomy) -> str:
    """How far the distribution moved, in one sentence."""
    if anatomy.edit_id is None:
        return "Deferred: the distribution is bit for bit the model's own (KL 0 nats)."
    return (
        f"At the last prompt token, where the value was put in, the codebook moved the next token's distribution by "
        f"{anatomy.divergence:.2f} nats (KL divergence of “with” from “without”)."
    )


def _heading(text: str, tag: str) -> None:
    gr.HTML(f'<{tag} class="gs-heading">{text}</{tag}>', apply_default_css=False, elem_classes="gs-part")


def _other_prompt(prompt: str, picked: str | None) -> Any:
    """What was picked is no longer what stands there. Not on `input`, which Gradio calls a key press only."""
    return gr.skip() if prompt == picked else None


def build_anatomy(context: PageContext) -> None:
    """Builds this part inside the current tab."""
    AnatomyPart(context)
