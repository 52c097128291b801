"""Loops beside a loop: the same rounds by another strategy, several folds, and what the one gains over the others.

The learner is read, never touched: companions label a copy of its data and fit models of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aljupyter import strategies
from aljupyter.control import Control
from aljupyter.data.manager import Snapshot
from aljupyter.errors import InvalidParameter, MissingLabels, UnknownRound
from aljupyter.learner import ActiveLearner
from aljupyter.models.metrics import LOWER_IS_BETTER
from aljupyter.randomness import numpy_generator
from aljupyter.records import History, in_number

__all__ = ["Band", "band_of", "gain", "replay"]

DRAWS = 5


@dataclass(frozen=True)
class Band:
    """Learning curves of several loops, at the numbers of labels that all of them had.

    Attributes
    ----------
    name : str
    n_labels : int array of shape (K,)
    values : mapping of str to array of shape (S, K)
        By metric: one row a loop, NaN where a model has no value of it.
    """

    name: str
    n_labels: NDArray[np.int64]
    values: Mapping[str, NDArray[np.float64]]

    @property
    def n_loops(self) -> int:
        return len(next(iter(self.values.values()))) if self.values else 0

    def curve(self, metric: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation over the loops, shape (K,) each; the deviation of one loop is 0.

        Raises
        ------
        InvalidParameter
            For a metric that there is not.
        """
        if metric not in self.values:
            raise InvalidParameter(f"{self.name} has no metric {metric!r}; it has: {', '.join(self.values) or 'none'}.")
        values_S_K = self.values[metric]
        spread_K = values_S_K.std(0, ddof=1) if len(values_S_K) > 1 else np.zeros(values_S_K.shape[1])
        return values_S_K.mean(0), spread_K


def replay(learner: ActiveLearner, strategy: Any = None, draws: int = DRAWS, control: Control | None = None) -> Band:
    """The rounds that a learner has played, played again by another strategy: the same start, batches and model.

    Labels come from the dataset, also where the learner asked another oracle. Only the draws of the strategy differ
    between the loops; they depend on the learner's seed.

    Parameters
    ----------
    learner : ActiveLearner
    strategy : Strategy or Measure, optional
        Random where not given.
    draws : int
        How many loops.
    control : Control, optional
        Reports progress and may cancel.

    Raises
    ------
    UnknownRound
        If no round has been played.
    MissingLabels
        If the dataset lacks a label of its training view.
    InvalidParameter, RoundCancelled

    Examples
    --------
    >>> import aljupyter as al
    >>> data = al.DataManager([[0.0], [1.0], [2.0], [5.0], [6.0]], [0, 0, 0, 1, 1], labelled=[0, 3])
    >>> learner = al.ActiveLearner(data, al.GPClassifier("rbf", optimizer=None))
    >>> records = learner.run(rounds=2)
    >>> random = replay(learner, draws=3)
    >>> random.n_labels.tolist(), random.values["accuracy"].shape
    ([2, 3, 4], (3, 3))
    """
    if isinstance(draws, bool) or not isinstance(draws, int) or draws < 1:
        raise InvalidParameter(f"draws is a whole number of at least 1, got {draws!r}.")
    strategy = strategies.Random() if strategy is None else strategies.as_strategy(strategy, learner.data.task)
    control = control or Control()
    with learner.turn:
        history, data = learner.history, learner.data
        if not len(history):
            raise UnknownRound(
                "No round has been played, so there is nothing to compare with: `learner.step()` plays one."
            )
        if not data.has_truth(data.train.indices).all():
            raise MissingLabels(
                "The same rounds by other queries need the label of every training point, and the dataset lacks some."
            )
        start = learner.at(0).labelled
        snapshot = Snapshot(start.indices, start.y)
        sizes = [len(record.indices) for record in history]
        kind, metrics, top = learner.kind.clone(), learner.metric_names, learner.top
    loops = []
    for draw in range(draws):
        part = control.part(draw, draws)
        seed = int(numpy_generator(learner.seed, "companion", draw).integers(2**31))
        loop = ActiveLearner(data.twin(snapshot), kind.clone(), strategy, seed=seed, metrics=metrics, top=top)
        loop.run(len(sizes), sizes, control=part, progress=False)
        if loop.can_fit:
            loop.fit(part)
        loops.append(loop)
    return band_of(repr(strategy), loops)


def band_of(name: str, loops: Iterable[ActiveLearner | History]) -> Band:
    """Several loops as one band: folds, say, or seeds.

    Parameters
    ----------
    name : str
        What they are called.
    loops : iterable of ActiveLearner or History
        Of a learner the present model counts too, where it is fitted.

    Raises
    ------
    InvalidParameter
        If there is none, one is something else, or they have no number of labels in common.
    """
    found = []
    for loop in [loops] if isinstance(loops, ActiveLearner | History) else list(loops):
        if not isinstance(loop, ActiveLearner | History):
            raise InvalidParameter(f"{name!r} is made of learners or their histories, got {loop!r}.")
        history = loop.history if isinstance(loop, ActiveLearner) else loop
        rows = {record.n_labels: record.metrics for record in history}
        if isinstance(loop, ActiveLearner) and loop.is_current:
            rows[loop.n_labels] = loop.metrics
        found.append(rows)
    common = sorted(set.intersection(*map(set, found))) if found else []
    if not common:
        what = "have no number of labels in common" if found else "are none"
        raise InvalidParameter(f"The loops of {name!r} {what}: give learners that played the same numbers of labels.")
    names = dict.fromkeys(metric for rows in found for n in common for metric in rows[n])
    values = {
        metric: np.array([[rows[n].get(metric, np.nan) for n in common] for rows in found], float) for metric in names
    }
    return Band(name, np.array(common, dtype=np.int64), MappingProxyType(values))


def gain(learner: ActiveLearner, band: Band, metric: str) -> tuple[float, float, int]:
    """How much better a learner is than the loops of a band, on average over its rounds.

    The first model is left out: all loops start from the same labels.

    Returns
    -------
    mean, spread : float
        Of the difference in units of the metric (above 0: the learner is better), over the loops of the band; the
        spread is their standard deviation.
    n : int
        Numbers of labels that were compared; mean and spread are NaN where that is 0.
    """
    if not len(learner.history):
        return np.nan, np.nan, 0
    own = band_of("it", [learner])
    shared, mine, theirs = np.intersect1d(own.n_labels, band.n_labels, return_indices=True)
    if metric not in own.values or metric not in band.values or len(shared) < 2:
        return np.nan, np.nan, 0
    difference_S_K = own.values[metric][:, mine[1:]] - band.values[metric][:, theirs[1:]]
    if metric in LOWER_IS_BETTER:
        difference_S_K = -difference_S_K
    known_K = np.isfinite(difference_S_K).all(0)
    if not known_K.any():
        return np.nan, np.nan, 0
    difference_S = difference_S_K[:, known_K].mean(1)
    spread = float(difference_S.std(ddof=1)) if len(difference_S) > 1 else 0.0
    return float(difference_S.mean()), spread, int(known_K.sum())


def in_words(learner: ActiveLearner, band: Band, metric: str, number: Any = "{:.3g}".format) -> str:
    """:func:`gain` in a sentence: better or worse where it is more than two standard errors over the loops."""
    mean, spread, n = gain(learner, band, metric)
    name = metric.replace("_", " ")
    if not n:
        return f"No {name} to compare with {band.name} yet."
    sure = abs(mean) > 2 * spread / band.n_loops**0.5
    verdict = ("Better" if mean > 0 else "Worse") if sure and band.n_loops > 1 else "Not clearly other"
    return (
        f"{verdict} than {band.name}: {name} {'+' if mean > 0 else ''}{number(mean)} ± {number(spread)} on average "
        f"({in_number(n, 'model')}, {in_number(band.n_loops, 'loop')})."
    )
