"""A strategy is score x selection."""

from __future__ import annotations

import copy
import inspect
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from aljupyter.errors import InvalidScores, WrongTask
from aljupyter.informativeness.checks import check_weight
from aljupyter.strategies.asking import choose, pool_of
from aljupyter.strategies.believer import Believer, can_believe, warn_of_redundancy
from aljupyter.strategies.chosen import Chosen
from aljupyter.strategies.measures import Greedy, Measure, StandardDeviation
from aljupyter.strategies.pool import Pool
from aljupyter.strategies.query import Query
from aljupyter.strategies.quotas import Restrictions
from aljupyter.strategies.selection import Selection, TopK

if TYPE_CHECKING:
    from aljupyter.data.manager import DataManager
    from aljupyter.models.base import ModelManager

__all__ = ["Chosen", "Strategy", "UpperConfidenceBound", "as_strategy"]


class Strategy:
    """How the next query is chosen: a measure gives every point of the pool a score, a selection picks from these.

    A strategy of one's own is a subclass with :meth:`score`, :meth:`select` or both; all else follows.

    Parameters
    ----------
    score : Measure
        Such as ``Entropy()`` or ``Greedy() + 2 * StandardDeviation()``.
    select : Selection or Strategy, optional
        Where not given, the highest score, and for more points :class:`Believer`: each next one as if the labels of
        those before it were known. A strategy, such as ``KCenter()`` or ``MaxDet()``, chooses among the points of the
        highest scores: ``Prefilter(then=KCenter())``.

    Attributes
    ----------
    task : str or None
        "classification", "regression" or None (both).
    needs : tuple of str
        What is asked of the model, of :data:`aljupyter.strategies.needs.NEEDS`; empty where none is needed.

    Examples
    --------
    >>> from aljupyter.strategies import Entropy, Random
    >>> Strategy(score=Entropy() + 0.1 * Random())
    Entropy() + 0.1 * Random()
    """

    task: str | None = None
    needs: tuple[str, ...] = ("model",)
    measure: Measure | None = None
    selection: Selection = Believer()
    restrictions = Restrictions()

    def __init__(self, score: Measure | None = None, select: Selection | Strategy | None = None):
        if isinstance(select, Strategy):  # KCenter() among the best by score
            from aljupyter.strategies.diversify import Prefilter

            select = Prefilter(then=select)
        if select is not None and (isinstance(select, type) or not callable(select)):
            raise WrongTask(f"A selection such as TopK() or Softmax() is expected, got {select!r}.")
        if score is None and type(self) is not Strategy:  # a subclass that scores by itself
            self.selection = select or self.selection
            return
        if not isinstance(score, Measure):
            raise WrongTask(f"The score of a strategy is a measure such as Entropy(), got {score!r}.")
        self.measure, self.task, self.needs = score, score.task, score.needs
        if select is not None:
            self.selection = select
            tasks = {score.task, getattr(select, "task", None)} - {None}
            if len(tasks) > 1:
                raise WrongTask(f"{score!r} is for {score.task}, and {select!r} for the other task.")
            self.task = next(iter(tasks), None)
            self.needs = tuple(dict.fromkeys((*score.needs, *getattr(select, "needs", ()))))

    @property
    def needs_model(self) -> bool:
        return bool(self.needs)

    def asks_model(self, pool: Pool) -> bool:
        """Whether the model is asked about this pool, and so has to be fitted before."""
        return self.needs_model

    def doing(self, pool: Pool) -> str:
        """What is done with this pool, in words: the definition, for a strategy that always does the same."""
        return repr(self)

    def score(self, pool: Pool) -> NDArray[np.float64]:
        """One score for each unlabelled point, shape (N,): what it is worth as the first of a batch.

        Raises
        ------
        InvalidScores
            If a score is NaN, or their number is not that of the pool.
        """
        if self.measure is None:  # a subclass that chooses without scores
            return np.zeros(len(pool))
        values_N = self.measure(pool)
        scores_N: NDArray[np.float64] = values_N.detach().cpu().numpy()
        if scores_N.shape != (len(pool),):
            raise InvalidScores(f"{self!r} gave scores of shape {scores_N.shape} for a pool of {len(pool)} points.")
        if np.isnan(scores_N).any():
            raise InvalidScores(f"{self!r} gave NaN for {int(np.isnan(scores_N).sum())} of {len(pool)} points.")
        return scores_N

    def select(self, pool: Pool, n: int, scores_N: NDArray[np.float64]) -> NDArray[np.int64] | Chosen:
        """Positions in the pool of the n points to ask, shape (n,); a :class:`Chosen` where more is known of them.

        Parameters
        ----------
        pool : Pool
        n : int
            1 <= n <= N.
        scores_N : array of shape (N,)
            Those that :meth:`score` gave for this pool.
        """
        selection = self.selection
        if n > 1 and self.measure is not None:
            if isinstance(selection, Believer) and not self.measure.sees_batch:
                selection = TopK()
            plain = isinstance(selection, TopK) or (isinstance(selection, Believer) and not can_believe(pool))
            if plain and self.measure.is_redundant(pool.unlabelled.task):
                warn_of_redundancy(self, n)
        return selection(pool, n, scores_N, self.score)

    def query(
        self,
        model: ModelManager | None,
        data: DataManager,
        n: int = 1,
        generator: np.random.Generator | int = 0,
        **restrictions: Any,
    ) -> Query:
        """The points to ask next. Neither the model nor the data are changed.

        Parameters
        ----------
        model : ModelManager or None
            Fitted on the labelled points. None for strategies that need no model.
        data : DataManager
        n : int
            How many points; all that may be asked, where they are fewer.
        generator : numpy.random.Generator or int
            Or a seed. The same state gives the same query.
        **restrictions
            As :meth:`within`, for this query.

        Raises
        ------
        QuerySizeError, EmptyPool, QuotaError
            For n below one, an empty pool, a quota that cannot be kept.
        WrongTask, ModelError, ModelLacks, NotFitted
            For data or a model that the strategy cannot be used with.

        Examples
        --------
        >>> import aljupyter as al
        >>> data = al.DataManager([[0.0], [1.0], [5.0]], [0, 1, 1], labelled=[0])
        >>> al.strategies.KCenter().query(None, data)
        Query of round 0 by KCenter(): point (score) 2 (2.31)
        """
        strategy = as_strategy(self, data.task)
        if restrictions:
            strategy = strategy.within(**restrictions)
        return choose(strategy, pool_of(strategy, model, data, generator), n)

    def within(self, **restrictions: Any) -> Strategy:
        """The same strategy, which asks among some of the points only. This one stays as it is.

        Parameters
        ----------
        candidates, forbidden : array-like of int, optional
            The dataset's own indices: who may be asked, who may not.
        max_candidates : int, optional
            Of a larger pool only so many points are looked at in a round, drawn by the seed; the scores of all others
            are minus infinity. For large pools.
        quota : AtMost or OneGroup, optional
            A rule about the groups in a batch.

        Raises
        ------
        InvalidParameter
        """
        other = copy.copy(self)
        other.restrictions = self.restrictions.with_(**restrictions)
        return other

    def __repr__(self) -> str:
        return self._definition() + repr(self.restrictions)

    def _definition(self) -> str:
        if type(self) is Strategy or (self.measure is not None and type(self).__init__ is Strategy.__init__):
            select = repr(self.selection)
            return repr(self.measure) if select == "Believer()" else f"Strategy({self.measure!r}, {select})"
        if type(self).__init__ is Strategy.__init__:
            return f"{type(self).__name__}()"
        parameters = inspect.signature(type(self)).parameters.values()
        stated = [(p.name, getattr(self, p.name)) for p in parameters if hasattr(self, p.name)]
        defaults = {p.name: p.default for p in parameters}
        shown = (f"{name}={_text(value)}" for name, value in stated if _text(value) != _text(defaults[name]))
        return f"{type(self).__name__}({', '.join(shown)})"


def _text(value: object) -> str:
    """The repr; of an array its shape, since definitions are written into records."""
    return f"<array of shape {value.shape}>" if isinstance(value, np.ndarray) and value.size > 4 else repr(value)


class UpperConfidenceBound(Strategy):
    """Greedy mean plus `weight` standard deviations (Auer 2002; the paper's Appendix A.1).

    Parameters
    ----------
    weight : float
        Of the standard deviation, at least 0: the larger, the more is explored.

    Raises
    ------
    InvalidParameter
        If the weight is negative or not finite.
    """

    def __init__(self, weight: float = 1.0):
        self.weight = check_weight(weight)
        super().__init__(score=Greedy() + self.weight * StandardDeviation())

    def _definition(self) -> str:
        return repr(self.measure)


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
