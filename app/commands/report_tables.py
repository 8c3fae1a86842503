"""Reports of `grace-studio eval` as Markdown: one with its meanings, its curve over ε, and several side by side. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from grace_core.measuring.in_context import COLUMNS
from grace_core.measuring.measures import MEASURES

_FIGURES = {
    "gen_token": "target tokens right on paraphrases, teacher-forced",
    "edits": "edits requested",
    "keys": "keys in the codebook",
    "excluded": "prompts not asked: training sees them, or another row edits what must not change",
    "calibrations": "times the encoder was calibrated",
    "steps_per_edit": "steps per edit",
    "seconds_per_edit": "seconds per edit",
    "ms_per_token_ratio": "time per token, with the codebook over without",
}
_METHODS = {"edits": "learned values", "routing": "lookup table, same address", "retrieval": "retrieval"}
_PROTOCOL = "greedy, token for token and ended there"


def one(report: dict[str, Any]) -> str:
    """A report as a table, each figure with its interval and its meaning."""
    lines = [f"| {title(report)}: {_METHODS[report['mode']]} | | 95 % | |", "|---|---|---|---|"]
    for name, explained in (MEASURES | _FIGURES).items():
        if report.get(name) is not None:
            lines.append(f"| {name} | {_written(report[name])} | {_interval(report, name)} | {explained} |")
    lines += [
        f"| {name} | {_written(share)} | | each row's paraphrase {number} answered exactly |"
        for number, (name, share) in enumerate(report["by_phrasing"].items(), 1)
    ]
    for name, found in report["tokens_before_slip"].items():
        written = " / ".join(f"{found[part]:g}" for part in ("lower_quartile", "median", "upper_quartile"))
        lines.append(f"| tokens before the first slip, {name} | {written} | | quartiles |")
    return "\n".join(lines)


def curve(report: dict[str, Any]) -> str:
    """Shares against the ε that each key asks for; empty where the report has no curve."""
    rows = report["curve"]
    if not rows:
        return ""
    names = [name for name in MEASURES if any(name in row for row in rows)]
    lines = ["| ε | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    lines += [f"| {row['epsilon']:g} | " + " | ".join(_cell(row, name) for name in names) + " |" for row in rows]
    return "\n".join(lines)


def side_by_side(reports: Sequence[dict[str, Any]], lookup: bool = False) -> str:
    """Several reports, a column each. lookup: beside each what a table of stored texts reaches through the same keys."""
    columns = [(f"{title(report)}: {_METHODS[report['mode']]}", report, report) for report in reports]
    if lookup:
        columns = [
            column
            for first in columns
            for column in (first, (f"{title(first[1])}: {_METHODS['routing']}", first[1], first[1]["lookup"] | {"intervals": {}}))
            if column[2].get("es_exact") is not None
        ]
    heads, whole, shares = zip(*columns, strict=True)
    lines = ["| | " + " | ".join(heads) + " |", "|---|" + "---|" * len(columns)]
    lines.append("| protocol | " + " | ".join(map(_protocol, whole)) + " |")
    lines += [
        f"| {name} | " + " | ".join(_with_interval(found, name) for found in shares) + " |"
        for name in MEASURES
        if any(found.get(name) is not None for found in shares)
    ]
    return "\n".join(lines)


def in_context(report: dict[str, Any]) -> str:
    """What facts before the prompt bring, a row for each kind of question; empty where that was not asked."""
    found = report.get("in_context") or {}
    if not found:
        return ""
    lines = [f"| {title(report)}: facts before the prompt | prompts | " + " | ".join(COLUMNS.values()) + " |"]
    lines.append("|---|---|" + "---|" * len(COLUMNS))
    lines += [
        f"| {name} | {shares['counts']['given'][1]} | " + " | ".join(_with_interval(shares, column) for column in COLUMNS) + " |"
        for name, shares in found.items()
    ]
    return "\n".join(lines)


def title(report: dict[str, Any]) -> str:
    """What was measured on what, in a few words."""
    half = f", {report['half']} rows" if report.get("half") else ""
    by = report["model"] if report["mode"] == "retrieval" else f"preset {report['preset']}"
    return f"{report['kind']}{half}, {by}, ε {report['config']['epsilon']:g}"


def _protocol(report: dict[str, Any]) -> str:
    how = _PROTOCOL if report["mode"] == "edits" else "stored text, not decoded"
    return f"{report['edits']} edits one after another, asked at the end; {how}"


def _with_interval(found: dict[str, Any], name: str) -> str:
    if found.get(name) is None:
        return ""
    interval = _interval(found, name)
    return f"{_written(found[name])} ({interval})" if interval else _written(found[name])


def _interval(report: dict[str, Any], name: str) -> str:
    found = report["intervals"].get(name)
    return "–".join(f"{end:.3f}" for end in found) if found else ""


def _cell(row: dict[str, Any], name: str) -> str:
    return f"{row[name]:.3f}" if row.get(name) is not None else ""


def _written(value: object) -> str:
    """Three decimals, or as many as keep a share below 1 from reading 1.000."""
    if not isinstance(value, float):
        return str(value)
    return next(text for digits in range(3, 18) if (text := f"{value:.{digits}f}") and (value >= 1 or float(text) < 1))
