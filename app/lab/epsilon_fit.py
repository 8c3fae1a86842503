"""A fit of ε to a person's own prompts, in words, as a figure and as a table. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.charts.labels import counted
from app.charts.plotly import Figure, Table, axis, base_layout, distance_unit, key_line, words
from grace_core.config import Distance
from grace_core.measuring.epsilon_fit import EpsilonFit, Judged, Span


def fit_sentence(fit: EpsilonFit) -> str:
    """Which ε makes the fewest mistakes, which others make as few, and what else there is to know."""
    now, best = fit.at(fit.asked), fit.best
    parts = [f"ε is {fit.asked:.3f} now and makes {_mistakes(now)}."]
    alike = len({(span.missed, span.wrong) for span in best}) == 1
    ties = " or ".join(f"{span.low:.3f} to {span.high:.3f}{'' if alike else f' ({_kinds(span)})'}" for span in best)
    fewest = _mistakes(best[0]) if alike else counted(best[0].mistakes, "mistake")
    if fit.suggested == fit.asked:
        parts.append(f"No other ε makes fewer; any from {ties} makes as few.")
    else:
        parts.append(f"The fewest: {fewest} with any ε from {ties}. {fit.suggested:g} is suggested.")
    return " ".join([*parts, *_kept(fit)])


def _kept(fit: EpsilonFit) -> list[str]:
    """What no ε can do: the subject's part has an end of its own, and near edits cap a key."""
    out = []
    missed = [one for one in fit.judged if one.should and not one.then]
    subjects = [one for one in missed if one.parts is not None and _beyond_subject(fit, one)]
    if subjects:
        out.append(
            f"“{subjects[0].prompt}” is missed for its subject ({_away(subjects[0])}), whose part ends at {fit.subject_end:.3f} "
            "whatever ε is; give it to the edit as a phrasing."
        )
    should = [one.parts.subject for one in fit.judged if one.should and one.parts is not None]
    others = [one.parts.subject for one in fit.judged if not one.should and one.then and one.parts is not None]
    if should and others and max(should) < min(others):
        out.append(
            f"The subject alone would tell them apart: those that should be answered are at most {max(should):.3f} away in it, "
            f"those answered wrongly at least {min(others):.3f}. An edit of such a question ends the subject's part."
        )
    return out


def _beyond_subject(fit: EpsilonFit, one: Judged) -> bool:
    return one.parts is not None and fit.subject_end is not None and one.parts.subject > fit.subject_end < fit.epsilon


def _mistakes(span: Span) -> str:
    if not span.mistakes:
        return "no mistake"
    return f"{counted(span.mistakes, 'mistake')} ({_kinds(span)})"


def _kinds(span: Span) -> str:
    kinds = [
        f"{span.missed} missed" if span.missed else "",
        f"{span.wrong} answered that should not be" if span.wrong else "",
    ]
    return ", ".join(kind for kind in kinds if kind)


def _away(one: Judged) -> str:
    return f"{one.distance:.3f}" if one.parts is None else str(one.parts)


def fit_figure(fit: EpsilonFit, distance: Distance) -> Figure:
    """Mistakes against ε, of both kinds together and each; the best ε shaded."""
    end = fit.spans[-1].high
    edges = [fit.spans[0].low, *(span.high for span in fit.spans)]
    lines = (
        ("mistakes", "@text", "solid", [span.mistakes for span in fit.spans]),
        ("missed", "@own", "dot", [span.missed for span in fit.spans]),
        ("answered wrongly", "@contested", "dash", [span.wrong for span in fit.spans]),
    )
    top = max(2, *(span.mistakes for span in fit.spans)) + 0.4
    marks = [(min(fit.asked, end), f"now {fit.asked:g}", "@muted", "solid")]
    if fit.suggested != fit.asked:
        marks.append((fit.suggested, f"suggested {fit.suggested:g}", "@text", "dash"))
    first = min(marks)[0]
    layout = base_layout(
        xaxis=axis(f"ε asked for ({distance_unit(distance)})", range=[0, end], showgrid=False, showline=True),
        yaxis=axis("prompts", range=[-0.06 * top, top], tickformat="d", dtick=max(1, round(top / 5))),
        margin={"l": 52, "r": 16, "t": 46, "b": 48},
        hovermode="x unified",
        shapes=[
            *(_shade(span) for span in fit.best),
            *(
                {"type": "line", "x0": x, "x1": x, "yref": "paper", "y0": 0, "y1": 1, "layer": "below",
                 "line": {"color": colour, "width": 1.3, "dash": dash}}
                for x, _, colour, dash in marks
            ),
        ],
        annotations=[
            *({**one, "yshift": 22} for one in key_line([(name, colour) for name, colour, *_ in lines])),
            *(
                words(text, x, 1.0, colour, xref="x", yanchor="bottom", yshift=3,
                      xanchor="center" if len(marks) == 1 else "right" if x == first else "left")
                for x, text, colour, _ in marks
            ),
        ],
    )  # fmt: skip
    return {"data": [_line(edges, *line) for line in lines], "layout": layout}


def _line(edges: Sequence[float], name: str, colour: str, dash: str, counts: Sequence[int]) -> dict[str, Any]:
    return {
        "type": "scatter", "mode": "lines", "name": name, "x": [round(x, 5) for x in edges], "y": [*counts, counts[-1]],
        "line": {"color": colour, "width": 2.2 if dash == "solid" else 1.6, "dash": dash, "shape": "hv"},
        "hovertemplate": "%{y} " + name + "<extra></extra>",
    }  # fmt: skip


def _shade(span: Span) -> dict[str, Any]:
    return {
        "type": "rect", "x0": span.low, "x1": span.high, "yref": "paper", "y0": 0, "y1": 1, "layer": "below",
        "fillcolor": "@own-soft", "line": {"width": 0},
    }  # fmt: skip


def fit_table(fit: EpsilonFit) -> Table:
    """Each prompt: what it should be, how far it is in each part, and what happens now and at the suggested ε."""
    two = any(one.parts is not None for one in fit.judged)
    columns = ["Prompt", "Should", "Distance", *(("Subject", "Question") if two else ()), "Now", f"At ε {fit.suggested:g}"]
    rows = []
    for one in sorted(fit.judged, key=lambda one: (not one.should, one.distance)):
        parts = () if one.parts is None else (round(one.parts.subject, 3), round(one.parts.question, 3))
        rows.append(
            [
                one.prompt, "be answered" if one.should else "not be answered", round(one.distance, 3), *parts,
                _outcome(one.should, one.now), _outcome(one.should, one.then),
            ]
        )  # fmt: skip
    return columns, rows


def _outcome(should: bool, answered: bool) -> str:
    return ("answered" if answered else "not answered") + ("" if should == answered else " ✗")
