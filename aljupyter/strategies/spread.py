"""Farthest-first: each pick is the point that is farthest from all labelled and picked ones."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

from aljupyter.strategies.greedy import (
    Numbers,
    Picks,
    Points,
    SquaredDistances,
    blocks,
    check_batch,
    random_argmax,
)

METRICS = ("euclidean", "cosine", "cityblock")


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
) -> Picks:
    """Pick n points, each the farthest from all labelled and picked ones: at most twice the best covering radius.

    The greedy k-center algorithm (Gonzalez 1985; Sener & Savarese 2018, arXiv:1708.00489, Algorithm 1) and the GSx of
    Wu, Lin & Huang (2019, arXiv:1808.04245). Where nothing is labelled the first pick is the point nearest the mean.
    O(N D (M + n)) time, O(N) memory beside the points.

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
    values_N = spread(x_N_D, x_M_D, metric=metric) if first_N is None else first_N.copy()
    x_N_D = _for_metric(x_N_D, metric)
    positions, gains = np.empty(n, dtype=np.int64), np.empty(n)
    for i in range(n):
        pick = random_argmax(values_N, generator)
        positions[i], gains[i] = pick, values_N[pick]
        if i == 0 and len(x_M_D) == 0:
            values_N.fill(np.inf)
        for rows in blocks(len(x_N_D), x_N_D.shape[1], size=2**15):  # a block stays in the processor's cache
            np.minimum(values_N[rows], _distances(x_N_D[rows], x_N_D[pick], metric), out=values_N[rows])
        values_N[positions[: i + 1]] = -np.inf
    return positions, gains


def _for_metric(x_N_D: Points, metric: str) -> Points:
    """The points, as unit vectors for the cosine distance (a zero vector stays: it is at 1/2 from all others)."""
    if metric != "cosine":
        return x_N_D
    norms_N_1 = np.linalg.norm(x_N_D, axis=1, keepdims=True)
    return x_N_D / np.where(norms_N_1 > 0, norms_N_1, 1)


def _distances(x_N_D: Points, other_D: Points, metric: str) -> Points:
    """Distances of points to another one (or each to its own, of shape (N, D)): exactly 0 to an equal one."""
    differences_N_D = x_N_D - other_D
    if metric == "cityblock":
        return np.abs(differences_N_D).sum(axis=1)
    squared_N: Points = np.einsum("nd,nd->n", differences_N_D, differences_N_D)
    return squared_N / 2 if metric == "cosine" else np.sqrt(squared_N)  # of unit vectors, 1 - cos is half of it
