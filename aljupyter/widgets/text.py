"""Sentences for the status line."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

from aljupyter.explain import BAD, GOOD, Explanation
from aljupyter.records import RoundRecord, in_number
from aljupyter.widgets import theme
from aljupyter.widgets.theme import number

_SIGNS = {GOOD: ("✓", theme.TEXT), BAD: ("!", theme.ERROR_TEXT)}


def standing(learner: Any, metric: str, previous: float | None = None) -> str:
    """Where the learner is: ``balanced accuracy 0.93 (+0.02), 34 of 400 labelled``."""
    labelled = f"{learner.n_labels} of {len(learner.data.train)} labelled"
    value = learner.metrics.get(metric)
    if value is None:
        return labelled
    change = ""
    if previous is not None and np.isfinite(previous) and np.isfinite(value):
        difference = value - previous
        size = number(abs(difference), like=value)
        change = f" ({'-' if difference < 0 and float(size) else '+'}{size})"
    return f"{metric.replace('_', ' ')} {number(value)}{change}, {labelled}"


def status(learner: Any, metric: str) -> str:
    """The last round in a sentence, or what to do before the first."""
    if not len(learner.history):
        advice = " Step plays one." if learner.is_current or not learner.asks_model else ""
        return f"No round yet: {standing(learner, metric)}.{advice}"
    last: RoundRecord = learner.history[-1]
    did = "was told the labels of" if last.strategy == "given" else "asked"
    return (
        f"After {in_number(len(learner.history), 'round')}: {did} {in_number(len(last.indices), 'point')}; "
        f"{standing(learner, metric, last.metrics.get(metric))}."
    )


def past(learner: Any, metric: str, k: int) -> str:
    """Round k in a sentence: the model before its query, and what that query was."""
    record: RoundRecord = learner.history[k]
    value = record.metrics.get(metric)
    measured = "no model yet" if value is None else f"{metric.replace('_', ' ')} {number(value)}"
    did = "was told the labels of" if record.strategy == "given" else f"{record.strategy} asked"
    return (
        f"Round {k} of {len(learner.history)}, with {in_number(record.n_labels, 'label')}: {measured}; then "
        f"{did} {in_number(len(record.indices), 'point')}."
    )


def explained(explanation: Explanation) -> str:
    """How a loop is doing, as HTML."""
    lines = []
    for finding in explanation.findings:
        sign, colour = _SIGNS.get(finding.verdict, ("?", theme.FAINT_TEXT))
        lines.append(
            f'<div><b style="color:{colour}">{sign} {escape(finding.name)}</b> {escape(finding.sentence)}</div>'
        )
    if explanation.advice:
        lines.append(f"<div><b>To try:</b> {escape('; or '.join(explanation.advice))}.</div>")
    return f'<div role="status" aria-live="polite" style="line-height:1.5">{"".join(lines)}</div>'


def paragraphs(words: str) -> str:
    """Lines as HTML, one below the other."""
    return "".join(f'<p style="margin:2px 0;line-height:1.5">{escape(line)}</p>' for line in words.splitlines())
