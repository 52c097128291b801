"""A loop of active learning with two models: ours in its manager, and scikit-learn's.

Both get the same labels in each round and speak about the same points. Ours asks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor

from aljupyter.data import DataManager
from aljupyter.data.subset import Subset
from aljupyter.models.gp import GPClassifier, GPManager, GPRegressor
from aljupyter.posterior import ClassPosterior, Posterior, RegressionPosterior
from tests.benchmarks.measure import CholeskyCount, timed
from tests.benchmarks.report import progress

#: what a model says about points: "probability", or "mean" and "std"
Words = dict[str, NDArray[np.float64]]
#: the posterior of the pool -> the position of the point to ask for
Query = Callable[[Posterior], int]
#: labels, views to predict, what ours said about them, and its log marginal likelihoods
Round = tuple[Subset, list[Subset], list[Words], list[float]]

_TURN = 10


@dataclass
class Tally:
    """What was seen, an entry a round.

    Attributes
    ----------
    ours_s, sklearn_s : list of float
        CPU seconds of fit and predictions.
    gaps : list of list of float
        Log marginal likelihood, ours minus scikit-learn's, of each binary problem of the round.
    difference : dict of str to float
        Largest |ours - scikit-learn's| of a prediction over all rounds.
    cholesky : CholeskyCount
        Of ours, over all rounds.
    first : int
        Labels in the first round.
    """

    cholesky: CholeskyCount
    first: int
    ours_s: list[float] = field(default_factory=list)
    sklearn_s: list[float] = field(default_factory=list)
    gaps: list[list[float]] = field(default_factory=list)
    difference: dict[str, float] = field(default_factory=dict)

    @property
    def n_rounds(self) -> int:
        return len(self.ours_s)

    @property
    def ratio(self) -> float:
        """How many times less CPU ours took."""
        return sum(self.sklearn_s) / sum(self.ours_s)

    @property
    def worst_gap(self) -> float:
        return float(min(np.concatenate(self.gaps)))

    @property
    def mean_gap(self) -> float:
        return float(np.concatenate(self.gaps).mean())

    def share_worse(self, by: float) -> float:
        """Share of rounds times binary problems in which our likelihood is worse by more than this."""
        return float((np.concatenate(self.gaps) < -by).mean())

    def costs(self, name: str) -> dict[str, Any]:
        """The columns about time."""
        rounds = self.n_rounds
        return {
            "data": name,
            "rounds": rounds,
            "CPU ratio": self.ratio,
            "ours ms": 1e3 * sum(self.ours_s) / rounds,
            "sklearn ms": 1e3 * sum(self.sklearn_s) / rounds,
            "chol": self.cholesky.of_order(self.first) / rounds,
            "floor ms": 1e3 * self.cholesky.floor() / rounds,
        }

    def quality(self, worse_by: float) -> dict[str, Any]:
        """The columns about the likelihood reached."""
        return {
            "worst gap": self.worst_gap,
            "worse %": 100 * self.share_worse(worse_by),
            "mean gap": self.mean_gap,
        }


def paired_loop(
    data: DataManager, manager: GPManager, rival: BaseEstimator, query: Query, n_rounds: int, name: str
) -> Tally:
    """Fit, predict the pool (and the test view, if any), ask for one label: ours, and scikit-learn on the same labels.

    They take turns, ten rounds each: in every round, each would find the processor's cache full of the other; and one
    whole loop after the other, they would meet a machine that is faster or slower than it was (by 1.7 in a minute, on
    some that are shared).

    Parameters
    ----------
    data : DataManager
        With truths; it is labelled here.
    manager : GPManager
    rival : scikit-learn estimator
        Cloned for each round.
    query : callable
    n_rounds : int
    name : str
        For the progress bar.
    """
    tally = Tally(CholeskyCount(), len(data.labelled))
    rounds: list[Round] = []
    for r in progress(range(n_rounds), name):
        labelled, pool = data.labelled, data.unlabelled
        views = [view for view in (pool, data.test) if len(view)]
        for view in (labelled, *views):
            _ = view.x  # read before the clock starts, for both
        with tally.cholesky:
            ours, ours_s = timed(partial(_our_round, manager, labelled, views))
        tally.ours_s.append(ours_s)
        rounds.append((labelled, views, [in_words(posterior) for posterior in ours], likelihoods(manager.estimator_)))
        chosen = pool.indices[[query(ours[0])]]
        data.label(chosen, data.decode(data.truth(chosen)))
        if len(rounds) == _TURN or r == n_rounds - 1:
            _compare(tally, rival, rounds)
            rounds.clear()
    return tally


def _compare(tally: Tally, rival: BaseEstimator, rounds: list[Round]) -> None:
    """The same rounds with scikit-learn."""
    for labelled, views, ours, our_likelihoods in rounds:
        model = clone(rival)
        given = [view.x.numpy() for view in views]
        theirs, sklearn_s = timed(partial(_sklearn_round, model, labelled.x.numpy(), labelled.y.numpy(), given))
        tally.sklearn_s.append(sklearn_s)
        tally.gaps.append([our - their for our, their in zip(our_likelihoods, likelihoods(model), strict=True)])
        _keep_largest_difference(tally.difference, ours, theirs)


def warm_up() -> None:
    """Fit something small: libraries put imports off until their first use, which is no part of a round's work."""
    X = np.arange(12.0).reshape(6, 2)
    y = np.array([0, 1, 0, 1, 1, 0])
    for estimator in (GPClassifier(), GPRegressor(), GaussianProcessClassifier(), GaussianProcessRegressor()):
        estimator.fit(X, y).predict(X)


def _our_round(manager: GPManager, labelled: Subset, views: list[Subset]) -> list[Posterior]:
    manager.fit(labelled)
    return [manager.posterior(view) for view in views]


def _sklearn_round(
    model: Any, x_N_D: NDArray[np.float64], y_N: NDArray[Any], given: list[NDArray[np.float64]]
) -> list[Words]:
    model.fit(x_N_D, y_N)
    if is_classifier(model):
        return [{"probability": model.predict_proba(x_M_D)} for x_M_D in given]
    return [dict(zip(("mean", "std"), model.predict(x_M_D, return_std=True), strict=True)) for x_M_D in given]


def in_words(posterior: Posterior) -> Words:
    """A posterior as scikit-learn would say it."""
    if isinstance(posterior, ClassPosterior):
        return {"probability": posterior.mean_N_C.numpy()}
    return {"mean": posterior.mean_N.numpy(), "std": posterior.std_N.numpy()}


def _keep_largest_difference(largest: dict[str, float], ours: list[Words], theirs: list[Words]) -> None:
    for our, their in zip(ours, theirs, strict=True):
        for name in our:
            largest[name] = max(largest.get(name, 0.0), float(np.abs(our[name] - their[name]).max()))


def likelihoods(model: Any) -> list[float]:
    """Log marginal likelihood of each binary problem; of the one there is otherwise."""
    if isinstance(model, GPClassifier):
        return [binary.log_evidence_ for binary in model.models_]
    if isinstance(model, GaussianProcessClassifier):
        binaries = getattr(model.base_estimator_, "estimators_", [model.base_estimator_])
        return [binary.log_marginal_likelihood_value_ for binary in binaries]
    return [model.log_marginal_likelihood_value_]


def least_confident(posterior: Posterior) -> int:
    """The point whose most probable class is least so."""
    assert isinstance(posterior, ClassPosterior)
    return int(posterior.mean_N_C.amax(1).argmin())


def most_uncertain(posterior: Posterior) -> int:
    """The point of the largest latent variance."""
    assert isinstance(posterior, RegressionPosterior)
    return int(posterior.variance_N.argmax())
