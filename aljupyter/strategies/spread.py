"""Farthest-first: each pick is the point that is farthest from all labelled and picked ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from aljupyter.strategies.greedy import Batch, Numbers, Picks, Points, SquaredDistances, blocks, check_batch

METRICS = ("euclidean", "cosine", "cityblock")
_EXACT = {"euclidean": "euclidean", "cosine": "sqeuclidean", "cityblock": "cityblock"}
_FIRST = 64  # points whose distances are brought up to date at once, to begin with


def spread(x_N_D: Points, x_M_D: Points, *, metric: str = "euclidean") -> Numbers:
    """What each point is worth as the first pick.

    The distance to the nearest labelled point; where there is none, minus the distance to the mean of the points.

    Parameters
    ----------
    x_N_D, x_M_D : arrays of shapes (N, D) and (M, D)
        The pool and the labelled points.
    metric : {"euclidean", "cosine", "cityblock"}

    Returns
    -------
    array of shape (N,)
    """
    x_N_D, x_M_D = _for_metric(x_N_D, metric), _for_metric(x_M_D, metric)
    if len(x_M_D) == 0:
        mean_D = x_N_D.mean(axis=0, dtype=np.float64).astype(x_N_D.dtype)
        return -_distances(x_N_D, mean_D, metric).astype(np.float64)
    if metric == "cityblock":
        nearest = [cdist(x_N_D[rows], x_M_D, metric).min(axis=1) for rows in blocks(len(x_N_D), len(x_M_D))]
        return np.concatenate(nearest)
    # Who is nearest by a matrix product, how far by differences: those have no cancellation near zero.
    squared = SquaredDistances(x_N_D, x_M_D)
    distances_N = np.empty(len(x_N_D))
    for rows in blocks(len(x_N_D), max(x_M_D.shape)):
        distances_N[rows] = _distances(x_N_D[rows], x_M_D[squared(rows).argmin(axis=1)], metric)
    return distances_N


def farthest_first(
    x_N_D: Points,
    x_M_D: Points,
    n: int,
    generator: np.random.Generator,
    *,
    metric: str = "euclidean",
    first_N: Numbers | None = None,
    batch: Batch | None = None,
) -> Picks:
    """Pick n points, each the farthest from all labelled and picked ones: at most twice the best covering radius.

    The greedy k-center algorithm (Gonzalez 1985; Sener & Savarese 2018, arXiv:1708.00489, Algorithm 1) and the GSx of
    Wu, Lin & Huang (2019, arXiv:1808.04245). Where nothing is labelled the first pick is the point nearest the mean.
    Distances never grow as points are picked, so an old one bounds a new one from above: only points whose bound
    exceeds the largest new distance are looked at again. O(N D M) time before the first pick, at most O(N D) for each
    next, as a rule far less; O(N) memory beside the points.

    Parameters
    ----------
    x_N_D, x_M_D : arrays of shapes (N, D) and (M, D)
        The pool and the labelled points.
    n : int
    generator : numpy.random.Generator
        Breaks ties.
    metric : {"euclidean", "cosine", "cityblock"}
    first_N : array of shape (N,), optional
        What :func:`spread` gave, where it is known.
    batch : Batch, optional
        Empty; says which points may be picked. All where not given.

    Returns
    -------
    positions : array of int, shape (n,)
        Distinct.
    gains : array of shape (n,)
        How far each pick was from all before it. They do not increase, but for the first where nothing is labelled:
        that is minus its distance to the mean.

    Raises
    ------
    QuerySizeError
    """
    check_batch(n, len(x_N_D))
    batch = batch or Batch(len(x_N_D))
    values_N = spread(x_N_D, x_M_D, metric=metric) if first_N is None else first_N.copy()
    x_N_D = _for_metric(x_N_D, metric)
    seen_N = np.zeros(len(x_N_D), dtype=np.int64)
    positions, gains = np.empty(n, dtype=np.int64), np.empty(n)
    for i in range(n):
        if i:
            _tighten(values_N, seen_N, x_N_D, x_N_D[positions[:i]], batch.open_N, metric)
        pick = batch.best(values_N, generator)
        positions[i], gains[i] = pick, values_N[pick]
        if i == 0 and len(x_M_D) == 0:
            values_N.fill(np.inf)
    return positions, gains


def _tighten(
    values_N: Numbers,
    seen_N: NDArray[np.int64],
    x_N_D: Points,
    x_i_D: Points,
    open_N: NDArray[np.bool_],
    metric: str,
) -> None:
    """Bring distances up to date, the largest first, until none that is left could be the largest (or equal it).

    Parameters
    ----------
    values_N : array of shape (N,)
        Distances of each point to the nearest of the labelled ones and of the first `seen_N` picks: bounds from above.
    x_i_D : array of shape (i, D)
        The picks.
    """
    best, size = -np.inf, _FIRST
    stale_N = open_N & (seen_N < len(x_i_D))
    while True:
        todo = np.flatnonzero(stale_N & (values_N >= best - 1e-12 * abs(best)) if best > -np.inf else stale_N)
        if len(todo) == 0:
            return
        if len(todo) > size:
            todo = todo[np.argpartition(values_N[todo], -size)[-size:]]
            size *= 2
        first = seen_N[todo].min()
        for rows in blocks(len(todo), len(x_i_D) - first):
            distances = cdist(x_N_D[todo[rows]], x_i_D[first:], _EXACT[metric]).min(axis=1)
            values_N[todo[rows]] = np.minimum(values_N[todo[rows]], distances / 2 if metric == "cosine" else distances)
        seen_N[todo], stale_N[todo] = len(x_i_D), False
        best = max(best, values_N[todo].max())


def _for_metric(x_N_D: Points, metric: str) -> Points:
    """The points, as unit vectors for the cosine distance (a zero vector stays: it is at 1/2 from all others)."""
    if metric != "cosine":
        return x_N_D
    norms_N_1 = np.linalg.norm(x_N_D, axis=1, keepdims=True)
    return x_N_D / np.where(norms_N_1 > 0, norms_N_1, 1)


def _distances(x_N_D: Points, other_D: Points, metric: str) -> Points:
    """Distances of points to another one (or each to its own, of shape (N, D)): exactly 0 to an equal one."""
    differences_N_D = np.subtract(x_N_D, other_D, dtype=np.float64)  # as cdist: ties of float32 points stay ties
    if metric == "cityblock":
        return np.abs(differences_N_D).sum(axis=1)
    squared_N: Points = np.einsum("nd,nd->n", differences_N_D, differences_N_D)
    return squared_N / 2 if metric == "cosine" else np.sqrt(squared_N)  # of unit vectors, 1 - cos is half of it
