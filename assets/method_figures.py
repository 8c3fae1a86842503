"""Draw the two figures of assets/docs/method.md from a zsRE-like file: `python assets/method_figures.py --data zsre.jsonl …`.

Takes minutes. The numbers are kept beside the pictures, in assets/method.json; without --data they are only drawn again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from app.commands.datasets import Chosen, read_dataset
from app.studio.prompt_files import read_prompts
from grace_core.answering.given_values import gives_target
from grace_core.config import GraceConfig
from grace_core.editing.new_codebook import new_codebook
from grace_core.editing.training import Task, train_values
from grace_core.editing.training_prompts import training_contexts
from grace_core.measuring.measures import Case
from grace_core.models.activations import activations_of
from grace_core.models.family import Asked
from grace_core.models.language_model import LanguageModel
from grace_core.models.load import load_model

HERE = Path(__file__).parent
KINDS: dict[str, dict[str, Any]] = {
    "last token, block 20, raw (the paper's kind)": {"pool": "last", "encoding": "raw", "distance": "euclidean", "key_layer": 20},
    "last token, block 30, raw": {"pool": "last", "encoding": "raw", "distance": "euclidean", "key_layer": 30, "value_layer": 30},
    "mean, block 1, raw": {"pool": "mean", "encoding": "raw", "distance": "euclidean", "key_layer": 1},
    "mean, block 1, whitened": {"pool": "mean", "key_layer": 1},
    "weighted mean, block 1, whitened (early)": {"key_layer": 1},
}
STOPS = (1.0, 0.3, 0.1, 0.05, 0.02)
COLOURS = ("#999999", "#666666", "#e69f00", "#56b4e9", "#0072b2")


def reach(model: LanguageModel, cases: Sequence[Case], unrelated: Sequence[str]) -> dict[str, dict[str, list[float]]]:
    """Per query kind, for one ε after another: paraphrases within ε of their own, nearest key; unrelated prompts within any."""
    out = {}
    for name, chosen in KINDS.items():
        codebook = new_codebook(model, GraceConfig.early(**chosen))

        def queries(texts: Sequence[str]) -> np.ndarray:
            prompts = [model.prompt(text) for text in texts]
            return codebook.encoder(activations_of(model, codebook.reader, prompts))  # noqa: B023

        keys = queries([case.prompt for case in cases]).astype(np.float64)

        def to_keys(texts: Sequence[str]) -> np.ndarray:
            own = queries(texts).astype(np.float64)
            squared = (own**2).sum(1)[:, None] + (keys**2).sum(1) - 2 * own @ keys.T  # noqa: B023
            return np.sqrt(squared.clip(0))

        asked = to_keys([case.asked["gen_exact"][0] for case in cases])
        right = np.where(asked.argmin(1) == np.arange(len(cases)), asked.min(1), np.inf)
        others = to_keys(unrelated).min(1)
        steps = np.unique(np.concatenate([np.quantile(others, np.linspace(0, 0.2, 200)), [others.min() * 0.999]]))
        out[name] = {
            "unrelated": [float((others <= step).mean()) for step in steps],
            "recall": [float((right <= step).mean()) for step in steps],
        }
    return out


def stops(model: LanguageModel, answers: Sequence[Case], sentences: Sequence[Case]) -> dict[str, list[float]]:
    """Paraphrases that get exactly the target, and steps, against the loss at which training stopped; routing taken as given."""
    out: dict[str, list[float]] = {"stop": list(STOPS)}
    for name, (cases, chosen) in {
        "answers, one position, own prompt": (answers, {"contexts": 0, "span": "last"}),
        "answers, own prompt": (answers, {"contexts": 0}),
        "sentences, own prompt": (sentences, {"contexts": 0}),
        "sentences, 8 more prompts": (sentences, {"contexts": 8}),
    }.items():
        exact, steps = [], []
        for stop in STOPS:
            config = GraceConfig.robust(stop_loss=stop, **chosen).resolved(len(model.blocks))
            found = [_one(model, config, case) for case in cases]
            exact.append(float(np.mean([right for right, _ in found])))
            steps.append(float(np.mean([taken for _, taken in found])))
        out[name], out[f"{name}, steps"] = exact, steps
    return out


def _one(model: LanguageModel, config: GraceConfig, case: Case) -> tuple[float, int]:
    """Share of a case's paraphrases that decode exactly with the value learned for its prompt, and the steps that it took."""
    own, ids = model.prompt(case.prompt), model.target_ids(case.prompt, case.target)
    trained = train_values(model, config, [Task((own, *training_contexts(model, config, own)), ids)])[0]
    assert config.value_layer is not None  # resolved
    asked = [Asked(model.prompt(text), ids, trained.value) for text in case.asked["gen_exact"]]
    return float(np.mean(gives_target(model, config.value_layer, asked))), trained.steps


def figures(numbers: dict[str, Any]) -> dict[str, go.Figure]:
    """Both figures, direct labels instead of legends."""
    first = go.Figure()
    for (name, line), colour in zip(numbers["reach"].items(), COLOURS, strict=True):
        x, y = 100 * np.array(line["unrelated"]), 100 * np.array(line["recall"])
        shown = x <= 5
        first.add_scatter(x=x[shown], y=y[shown], mode="lines", line={"color": colour, "width": 3})
        first.add_annotation(
            x=0.63,
            xref="paper",
            y=y[shown][-1],
            text=name,
            showarrow=False,
            xanchor="left",
            font={"color": colour},
            yshift=_apart(name),
        )
    first.update_xaxes(title="unrelated prompts inside some ball (%)", range=[-0.1, 5], domain=[0, 0.62])
    first.update_yaxes(title="paraphrases that find their own key (%)", range=[0, 101])
    second = go.Figure()
    lines = [name for name in numbers["stops"] if name != "stop" and not name.endswith(", steps")]
    level = 0
    for name, colour in zip(reversed(lines), reversed(COLOURS[1:]), strict=True):
        y = 100 * np.array(numbers["stops"][name])
        second.add_scatter(x=numbers["stops"]["stop"], y=y, mode="lines+markers", line={"color": colour, "width": 3})
        second.add_annotation(
            x=np.log10(numbers["stops"]["stop"][-1]),
            y=y[-1],
            text=name,
            showarrow=False,
            xanchor="left",
            xshift=10,
            yshift=-22 * level * (y[-1] > 90),  # those that end together stand below each other
            font={"color": colour},
        )
        level += y[-1] > 90
    second.update_xaxes(
        title="mean loss at which training stops (nats per token)", type="log", autorange="reversed", domain=[0, 0.66]
    )
    second.update_xaxes(tickvals=list(STOPS), ticktext=[f"{stop:g}" for stop in STOPS])
    second.update_yaxes(title="paraphrases answered exactly (%)", range=[0, 101])
    for figure in (first, second):
        figure.update_layout(
            template="simple_white", showlegend=False, width=900, height=460, margin={"t": 20, "r": 20}, font={"size": 14}
        )
    return {"method-reach": first, "method-stop": second}


def _apart(name: str) -> int:
    return {"mean, block 1, whitened": -6, "weighted mean, block 1, whitened (early)": 11, "mean, block 1, raw": -3}.get(name, 0)


def _write(drawn: dict[str, go.Figure]) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 900, "height": 460}, device_scale_factor=2)
        for name, figure in drawn.items():
            page.set_content(f"<body style='margin:0'><div id=f></div><script>{get_plotlyjs()}</script>")
            page.evaluate("f => Plotly.newPlot('f', f.data, f.layout, {staticPlot: true})", json.loads(figure.to_json()))
            page.screenshot(path=str(HERE / f"{name}.png"))
        browser.close()


def main() -> None:
    """Measure, unless --draw-only, and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="zsRE rows")
    parser.add_argument("--unrelated", type=Path, help="prompts")
    parser.add_argument("--cache", type=Path, help="where the model is kept")
    parser.add_argument("--trained", type=int, default=24, help="rows that values are learned for")
    parser.add_argument("--sentences", type=Path, help="biographies")
    parser.add_argument("--people", type=int, default=8, help="biographies that values are learned for")
    arguments = parser.parse_args()
    kept = HERE / "method.json"
    if arguments.data is not None:
        model = load_model(cache_dir=arguments.cache)
        cases = read_dataset("zsre", arguments.data).cases
        numbers = {
            "reach": reach(model, cases, read_prompts(arguments.unrelated, most=None)[:500]),
            "stops": stops(
                model,
                cases[-arguments.trained :],
                read_dataset("bios", arguments.sentences, Chosen(limit=arguments.people)).cases,
            ),
        }
        kept.write_text(json.dumps(numbers) + "\n", encoding="utf-8")
    _write(figures(json.loads(kept.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
