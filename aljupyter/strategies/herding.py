"""MaxHerding: points that are alike to as much of the pool as they can be."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist

from aljupyter.strategies.greedy import BLOCK, Batch, Numbers, Picks, Points, SquaredDistances, blocks, check_batch

TIE = 1e-12  # gains are at most 1, and rounding is far below this


def median_distance(x_S_D: Points) -> float:
    """The median heuristic for a bandwidth: the median distance between two points.

    Where that is 0 (most points are equal) the mean distance; where that is too, 1.
    """
    if len(x_S_D) < 2:
        return 1.0
    distances = pdist(x_S_D)
    return float(np.median(distances) or distances.mean() or 1.0)


class _Kernel:
    """k(x, t) = exp(-|x - t|^2 / (2 bandwidth^2)) of the pool and the targets, and how well targets are covered."""

    def __init__(self, x_N_D: Points, x_M_D: Points, x_T_D: Points, bandwidth: float):
        self._scale = -0.5 / max(bandwidth**2, 1e-100)
        self._squared = SquaredDistances(x_N_D, x_T_D)
        self.covered_T = np.zeros(len(x_T_D))
        to_labelled = SquaredDistances(x_T_D, x_M_D)
        for rows in blocks(len(x_T_D), len(x_M_D)) if len(x_M_D) else ():
            self.covered_T[rows] = np.exp(self._scale * np.maximum(to_labelled(rows).min(axis=1), 0))

    def similarity(self, rows: slice | NDArray[np.int64]) -> Numbers:
        """Similarity of some points to all targets, shape (rows, T)."""
        kernel = self._squared(rows)
        np.maximum(kernel, 0, out=kernel)  # rounding may have made it negative
        kernel *= self._scale
        return np.exp(kernel, out=kernel)

    def gains(self, rows: slice | NDArray[np.int64]) -> Numbers:
        """What some points would add to the mean over targets of the similarity to the nearest, shape (rows,)."""
        kernel = self.similarity(rows)
        kernel -= self.covered_T
        return np.maximum(kernel, 0, out=kernel).mean(axis=1)


def kernel_coverage(x_N_D: Points, x_M_D: Points, *, bandwidth: float, x_T_D: Points | None = None) -> Numbers:
    """What each point would add to the coverage as the first pick, shape (N,), in [0, 1]; see :func:`herd`."""
    kernel = _Kernel(x_N_D, x_M_D, x_N_D if x_T_D is None else x_T_D, bandwidth)
    n_targets = len(kernel.covered_T)
    return np.concatenate([kernel.gains(rows) for rows in blocks(len(x_N_D), n_targets)])


def herd(
    x_N_D: Points,
    x_M_D: Points,
    n: int,
    generator: np.random.Generator,
    *,
    bandwidth: float,
    x_T_D: Points | None = None,
    first_N: Numbers | None = None,
    batch: Batch | None = None,
) -> Picks:
    """Pick n points, each the one that adds most to the kernel coverage of the pool.

    MaxHerding (Bae, Noh & Sutherland 2024, arXiv:2407.12212, Algorithm 1): greedy maximisation of
    ``mean_t max_s k(t, s)`` over the chosen and labelled points s, with a Gaussian kernel. Gains never grow as points
    are added (the coverage is submodular), so an old gain bounds a new one from above: only points whose bound exceeds
    the best new gain are looked at again, and the picks are the exact greedy ones. O(N T D) for the first pick, much
    less for the next; O(N + T) memory beside the points.

    Parameters
    ----------
    x_N_D, x_M_D : arrays of shapes (N, D) and (M, D)
        The pool and the labelled points.
    n : int
    generator : numpy.random.Generator
        Breaks ties.
    bandwidth : float
    x_T_D : array of shape (T, D), optional
        The points over which the mean is taken; the pool's where not given.
    first_N : array of shape (N,), optional
        What :func:`kernel_coverage` gave, where it is known.
    batch : Batch, optional
        Empty; says which points may be picked. All where not given. Those that may not are targets still.

    Returns
    -------
    positions : array of int, shape (n,)
        Distinct.
    gains : array of shape (n,)
        What each pick added to the coverage. They do not increase.

    Raises
    ------
    QuerySizeError
    """
    check_batch(n, len(x_N_D))
    batch = batch or Batch(len(x_N_D))
    if first_N is None:
        first_N = kernel_coverage(x_N_D, x_M_D, bandwidth=bandwidth, x_T_D=x_T_D)
    kernel = _Kernel(x_N_D, x_M_D, x_N_D if x_T_D is None else x_T_D, bandwidth)
    bounds_N = first_N.copy()
    most = max(1, BLOCK // len(kernel.covered_T))
    positions, gains = np.empty(n, dtype=np.int64), np.empty(n)
    for i in range(n):
        if i:
            _tighten(bounds_N, kernel, most)
        pick = batch.best(bounds_N, generator, within=TIE)
        positions[i], gains[i] = pick, bounds_N[pick]
        np.maximum(kernel.covered_T, kernel.similarity(slice(pick, pick + 1))[0], out=kernel.covered_T)
        bounds_N[~batch.open_N] = -np.inf
    return positions, gains


def _tighten(bounds_N: Numbers, kernel: _Kernel, most: int) -> None:
    """Replace bounds by gains, the largest first, until none that is left could be the largest gain (or equal it)."""
    best, stale = -np.inf, np.isfinite(bounds_N)
    size = 16
    while True:
        open_ = np.flatnonzero(stale & (bounds_N >= best - TIE))
        if len(open_) == 0:
            return
        size = min(2 * size, most)
        if len(open_) > size:
            open_ = open_[np.argpartition(bounds_N[open_], -size)[-size:]]
        bounds_N[open_] = kernel.gains(open_)
        stale[open_] = False
        best = max(best, bounds_N[open_].max())
