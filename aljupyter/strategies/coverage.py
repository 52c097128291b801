"""ProbCover: balls of one radius that cover as much of the pool as they can."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from aljupyter.strategies.greedy import Batch, Numbers, Picks, Points, SquaredDistances, blocks, check_batch
from aljupyter.strategies.typical import clusters_of

SHARE = 0.05  # of the points that a ball holds around the median point, where nobody knows of classes


class _Balls:
    """Who lies within delta of whom, computed block by block when asked; and who is not covered yet."""

    def __init__(self, x_N_D: Points, x_M_D: Points, delta: float):
        self._n = len(x_N_D)
        self._squared = SquaredDistances(x_N_D, x_N_D)
        # Points on the rim are inside, whichever way their distance is rounded.
        self._limit = delta**2 * (1 + 1e-12) + 1e-14 * self._squared.spread
        self.uncovered_N = np.ones(self._n, dtype=bool)
        if len(x_M_D):
            to_labelled = SquaredDistances(x_N_D, x_M_D)
            for rows in blocks(self._n, len(x_M_D)):
                self.uncovered_N[rows] = to_labelled(rows).min(axis=1) > self._limit

    def around(self, points: slice | NDArray[np.int64], others: slice = slice(None)) -> NDArray[np.bool_]:
        """Whether others lie in the balls around some points, shape (points, others)."""
        return self._squared(points, others) <= self._limit

    def counts(self) -> Numbers:
        """How many uncovered points each ball holds, shape (N,). A pair is looked at once, for both of its points."""
        counts_N = np.zeros(self._n)
        for rows in blocks(self._n, self._n):
            inside = self.around(rows, slice(rows.start, None))
            height = rows.stop - rows.start
            counts_N[rows.stop :] += inside[self.uncovered_N[rows], height:].sum(axis=0)
            counts_N[rows] += inside[:, self.uncovered_N[rows.start :]].sum(axis=1)
        return counts_N

    def cover(self, newly: NDArray[np.int64], counts_N: Numbers) -> None:
        """Take points out of the counts of all balls that hold them."""
        self.uncovered_N[newly] = False
        for part in blocks(len(newly), self._n):
            counts_N -= self.around(newly[part]).sum(axis=0)


def ball_coverage(x_N_D: Points, x_M_D: Points, *, delta: float) -> Numbers:
    """Share of the pool that lies within delta of each point and of no labelled one, shape (N,), in [0, 1]."""
    return _Balls(x_N_D, x_M_D, delta).counts() / len(x_N_D)


def cover_greedily(
    x_N_D: Points,
    x_M_D: Points,
    n: int,
    generator: np.random.Generator,
    *,
    delta: float,
    first_N: Numbers | None = None,
    batch: Batch | None = None,
) -> Picks:
    """Pick n points, each the one whose ball of radius delta holds most points that no ball holds yet.

    ProbCover (Yehuda et al. 2022, arXiv:2205.11320, Algorithm 1). The graph of neighbours is never stored: a point is
    covered once, and is then taken out of the counts of those around it. So all n picks together cost no more
    than one pass over the pairs, O(N^2 D) time, and O(N) memory beside the points. Once all is covered, picks are
    random.

    Parameters
    ----------
    x_N_D, x_M_D : arrays of shapes (N, D) and (M, D)
        The pool and the labelled points, around which all is covered.
    n : int
    generator : numpy.random.Generator
        Breaks ties.
    delta : float
        Radius, Euclidean; points on the rim are in.
    first_N : array of shape (N,), optional
        What :func:`ball_coverage` gave, where it is known.
    batch : Batch, optional
        Empty; says which points may be picked. All where not given. Those that may not are there to be covered still.

    Returns
    -------
    positions : array of int, shape (n,)
        Distinct.
    gains : array of shape (n,)
        Share of the pool that each pick newly covered. They do not increase.

    Raises
    ------
    QuerySizeError
    """
    check_batch(n, len(x_N_D))
    batch = batch or Batch(len(x_N_D))
    balls = _Balls(x_N_D, x_M_D, delta)
    counts_N = balls.counts() if first_N is None else np.rint(first_N * len(x_N_D))
    positions, gains = np.empty(n, dtype=np.int64), np.empty(n)
    for i in range(n):
        pick = batch.best(counts_N, generator)
        newly = np.flatnonzero(balls.around(slice(pick, pick + 1))[0] & balls.uncovered_N)
        positions[i], gains[i] = pick, len(newly) / len(x_N_D)
        if i < n - 1:
            balls.cover(newly, counts_N)
    return positions, gains


def pure_radius(
    x_S_D: Points, generator: np.random.Generator, *, n_classes: int | None = None, purity: float = 0.95
) -> float:
    """A radius for the balls, from points without labels.

    With a number of classes: k-means makes so many clusters, which stand for classes; the radius is the largest at
    which a share `purity` of the balls holds one cluster only (the paper's own rule, arXiv:2205.11320). No grid is
    needed: a ball is pure up to the nearest point of another cluster, and the radius is a quantile of those distances.
    Without one: the radius at which the median ball holds a twentieth of the points; a convention of ours.

    Parameters
    ----------
    x_S_D : array of shape (S, D)
        A sample of labelled and unlabelled points.
    generator : numpy.random.Generator
        Seeds k-means.
    n_classes : int, optional
    purity : float
        In (0, 1).

    Returns
    -------
    float
        0 where all points are equal.
    """
    squared = SquaredDistances(x_S_D, x_S_D)
    radii_S = np.empty(len(x_S_D))
    clusters_S = None if n_classes is None else clusters_of(x_S_D, min(n_classes, len(x_S_D)), generator)
    rank = min(math.ceil(SHARE * len(x_S_D)), len(x_S_D) - 1)
    for rows in blocks(len(x_S_D), len(x_S_D)):
        squared_B_S = squared(rows)
        if clusters_S is None:
            radii_S[rows] = np.partition(squared_B_S, rank, axis=1)[:, rank]
        else:
            squared_B_S[clusters_S[rows, None] == clusters_S] = np.inf
            radii_S[rows] = squared_B_S.min(axis=1)
    radii_S = np.sqrt(np.maximum(radii_S, 0))
    if clusters_S is None:
        return float(np.median(radii_S))
    if np.isinf(radii_S[0]):  # one cluster: every ball is pure, however large
        return float(2 * np.sqrt(squared.spread))
    # As many as floor((1 - purity) S) balls may be impure; the rim belongs to a ball, so stay just inside.
    impure = math.floor(round((1 - purity) * len(radii_S), 9))
    return float(np.sort(radii_S)[impure] * (1 - 1e-6))
