"""When a run should end: stop rules, asked before each query of the model fitted by then."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aljupyter.errors import InvalidParameter
from aljupyter.models.base import ModelManager
from aljupyter.models.metrics import LOWER_IS_BETTER
from aljupyter.posterior import ClassPosterior
from aljupyter.standing import Standing

__all__ = ["Budget", "Plateau", "PredictionsSettled", "StopRule", "UncertaintyBelow", "as_rules"]

MOST_POINTS = 2000  # of the training view, whose predictions are compared
DEFAULT_METRIC = {"classification": "balanced_accuracy", "regression": "rmse"}
DEFAULT_MEASURE = {"classification": "least confidence", "regression": "standard deviation"}


class StopRule(ABC):
    """Says, before a query, whether to end there. One's own is a subclass with :meth:`reason`."""

    #: whether the model has to be fitted on the present labels before the rule is asked
    needs_model: bool = True

    @abstractmethod
    def reason(self, learner: Standing) -> str:
        """Why to stop, in words; empty to go on."""

    def room(self, learner: Standing) -> int | None:
        """How many labels may still be asked for; None where the rule sets no bound."""
        return None

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in vars(self).items() if not name.startswith("_"))
        return f"{type(self).__name__}({shown})"


class Budget(StopRule):
    """Stop when so many points are labelled, those of the start included; the last batch is cut to fit.

    Parameters
    ----------
    labels : int
        At least 1.

    Raises
    ------
    InvalidParameter
    """

    needs_model = False

    def __init__(self, labels: int):
        self.labels = _whole("labels", labels)

    def reason(self, learner: Standing) -> str:
        return f"the budget of {self.labels} labels is spent" if not self.room(learner) else ""

    def room(self, learner: Standing) -> int:
        return max(0, self.labels - learner.n_labels)


class Plateau(StopRule):
    """Stop when a metric has not become better for some rounds.

    One loop's curve goes up and down by chance: with few rounds, or a small test view, it looks flat too early.

    Parameters
    ----------
    rounds : int
        The best of the last so many models, and the best of all before them, are compared.
    by : float
        How much better counts, in units of the metric; at least 0.
    metric : str, optional
        One of ``learner.metric_names``. Balanced accuracy or RMSE where not given.

    Raises
    ------
    InvalidParameter
    """

    def __init__(self, rounds: int = 5, by: float = 0.005, metric: str | None = None):
        self.rounds, self.by, self.metric = _whole("rounds", rounds), _number("by", by), metric

    def reason(self, learner: Standing) -> str:
        metric = _known("metric", self.metric, DEFAULT_METRIC[learner.data.task], learner.metric_names)
        values = [record.metrics.get(metric, math.nan) for record in learner.history]
        values.append(learner.metrics.get(metric, math.nan))
        known = np.array([value for value in values if math.isfinite(value)])
        if len(known) <= self.rounds:
            return ""
        better = -known if metric in LOWER_IS_BETTER else known
        if better[-self.rounds :].max() > better[: -self.rounds].max() + self.by:
            return ""
        did = "fallen" if metric in LOWER_IS_BETTER else "risen"
        return f"{metric.replace('_', ' ')} has not {did} by more than {self.by:g} in {self.rounds} rounds"


class UncertaintyBelow(StopRule):
    """Stop when the model is sure of every point of the pool.

    A model can be sure and wrong: with few labels it often is.

    Parameters
    ----------
    threshold : float
        In units of the measure.
    measure : str, optional
        One of ``learner.measures()``. Least confidence, 1 - max p, or the standard deviation of the prediction where
        not given.

    Raises
    ------
    InvalidParameter
    """

    def __init__(self, threshold: float, measure: str | None = None):
        self.threshold, self.measure = _number("threshold", threshold), measure

    def reason(self, learner: Standing) -> str:
        measures = learner.measures()
        name = _known("measure", self.measure, DEFAULT_MEASURE[learner.data.task], measures)
        if learner.pool_is_empty:
            return ""
        highest = float(measures[name].values(learner.model.posterior(learner.data.unlabelled)).max())
        if not highest < self.threshold:
            return ""
        return f"{name} is below {self.threshold:g} in the whole pool (at most {highest:.3g})"


class PredictionsSettled(StopRule):
    """Stop when new labels no longer change what the model predicts (Bloodgood & Vijay-Shanker 2009, CoNLL).

    Compared are the predictions for the training view (up to 2,000 of its points) of each of the last models with
    those of the one before it: the share of points whose class changed; in regression the mean change, in standard
    deviations of the labels. The models of past rounds are read from their states, nothing is fitted.

    Parameters
    ----------
    share : float
        The largest change that still counts as none; at least 0.
    rounds : int
        In so many rounds one after the other.

    Raises
    ------
    InvalidParameter
    """

    def __init__(self, share: float = 0.01, rounds: int = 3):
        self.share, self.rounds = _number("share", share), _whole("rounds", rounds)
        self._known: OrderedDict[Any, Tensor] = OrderedDict()

    def reason(self, learner: Standing) -> str:
        rounds = len(learner.history)
        # the present first: what a rule was asked of it remembers, also of models that cannot be stored
        models = [self._predictions(learner, k) for k in range(rounds, max(0, rounds - self.rounds) - 1, -1)]
        predicted = [said for said in reversed(models) if said is not None]
        if len(predicted) <= self.rounds:  # too few rounds, or no model in one of them
            return ""
        changes = [_change(a, b, learner) for a, b in zip(predicted[:-1], predicted[1:], strict=True)]
        if max(changes) > self.share:
            return ""
        what = "of the predicted classes" if learner.data.task == "classification" else "of a deviation"
        return f"predictions have settled: at most {max(changes):.2%} {what} changed in each of {self.rounds} rounds"

    def _predictions(self, learner: Standing, k: int) -> Tensor | None:
        """What the model before query k says; that of the present for the round to come. Remembered by its labels."""
        present = k == len(learner.history)
        labelled, kind = learner.data.labelled, learner.kind
        if not present:
            then = learner.at(k)
            labelled, kind = then.labelled, then.kind
        key = labelled.indices.tobytes(), labelled.y.numpy().tobytes(), kind
        if key not in self._known:
            model = learner.model if present else _model_of(learner, k)
            if model is None:
                return None
            self._known[key] = _points_said(learner, model)
            while len(self._known) > 2 * self.rounds + 2:
                self._known.popitem(last=False)
        return self._known[key]


def _model_of(learner: Standing, k: int) -> ModelManager | None:
    return learner.at(k).model if learner.history[k].model_state is not None else None


def _points_said(learner: Standing, model: ModelManager) -> Tensor:
    train = learner.data.train.indices
    chosen = train[np.unique(np.linspace(0, len(train) - 1, min(MOST_POINTS, len(train))).astype(int))]
    posterior = model.posterior(learner.data.subset(chosen))
    return posterior.mean_N_C.argmax(1) if isinstance(posterior, ClassPosterior) else posterior.mean_N


def _change(before: Tensor, after: Tensor, learner: Standing) -> float:
    if learner.data.task == "classification":
        return float((before != after).double().mean())
    labels = learner.data.labelled.y
    deviation = float(labels.std()) if len(labels) > 1 else 0.0
    return float((after - before).abs().mean()) / (deviation or 1.0)


class _Own(StopRule):
    """A function of the learner, as a rule."""

    def __init__(self, function: Callable[[Any], Any]):
        self.function = function

    def reason(self, learner: Standing) -> str:
        said = self.function(learner)
        return said if isinstance(said, str) else "the condition given holds" if said else ""


def as_rules(until: Any) -> tuple[StopRule, ...]:
    """Stop rules from what a person gives: a rule, a function ``learner -> bool`` or words, or several of them.

    Raises
    ------
    InvalidParameter
        For anything else.
    """
    if until is None:
        return ()
    given = list(until) if isinstance(until, Iterable) and not isinstance(until, str) else [until]
    rules = []
    for rule in given:
        if isinstance(rule, type) or not (isinstance(rule, StopRule) or callable(rule)):
            raise InvalidParameter(
                f"until takes stop rules such as stopping.Budget(60), or functions of the learner; got {rule!r}."
            )
        rules.append(rule if isinstance(rule, StopRule) else _Own(rule))
    return tuple(rules)


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise InvalidParameter(f"{name} is a whole number of at least 1, got {value!r}.")
    return int(value)


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool | str) or value is None or isinstance(value, torch.Tensor) or not value >= 0:
        raise InvalidParameter(f"{name} is a number of at least 0, got {value!r}.")
    return float(value)


def _known(what: str, name: str | None, default: str, offered: Iterable[str]) -> str:
    names = list(offered)
    if name is None:
        return default if default in names else names[0]
    if name not in names:
        raise InvalidParameter(f"There is no {what} {name!r} for this task. There are: {', '.join(names)}.")
    return name
