"""LCMD: each point belongs to its nearest label, and the cluster that strays most gives its farthest point."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aljupyter.strategies.chosen import Chosen
from aljupyter.strategies.greedy import Batch, Numbers, Points, SquaredDistances, blocks, check_batch
from aljupyter.strategies.needs import gradients
from aljupyter.strategies.points import EMBEDDINGS, FeatureStrategy, one_of
from aljupyter.strategies.pool import Pool

Clusters = tuple[NDArray[np.int64], Numbers]

TIE = 1e-12  # relative, of sums over a cluster
_SMALL = 2**16  # numbers of a block that stays in the processor's cache


class Rows:
    """Points as rows, and squared distances between them.

    Parameters
    ----------
    x_N_D : array of shape (N, D)
    """

    def __init__(self, x_N_D: Points):
        self.x_N_D = x_N_D

    def __len__(self) -> int:
        return len(self.x_N_D)

    def norms(self) -> Numbers:
        """Squared norms, shape (N,)."""
        return _dots(self.x_N_D, self.x_N_D)

    def to(self, which: int | NDArray[np.int64], other: Rows, rows: slice = slice(None)) -> Numbers:
        """Squared distance of each point to one of another set, or of each to its own: exactly 0 to an equal one."""
        x_B_D, z_B_D = self.x_N_D[rows], np.broadcast_to(other.x_N_D[which], self.x_N_D[rows].shape)
        squared_B = np.empty(len(x_B_D))
        for part in blocks(len(x_B_D), x_B_D.shape[1], _SMALL):
            differences = np.subtract(x_B_D[part], z_B_D[part], dtype=np.float64)
            squared_B[part] = np.einsum("nd,nd->n", differences, differences)
        return squared_B

    def nearest(self, centres: Rows) -> NDArray[np.int64]:
        """Who of the centres is nearest to each point, shape (N,)."""
        squared = SquaredDistances(self.x_N_D, centres.x_N_D)
        parts = [squared(rows).argmin(axis=1) for rows in blocks(len(self), max(centres.x_N_D.shape))]
        return np.concatenate(parts)


class Products:
    """Points that are outer products of two vectors, which are never formed; squared distances between them.

    Parameters
    ----------
    left_N_C, right_N_E : arrays of shapes (N, C) and (N, E)
        A point is ``left x right``, of C E numbers.
    """

    def __init__(self, left_N_C: Points, right_N_E: Points):
        self.left_N_C, self.right_N_E = left_N_C.astype(np.float64), right_N_E.astype(np.float64)

    def __len__(self) -> int:
        return len(self.left_N_C)

    def norms(self) -> Numbers:
        """Squared norms, shape (N,)."""
        return _dots(self.left_N_C, self.left_N_C) * _dots(self.right_N_E, self.right_N_E)

    def to(self, which: int | NDArray[np.int64], other: Products, rows: slice = slice(None)) -> Numbers:
        """Squared distance of each point to one of another set, or of each to its own: exactly 0 to an equal one.

        a x b - c x d = (a - c) x b + c x (b - d): the squares of both terms and twice their product, without the
        cancellation that squared norms less twice an inner product would have.
        """
        b_B_E = self.right_N_E[rows]
        c_C, d_E = other.left_N_C[which], other.right_N_E[which]
        left_B_C, right_B_E = self.left_N_C[rows] - c_C, b_B_E - d_E
        squared_B = _dots(left_B_C, left_B_C) * _dots(b_B_E, b_B_E) + _dots(c_C, c_C) * _dots(right_B_E, right_B_E)
        squared_B += 2 * _dots(left_B_C, c_C) * _dots(b_B_E, right_B_E)
        return np.maximum(squared_B, 0)

    def nearest(self, centres: Products) -> NDArray[np.int64]:
        """Who of the centres is nearest to each point, shape (N,)."""
        norms_M, parts = centres.norms(), []
        for rows in blocks(len(self), max(len(centres), self.right_N_E.shape[1])):
            products = self.left_N_C[rows] @ centres.left_N_C.T
            products *= self.right_N_E[rows] @ centres.right_N_E.T
            parts.append((norms_M - 2 * products).argmin(axis=1))
        return np.concatenate(parts)


def _dots(a: Points, b: Points) -> Numbers:
    return np.einsum("...d,...d->...", a, b, dtype=np.float64)


Places = Rows | Products


def clusters_around(points: Places, centres: Places) -> Clusters:
    """The nearest centre of each point and the squared distance to it, shapes (N,).

    Where there is no centre: 0, and the squared norm.
    """
    if len(centres) == 0:
        return np.zeros(len(points), dtype=np.int64), points.norms()
    cluster_N, squared_N = points.nearest(centres), np.empty(len(points))  # type: ignore[arg-type]
    for rows in blocks(len(points), 1, _SMALL):
        squared_N[rows] = points.to(cluster_N[rows], centres, rows)  # type: ignore[arg-type]
    return cluster_N, squared_N


def cluster_values(
    cluster_N: NDArray[np.int64], squared_N: Numbers, open_N: NDArray[np.bool_] | None = None
) -> Numbers:
    """What each point is worth as the next pick, shape (N,).

    The sum of squared distances in its cluster, times its own one over that of the cluster's farthest (open) point:
    the largest value is that of the farthest point of the largest cluster. 0 for a point that is equal to a centre.
    """
    size_C = np.bincount(cluster_N, weights=squared_N)
    far_C = np.zeros(len(size_C))
    reach = slice(None) if open_N is None else open_N
    np.maximum.at(far_C, cluster_N[reach], squared_N[reach])
    share_N = np.divide(squared_N, far_C[cluster_N], out=np.zeros(len(squared_N)), where=far_C[cluster_N] > 0)
    return share_N * size_C[cluster_N]


def largest_cluster_farthest(
    points: Places,
    labelled: Places,
    n: int,
    generator: np.random.Generator,
    *,
    clusters: Clusters | None = None,
    batch: Batch | None = None,
) -> tuple[NDArray[np.int64], Numbers, NDArray[np.int64]]:
    """Pick n points, each the one farthest from the centre of the largest cluster, and a centre itself from then on.

    LCMD-TP (Holzmueller, Zaverkin, Kaestner & Steinwart 2022, arXiv:2203.09410): labelled points and picks are centres,
    each point belongs to the nearest, and a cluster is as large as its squared distances sum to. Large clusters are
    crowded or wide: picks are spread as those of k-center, and follow the density as those of k-means. Where nothing
    is labelled the first pick is the point of the largest norm, as in the authors' code (bmdal_reg,
    `LargestClusterMaxDistSelectionMethod`). O(N D (M + n)) time, O(N) memory beside the points.

    Parameters
    ----------
    points, labelled : Rows or Products
        The pool, N points, and the labelled ones.
    n : int
    generator : numpy.random.Generator
        Breaks ties.
    clusters : tuple of two arrays of shape (N,), optional
        What :func:`clusters_around` gave, where it is known. Not written to.
    batch : Batch, optional
        Empty; says which points may be picked. All where not given. Those that may not still count in their clusters; a
        cluster of which nobody may come, or none but copies of its centre, is passed over.

    Returns
    -------
    positions : array of int, shape (n,)
        Distinct.
    gains : array of shape (n,)
        The sum of squared distances in its cluster when each was picked (the squared norm of a first pick without
        labels). 0 once all that may come are copies of centres.
    cluster_n : array of int, shape (n,)
        Of which cluster each was: the position of its centre, among the labelled first and then the picks. -1 for a
        first pick without labels.

    Raises
    ------
    QuerySizeError
    """
    check_batch(n, len(points))
    batch = batch or Batch(len(points))
    known = clusters_around(points, labelled) if clusters is None else clusters
    cluster_N, squared_N = known[0].copy(), known[1].copy()
    positions, gains, cluster_n = np.empty(n, dtype=np.int64), np.empty(n), np.empty(n, dtype=np.int64)
    for i in range(n):
        is_first = i + len(labelled) == 0
        values_N = squared_N if is_first else cluster_values(cluster_N, squared_N, batch.open_N)
        pick = batch.best(values_N, generator, within=TIE * values_N.max())
        positions[i], gains[i], cluster_n[i] = pick, values_N[pick], -1 if is_first else cluster_N[pick]
        to_pick_N = points.to(pick, points)  # type: ignore[arg-type]
        closer_N = np.ones(len(points), dtype=bool) if is_first else to_pick_N < squared_N
        cluster_N[closer_N], squared_N[closer_N] = len(labelled) + i, to_pick_N[closer_N]
    return positions, gains, cluster_n


class LCMD(FeatureStrategy):
    """Largest cluster, maximum distance: the farthest point of the labelled or picked one with the most around it.

    Holzmueller et al. (2022, arXiv:2203.09410), the best of their batch methods for regression networks, there in the
    gradients of the model. Scores are the sum of squared distances of a point's cluster, times the share that its own
    squared distance has of the cluster's largest; where nothing is labelled, squared norms.

    Parameters
    ----------
    embedding : {"inputs", "model", "gradients"}
        Where distances are measured: between the features, the representations that the fitted model has of them, or
        the gradients of its last layer.
    max_candidates : int, optional
        See :class:`FeatureStrategy`.

    Raises
    ------
    InvalidParameter

    Examples
    --------
    >>> LCMD(embedding="model")
    LCMD(embedding='model')
    """

    def __init__(self, embedding: str = "inputs", max_candidates: int | None = None):
        one_of(embedding, (*EMBEDDINGS, "gradients"), "embedding")
        super().__init__("inputs" if embedding == "gradients" else embedding, max_candidates)
        if embedding == "gradients":
            self.embedding, self.needs = embedding, ("model", "gradients")

    def score(self, pool: Pool) -> Numbers:
        """What each unlabelled point is worth as the first pick of a batch, shape (N,)."""
        points, labelled = self._places(pool)
        cluster_N, squared_N = pool.memo[repr(self)] = clusters_around(points, labelled)
        return squared_N.copy() if len(labelled) == 0 else cluster_values(cluster_N, squared_N)

    def select(self, pool: Pool, n: int, scores_N: Numbers) -> Chosen:
        """A batch of n in the order of the picks.

        For each, ``"gain"`` is what it was worth then, and ``"cluster"`` says to whom it was nearest: the position of a
        labelled point, in the order of labelling, or their number plus the place of an earlier pick; -1 for nobody.
        """
        points, labelled = self._places(pool)
        positions, gains, cluster_n = largest_cluster_farthest(
            points, labelled, n, pool.generator("select"), clusters=pool.memo.get(repr(self)), batch=pool.batch(n)
        )
        return Chosen(positions, {"gain": gains, "cluster": cluster_n})

    def _places(self, pool: Pool) -> tuple[Places, Places]:
        if self.embedding != "gradients":
            x_N_D, x_M_D = self._points(pool)
            return Rows(x_N_D), Rows(x_M_D)
        left_N_C, right_N_E = gradients(pool, pool.unlabelled, self)
        if len(pool.labelled) == 0:
            return Products(left_N_C, right_N_E), Products(left_N_C[:0], right_N_E[:0])
        return Products(left_N_C, right_N_E), Products(*gradients(pool, pool.labelled, self))
