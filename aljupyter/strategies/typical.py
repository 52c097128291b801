"""TypiClust: in each part of the pool that has no label yet, the point that is most typical of it."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from aljupyter.strategies.greedy import (
    Batch,
    Numbers,
    Picks,
    Points,
    SquaredDistances,
    blocks,
    check_batch,
    random_argmax,
)

MIN_CLUSTER_SIZE = 5  # smaller clusters come last
MANY_CLUSTERS = 50  # above this, and for more points than the next, k-means works in mini-batches
MANY_TO_CLUSTER = 10_000
MANY_POINTS = 1_000  # of a larger cluster, neighbours are sought in so many points of it


def clusters_of(
    x_N_D: Points, n_clusters: int, generator: np.random.Generator, weights_N: Numbers | None = None
) -> NDArray[np.int64]:
    """The cluster of each point by k-means, shape (N,); in mini-batches above 50 clusters or 10,000 points."""
    if n_clusters <= 1:
        return np.zeros(len(x_N_D), dtype=np.int64)
    from sklearn.cluster import KMeans, MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning

    seed = int(generator.integers(2**31))
    if n_clusters <= MANY_CLUSTERS and len(x_N_D) <= MANY_TO_CLUSTER:
        model = KMeans(n_clusters, n_init=1, random_state=seed)
    else:
        model = MiniBatchKMeans(n_clusters, batch_size=2_048, n_init=1, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of fewer distinct points than clusters: some stay empty
        labels: NDArray[np.int64] = model.fit_predict(x_N_D, sample_weight=weights_N).astype(np.int64)
    return labels


def typicality(x_S_D: Points, n_neighbours: int, generator: np.random.Generator) -> Numbers:
    """How typical points are of their cluster, relative to the most typical one: shape (S,), in [0, 1].

    Inverse mean distance to the nearest neighbours (half of the cluster where that has fewer than twice as many). In a
    cluster of more than 1,000 points, neighbours are sought among 1,000 of them, drawn by the generator.
    """
    if len(x_S_D) == 1:
        return np.ones(1)
    reference = np.arange(len(x_S_D))
    if len(reference) > MANY_POINTS:
        reference = np.sort(generator.permutation(reference)[:MANY_POINTS])
    k = min(n_neighbours, max(1, len(x_S_D) // 2))
    squared = SquaredDistances(x_S_D, x_S_D[reference])
    mean_S = np.empty(len(x_S_D))
    for rows in blocks(len(x_S_D), len(reference)):
        squared_B_R = squared(rows)
        own = np.flatnonzero((reference >= rows.start) & (reference < rows.stop))
        squared_B_R[reference[own] - rows.start, own] = np.inf  # nobody is a neighbour of itself
        nearest = np.partition(squared_B_R, k - 1, axis=1)[:, :k]
        mean_S[rows] = np.sqrt(np.maximum(nearest, 0)).mean(axis=1)
    least = mean_S.min()
    return np.divide(least, mean_S, out=np.ones_like(mean_S), where=mean_S > 0)


class Clusters:
    """The clusters of the pool and the labelled points, how many labels each has, and how typical its points are.

    Parameters
    ----------
    x_N_D, x_M_D : arrays of shapes (N, D) and (M, D)
        The pool and the labelled points.
    n : int
        How many points will be picked: there are M + n clusters, at most `max_clusters`.
    generator : numpy.random.Generator
    n_neighbours, max_clusters : int
    """

    def __init__(
        self,
        x_N_D: Points,
        x_M_D: Points,
        n: int,
        generator: np.random.Generator,
        *,
        n_neighbours: int = 20,
        max_clusters: int = 500,
    ):
        n_clusters = min(len(x_M_D) + n, max_clusters, len(x_M_D) + len(x_N_D))
        of_all = clusters_of(np.concatenate([x_M_D, x_N_D]), n_clusters, generator)
        sizes_C = np.bincount(of_all, minlength=n_clusters)
        self.labels_C = np.bincount(of_all[: len(x_M_D)], minlength=n_clusters).astype(float)
        if (sizes_C >= MIN_CLUSTER_SIZE).any():  # else all are small, and none is worse for it
            self.labels_C[sizes_C < MIN_CLUSTER_SIZE] += len(of_all) + 1
        self.shares_C = sizes_C / len(of_all)
        self.of_N = of_all[len(x_M_D) :]
        self._x_N_D, self._n_neighbours = x_N_D, n_neighbours
        self._seed = int(generator.integers(2**31))
        self._members: dict[int, tuple[NDArray[np.int64], Numbers]] = {}

    def points_of(self, cluster: int) -> tuple[NDArray[np.int64], Numbers]:
        """The unlabelled points of a cluster, and how typical they are: the same whichever cluster is asked first."""
        if cluster not in self._members:
            points = np.flatnonzero(self.of_N == cluster)
            generator = np.random.default_rng([self._seed, cluster])
            self._members[cluster] = points, typicality(self._x_N_D[points], self._n_neighbours, generator)
        return self._members[cluster]

    def values(self) -> Numbers:
        """What each unlabelled point is worth as the first pick, shape (N,); see :func:`pick_typical`.

        The share of all points that its cluster holds, times its typicality, minus the number of labels in the
        cluster: in (0, 1] where there is none. Clusters of fewer than 5 points lie far below all others.
        """
        values_N = np.empty(len(self.of_N))
        for cluster in np.unique(self.of_N):
            points, typical = self.points_of(cluster)
            values_N[points] = self.shares_C[cluster] * typical - self.labels_C[cluster]
        return values_N


def pick_typical(
    x_N_D: Points,
    x_M_D: Points,
    n: int,
    generator: np.random.Generator,
    *,
    n_neighbours: int = 20,
    max_clusters: int = 500,
    batch: Batch | None = None,
) -> Picks:
    """Pick the most typical points of the largest clusters that have no label.

    TypiClust (Hacohen, Dekel & Weinshall 2022, arXiv:2202.02794, Algorithm 1). k-means makes M + n clusters of all
    points, at most `max_clusters`. Each pick goes to the cluster with the fewest labels and picks, the largest of
    these, and there to the point with the smallest mean distance to its nearest neighbours among the cluster's
    unlabelled points. Clusters of fewer than 5 points are left for when all others are used up. (The authors' code
    goes round the clusters in the order of their labels, and drops small ones, those of 5 included.)

    Parameters
    ----------
    x_N_D, x_M_D : arrays of shapes (N, D) and (M, D)
        The pool and the labelled points.
    n : int
    generator : numpy.random.Generator
        Seeds k-means and breaks ties.
    n_neighbours : int
    max_clusters : int
    batch : Batch, optional
        Empty; says which points may be picked, and a cluster without such a point is passed over. All where not given.

    Returns
    -------
    positions : array of int, shape (n,)
        Distinct.
    gains : array of shape (n,)
        As :meth:`Clusters.values`, when each was picked.

    Raises
    ------
    QuerySizeError
    """
    check_batch(n, len(x_N_D))
    clusters = Clusters(x_N_D, x_M_D, n, generator, n_neighbours=n_neighbours, max_clusters=max_clusters)
    positions, gains = pick_from_clusters(clusters, n, generator, batch=batch)
    return positions, gains


def pick_from_clusters(
    clusters: Clusters, n: int, generator: np.random.Generator, *, batch: Batch | None = None
) -> Picks:
    """As :func:`pick_typical`, from clusters that were made before; they stay as they are."""
    n_points = len(clusters.of_N)
    check_batch(n, n_points)
    batch, labels_C = batch or Batch(n_points), clusters.labels_C.copy()
    positions, gains = np.empty(n, dtype=np.int64), np.empty(n)
    for i in range(n):
        left_C = np.bincount(clusters.of_N[batch.open_N], minlength=len(clusters.shares_C))
        # Shares are at most 1, so that the number of labels comes first.
        order_C = np.where(left_C > 0, clusters.shares_C / 2 - labels_C, -np.inf)
        cluster = random_argmax(order_C, generator)
        points, typical = clusters.points_of(cluster)
        best = random_argmax(np.where(batch.open_N[points], typical, -np.inf), generator, within=1e-12)
        batch.take(points[best])
        positions[i] = points[best]
        gains[i] = clusters.shares_C[cluster] * typical[best] - labels_C[cluster]
        labels_C[cluster] += 1
    return positions, gains
