"""Measures as objects: they can be added, scaled, multiplied, named and drawn.

A measure wraps one function of :mod:`aljupyter.informativeness`. ``0.7 * Entropy() + 0.3 * Margin()`` is a measure too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from aljupyter import informativeness
from aljupyter.errors import InvalidParameter, ModelError, NoLabels, WrongTask
from aljupyter.informativeness.checks import check_goal, check_incumbent, check_xi, class_posterior
from aljupyter.informativeness.features import Metric
from aljupyter.posterior import RegressionPosterior
from aljupyter.strategies.algebra import Limits, Measure
from aljupyter.strategies.needs import check_length
from aljupyter.strategies.pool import Pool

__all__ = [
    "BALD",
    "ClassProbability",
    "Entropy",
    "ExpectedImprovement",
    "Greedy",
    "LeastConfidence",
    "Limits",
    "Margin",
    "Measure",
    "Random",
    "Ratio",
    "RelativeDistance",
    "Representativeness",
    "StandardDeviation",
    "Thompson",
    "Variance",
]

#: points of a pool that are read at once
_PIECE = 8192


class Entropy(Measure):
    """:func:`aljupyter.informativeness.entropy`."""

    task = "classification"
    unit = "nats"

    def values(self, posterior: Any) -> Tensor:
        return informativeness.entropy(posterior)

    def limits(self, n_classes: int | None) -> Limits:
        return 0.0, math.log(n_classes or 2)


class LeastConfidence(Measure):
    """One minus the largest class probability; the variance in regression (the paper's Appendix A.1)."""

    redundant_for = ("regression",)

    def values(self, posterior: Any) -> Tensor:
        if isinstance(posterior, RegressionPosterior):
            return informativeness.variance(posterior)
        return informativeness.least_confidence(posterior)

    def limits(self, n_classes: int | None) -> Limits:
        return 0.0, None if n_classes is None else 1 - 1 / n_classes


class Margin(Measure):
    """:func:`aljupyter.informativeness.margin`."""

    task = "classification"

    def values(self, posterior: Any) -> Tensor:
        return informativeness.margin(posterior)

    def limits(self, n_classes: int | None) -> Limits:
        return 0.0, 1.0


class Ratio(Measure):
    """:func:`aljupyter.informativeness.ratio`."""

    task = "classification"

    def values(self, posterior: Any) -> Tensor:
        return informativeness.ratio(posterior)

    def limits(self, n_classes: int | None) -> Limits:
        return 0.0, 1.0


class ClassProbability(Measure):
    """Predicted probability of one class, by its code: for looking rather than for querying."""

    task = "classification"

    def __init__(self, code: int):
        self.code = code

    def values(self, posterior: Any) -> Tensor:
        return class_posterior(posterior, "ClassProbability").mean_N_C[:, self.code]

    def limits(self, n_classes: int | None) -> Limits:
        return 0.0, 1.0


class Variance(Measure):
    """:func:`aljupyter.informativeness.variance`."""

    task = "regression"
    redundant_for = ("regression",)

    def values(self, posterior: Any) -> Tensor:
        return informativeness.variance(posterior)

    def limits(self, n_classes: int | None) -> Limits:
        return 0.0, None


class StandardDeviation(Measure):
    """Square root of :func:`aljupyter.informativeness.variance`, in units of the target."""

    task = "regression"
    redundant_for = ("regression",)

    def values(self, posterior: Any) -> Tensor:
        return informativeness.variance(posterior).sqrt()

    def limits(self, n_classes: int | None) -> Limits:
        return 0.0, None


class Greedy(Measure):
    """:func:`aljupyter.informativeness.greedy`."""

    task = "regression"

    def values(self, posterior: Any) -> Tensor:
        return informativeness.greedy(posterior)


class BALD(Measure):
    """:func:`aljupyter.informativeness.bald`: what a label would say about the model, for both tasks."""

    needs = ("model", "draws")
    redundant_for = ("classification", "regression")
    unit = "nats"

    def values(self, posterior: Any) -> Tensor:
        return informativeness.bald(posterior)

    def limits(self, n_classes: int | None) -> Limits:
        return 0.0, None if n_classes is None else math.log(n_classes)


class ExpectedImprovement(Measure):
    """:func:`aljupyter.informativeness.expected_improvement` over the best label so far.

    Parameters
    ----------
    goal : {"max", "min"}
        Whether large or small values of the target are sought.
    xi : float
        Improvement that does not count, in units of the target.
    log : bool
        Whether to give the logarithm, which still ranks where the improvement is too small for a number.
    incumbent : float, optional
        What is to be improved upon; the best label at hand where not given.

    Raises
    ------
    InvalidParameter
        For another goal, a negative `xi`, an `incumbent` that is not finite.
    """

    task = "regression"

    def __init__(self, goal: str = "max", xi: float = 0.0, log: bool = False, incumbent: float | None = None):
        self.goal, self.xi, self.log = check_goal(goal), check_xi(xi), log
        self.incumbent = None if incumbent is None else check_incumbent(incumbent)

    def __call__(self, pool: Pool) -> Tensor:
        if self.incumbent is not None:
            return self.values(pool.posterior)
        if not len(pool.labelled):
            raise NoLabels(
                f"{self!r} is about the best label so far, and no point is labelled yet. Label some points first "
                "(a model-free strategy such as Random() can choose them)."
            )
        labels = pool.labelled.y
        return self._over(float(labels.max() if self.goal == "max" else labels.min()), pool.posterior)

    def values(self, posterior: Any) -> Tensor:
        if self.incumbent is None:
            raise InvalidParameter(
                "A posterior does not say which label is the best so far. Give it: ExpectedImprovement(incumbent=...)."
            )
        return self._over(self.incumbent, posterior)

    def _over(self, incumbent: float, posterior: Any) -> Tensor:
        return informativeness.expected_improvement(posterior, incumbent, self.xi, self.goal, self.log)

    def limits(self, n_classes: int | None) -> Limits:
        return (None, None) if self.log else (0.0, None)


class Thompson(Measure):
    """:func:`aljupyter.informativeness.thompson`: a function drawn from the posterior, another one each round.

    In a batch, each point is the best of a function of its own.

    ``-1 * Thompson()`` seeks small values.
    """

    task = "regression"

    def __call__(self, pool: Pool) -> Tensor:
        posterior: Any = pool.before.posterior  # in a batch, each point has a draw of its own from the same posterior
        return informativeness.thompson(posterior, pool.generator("thompson"))

    def values(self, posterior: Any) -> Tensor:
        raise WrongTask("Thompson() draws a function in each round of a pool: a posterior alone does not say which.")


class RelativeDistance(Measure):
    """:func:`aljupyter.informativeness.relative_distance` to the nearest labelled point.

    Parameters
    ----------
    metric : str or callable
    embedding : {"inputs", "model"}
        Between which vectors: the preprocessed features, which needs no model, or what the model makes of them.

    Raises
    ------
    InvalidParameter
        For another embedding, or a metric that there is not.
    """

    needs: tuple[str, ...] = ()

    def __init__(self, metric: Metric = "euclidean", embedding: str = "inputs"):
        if embedding not in ("inputs", "model"):
            raise InvalidParameter(f'The embedding is "inputs" or "model", got {embedding!r}.')
        if not callable(metric) and metric != "euclidean":  # refused now, by a trial, if there is none of that name
            trial = torch.tensor([[0.0, 0.1], [1.0, 0.3], [0.2, 1.0], [0.5, 0.7]], dtype=torch.float64)
            informativeness.relative_distance(trial, trial, metric)
        self.metric, self.embedding = metric, embedding
        self.needs = ("model", "embedding") if embedding == "model" else ()

    def __call__(self, pool: Pool) -> Tensor:
        if not len(pool.labelled) and not self.needs_model:
            return torch.zeros(len(pool), dtype=torch.float64)
        embed = _embedding(pool) if self.needs_model else _inputs
        reference_M_E = embed(pool.labelled.x)
        pieces = [
            informativeness.relative_distance(embed(x_B), reference_M_E, self.metric)
            for x_B, _ in pool.unlabelled.chunks(_PIECE)
        ]
        return torch.cat([torch.zeros(0, dtype=torch.float64), *pieces])  # of an empty pool too

    def values(self, posterior: Any) -> Tensor:
        raise WrongTask(f"{self!r} scores points of a pool; it says nothing about a posterior.")

    def limits(self, n_classes: int | None) -> Limits:
        return 0.0, None


class Representativeness(Measure):
    """:func:`aljupyter.informativeness.representativeness` within the pool. Needs no model.

    Parameters
    ----------
    n_clusters : int
        As many as points are asked, to get one of each.
    clusterer : scikit-learn clusterer, optional
        `KMeans` where not given.
    """

    needs: tuple[str, ...] = ()
    sees_batch = False

    def __init__(self, n_clusters: int = 1, clusterer: Any = None):
        self.n_clusters, self.clusterer = n_clusters, clusterer

    def __call__(self, pool: Pool) -> Tensor:
        seed = int(pool.generator("clusters").integers(2**31))
        return informativeness.representativeness(pool.unlabelled.x, self.n_clusters, self.clusterer, seed)

    def values(self, posterior: Any) -> Tensor:
        raise WrongTask(f"{self!r} scores points of a pool; it says nothing about a posterior.")

    def limits(self, n_classes: int | None) -> Limits:
        return None, 1.0


class Random(Measure):
    """A seeded uniform draw a point: the baseline that every strategy has to beat. Needs no model."""

    needs: tuple[str, ...] = ()
    sees_batch = False

    def __call__(self, pool: Pool) -> Tensor:
        return torch.from_numpy(pool.generator("random score").random(len(pool)))

    def values(self, posterior: Any) -> Tensor:
        raise WrongTask("Random() scores points of a pool; it says nothing about a posterior.")

    def limits(self, n_classes: int | None) -> Limits:
        return 0.0, 1.0


def _inputs(x: Tensor) -> Tensor:
    return x


def _embedding(pool: Pool) -> Callable[[Tensor], Tensor]:
    if pool.model is None:
        raise ModelError(
            "Distances in a model's embedding ask the model, and no model is fitted yet. Label some points first, or "
            'take RelativeDistance(embedding="inputs").'
        )
    model = pool.model

    def embed(x: Tensor) -> Tensor:
        rows = model.embed(x)
        check_length(rows, len(x), f"what {model!r} makes of the points")
        return rows

    return embed
