"""Cluster-Margin: the points between two classes, from as many clusters as they lie in."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from aljupyter.errors import InvalidParameter
from aljupyter.randomness import numpy_generator
from aljupyter.strategies.base import Strategy
from aljupyter.strategies.chosen import Chosen
from aljupyter.strategies.greedy import Batch, Numbers, Points, SquaredDistances, blocks, check_batch
from aljupyter.strategies.measures import Margin
from aljupyter.strategies.points import EMBEDDINGS, one_of, points_of, whole
from aljupyter.strategies.pool import Pool

MOST_LINKED = 4_000  # points whose distances are held at once: 64 MB, about a second
CENTRES = 2_000  # that stand for more points than these
MEAN_SIZE = 1.25  # of a cluster, in points (or in centres)
MOST_KNOWN = 16  # seeds, say, whose clusters of one dataset are kept

#: clusters of a dataset's points, which are the same in each round, by the features and what was asked of them
_KNOWN: WeakKeyDictionary[Any, dict[Any, NDArray[np.int64]]] = WeakKeyDictionary()


class ClusterMargin(Strategy):
    """Of the points of the smallest margins some of each cluster, the smallest clusters first.

    Citovsky et al. (2021, arXiv:2107.14263), made for large batches. All labelled and unlabelled points are clustered
    by average linkage, once for all rounds where the embedding is that of the inputs; see :func:`linked_clusters`.
    Scores are :class:`Margin`; the batch is drawn by :func:`round_robin`.

    Parameters
    ----------
    factor : float
        The batch is drawn among ``factor * n`` points of the smallest margins, at least 1. (The paper: 1.25 on small
        sets of images, 10 on Open Images.)
    n_clusters : int, optional
        Where neither this nor `threshold` is given, so many that a cluster has 1.25 points on average.
    threshold : float, optional
        Instead of `n_clusters`: clusters are joined up to this average distance.
    embedding : {"inputs", "model"}
        See :class:`FeatureStrategy`. With "model" points are clustered anew in each round, as the embedding changes.

    Raises
    ------
    InvalidParameter
    """

    task = "classification"

    def __init__(
        self,
        factor: float = 1.25,
        n_clusters: int | None = None,
        threshold: float | None = None,
        embedding: str = "inputs",
    ):
        self.factor = _number(factor, "factor", 1.0)
        self.n_clusters = None if n_clusters is None else whole(n_clusters, "n_clusters")
        self.threshold = None if threshold is None else _number(threshold, "threshold", 0.0)
        if n_clusters is not None and threshold is not None:
            raise InvalidParameter("Either n_clusters or threshold says where clustering stops, not both.")
        self.embedding = one_of(embedding, EMBEDDINGS, "embedding")
        self.needs = ("model", "embedding") if embedding == "model" else ("model",)

    def score(self, pool: Pool) -> Numbers:
        """Margins between the two likeliest classes, shape (N,): 1 for none; see :class:`Margin`."""
        values_N: Numbers = Margin()(pool).detach().cpu().double().numpy()
        return values_N

    def select(self, pool: Pool, n: int, scores_N: Numbers) -> Chosen:
        """A batch of n; for each its margin, as ``"gain"``, and its ``"cluster"``."""
        cluster_N = self._clusters(pool)
        generator, batch = pool.generator("select"), pool.batch(n)
        positions = round_robin(scores_N, cluster_N, n, generator, factor=self.factor, batch=batch)
        return Chosen(positions, {"gain": scores_N[positions], "cluster": cluster_N[positions]})

    def _clusters(self, pool: Pool) -> NDArray[np.int64]:
        """The cluster of each point of the pool, shape (N,)."""
        labelled, unlabelled = pool.whole.labelled, pool.whole.unlabelled
        indices = np.concatenate([labelled.indices, unlabelled.indices])
        order = np.argsort(indices)
        key = (pool.seed, self.n_clusters, self.threshold, indices[order].tobytes())
        known = _KNOWN.setdefault(unlabelled.features, {}) if self.embedding == "inputs" else {}
        if key not in known:
            views = [view for view in (labelled, unlabelled) if len(view)]
            x_A_D = np.concatenate([points_of(pool, view, self.embedding, self) for view in views])[order]
            generator = numpy_generator(pool.seed, "clusters")
            if len(known) >= MOST_KNOWN:
                known.clear()
            known[key] = linked_clusters(x_A_D, generator, n_clusters=self.n_clusters, threshold=self.threshold)
        return known[key][np.searchsorted(indices[order], pool.unlabelled.indices)]


def linked_clusters(
    x_N_D: Points,
    generator: np.random.Generator,
    *,
    n_clusters: int | None = None,
    threshold: float | None = None,
) -> NDArray[np.int64]:
    """Clusters by average linkage of Euclidean distances.

    Exact for up to 4,000 points: O(N^2) time and memory. More are first put into 2,000 groups by mini-batch k-means,
    and the centres of these are clustered, each as one point however many it stands for.

    Parameters
    ----------
    x_N_D : array of shape (N, D)
    generator : numpy.random.Generator
        For k-means.
    n_clusters : int, optional
    threshold : float, optional
        Clusters farther from each other than this, on average, are not joined. Where neither is given, there is one
        cluster for 1.25 points (or centres).

    Returns
    -------
    array of int, shape (N,)
        From 0.
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    centre_N, x_K_D = np.arange(len(x_N_D)), x_N_D
    if len(x_N_D) > MOST_LINKED:
        centre_N, x_K_D = _grouped(x_N_D, generator)
    if len(x_K_D) == 1:
        return np.zeros(len(x_N_D), dtype=np.int64)
    tree = linkage(x_K_D, "average")
    if threshold is not None:
        cluster_K = fcluster(tree, threshold, "distance")
    else:
        wanted = n_clusters or max(1, round(len(x_K_D) / MEAN_SIZE))
        cluster_K = _cut(tree, min(wanted, len(x_K_D)))
    clusters: NDArray[np.int64] = np.unique(cluster_K, return_inverse=True)[1][centre_N].astype(np.int64)
    return clusters


def round_robin(
    margin_N: Numbers,
    cluster_N: NDArray[np.int64],
    n: int,
    generator: np.random.Generator,
    *,
    factor: float = 1.25,
    batch: Batch | None = None,
) -> NDArray[np.int64]:
    """Draw n of the points of the highest scores, one of each of their clusters in turn (the paper's Algorithm 2).

    The ``factor * n`` highest open scores are the candidates. Their clusters are ordered by how many candidates they
    hold, the smallest first; one candidate is drawn at random from each in turn, and then again from those that hold
    more, until there are n. Where a quota leaves no candidate before that, the next highest scores follow.

    Parameters
    ----------
    margin_N : array of shape (N,)
        Higher is less certain.
    cluster_N : array of int, shape (N,)
    n : int
    generator : numpy.random.Generator
        Draws within clusters, and breaks ties between scores and between clusters.
    factor : float
        At least 1.
    batch : Batch, optional
        Empty; says which points may be picked. All where not given.

    Returns
    -------
    array of int, shape (n,)
        Distinct positions, in the order of the picks.

    Raises
    ------
    QuerySizeError
    """
    check_batch(n, len(margin_N))
    batch = batch or Batch(len(margin_N))
    order_N = np.lexsort((generator.random(len(margin_N)), -margin_N))
    while len(batch.positions) < n:
        candidates = order_N[batch.open_N[order_N]][: math.ceil(factor * n)]
        _one_of_each(generator.permutation(candidates), cluster_N, n, generator, batch)
    return np.array(batch.positions)


def _one_of_each(
    candidates: NDArray[np.int64],
    cluster_N: NDArray[np.int64],
    n: int,
    generator: np.random.Generator,
    batch: Batch,
) -> None:
    """Take candidates (in random order) from cluster after cluster, until n are in the batch or none is left."""
    _, place, size_K = np.unique(cluster_N[candidates], return_inverse=True, return_counts=True)
    rank_K = np.empty(len(size_K), dtype=np.int64)
    rank_K[np.lexsort((generator.random(len(size_K)), size_K))] = np.arange(len(size_K))
    left: list[list[int]] = [[] for _ in size_K]
    for candidate, rank in zip(candidates.tolist(), rank_K[place], strict=True):
        left[rank].append(candidate)
    while left:
        for members in left:
            while members and not batch.open_N[members[-1]]:
                members.pop()
            if members and len(batch.positions) < n:
                batch.take(members.pop())
        left = [members for members in left if members] if len(batch.positions) < n else []


def _grouped(x_N_D: Points, generator: np.random.Generator) -> tuple[NDArray[np.int64], Points]:
    """The group of each point, (N,), and the centres of the groups that hold any, (K, D)."""
    from sklearn.cluster import MiniBatchKMeans

    seed = int(generator.integers(2**31))
    kmeans = MiniBatchKMeans(CENTRES, init="random", n_init=1, batch_size=4 * CENTRES, max_iter=10, random_state=seed)
    kmeans.fit(x_N_D)
    squared = SquaredDistances(x_N_D, kmeans.cluster_centers_)
    nearest = [squared(rows).argmin(axis=1) for rows in blocks(len(x_N_D), CENTRES)]
    used, group_N = np.unique(np.concatenate(nearest), return_inverse=True)
    return group_N, kmeans.cluster_centers_[used]


def _cut(tree: NDArray[np.float64], n_clusters: int) -> NDArray[np.int64]:
    """The cluster of each leaf where so many are left: exactly, ties between joins notwithstanding."""
    n_leaves = len(tree) + 1
    parent = np.arange(2 * n_leaves - 1)
    for join in range(n_leaves - n_clusters):
        parent[tree[join, :2].astype(np.int64)] = n_leaves + join
    for node in range(2 * n_leaves - 2, -1, -1):  # a parent has a higher number
        parent[node] = parent[parent[node]]
    return parent[:n_leaves]


def _number(value: Any, name: str, least: float) -> float:
    if isinstance(value, bool) or not isinstance(value, Real) or not least <= float(value) < math.inf:
        raise InvalidParameter(f"{name} is a finite number of at least {least:g}, got {value!r}.")
    return float(value)
