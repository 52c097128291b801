"""What a loop knows of one point, now or in a round before. Nothing is fitted, nothing is changed."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aljupyter.data.subset import Subset
from aljupyter.errors import AlJupyterError, ModelError, NotFitted, WrongShape
from aljupyter.learner import ActiveLearner
from aljupyter.models.base import ModelManager
from aljupyter.posterior import ClassPosterior, Posterior
from aljupyter.records import Scores
from aljupyter.strategies import asking

NEIGHBOURS = 3


@dataclass(frozen=True)
class Then:
    """A loop at one point in time, as far as it is asked about points.

    Attributes
    ----------
    labelled, unlabelled : Subset
    model : ModelManager or None
    is_current : bool
        Whether the model was fitted on these labels.
    strategy : str
        What scored the pool.
    scores : Scores or None
        Of the pool.
    unscored : str
        Why there are none.
    round : int
        How many rounds had been played.
    """

    labelled: Subset
    unlabelled: Subset
    model: ModelManager | None
    is_current: bool
    strategy: str
    scores: Scores | None
    unscored: str
    round: int


@dataclass(frozen=True)
class Neighbour:
    """A labelled point near the one that is asked about."""

    index: int
    label: Any
    distance: float


@dataclass(frozen=True)
class PointReport:
    """What is known of one point.

    Attributes
    ----------
    index : int or None
        None for a place where no point of the dataset is.
    features : mapping
        By name: the raw row of a point, the model's inputs of a place.
    posterior : Posterior or None
        Of this point alone; None where no model is fitted.
    is_current : bool
        Whether that model was fitted on the labels of the moment.
    strategy : str
    score : float or None
        What it is worth as the next query; None where it is not in the pool, or was not scored.
    parts : mapping of str to float
        The terms of a composed score, by their definitions.
    rank : int or None
        1 for the highest score; that of the first of those that tie. For a place, where it would stand.
    tied : int
        How many others of the pool have the same score.
    n_pool : int
    nearest : tuple of Neighbour
        The labelled points nearest to it in the model's inputs (Euclidean).
    label : object or None
        The label that was given to it, in its original form; never the truth of a point in the pool.
    labelled_by : str
        By whom: "the start", the oracle's name, "person"; empty for a point of the pool.
    labelled_in : int or None
        In which round; None for the start.
    held_out : str
        "test view" or "validation view", for a point that is never asked; empty for the others.
    unscored : str
        Why it has no score; empty where it has one, or cannot have one (labelled or held out).
    """

    index: int | None
    features: Mapping[str, Any]
    posterior: Posterior | None
    is_current: bool
    strategy: str
    score: float | None
    parts: Mapping[str, float]
    rank: int | None
    tied: int
    n_pool: int
    nearest: tuple[Neighbour, ...]
    label: Any = None
    labelled_by: str = ""
    labelled_in: int | None = None
    held_out: str = ""
    unscored: str = ""

    @property
    def can_be_labelled(self) -> bool:
        """Whether it is a point of the pool, or a place."""
        return self.label is None and not self.held_out


def then(learner: ActiveLearner, round: int | None = None) -> Then:
    """The loop as it is, or before the query of a round was answered.

    Raises
    ------
    UnknownRound
        For a round that has not been played.
    """
    data = learner.data
    if round is not None:
        past = learner.at(round)
        model: ModelManager | None = None
        with contextlib.suppress(ModelError, NotFitted):  # it had none, or its kind cannot be stored
            model = past.model
        strategy = past.record.strategy
        unscored = "" if past.scores is not None else "the labels of this round were given without a query"
        return Then(past.labelled, past.unlabelled, model, model is not None, strategy, past.scores, unscored, round)
    model = learner.model if learner.model.is_fitted else None
    scores, unscored = _scores(learner)
    current = model is not None and learner.is_current
    strategy = "" if scores is None else scores.strategy
    return Then(data.labelled, data.unlabelled, model, current, strategy, scores, unscored, learner.round)


def ask_point(
    learner: ActiveLearner, index: int | None = None, x: Tensor | None = None, moment: Then | None = None
) -> PointReport:
    """What is known of a point of the training view, or of any place.

    Parameters
    ----------
    learner : ActiveLearner
    index : int, optional
        Of the point.
    x : Tensor, optional
        A place, as one row of the model's inputs.
    moment : Then, optional
        What :func:`then` gave; the present where not given.

    Raises
    ------
    WrongShape
        If both or none of `index` and `x` are given.
    IndexOutOfRange
        For an index that no point has.
    """
    if (index is None) == (x is None):
        raise WrongShape("One point is asked about: by its index, or as a place x; got both or neither.")
    moment = then(learner) if moment is None else moment
    if index is not None:
        x = learner.data.subset([index]).x[0]
        features = learner.data.display(index)
    else:
        assert x is not None
        features = _inputs(learner, x)
    posterior = None if moment.model is None else moment.model.posterior(x[None])
    score, parts = _score(learner, moment, index, posterior)
    rank, tied = None, 0
    if score is not None and moment.scores is not None:
        values = moment.scores.values  # a place is computed apart from the pool, so the last digits may differ
        same = np.isclose(values, score, rtol=1e-9, atol=1e-12)
        rank = 1 + int((~same & (values > score)).sum())
        tied = int(same.sum()) - (index is not None)
    label, by, labelled_in = (None, "", None) if index is None else _label(learner, moment, index)
    held_out = "" if index is None else _held_out(learner, index)
    is_asked = index is not None and label is None and not held_out
    return PointReport(
        index, MappingProxyType(dict(features)), posterior, moment.is_current, moment.strategy, score,
        MappingProxyType(parts), rank, tied, len(moment.unlabelled), _nearest(learner, moment, x, index),
        label, by, labelled_in, held_out, moment.unscored if is_asked else "",
    )  # fmt: skip


def _scores(learner: ActiveLearner) -> tuple[Scores | None, str]:
    """Those of the present pool, or why there are none: it takes a fit, or the strategy cannot say."""
    pool = learner.pool
    if not len(pool):
        return None, "the pool is empty"
    if pool.model is None and learner.asks_model:
        return None, "the model has not been fitted on the labels there are"
    try:
        return asking.score(learner.strategy, pool), ""
    except AlJupyterError as error:
        return None, str(error)
    except Exception as error:  # a strategy of the user's own: all else about the point is worth knowing
        return None, f"the strategy raised {type(error).__name__}: {error}"


def _score(
    learner: ActiveLearner, moment: Then, index: int | None, posterior: Posterior | None
) -> tuple[float | None, dict[str, float]]:
    if moment.scores is None:
        return None, {}
    if index is None:
        measure = learner.strategy.measure
        if measure is None or posterior is None or repr(learner.strategy) != moment.strategy:
            return None, {}
        try:
            return float(measure.values(posterior)[0]), {}
        except (AlJupyterError, NotImplementedError):  # what it is worth depends on the pool
            return None, {}
    place = np.flatnonzero(moment.scores.indices == index)
    if not len(place):
        return None, {}
    position = int(place[0])
    terms = moment.scores.terms.items()
    parts = {name: float(values_N[position]) for name, values_N in terms if not np.isnan(values_N[position])}
    return float(moment.scores.values[position]), parts


def _inputs(learner: ActiveLearner, x: Tensor) -> dict[str, float]:
    values = x.detach().cpu().double().reshape(-1).tolist()
    names = learner.data.feature_names or ()
    named = [str(name) for name in names] if len(names) == len(values) else [f"x[{j}]" for j in range(len(values))]
    return dict(zip(named, values, strict=True))


def _nearest(learner: ActiveLearner, moment: Then, x: Tensor, index: int | None) -> tuple[Neighbour, ...]:
    labelled = moment.labelled
    if not len(labelled):
        return ()
    rows_M_D = labelled.x.detach().reshape(len(labelled), -1).double()
    distance_M = torch.linalg.vector_norm(rows_M_D - x.detach().reshape(1, -1).double(), dim=1).cpu().numpy()
    distance_M = np.where(labelled.indices == index, np.inf, distance_M)
    order = [k for k in np.argsort(distance_M, kind="stable")[:NEIGHBOURS] if np.isfinite(distance_M[k])]
    labels = learner.data.decode(labelled.y[order]) if order else ()
    return tuple(
        Neighbour(int(labelled.indices[k]), as_given(label), float(distance_M[k]))
        for k, label in zip(order, labels, strict=True)
    )


def _held_out(learner: ActiveLearner, index: int) -> str:
    data = learner.data
    if index in data.train.indices:
        return ""
    return "test view" if index in data.test.indices else "validation view"


def _label(learner: ActiveLearner, moment: Then, index: int) -> tuple[Any, str, int | None]:
    place = np.flatnonzero(moment.labelled.indices == index)
    if not len(place):
        return None, "", None
    label = as_given(learner.data.decode(moment.labelled.y[place[:1]])[0])
    for record in learner.history:
        if index in record.indices:
            return label, record.labelled_by, record.round
    return label, "the start", None


def as_given(label: Any) -> Any:
    """A label as plain Python: a NumPy scalar reads ``np.float64(1.0)``."""
    return label.item() if isinstance(label, np.generic) else label


def likeliest(posterior: Posterior) -> Tensor:
    """Predicted class codes, or means, shape (N,)."""
    return posterior.mean_N_C.argmax(1) if isinstance(posterior, ClassPosterior) else posterior.mean_N
