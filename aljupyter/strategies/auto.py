"""The default strategy: what measured best, in its order."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from aljupyter.informativeness.checks import check_goal
from aljupyter.models.base import ModelManager
from aljupyter.strategies.base import Strategy, UpperConfidenceBound
from aljupyter.strategies.believer import Believer, Rescore, can_believe
from aljupyter.strategies.chosen import Chosen
from aljupyter.strategies.diversify import Clustered
from aljupyter.strategies.features import TypiClust
from aljupyter.strategies.integrated import IVR
from aljupyter.strategies.measures import Greedy, Margin, Random, StandardDeviation, Variance
from aljupyter.strategies.pool import Pool
from aljupyter.strategies.selection import EpsilonGreedy, Selecting

#: labels of the start: for each class, and at most, in classification; in all, in regression
START_PER_CLASS, START_AT_MOST, START_OF_VALUES = 5, 30, 5
EXPLORED = 0.1


class Auto(Strategy):
    """The default. What it does depends on the labels there are; :meth:`doing` says it.

    - Classification: :class:`TypiClust` for the first 5 labels a class, 30 at most. Then :class:`Margin`, with each
      place of a batch given to a random point with probability 0.1: where labels are noise, or a class lies where
      nobody looked, uncertainty alone keeps asking in the wrong place. The start goes on while only one class has been
      seen; and to twice its length while another is missing.
    - Regression: five random points, then :class:`IVR`, which lowers the variance over the whole pool; of a model
      without covariances, :class:`Variance`, and for a batch high ones from different clusters.
    - Regression with a goal: five random points, then the upper confidence bound of one standard deviation (for "min"
      the lower one).

    Each point of a batch is chosen as if the labels of those before it were known. No fit is asked for in a start.

    Parameters
    ----------
    goal : {None, "max", "min"}
        Whether large or small values of the target are sought, rather than a model that is good everywhere.

    Raises
    ------
    InvalidParameter
        For another goal.
    WrongTask
        Where a learner for classification gets one with a goal.

    Notes
    -----
    ``python -m tests.benchmarks.defaults`` measures it against the other candidates. Starts of twice the length lost to
    random queries where typical points say little, such as on concentric shells. For a goal, one standard deviation
    finds more than two where one point is asked at a time (won 3, lost 0 of 13 sets), and as much in batches of 5.

    Examples
    --------
    >>> import aljupyter as al
    >>> data = al.DataManager([[0.0], [1.0], [5.0]], [0, 1, 1], labelled=0)
    >>> Auto().query(None, data).strategy
    'Auto(): TypiClust, to start'
    """

    def __init__(self, goal: str | None = None):
        self.goal = None if goal is None else check_goal(goal)
        if goal is not None:
            self.task = "regression"

    def asks_model(self, pool: Pool) -> bool:
        return self._now(pool)[1].asks_model(pool)

    def doing(self, pool: Pool) -> str:
        return f"{self!r}: {self._now(pool)[0]}"

    def score(self, pool: Pool) -> NDArray[np.float64]:
        """As the strategy of the phase: the units change with it."""
        return self._now(pool)[1].score(pool)

    def select(self, pool: Pool, n: int, scores_N: NDArray[np.float64]) -> NDArray[np.int64] | Chosen:
        return self._now(pool)[1].select(pool, n, scores_N)

    def _now(self, pool: Pool) -> tuple[str, Strategy]:
        """What is done with this pool, in words and as a strategy. It depends on the labels alone."""
        if pool.unlabelled.task == "classification":
            return ("TypiClust, to start", TypiClust()) if _classes_to_find(pool) else self._of_classes(pool)
        if len(pool.labelled) < START_OF_VALUES:
            return f"{START_OF_VALUES} random points, to start", Strategy(Random())
        return self._of_values(pool)

    def _of_classes(self, pool: Pool) -> tuple[str, Strategy]:
        return f"margin, {EXPLORED:.0%} random", Strategy(Margin(), Exploring(EXPLORED))

    def _of_values(self, pool: Pool) -> tuple[str, Strategy]:
        if self.goal == "max":
            return "mean + standard deviation", UpperConfidenceBound()
        if self.goal == "min":
            return "mean - standard deviation", Strategy(StandardDeviation() - Greedy())
        if pool.model is None or _knows_covariances(pool.model, pool):
            return "IVR", IVR()
        return "variance, a batch from clusters", Strategy(Variance(), Clustered())


def _classes_to_find(pool: Pool) -> bool:
    """Whether the labels are still too few, or of too few classes, for a classifier to say where to look."""
    n_classes, n_labels = pool.labelled.n_classes or 2, len(pool.labelled)
    start = min(START_PER_CLASS * n_classes, START_AT_MOST)
    n_seen = len(pool.labelled.y.unique())
    return n_labels < start or n_seen < 2 or (n_seen < n_classes and n_labels < 2 * start)


def _knows_covariances(model: ModelManager, pool: Pool) -> bool:
    """One point tells: a pool of which few points are looked at is never predicted as a whole."""
    return model.posterior(pool.unlabelled.rows(torch.tensor([0]))).joint is not None


class Exploring(Selecting):
    """As :class:`Believer`, with each place of the batch given to a random point with probability `eps`."""

    def __init__(self, eps: float):
        self.eps = eps

    def __call__(self, pool: Pool, n: int, scores_N: NDArray[np.float64], rescore: Rescore) -> Chosen:
        if n == 1 or not can_believe(pool):
            return EpsilonGreedy(self.eps)(pool, n, scores_N, rescore)
        explored_n = pool.generator("explore").random(n) < self.eps

        def worth(part: Pool) -> NDArray[np.float64]:  # with `part.believed` points in the batch
            return part.generator("random place").random(len(part)) if explored_n[part.believed] else rescore(part)

        first_N = np.where(np.isneginf(scores_N), -np.inf, worth(pool)) if explored_n[0] else scores_N
        chosen = Believer()(pool, n, first_N, worth)
        gain_n = np.where(explored_n, scores_N[chosen.positions], chosen.why["gain"])
        return Chosen(chosen.positions, {"gain": gain_n, "explored": explored_n})
