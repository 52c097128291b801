"""Measures that favour crowded places, and batches that keep their distance."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from torch import Tensor

from aljupyter.errors import InvalidParameter, InvalidScores, WrongTask
from aljupyter.strategies.algebra import Limits, Measure
from aljupyter.strategies.base import Strategy
from aljupyter.strategies.chosen import Chosen
from aljupyter.strategies.features import SMALL_SAMPLE
from aljupyter.strategies.greedy import Batch, Numbers, Picks, Points, SquaredDistances, blocks, check_batch
from aljupyter.strategies.herding import median_distance
from aljupyter.strategies.measures import LeastConfidence, Margin
from aljupyter.strategies.points import EMBEDDINGS, one_of, points_of, positive_or, sample_of, whole
from aljupyter.strategies.pool import Pool
from aljupyter.strategies.spread import spread

SIMILARITIES = ("gaussian", "cosine")
_MARGIN, _LEAST_CONFIDENCE = Margin(), LeastConfidence()  # they hold nothing: may be shared


class Density(Measure):
    """Mean similarity of a point to the unlabelled ones, to a power (Settles & Craven 2008, information density).

    I(x) = (sum over u of sim(x, u) / U) ** beta, over all U unlabelled points, x itself among them. Where a sample of
    `n_targets` stands for them, the mean over the points other than x is that of the sample: no point gains by being in
    it.

    Multiplied with a measure it keeps that from asking for outliers: ``Entropy() * Density()``.

    Parameters
    ----------
    beta : float
        At least 0; 0 is 1 everywhere.
    similarity : {"gaussian", "cosine"}
        ``exp(-|x - u|^2 / (2 bandwidth^2))``, or ``(1 + cos(x, u)) / 2``: a cosine as it is may be below 0.
    bandwidth : float or "median"
        Of the Gaussian. "median": the median distance between two points, of a seeded sample of at most 1,000 labelled
        and unlabelled ones, the same in every round.
    n_targets : int or None
        So many unlabelled points, drawn anew each round by the seed; those that may not be asked count as well.
        None: all.
    embedding : {"inputs", "model"}
        See :class:`FeatureStrategy`.

    Raises
    ------
    InvalidParameter
    """

    needs: tuple[str, ...] = ()
    sees_batch = False

    def __init__(
        self,
        beta: float = 1.0,
        similarity: str = "gaussian",
        bandwidth: float | str = "median",
        n_targets: int | None = 2_000,
        embedding: str = "inputs",
    ):
        self.beta = _at_least_0(beta, "beta")
        self.similarity = one_of(similarity, SIMILARITIES, "similarity")
        self.bandwidth = positive_or(bandwidth, "median", "bandwidth")
        self.n_targets = None if n_targets is None else whole(n_targets, "n_targets")
        self.embedding = one_of(embedding, EMBEDDINGS, "embedding")
        if embedding == "model":
            self.needs = ("model", "embedding")

    def __call__(self, pool: Pool) -> Tensor:
        pool = pool.before  # in a batch nothing changes
        key = (Density, repr(self))
        if key not in pool.memo:
            pool.memo[key] = torch.from_numpy(self._of(pool))
        values_N: Tensor = pool.memo[key]
        return values_N

    def values(self, posterior: Any) -> Tensor:
        raise WrongTask(f"{self!r} scores points of a pool; it says nothing about a posterior.")

    def limits(self, n_classes: int | None) -> Limits:
        return 0.0, 1.0

    def _of(self, pool: Pool) -> Numbers:
        view = pool.whole.unlabelled
        rows = np.arange(len(view))
        if self.n_targets is not None and self.n_targets < len(view):
            rows = np.sort(pool.generator("targets").permutation(len(view))[: self.n_targets])
        x_N_D = points_of(pool, pool.unlabelled, self.embedding, self)
        x_T_D = points_of(pool, view, self.embedding, self, rows)
        is_target_N = np.isin(pool.unlabelled.indices, view.indices[rows])
        bandwidth = None if self.similarity == "cosine" else self._width(pool)
        mean_N = mean_similarity(x_N_D, x_T_D, is_target_N, n_points=len(view), bandwidth=bandwidth)
        return mean_N**self.beta

    def _width(self, pool: Pool) -> float:
        if not isinstance(self.bandwidth, str):
            return float(self.bandwidth)
        return median_distance(sample_of(pool, SMALL_SAMPLE, "bandwidth", self.embedding, self)[0])


class DensityWeighted(Strategy):
    """A measure times the density of the place: uncertain points that many others resemble (Settles & Craven 2008).

    ``base * Density(beta)``; written out, with the other parameters of :class:`Density`.

    Parameters
    ----------
    base : Measure
        Of values from 0 upwards.
    beta : float
        Weight of the density, at least 0.

    Raises
    ------
    InvalidParameter, WrongTask
    """

    def __init__(self, base: Measure = _MARGIN, beta: float = 1.0):
        self.base, self.beta = _measure(base), _at_least_0(beta, "beta")
        super().__init__(self.base * Density(self.beta))

    def _definition(self) -> str:
        return repr(self.measure)


class RankedBatch(Strategy):
    """Points that are unlike all labelled ones, or uncertain: the fewer labels, the more it is the former that counts.

    Cardoso et al. (2017), as in modAL: the score of a point is ``alpha (1 - s) + (1 - alpha) u``, with u its
    uncertainty, s = 1 / (1 + distance) its similarity to the nearest labelled point, and alpha = U / (U + M) for U
    unlabelled and M labelled points. A pick counts as labelled for the next; see :func:`rank_batch`. Where nothing is
    labelled all points are worth the same.

    Parameters
    ----------
    base : Measure
        The uncertainty. One that lies between 0 and 1 is taken as it is, as in
        the paper; any other (in regression the variance) is scaled to the pool: ``base.scaled()``.
    embedding : {"inputs", "model"}
        See :class:`FeatureStrategy`. The distance is Euclidean, in the units of these.

    Raises
    ------
    InvalidParameter, WrongTask
    """

    def __init__(self, base: Measure = _LEAST_CONFIDENCE, embedding: str = "inputs"):
        self.base = _measure(base)
        self.embedding = one_of(embedding, EMBEDDINGS, "embedding")
        self.task = self.base.task
        self.needs = self.base.needs
        if embedding == "model":
            self.needs = tuple(dict.fromkeys((*self.needs, "model", "embedding")))

    def score(self, pool: Pool) -> Numbers:
        """What each unlabelled point is worth as the first pick, shape (N,)."""
        uncertainty_N, nearest_N = self._parts(pool)
        return _ranked(uncertainty_N, nearest_N, len(pool.whole), len(pool.labelled))

    def select(self, pool: Pool, n: int, scores_N: Numbers) -> Chosen:
        """A batch of n in the order of the picks, and what each was worth then: ``"gain"``."""
        uncertainty_N, nearest_N = self._parts(pool)
        positions, gains = rank_batch(
            uncertainty_N,
            nearest_N,
            points_of(pool, pool.unlabelled, self.embedding, self),
            n,
            pool.generator("select"),
            n_unlabelled=len(pool.whole),
            n_labelled=len(pool.labelled),
            batch=pool.batch(n),
        )
        return Chosen(positions, {"gain": gains})

    def _parts(self, pool: Pool) -> tuple[Numbers, Numbers]:
        """Uncertainties and distances to the nearest labelled point, both of shape (N,)."""
        key = (RankedBatch, repr(self))
        if key not in pool.memo:
            x_N_D = points_of(pool, pool.unlabelled, self.embedding, self)
            nearest_N = np.full(len(pool), np.inf)
            if len(pool.labelled):
                nearest_N = spread(x_N_D, points_of(pool, pool.labelled, self.embedding, self))
            pool.memo[key] = self._uncertainty(pool), nearest_N
        uncertainty_N, nearest_N = pool.memo[key]
        return uncertainty_N, nearest_N

    def _uncertainty(self, pool: Pool) -> Numbers:
        low, high = self.base.limits(pool.unlabelled.n_classes)
        is_share = low is not None and high is not None and low >= 0 and high <= 1
        values_N: Numbers = (self.base if is_share else self.base.scaled())(pool).detach().cpu().double().numpy()
        if np.isnan(values_N).any():
            raise InvalidScores(
                f"{self.base!r} gave NaN for {int(np.isnan(values_N).sum())} of {len(values_N)} points."
            )
        return values_N


def mean_similarity(
    x_N_D: Points,
    x_T_D: Points,
    is_target_N: NDArray[np.bool_],
    *,
    n_points: int | None = None,
    bandwidth: float | None = None,
) -> Numbers:
    """Mean similarity of each point to a set of points of which it is one, from some of these.

    (1 + (U - 1) m) / U, with m the mean over the targets other than the point itself, and its similarity to itself 1.
    O(N T D) time for the Gaussian, O((N + T) D) for the cosine; O(N + T) memory beside the points.

    Parameters
    ----------
    x_N_D, x_T_D : arrays of shapes (N, D) and (T, D)
        T >= 1.
    is_target_N : array of bool, shape (N,)
        Whether a point is itself among the targets.
    n_points : int, optional
        U; T where not given.
    bandwidth : float, optional
        Of the Gaussian; (1 + cos) / 2 where not given, which is 1/2 between a zero vector and any other.

    Returns
    -------
    array of shape (N,), in (0, 1]
    """
    n_targets = len(x_T_D)
    if bandwidth is None:
        sum_N, own_N = _cosine_sums(x_N_D, x_T_D)
    else:
        squared, scale = SquaredDistances(x_N_D, x_T_D), -0.5 / max(bandwidth**2, 1e-100)
        sum_N, own_N = np.empty(len(x_N_D)), np.ones(len(x_N_D))
        for rows in blocks(len(x_N_D), n_targets):
            sum_N[rows] = np.exp(scale * np.maximum(squared(rows), 0)).sum(axis=1)
    others_N = n_targets - is_target_N.astype(np.int64)
    mean_N = np.where(others_N > 0, sum_N - own_N * is_target_N, 0.0) / np.maximum(others_N, 1)
    n_points = n_targets if n_points is None else n_points
    return (1 + (n_points - 1) * np.clip(mean_N, 0, 1)) / n_points


def rank_batch(
    uncertainty_N: Numbers,
    nearest_N: Numbers,
    x_N_D: Points,
    n: int,
    generator: np.random.Generator,
    *,
    n_unlabelled: int,
    n_labelled: int,
    batch: Batch | None = None,
) -> Picks:
    """Pick n points, each of the highest ``alpha (1 - s) + (1 - alpha) u`` (Cardoso et al. 2017).

    s = 1 / (1 + distance) to the nearest labelled or picked point, u the uncertainty, alpha = U / (U + M), where each
    pick takes one from U and adds one to M. O(N n D) time, O(N) memory beside the points.

    Parameters
    ----------
    uncertainty_N : array of shape (N,)
        u, from 0 to 1.
    nearest_N : array of shape (N,)
        Distance to the nearest labelled point; infinite where nothing is labelled.
    x_N_D : array of shape (N, D)
    n : int
    generator : numpy.random.Generator
        Breaks ties.
    n_unlabelled, n_labelled : int
        U and M.
    batch : Batch, optional
        Empty; says which points may be picked. All where not given.

    Returns
    -------
    positions : array of int, shape (n,)
        Distinct.
    gains : array of shape (n,)

    Raises
    ------
    QuerySizeError
    """
    check_batch(n, len(x_N_D))
    batch = batch or Batch(len(x_N_D))
    nearest_N = nearest_N.copy()
    gains = np.empty(n)
    for i in range(n):
        values_N = _ranked(uncertainty_N, nearest_N, n_unlabelled - i, n_labelled + i)
        pick = batch.best(values_N, generator)
        gains[i] = values_N[pick]
        np.minimum(nearest_N, cdist(x_N_D, x_N_D[pick : pick + 1])[:, 0], out=nearest_N)
    return np.array(batch.positions), gains


def _ranked(uncertainty_N: Numbers, nearest_N: Numbers, n_unlabelled: int, n_labelled: int) -> Numbers:
    alpha = n_unlabelled / (n_unlabelled + n_labelled)
    return alpha * (1 - 1 / (1 + nearest_N)) + (1 - alpha) * uncertainty_N


def _cosine_sums(x_N_D: Points, x_T_D: Points) -> tuple[Numbers, Numbers]:
    """Sums of (1 + cos) / 2 over the targets, by the sum of their unit vectors; and what a point has with itself."""
    unit_N_D, total_D = _unit(x_N_D), _unit(x_T_D).sum(axis=0)
    return (len(x_T_D) + unit_N_D @ total_D) / 2, (1 + np.einsum("nd,nd->n", unit_N_D, unit_N_D)) / 2


def _unit(x_N_D: Points) -> Numbers:
    norms_N_1 = np.linalg.norm(x_N_D.astype(np.float64, copy=False), axis=1, keepdims=True)
    return x_N_D / np.where(norms_N_1 > 0, norms_N_1, 1)


def _measure(base: Any) -> Measure:
    if not isinstance(base, Measure):
        raise WrongTask(f"The base is a measure such as Margin(), got {base!r}.")
    return base


def _at_least_0(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= float(value) < math.inf:
        raise InvalidParameter(f"{name} is a finite number of at least 0, got {value!r}.")
    return float(value)
