"""Stop rules to be ticked: when Run ends by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import ipywidgets as w

from aljupyter.parameters import Parameter, changed, parameters_of
from aljupyter.stopping import (
    DEFAULT_MEASURE,
    DEFAULT_METRIC,
    Budget,
    Plateau,
    PredictionsSettled,
    StopRule,
    UncertaintyBelow,
)
from aljupyter.widgets import theme
from aljupyter.widgets.forms import Form

if TYPE_CHECKING:
    from aljupyter.learner import ActiveLearner

MORE_LABELS = 50  # than now, for the budget that is offered
_WORDS: dict[type[StopRule], str] = {
    Budget: "the budget is spent",
    Plateau: "the metric no longer improves",
    UncertaintyBelow: "the model is sure of the pool",
    PredictionsSettled: "predictions no longer change",
}


@dataclass
class _Row:
    rule: StopRule
    box: w.Checkbox
    form: Form | None = None


class Stops:
    """One row a rule: a box, and its parameters.

    Parameters
    ----------
    learner : ActiveLearner
    given : tuple of StopRule
        Those that hold from the start.
    attempt : callable
        Calls a function, and shows what goes wrong.
    """

    def __init__(
        self, learner: ActiveLearner, given: tuple[StopRule, ...], attempt: Callable[[Callable[[], Any]], None]
    ):
        self._learner, self._attempt = learner, attempt
        own = [rule for rule in given if type(rule) not in _WORDS]
        known = {type(rule): rule for rule in given}
        self._rows = [self._row(known.get(kind) or _offered(kind, learner), kind in known) for kind in _WORDS]
        self._rows += [self._row(rule, True) for rule in own]
        again = [rule for rule in given if type(rule) in _WORDS and known[type(rule)] is not rule]
        self._rows += [self._row(rule, True) for rule in again]
        self.widget = w.VBox(
            [
                w.HBox(
                    [row.box, *([row.form.widget] if row.form else [])],
                    layout=w.Layout(flex_flow="row wrap", align_items="center"),
                )
                for row in self._rows
            ]
        )

    def rules(self) -> tuple[StopRule, ...]:
        """Those that are ticked."""
        return tuple(row.rule for row in self._rows if row.box.value)

    def _row(self, rule: StopRule, holds: bool) -> _Row:
        doc = (type(rule).__doc__ or "").strip().splitlines()
        box = w.Checkbox(
            value=holds, indent=False, description=_WORDS.get(type(rule), theme.short(repr(rule))),
            tooltip=doc[0] if doc else "", layout=w.Layout(width="230px"),
        )  # fmt: skip
        box.add_class(f"al-stop-{type(rule).__name__.lower()}")
        row = _Row(rule, box)
        parameters = self._parameters(rule)
        if parameters and type(rule) in _WORDS:
            row.form = Form(lambda key, value: self._change(row, key, value), self._attempt, "al-stop")
            row.form.show(parameters)
        return row

    def _parameters(self, rule: StopRule) -> list[Parameter]:
        """Those of a rule; names of metrics and measures are chosen from those of the task."""
        learner = self._learner
        offered = {"metric": tuple(learner.metric_names), "measure": tuple(learner.measures())}
        default = {"metric": DEFAULT_METRIC[learner.data.task], "measure": DEFAULT_MEASURE[learner.data.task]}
        return [
            replace(p, kind="choice", choices=offered[p.name], value=p.value or default[p.name])
            if p.name in offered
            else p
            for p in parameters_of(rule)
        ]

    def _change(self, row: _Row, key: str, value: Any) -> None:
        row.rule = changed(row.rule, {key: value})
        assert row.form is not None
        row.form.show(self._parameters(row.rule))
        row.box.value = True  # who sets a number wants it to count

    def summary(self) -> str:
        rules = self.rules()
        return f"Run stops by {', '.join(map(repr, rules))}." if rules else "Run plays all its rounds."


def _offered(kind: type[StopRule], learner: ActiveLearner) -> StopRule:
    """A rule with values to start from."""
    if kind is Budget:
        return Budget(max(1, min(len(learner.data.train), learner.n_labels + MORE_LABELS)))
    if kind is UncertaintyBelow:
        labels = learner.data.labelled.y
        spread = float(labels.double().std()) if learner.data.task == "regression" and len(labels) > 1 else 0.0
        return UncertaintyBelow(float(f"{0.1 * (spread or 1.0):.1g}"))
    return kind()
