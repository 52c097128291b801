"""The initial labelled sets of the paper's tasks (Appendix C), and others.

Scherer et al. 2022, PyRelationAL, https://arxiv.org/abs/2205.11117. A cold start of regression is the farthest pair of
the training set, one of classification a random point of each class.
"""

from __future__ import annotations

import warnings

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from aljupyter.errors import DataError, MissingLabels, NonFiniteFeatures, WrongShape

UNKNOWN = -1  # code of a point without a label
TILE = 512  # rows and columns of the distances looked at together: 2 MB, which a processor's cache holds
SWEEPS = 2
CHUNK = 2**20  # numbers in a gathered difference: 8 MB


def farthest_pair(x_N_D: np.ndarray) -> tuple[int, int]:
    """The two points with the largest Euclidean distance: the cold start of regression (Appendix C of the paper).

    The distance of a pair is the float64 value of ``((a - b) ** 2).sum()``. Where several pairs share the largest, the
    first in the order (0, 1), (0, 2), ..., (1, 2), ... is taken, as an argmax over all distances would. Those are not
    all computed: points and tiles of pairs too near the centre to matter are left out, the rest is looked through by
    matrix products, and what comes within their rounding error of the largest is computed anew from differences.

    Parameters
    ----------
    x_N_D : array of real numbers, shape (N, D)

    Returns
    -------
    tuple of int
        Positions i < j.

    Raises
    ------
    WrongShape
        For other than two dimensions, or fewer than two points.
    NonFiniteFeatures
    """
    x_N_D = _features(x_N_D)
    if len(x_N_D) < 2:
        raise WrongShape(f"A farthest pair was asked of {len(x_N_D)} point(s); give two at least.")
    x_N_D = _in_range(x_N_D)
    if not x_N_D.any():
        return 0, 1
    low_D = x_N_D.min(axis=0)
    y_N_D = x_N_D - (low_D + (x_N_D - low_D).mean(axis=0))  # the mean of x itself rounds, far from the origin
    r_N = np.sqrt((y_N_D**2).sum(axis=1))
    # Rounding changes a squared distance by matrix product by less than (5 D + 15) eps r^2; two are compared.
    error = 32 * (x_N_D.shape[1] + 8) * np.finfo(np.float64).eps * r_N.max() ** 2

    start = int(r_N.argmax())
    pair, largest = (start, start), 0.0
    for _ in range(SWEEPS):  # a far pair to begin with: the farthest from a point, the farthest from that one
        for here in pair:
            pair, largest = _best_of(x_N_D, np.full(len(x_N_D), here), np.arange(len(x_N_D)), pair, largest)
    kept = np.flatnonzero(r_N + r_N.max() >= np.sqrt(largest - error))
    kept = kept[_first_of_equals(x_N_D[kept])]
    kept = kept[np.argsort(-r_N[kept], kind="stable")]
    r_n, y_n_D = r_N[kept], y_N_D[kept]
    # |a|^2 + |b|^2 - 2 a.b as one product
    squares_n, ones_n = r_n**2, np.ones_like(r_n)
    left_n_K = np.column_stack([-2 * y_n_D, squares_n, ones_n])
    right_n_K = np.column_stack([y_n_D, ones_n, squares_n])
    for top in range(0, len(kept), TILE):
        for side in range(top, len(kept), TILE):
            if r_n[top] + r_n[side] < np.sqrt(largest - error):
                break  # nor do tiles further out matter: r descends
            tile = left_n_K[top : top + TILE] @ right_n_K[side : side + TILE].T
            farthest = tile.max()
            if farthest >= largest - error:
                rows, columns = np.nonzero(tile >= max(largest, farthest) - error)
                pair, largest = _best_of(x_N_D, kept[top + rows], kept[side + columns], pair, largest)
    return pair


def one_of_each(codes_N: np.ndarray, generator: np.random.Generator, count: int = 1) -> np.ndarray:
    """Random points of each class: the cold start of classification (Appendix C of the paper).

    Parameters
    ----------
    codes_N : array of int, shape (N,)
        Class of each point; -1 where no label is known. Such points are not drawn.
    generator : numpy.random.Generator
    count : int
        Points of each class, one at least.

    Returns
    -------
    array of int64, ascending
        Positions.

    Raises
    ------
    WrongShape
    DataError
        For a class of fewer than `count` points, or a `count` below one; `MissingLabels` where no label is known.
    """
    codes_N = np.asarray(codes_N)
    if codes_N.ndim != 1:
        raise WrongShape(f"Class codes have shape {codes_N.shape}; one a point, shape (N,), is expected.")
    if count < 1:
        raise DataError(f"count={count} asks for no point of a class; give 1 or more.")
    classes, sizes = np.unique(codes_N[codes_N != UNKNOWN], return_counts=True)
    if not len(classes):
        raise MissingLabels(f"None of the {len(codes_N)} points has a label, so there is no class to draw from.")
    if sizes.min() < count:
        raise DataError(
            f"The class with code {classes[sizes.argmin()]} has {sizes.min()} labelled point(s), and count={count} are "
            f"asked of each class. Ask for {sizes.min()} at most, or leave that class out."
        )
    drawn = [generator.choice(np.flatnonzero(codes_N == code), count, replace=False) for code in classes]
    return np.sort(np.concatenate(drawn)).astype(np.int64)


def nearest_to_centres(x_N_D: np.ndarray, size: int, seed: int) -> np.ndarray:
    """The points nearest the centres of a k-means clustering: a start that covers the data.

    In the order of the centres, each takes the nearest point that is still free. Where fewer than `size` points are
    distinct, the first of the others fill up.

    Parameters
    ----------
    x_N_D : array of real numbers, shape (N, D)
    size : int
        Points, and clusters.
    seed : int
        Of scikit-learn's k-means, 0 to 2**32 - 1.

    Returns
    -------
    array of int64, ascending
        Positions.

    Raises
    ------
    WrongShape, NonFiniteFeatures
    DataError
        For a negative size, or one of more than N.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    x_N_D = _features(x_N_D)
    _require_size(size, len(x_N_D))
    if size in (0, len(x_N_D)):
        return np.arange(size, dtype=np.int64)
    distinct = _first_of_equals(x_N_D)
    free_N = np.ones(len(x_N_D), dtype=bool)
    if len(distinct) <= size:
        free_N[distinct] = False
    else:
        x_N_D = _in_range(x_N_D)
        # Several threads add up in the order in which they finish: the last bits would differ from run to run.
        with threadpool_limits(limits=1), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # points so near that k-means takes them for equal
            clusters = KMeans(n_clusters=size, n_init=1, random_state=seed).fit(x_N_D)
        for centre_D in clusters.cluster_centers_:
            free_N[np.where(free_N, ((x_N_D - centre_D) ** 2).sum(axis=1), np.inf).argmin()] = False
    free = np.flatnonzero(free_N)
    free_N[free[: size - (len(x_N_D) - len(free))]] = False
    return np.flatnonzero(~free_N).astype(np.int64)


def group_draw(candidates: np.ndarray, size: int, groups: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Whole groups, in random order, until there are enough points: a view that shares no subject with the rest.

    Parameters
    ----------
    candidates : array of int, shape (n,)
        Positions to draw from.
    size : int
        Points that are needed; there are more where the last group is larger than what was missing.
    groups : array, shape (n,)
        The group of each candidate: a subject, a patient, a batch.
    generator : numpy.random.Generator

    Returns
    -------
    array of int64, ascending
        Positions, out of `candidates`.

    Raises
    ------
    WrongShape
    DataError
        For a negative size, or one of more than n.
    """
    candidates, groups = np.asarray(candidates), np.asarray(groups)
    if candidates.ndim != 1 or groups.shape != candidates.shape:
        raise WrongShape(
            f"Candidates have shape {candidates.shape}, their groups {groups.shape}; one group a candidate is expected."
        )
    _require_size(size, len(candidates))
    _, codes, counts = np.unique(groups, return_inverse=True, return_counts=True)
    order = generator.permutation(len(counts))
    before = np.cumsum(counts[order]) - counts[order]  # points in the groups that were drawn earlier
    return np.sort(candidates[np.isin(codes, order[before < size])]).astype(np.int64)


def _features(x_N_D: np.ndarray) -> np.ndarray:
    """Features as a float64 copy in row order, checked."""
    x_N_D = np.array(x_N_D, dtype=np.float64, order="C")
    if x_N_D.ndim != 2:
        raise WrongShape(f"Features have shape {x_N_D.shape}; points by features, shape (N, D), is expected.")
    if not np.isfinite(x_N_D).all():
        raise NonFiniteFeatures("A feature is NaN or infinite, so distances are not defined; fill it in or drop it.")
    return x_N_D


def _require_size(size: int, n: int) -> None:
    if not 0 <= size <= n:
        raise DataError(f"size={size} was asked for; there are {n} points to choose from.")


def _in_range(x_N_D: np.ndarray) -> np.ndarray:
    """Features times a power of two, which changes no order and no tie, so that no square overflows or vanishes."""
    # A column that does not vary adds nothing, but its values would set the scale.
    x_N_D = np.where(x_N_D.min(axis=0) == x_N_D.max(axis=0), 0.0, x_N_D)
    _, exponent = np.frexp(np.abs(x_N_D).max(initial=0.0))
    return np.asarray(np.ldexp(x_N_D, -exponent))


def _first_of_equals(x_N_D: np.ndarray) -> np.ndarray:
    """The first of every set of equal rows, ascending."""
    first: dict[bytes, int] = {}
    for position, row_D in enumerate(x_N_D + 0.0):  # which makes 0.0 of -0.0
        first.setdefault(row_D.tobytes(), position)
    return np.array(list(first.values()), dtype=np.int64)


def _best_of(
    x_N_D: np.ndarray, a_P: np.ndarray, b_P: np.ndarray, pair: tuple[int, int], largest: float
) -> tuple[tuple[int, int], float]:
    """The better of a pair and P others: the farther one, of equal ones the first."""
    n_chunk = max(1, CHUNK // x_N_D.shape[1])
    for start in range(0, len(a_P), n_chunk):
        a_p, b_p = a_P[start : start + n_chunk], b_P[start : start + n_chunk]
        squared_p = ((x_N_D[a_p] - x_N_D[b_p]) ** 2).sum(axis=1)
        tied = squared_p == squared_p.max()
        rank = (np.minimum(a_p, b_p) * len(x_N_D) + np.maximum(a_p, b_p))[tied].min()
        here = (int(rank // len(x_N_D)), int(rank % len(x_N_D)))
        if squared_p.max() > largest or (squared_p.max() == largest and here < pair):
            pair, largest = here, float(squared_p.max())
    return pair, largest
