"""From scores and places to a query: high scores that do not lie on top of each other."""

from __future__ import annotations

import copy
import math
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from aljupyter.errors import InvalidParameter, InvalidScores, WrongTask
from aljupyter.informativeness import features as by_features
from aljupyter.strategies.base import Strategy, as_strategy
from aljupyter.strategies.chosen import Chosen
from aljupyter.strategies.determinant import pick_by_determinant
from aljupyter.strategies.features import SMALL_SAMPLE, KCenter
from aljupyter.strategies.greedy import Batch, Numbers, Picks, Points, check_batch
from aljupyter.strategies.herding import median_distance
from aljupyter.strategies.measures import Measure
from aljupyter.strategies.points import EMBEDDINGS, one_of, points_of, positive_or, sample_of, whole
from aljupyter.strategies.pool import Pool
from aljupyter.strategies.selection import (
    Rescore,
    Selecting,
    Selection,
    best_first,
    not_negative,
    take_in_order,
)
from aljupyter.strategies.typical import clusters_of

PER = ("score", "centre")


class Prefilter(Selecting):
    """The best ``factor * n`` points by score, and among these n by another strategy or selection.

    With k-center, the strategy where none is given: high scores, spread out. k-center alone asks outliers, high scores
    alone ask copies.

    Parameters
    ----------
    factor : float
        At least 1, where the scores alone decide. Points that no batch may hold are passed by, and so many of others
        are in that a quota can be kept.
    then : Strategy, Measure or Selection, optional
        :class:`KCenter` where not given. Its `max_candidates` does not matter here.

    Attributes
    ----------
    task, needs
        Of `then`, as those of a strategy.

    Raises
    ------
    InvalidParameter
        For a factor below 1, or a strategy that is restricted itself: restrict the whole instead.
    WrongTask
        If `then` is no strategy and no selection.

    Examples
    --------
    >>> from aljupyter.strategies import Entropy
    >>> Strategy(Entropy(), Prefilter(5, KCenter("cosine")))
    Strategy(Entropy(), Prefilter(factor=5, then=KCenter(metric='cosine')))
    """

    def __init__(self, factor: float = 10, then: Strategy | Measure | Selection | None = None):
        self.factor = _factor(factor)
        self.then: Strategy | Selection = KCenter() if then is None else _second(then)
        self.task = self.then.task if isinstance(self.then, Strategy) else None
        self.needs = self.then.needs if isinstance(self.then, Strategy) else ()

    def __call__(self, pool: Pool, n: int, scores_N: Numbers, rescore: Rescore) -> Chosen:
        rows_K = shortlist(pool, n, scores_N, self.factor)
        part = pool.restricted(rows_K)
        if isinstance(self.then, Strategy):
            chosen = self.then.select(part, n, self.then.score(part))
        else:
            chosen = self.then(part, n, scores_N[rows_K], rescore)
        if not isinstance(chosen, Chosen):
            chosen = Chosen(np.asarray(chosen))
        return Chosen(rows_K[chosen.positions], chosen.why)


class Clustered(Selecting):
    """The best ``factor * n`` points by score are put into n clusters, and of each cluster one point is asked.

    Clusters come in the order of their highest scores. Where there are fewer clusters than points asked, or a quota
    closes some, each gives a second point before any gives a third.

    ``Clustered(per="centre", weighted=True)`` is the method of Zhdanov (2019, arXiv:1901.05954): clusters lean towards
    high scores, and the point nearest each centre is asked.

    Parameters
    ----------
    factor : float
        At least 1; between 10 and 50 in the paper.
    n_clusters : int, optional
        n where not given.
    per : {"score", "centre"}
        What is asked of a cluster: its highest score, or the point nearest to its centre.
    weighted : bool
        Whether scores are the weights of the points in k-means. They have to be at least 0 then.
    clusterer : scikit-learn clusterer, optional
        Any with `fit_predict`; a copy of it is fitted. k-means where not given. Points that it calls noise (-1) come
        last.
    embedding : {"inputs", "model"}
        Where distances are measured, see :class:`FeatureStrategy`.

    Raises
    ------
    InvalidParameter
    InvalidScores
        When used with weights, for a score that is negative or infinite.
    UnsupportedModel
        When used with a clusterer that is none.

    Examples
    --------
    >>> Clustered(per="centre", weighted=True)
    Clustered(per='centre', weighted=True)
    """

    def __init__(
        self,
        factor: float = 10,
        n_clusters: int | None = None,
        per: str = "score",
        weighted: bool = False,
        clusterer: Any = None,
        embedding: str = "inputs",
    ):
        self.factor = _factor(factor)
        self.n_clusters = n_clusters if n_clusters is None else whole(n_clusters, "n_clusters")
        self.per = one_of(per, PER, "per")
        if not isinstance(weighted, bool):
            raise InvalidParameter(f"weighted is True or False, got {weighted!r}.")
        if weighted and clusterer is not None:
            raise InvalidParameter("weighted is for k-means alone: leave the clusterer out, or the weights.")
        self.weighted, self.clusterer = weighted, clusterer
        self.embedding = one_of(embedding, EMBEDDINGS, "embedding")

    def __call__(self, pool: Pool, n: int, scores_N: Numbers, rescore: Rescore) -> Chosen:
        weights_N = _finite_weights(scores_N, self) if self.weighted else np.ones(len(scores_N))
        rows_K = shortlist(pool, n, scores_N, self.factor)
        x_K_D = points_of(pool, pool.unlabelled, self.embedding, self, rows_K)
        generator = pool.generator("select")
        n_clusters = min(self.n_clusters or n, len(rows_K))
        weights_K = weights_N[rows_K] if weights_N[rows_K].any() else np.ones(len(rows_K))
        if self.clusterer is None:
            cluster_K = clusters_of(x_K_D, n_clusters, generator, weights_K if self.weighted else None)
        else:
            doubles_K_D, seed = x_K_D.astype(np.float64), int(generator.integers(2**31))
            n_clusters = by_features._at_most_different(doubles_K_D, n_clusters)
            cluster_K = by_features._clusters(doubles_K_D, n_clusters, self.clusterer, seed)[0]
        far_K = distances_to_centres(x_K_D, cluster_K, weights_K) if self.per == "centre" else None
        batch = pool.restricted(rows_K).batch(n)
        positions, gains = pick_by_cluster(scores_N[rows_K], cluster_K, n, generator, far_N=far_K, batch=batch)
        return Chosen(rows_K[positions], {"gain": gains, "cluster": cluster_K[positions]})


class DeterminantalBatch(Selecting):
    """Of the best ``factor * n`` points by score, a batch of large determinant: high scores that are unlike each other.

    Quality times diversity (Kulesza & Taskar 2012, arXiv:1207.6083, section 3.1; for active learning Bıyık et al.
    2019, arXiv:1906.07975): ``L_ij = score_i * k(x_i, x_j) * score_j`` with a Gaussian kernel k, and greedily a batch
    of large ``det L``; see :func:`pick_determinantal`. The first pick is the highest score.

    Parameters
    ----------
    factor : float
        At least 1. Memory is ``factor * n**2`` numbers.
    bandwidth : float or "median"
        Standard deviation of the kernel, the distance at which points begin to differ. "median": the median distance
        between two points, of a seeded sample of at most 1,000 labelled and unlabelled ones, the same in every round.
    embedding : {"inputs", "model"}
        Where distances are measured, see :class:`FeatureStrategy`.

    Raises
    ------
    InvalidParameter
    InvalidScores
        When used with a score that is negative or infinite.
    """

    def __init__(self, factor: float = 10, bandwidth: float | str = "median", embedding: str = "inputs"):
        self.factor = _factor(factor)
        self.bandwidth = positive_or(bandwidth, "median", "bandwidth")
        self.embedding = one_of(embedding, EMBEDDINGS, "embedding")

    def __call__(self, pool: Pool, n: int, scores_N: Numbers, rescore: Rescore) -> Chosen:
        _finite_weights(scores_N, self)
        rows_K = shortlist(pool, n, scores_N, self.factor)
        x_K_D = points_of(pool, pool.unlabelled, self.embedding, self, rows_K)
        if isinstance(self.bandwidth, str):
            bandwidth = median_distance(sample_of(pool, SMALL_SAMPLE, "bandwidth", self.embedding, self)[0])
        else:
            bandwidth = self.bandwidth
        generator, batch = pool.generator("select"), pool.restricted(rows_K).batch(n)
        positions, gains = pick_determinantal(x_K_D, scores_N[rows_K], n, generator, bandwidth=bandwidth, batch=batch)
        return Chosen(rows_K[positions], {"gain": gains})


def shortlist(pool: Pool, n: int, scores_N: Numbers, factor: float) -> NDArray[np.int64]:
    """Positions of the best ``factor * n`` points by score, ascending, of which n can keep the quota.

    So the n that would be chosen by score alone are in, whatever their rank, and points of minus infinity only
    where these n cannot do without.
    """
    check_batch(n, len(scores_N))
    batch = pool.batch(n)
    may_N = batch.open_N & ~np.isneginf(scores_N)
    order_N = best_first(scores_N, pool.generator("prefilter"))
    needed_n = take_in_order(order_N, n, batch)
    may_N[needed_n] = False
    others = order_N[may_N[order_N]][: math.ceil(factor * n) - n]
    return np.sort(np.concatenate([needed_n, others]))


def pick_by_cluster(
    scores_N: Numbers,
    cluster_N: NDArray[np.int64],
    n: int,
    generator: np.random.Generator,
    *,
    far_N: Numbers | None = None,
    batch: Batch | None = None,
) -> Picks:
    """Pick one point of each cluster, then a second one of each, and so on.

    Parameters
    ----------
    scores_N : array of shape (N,)
        The cluster of the highest score comes first in each turn.
    cluster_N : array of int, shape (N,)
        From 0; -1 for points of no cluster, which come last.
    n : int
    generator : numpy.random.Generator
        Breaks ties.
    far_N : array of shape (N,), optional
        In its cluster the lowest of these is picked; the highest score where not given.
    batch : Batch, optional
        Empty; says which points may be picked. All where not given.

    Returns
    -------
    positions : array of int, shape (n,)
        Distinct.
    gains : array of shape (n,)
        Their scores.

    Raises
    ------
    QuerySizeError
    """
    check_batch(n, len(scores_N))
    batch = batch or Batch(len(scores_N))
    place_N = np.empty(len(scores_N), dtype=np.int64)  # by score, and with far_N in the cluster
    place_N[best_first(scores_N, generator)] = np.arange(len(scores_N))
    inside_N = place_N if far_N is None else np.lexsort((place_N, far_N)).argsort()
    turn_N = np.where(cluster_N < 0, n, 0)
    for _ in range(n):
        open_ = np.flatnonzero(batch.open_N)
        open_ = open_[turn_N[open_] == turn_N[open_].min()]
        cluster = cluster_N[open_[place_N[open_].argmin()]]
        members = open_[cluster_N[open_] == cluster] if cluster >= 0 else open_
        batch.take(members[inside_N[members].argmin()])
        turn_N[cluster_N == cluster] += cluster >= 0
    positions = np.array(batch.positions)
    return positions, scores_N[positions]


def distances_to_centres(x_N_D: Points, cluster_N: NDArray[np.int64], weights_N: Numbers) -> Numbers:
    """Distance of each point to the weighted mean of its cluster, shape (N,); 0 for points of no cluster."""
    far_N = np.zeros(len(x_N_D))
    for cluster in np.unique(cluster_N[cluster_N >= 0]):
        own = np.flatnonzero(cluster_N == cluster)
        weights = weights_N[own] if weights_N[own].any() else None
        far_N[own] = np.linalg.norm(x_N_D[own] - np.average(x_N_D[own], axis=0, weights=weights), axis=1)
    return far_N


def pick_determinantal(
    x_N_D: Points,
    scores_N: Numbers,
    n: int,
    generator: np.random.Generator,
    *,
    bandwidth: float,
    batch: Batch | None = None,
) -> Picks:
    """Pick n points, each the one that makes ``det L`` of the batch largest, ``L_ij = score_i k(x_i, x_j) score_j``.

    Greedily, see :func:`~aljupyter.strategies.determinant.pick_by_determinant`. Once nothing is left to gain (copies,
    scores of 0), the highest scores follow.

    Parameters
    ----------
    x_N_D : array of shape (N, D)
    scores_N : array of shape (N,)
        At least 0, or minus infinity: not while others are left.
    n : int
    generator : numpy.random.Generator
        Breaks ties.
    bandwidth : float
        Of the kernel ``k(x, z) = exp(-|x - z|^2 / (2 bandwidth^2))``.
    batch : Batch, optional
        Empty; says which points may be picked. All where not given.

    Returns
    -------
    positions : array of int, shape (n,)
        Distinct.
    gains : array of shape (n,)
        Score times the standard deviation that was left: the square root of what the determinant grew by. From the
        score itself, for the first pick, down to 0.

    Raises
    ------
    QuerySizeError
    """
    check_batch(n, len(x_N_D))
    batch = batch or Batch(len(x_N_D))

    def kernel(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Numbers:
        squared: Numbers = cdist(x_N_D[rows] / bandwidth, x_N_D[columns] / bandwidth, "sqeuclidean")
        return np.exp(-0.5 * squared)  # exactly 1 between copies

    quality_N = np.maximum(scores_N, 0.0)
    trial = copy.deepcopy(batch)  # those that gain nothing are chosen anew
    positions, grown = pick_by_determinant(np.ones(len(x_N_D)), kernel, n, generator, quality_N=quality_N, batch=trial)
    for position in positions[grown > 0]:
        batch.take(position)
    take_in_order(best_first(scores_N, generator), n - len(batch.positions), batch)
    return np.array(batch.positions), np.sqrt(np.maximum(grown, 0.0))


def _finite_weights(scores_N: Numbers, who: object) -> Numbers:
    if np.isposinf(scores_N).any():
        raise InvalidScores(f"{who!r} takes scores for weights, and {int(np.isposinf(scores_N).sum())} are infinite.")
    return not_negative(scores_N, who)


def _factor(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, Real) or not 1 <= float(value) < math.inf:
        raise InvalidParameter(
            f"factor is a number of at least 1: so many times the batch are looked at; got {value!r}."
        )
    return value  # type: ignore[return-value]  # a number, as it was given


def _second(then: Strategy | Measure | Selection) -> Strategy | Selection:
    if isinstance(then, Measure):
        then = as_strategy(then)
    if not isinstance(then, Strategy):
        if isinstance(then, type) or not callable(then):
            raise WrongTask(f"A strategy such as KCenter() or a selection such as Softmax() comes after, got {then!r}.")
        return then
    held = then.restrictions
    if held.candidates is not None or held.forbidden is not None or held.quota is not None:
        raise InvalidParameter(
            f"{then!r} is restricted itself, which has no meaning after a prefilter: "
            f"call `within` on the whole strategy instead."
        )
    return then
