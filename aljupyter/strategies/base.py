"""A strategy is score x selection."""

from __future__ import annotations

import numpy as np

from aljupyter.errors import InvalidScores, WrongTask
from aljupyter.informativeness.checks import check_weight
from aljupyter.strategies.measures import Greedy, Measure, StandardDeviation
from aljupyter.strategies.pool import Pool
from aljupyter.strategies.selection import Selection, TopK


class Strategy:
    """How the next query is chosen: a measure gives every point of the pool a score, a selection picks from these.

    Parameters
    ----------
    score : Measure
        Such as ``Entropy()`` or ``Greedy() + 2 * StandardDeviation()``.
    select : Selection, optional
        ``TopK()`` where not given.

    Examples
    --------
    >>> from aljupyter.strategies import Entropy, Random
    >>> Strategy(score=Entropy() + 0.1 * Random())
    Entropy() + 0.1 * Random()
    """

    def __init__(self, score: Measure, select: Selection | None = None):
        if not isinstance(score, Measure):
            raise WrongTask(f"The score of a strategy is a measure such as Entropy(), got {score!r}.")
        self.measure = score
        self.selection = TopK() if select is None else select

    @property
    def task(self) -> str | None:
        return self.measure.task

    @property
    def needs_model(self) -> bool:
        return self.measure.needs_model

    def score(self, pool: Pool) -> np.ndarray:
        """One score for each unlabelled point, shape (N,).

        Raises
        ------
        InvalidScores
            If a score is NaN, or their number is not that of the pool.
        """
        scores_N = self.measure(pool).detach().cpu().numpy()
        if scores_N.shape != (len(pool),):
            raise InvalidScores(f"{self!r} gave scores of shape {scores_N.shape} for a pool of {len(pool)} points.")
        if np.isnan(scores_N).any():
            raise InvalidScores(f"{self!r} gave NaN for {int(np.isnan(scores_N).sum())} of {len(pool)} points.")
        return scores_N

    def select(self, pool: Pool, n: int, scores_N: np.ndarray) -> np.ndarray:
        """Positions in the pool of the n points to ask, shape (n,)."""
        return self.selection(scores_N, n, pool.generator("select"))

    def __repr__(self) -> str:
        select = repr(self.selection)
        return repr(self.measure) if select == "TopK()" else f"Strategy({self.measure!r}, {select})"


class UpperConfidenceBound(Strategy):
    """Greedy mean plus `weight` standard deviations (Auer 2002; the paper's Appendix A.1).

    Raises
    ------
    InvalidParameter
        If the weight is negative or not finite.
    """

    def __init__(self, weight: float = 1.0):
        super().__init__(score=Greedy() + check_weight(weight) * StandardDeviation(), select=TopK())


def as_strategy(value: Strategy | Measure, task: str | None = None) -> Strategy:
    """A strategy, from a strategy or a measure (whose highest scores are then asked).

    Raises
    ------
    WrongTask
        If it is neither, or for another task than `task`.
    """
    if isinstance(value, Measure):
        value = Strategy(value)
    if not isinstance(value, Strategy):
        raise WrongTask(
            f"A strategy such as Margin() or Random() is expected, got {value!r}. "
            f"Strategies by name: `al.strategies.get(name)`, see `al.strategies.catalogue()`."
        )
    if task is not None and value.task not in (None, task):
        raise WrongTask(f"{value!r} is a strategy for {value.task}, and the data are for {task}.")
    return value
