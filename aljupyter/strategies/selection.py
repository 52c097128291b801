"""From scores to a query: the highest, or draws among the high ones. Where points lie is seen in `diversify.py`."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator
from numbers import Real
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from aljupyter.errors import InvalidParameter, InvalidScores
from aljupyter.strategies.chosen import Chosen
from aljupyter.strategies.greedy import Batch, Numbers, check_batch
from aljupyter.strategies.pool import Pool

TIES = ("random", "first", "last")
Rescore = Callable[[Pool], Numbers]


class Selection(Protocol):
    """Chooses n points of a pool by their scores."""

    def __call__(self, pool: Pool, n: int, scores_N: Numbers, rescore: Rescore) -> Chosen:
        """The batch.

        Parameters
        ----------
        pool : Pool
            Its :meth:`Pool.batch` says who may be chosen.
        n : int
            1 <= n <= N.
        scores_N : array of shape (N,)
            Without NaN, higher is asked first. Points of minus infinity come when no other may.
        rescore : callable
            Gives the scores of another pool.
        """
        ...


class Selecting:
    """What the selections here share: a `repr` that reads like the definition."""

    def __repr__(self) -> str:
        parameters = inspect.signature(type(self)).parameters.values()
        stated = [(p.name, getattr(self, p.name)) for p in parameters if repr(getattr(self, p.name)) != repr(p.default)]
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in stated)})"


class TopK(Selecting):
    """The n points of the highest scores, best first.

    Parameters
    ----------
    ties : {"random", "first", "last"}
        Who comes first among equal scores: by the seeded generator, or by place in the pool. A GP far from its labels
        gives many points exactly the same score, so this decides results.

    Raises
    ------
    InvalidParameter
    """

    def __init__(self, ties: str = "random"):
        if ties not in TIES:
            raise InvalidParameter(f"ties is one of {', '.join(TIES)}, got {ties!r}.")
        self.ties = ties

    def __call__(self, pool: Pool, n: int, scores_N: Numbers, rescore: Rescore) -> Chosen:
        batch = None if pool.quota is None else pool.batch(n)
        positions = top_k(scores_N, n, pool.generator("select"), ties=self.ties, batch=batch)
        return Chosen(positions, {"gain": scores_N[positions]})


class _Perturbed(Selecting):
    """The highest of the logarithms of weights with Gumbel noise: draws by weight ** (1 / temperature)."""

    def __init__(self, temperature: float = 1.0):
        self.temperature = positive(temperature, "temperature")

    def _log_weights(self, scores_N: Numbers) -> Numbers:
        """Logarithms of the weights at temperature 1, shape (N,)."""
        raise NotImplementedError

    def __call__(self, pool: Pool, n: int, scores_N: Numbers, rescore: Rescore) -> Chosen:
        check_batch(n, len(scores_N))
        generator = pool.generator("select")
        keys_N = perturbed(self._log_weights(scores_N), self.temperature, generator)
        positions = take_in_order(best_first(keys_N, generator, scores_N), n, pool.batch(n))
        return Chosen(positions, {"gain": scores_N[positions]})


class Softmax(_Perturbed):
    """Points drawn without replacement, each next one with probability proportional to exp(score / temperature).

    Kirsch, Farquhar, Atighehchian, Jesson, Branchaud-Charron & Gal (2021, arXiv:2106.12059), "softmax acquisition": the
    n highest of ``score + temperature * Gumbel noise``, which is the same as those draws (Gumbel top-k). Close scores
    make a batch of copies under :class:`TopK`; here they share their chances.

    Parameters
    ----------
    temperature : float
        In the units of the scores. Towards 0 the highest scores are taken, towards infinity random points.

    Raises
    ------
    InvalidParameter
        If the temperature is not a positive finite number.

    Examples
    --------
    >>> from aljupyter.strategies import Entropy, Strategy
    >>> Strategy(Entropy(), Softmax(0.1))
    Strategy(Entropy(), Softmax(temperature=0.1))
    """

    def _log_weights(self, scores_N: Numbers) -> Numbers:
        return scores_N


#: the same draws by their other name: the highest of score + temperature * Gumbel noise
Gumbel = Softmax


class Power(_Perturbed):
    """Points drawn without replacement, each next one with probability proportional to score ** (1 / temperature).

    "Power acquisition" (Kirsch et al. 2021, arXiv:2106.12059): the n highest of ``log(score) + temperature * Gumbel
    noise``. For scores that are at least 0, such as entropy, margin, BALD and variance; their unit does not matter.
    Points of score 0 come when all others are in, at random; so where all scores are 0, random points are drawn.

    Parameters
    ----------
    temperature : float
        Without unit. Towards 0 the highest scores are taken, towards infinity random points.

    Raises
    ------
    InvalidParameter
        If the temperature is not a positive finite number.
    InvalidScores
        When used with a score below 0.
    """

    def _log_weights(self, scores_N: Numbers) -> Numbers:
        return log_of(not_negative(scores_N, self))


class SoftRank(_Perturbed):
    """Points drawn without replacement, each next one with probability proportional to rank ** (-1 / temperature).

    "Softrank acquisition" (Kirsch et al. 2021, arXiv:2106.12059): the n highest of ``-log(rank) + temperature * Gumbel
    noise``, where the highest score has rank 1. Only the order of scores counts. Equal scores share the mean of
    their ranks, and so their chances.

    Parameters
    ----------
    temperature : float
        Without unit. Towards 0 the highest scores are taken, towards infinity random points.

    Raises
    ------
    InvalidParameter
        If the temperature is not a positive finite number.
    """

    def _log_weights(self, scores_N: Numbers) -> Numbers:
        return np.where(np.isneginf(scores_N), -np.inf, -np.log(rankdata(-scores_N)))


class EpsilonGreedy(Selecting):
    """Each place of the batch goes to a random point with probability `eps`, and to the highest score otherwise.

    So a query of one point explores, too. (Listing 5 of the PyRelationAL paper, arXiv:2205.11117, takes
    ``int((1 - eps) * n)`` points by score and the others at random: of one point, always a random one.)

    Parameters
    ----------
    eps : float
        In [0, 1].

    Raises
    ------
    InvalidParameter
    """

    def __init__(self, eps: float = 0.05):
        if isinstance(eps, bool) or not isinstance(eps, Real) or not 0 <= float(eps) <= 1:
            raise InvalidParameter(f"eps is a probability, a number from 0 to 1; got {eps!r}.")
        self.eps: float = eps

    def __call__(self, pool: Pool, n: int, scores_N: Numbers, rescore: Rescore) -> Chosen:
        check_batch(n, len(scores_N))
        generator, batch = pool.generator("select"), pool.batch(n)
        explored_n = generator.random(n) < self.eps
        by_score = iter(best_first(scores_N, generator))
        # Who is left of a random order is in a random order still, whoever was taken by score.
        at_random = iter(best_first(np.where(np.isneginf(scores_N), -np.inf, 0.0), generator))
        for explores in explored_n:
            batch.take(_next_open(at_random if explores else by_score, batch))
        positions = np.array(batch.positions)
        return Chosen(positions, {"gain": scores_N[positions], "explored": explored_n})


class Threshold(Selecting):
    """Random points among those whose score is high enough; where they do not suffice, then the next best.

    Parameters
    ----------
    at_least : float
        The lowest score that is high enough.

    Raises
    ------
    InvalidParameter
        If it is not a finite number.
    """

    def __init__(self, at_least: float):
        if isinstance(at_least, bool) or not isinstance(at_least, Real) or not math.isfinite(at_least):
            raise InvalidParameter(f"at_least is a score, a finite number; got {at_least!r}.")
        self.at_least: float = at_least

    def __call__(self, pool: Pool, n: int, scores_N: Numbers, rescore: Rescore) -> Chosen:
        check_batch(n, len(scores_N))
        order_N = best_first(np.minimum(scores_N, self.at_least), pool.generator("select"))
        positions = take_in_order(order_N, n, pool.batch(n))
        return Chosen(positions, {"gain": scores_N[positions]})


def top_k(
    scores_N: Numbers, n: int, generator: np.random.Generator, *, ties: str = "random", batch: Batch | None = None
) -> NDArray[np.int64]:
    """Positions of the n highest scores, best first.

    Parameters
    ----------
    scores_N : array of shape (N,)
        Without NaN.
    n : int
    generator : numpy.random.Generator
        Breaks ties where ``ties="random"``.
    ties : {"random", "first", "last"}
    batch : Batch, optional
        Empty; says which points may be chosen. All where not given.

    Returns
    -------
    array of int, shape (n,)

    Raises
    ------
    QuerySizeError
    """
    check_batch(n, len(scores_N))
    candidates = np.arange(len(scores_N))
    if batch is None:
        # All above the n-th highest score are in; the places left go to those that equal it.
        candidates = np.flatnonzero(scores_N >= np.partition(scores_N, -n)[-n])
    precedence: NDArray[Any] = candidates if ties == "first" else -candidates
    if ties == "random":
        precedence = generator.random(len(candidates))
    order = candidates[np.lexsort((precedence, -scores_N[candidates]))]
    return order[:n] if batch is None else take_in_order(order, n, batch)


def best_first(keys_N: Numbers, generator: np.random.Generator, then_N: Numbers | None = None) -> NDArray[np.int64]:
    """All positions by falling keys; among equal ones by falling `then_N`, and then at random."""
    ties: list[NDArray[Any]] = [generator.random(len(keys_N))]
    if then_N is not None:
        ties.append(-then_N)
    return np.lexsort((*ties, -keys_N))


def take_in_order(order_N: NDArray[np.int64], n: int, batch: Batch) -> NDArray[np.int64]:
    """Take n more points into a batch in an order, passing by those that may not come; all who came, in order."""
    rest = iter(order_N)
    for _ in range(n):
        batch.take(_next_open(rest, batch))
    return np.array(batch.positions)


def _next_open(rest: Iterator[np.int64], batch: Batch) -> int:
    """The next in an order who may come still. Nobody may come again once passed by, so none is looked at twice."""
    return int(next(position for position in rest if batch.open_N[position]))


def perturbed(log_weights_N: Numbers, temperature: float, generator: np.random.Generator) -> Numbers:
    """Keys whose falling order is that of draws without replacement by ``exp(log_weights / temperature)``.

    The key of a point is ``log weight / temperature + Gumbel noise`` (Kool, van Hoof & Welling 2019, arXiv:1903.06059),
    up to a factor that leaves the order alone.
    """
    noise_N = generator.gumbel(size=len(log_weights_N))
    if temperature > 1:  # whichever does not overflow
        return log_weights_N / temperature + noise_N
    return log_weights_N + temperature * noise_N


def not_negative(scores_N: Numbers, who: object) -> Numbers:
    """Scores as weights: those of minus infinity, and those that rounding made negative, become 0.

    Raises
    ------
    InvalidScores
        If a score is below 0.
    """
    finite = scores_N[np.isfinite(scores_N)]
    least = finite.min(initial=0.0)
    if least < -1e-9 * np.abs(finite).max(initial=0.0):
        raise InvalidScores(
            f"{who!r} takes scores for weights, so that they are at least 0; the lowest is {least:.3g}. Use a score "
            f"from 0 upwards (`measure.scaled()` is one), or Softmax() or SoftRank(), which take any."
        )
    return np.maximum(scores_N, 0.0)


def log_of(weights_N: Numbers) -> Numbers:
    """Logarithms; minus infinity of 0."""
    return np.log(weights_N, out=np.full(len(weights_N), -np.inf), where=weights_N > 0)


def positive(value: Any, name: str) -> float:
    """A parameter that is a positive finite number.

    Raises
    ------
    InvalidParameter
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < float(value) < math.inf:
        raise InvalidParameter(f"{name} is a positive finite number, got {value!r}.")
    return value  # type: ignore[return-value]  # as it was given
