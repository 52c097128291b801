"""Measures that look at features alone and need no model (Appendix A.2 of the paper, arXiv:2205.11117)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from aljupyter.errors import InvalidParameter, UnsupportedModel, WrongShape
from aljupyter.informativeness.checks import features

Metric = str | Callable[[NDArray[np.float64], NDArray[np.float64]], float]

#: points and references whose distances are held at once: 32 MB
_ROWS, _COLUMNS = 1024, 4096
#: features up to which differences are as fast as products of matrices
_FEW = 16


def relative_distance(
    x_N_D: ArrayLike | Tensor, reference_M_D: ArrayLike | Tensor, metric: Metric = "euclidean"
) -> Tensor:
    """Distance to the nearest reference point, such as a labelled one.

    I(x) = min over l of d(x, l), with l the reference points (the paper's Appendix A.2; Sener & Savarese 2018 where
    features are an embedding). The top n of these may lie beside each other: a query of several distant points takes
    the distances anew after each.

    Parameters
    ----------
    x_N_D : array-like or Tensor of shape (N, D)
        Or (N, ...): the values of a point in a row.
    reference_M_D : array-like or Tensor of shape (M, D)
    metric : str or callable
        Any name that scikit-learn's `pairwise_distances` or SciPy knows, or a function of two points; not "seuclidean"
        and "mahalanobis", which depend on all points (scale or whiten the features instead). "euclidean" is exact, for
        points that almost coincide far from the origin too.

    Returns
    -------
    Tensor of shape (N,), float64, in units of the metric
        0 at all points where there is no reference point: each is as good as another.

    Raises
    ------
    InvalidParameter
        If the metric is unknown, not defined for these features, or gives NaN.
    WrongShape, NonFiniteFeatures

    Examples
    --------
    >>> relative_distance([[0.0, 0.0], [3.0, 4.0]], [[0.0, 0.0], [9.0, 9.0]]).tolist()
    [0.0, 5.0]
    """
    x, reference = features(x_N_D, "x_N_D"), features(reference_M_D, "reference_M_D")
    between = _distances(metric)
    if not len(reference):
        return torch.zeros(len(x), dtype=torch.float64)
    if x.shape[1] != reference.shape[1]:
        raise WrongShape(f"Points of {x.shape[1]} features have no distance to points of {reference.shape[1]}.")
    nearest_N = np.full(len(x), np.inf)
    for row in range(0, len(x), _ROWS):
        rows = slice(row, row + _ROWS)
        for column in range(0, len(reference), _COLUMNS):
            lowest_R = between(x[rows], reference[column : column + _COLUMNS])
            nearest_N[rows] = np.minimum(nearest_N[rows], lowest_R)
    if np.isnan(nearest_N).any():
        bad = np.flatnonzero(np.isnan(nearest_N))
        raise InvalidParameter(
            f"The metric {metric!r} gave NaN for {len(bad)} of {len(x)} points, the first at position {bad[0]}."
        )
    return torch.from_numpy(nearest_N)


def _distances(metric: Metric) -> Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]:
    """A function that gives each point of the first array its distance to the nearest of the second."""
    from sklearn.metrics import pairwise_distances
    from sklearn.metrics.pairwise import PAIRWISE_BOOLEAN_FUNCTIONS

    if metric in ("euclidean", "l2"):
        return _euclidean
    if metric in ("precomputed", "seuclidean", "mahalanobis"):
        raise InvalidParameter(
            f"The metric {metric!r} is not one of two points alone. "
            f'Use "euclidean" on features that are scaled or whitened, or give a function of two points.'
        )
    of_booleans = metric in PAIRWISE_BOOLEAN_FUNCTIONS

    def nearest(x_R_D: NDArray[Any], reference_K_D: NDArray[Any]) -> NDArray[np.float64]:
        if of_booleans:
            x_R_D, reference_K_D = x_R_D.astype(bool), reference_K_D.astype(bool)
        try:
            lowest_R: NDArray[np.float64] = pairwise_distances(x_R_D, reference_K_D, metric=metric).min(1)
        except (ValueError, TypeError) as error:
            raise InvalidParameter(f"The metric {metric!r} cannot be used for these features: {error}") from error
        return lowest_R

    return nearest


def _euclidean(x_R_D: NDArray[np.float64], reference_K_D: NDArray[np.float64]) -> NDArray[np.float64]:
    """By |x|^2 + |l|^2 - 2 x'l, whose rounding errors are bounded; by differences where they could matter."""
    from scipy.spatial.distance import cdist

    nearest_R: NDArray[np.float64]
    if x_R_D.shape[1] <= _FEW:
        nearest_R = cdist(x_R_D, reference_K_D).min(1)
        return nearest_R
    centre_D = reference_K_D.mean(0)
    a_R_D, b_K_D = x_R_D - centre_D, reference_K_D - centre_D
    squares_R, squares_K = np.einsum("rd,rd->r", a_R_D, a_R_D), np.einsum("kd,kd->k", b_K_D, b_K_D)
    squared_R_K = squares_R[:, None] + squares_K - 2 * a_R_D @ b_K_D.T
    candidate_R = squared_R_K.argmin(1)
    chosen_R = squared_R_K[np.arange(len(candidate_R)), candidate_R]
    # A rival within the error may be the nearer one; squares may overflow.
    error_R = 4 * (x_R_D.shape[1] + 4) * np.finfo(float).eps * (squares_R + squares_K.max())
    is_rival_R_K = squared_R_K <= (chosen_R + 2 * error_R)[:, None]
    nearest_R = np.sqrt(((x_R_D - reference_K_D[candidate_R]) ** 2).sum(1))
    unsure = np.flatnonzero((is_rival_R_K.sum(1) > 1) | ~np.isfinite(error_R))
    if len(unsure):
        nearest_R[unsure] = cdist(x_R_D[unsure], reference_K_D).min(1)
    return nearest_R


def representativeness(x_N_D: ArrayLike | Tensor, k: int, clusterer: Any = None, seed: int = 0) -> Tensor:
    """How well a point stands for its cluster, so that the k highest scores are one point of each of k clusters.

    Points are put into k clusters, and in each they are ranked by their distance to its centre, 0 for the nearest.
    I(x) = share - rank, with share the part of all points that is in the cluster of x. The nearest of each cluster
    score above 0, that of the largest cluster most; the second nearest between -1 and 0, and so on, so that any number
    of points can be asked. (The paper's Appendix A.2 describes representative sampling without a score.)

    Parameters
    ----------
    x_N_D : array-like or Tensor of shape (N, D)
        Or (N, ...): the values of a point in a row.
    k : int
        Number of clusters, at least 1; fewer where there are fewer different points. A clusterer without a parameter
        `n_clusters` finds its own number.
    clusterer : scikit-learn clusterer, optional
        Any with `fit_predict`; a copy of it is fitted. `KMeans` where not given. The centre of a cluster is what the
        clusterer says, or the mean of its points. Points that it calls noise (-1) come last.
    seed : int
        For a clusterer whose `random_state` is not set.

    Returns
    -------
    Tensor of shape (N,), float64, at most 1

    Raises
    ------
    InvalidParameter
        If k is below one.
    UnsupportedModel
        If the clusterer is none.
    WrongShape, NonFiniteFeatures

    Examples
    --------
    The middle point of each of two groups comes first.

    >>> scores = representativeness([[0.0], [1.0], [2.0], [10.0], [11.0], [12.0], [12.5]], k=2)
    >>> scores.argsort(descending=True)[:2].tolist()
    [4, 1]
    """
    x = features(x_N_D, "x_N_D")
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise InvalidParameter(f"k, the number of clusters, is a whole number of at least 1; got {k!r}.")
    if not len(x):
        return torch.zeros(0, dtype=torch.float64)
    labels_N, centres = _clusters(x, _at_most_different(x, int(k)), clusterer, seed)
    scores_N = np.full(len(x), -float(len(x)))
    for cluster in np.unique(labels_N[labels_N >= 0]):
        members = np.flatnonzero(labels_N == cluster)
        centre_D = x[members].mean(0) if centres is None else centres[cluster]
        by_distance = members[((x[members] - centre_D) ** 2).sum(1).argsort(kind="stable")]
        scores_N[by_distance] = len(members) / len(x) - np.arange(len(members))
    return torch.from_numpy(scores_N)


def _clusters(
    x_N_D: NDArray[np.float64], k: int, clusterer: Any, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.float64] | None]:
    """The cluster of each point, -1 for none, and where known the centres."""
    from sklearn.base import clone
    from sklearn.cluster import KMeans

    if clusterer is None:
        clusterer = KMeans()
    if isinstance(clusterer, type) or not (hasattr(clusterer, "fit_predict") and hasattr(clusterer, "get_params")):
        raise UnsupportedModel(
            f"The clusterer is a scikit-learn one, such as `sklearn.cluster.KMeans()`, got {clusterer!r}."
        )
    parameters = clusterer.get_params(deep=False)
    wanted: dict[str, int] = {}
    if parameters.get("n_clusters") is not None:  # None: another parameter says where to stop
        wanted["n_clusters"] = k
    if "random_state" in parameters and parameters["random_state"] is None:
        wanted["random_state"] = seed
    if wanted.get("n_clusters") == 1:
        return np.zeros(len(x_N_D), dtype=np.int64), None
    fitted = clone(clusterer).set_params(**wanted)
    labels_N = np.asarray(fitted.fit_predict(x_N_D)).astype(np.int64)
    exemplars = getattr(fitted, "cluster_centers_indices_", None)
    if exemplars is not None and len(exemplars):
        return labels_N, x_N_D[exemplars]
    centres = getattr(fitted, "cluster_centers_", None)
    return labels_N, centres if centres is not None and len(centres) > labels_N.max() else None


def _at_most_different(x_N_D: NDArray[np.float64], k: int) -> int:
    """The number of different points, counted up to k."""
    seen = set()
    for x_D in x_N_D + 0.0:  # -0.0 is 0.0
        seen.add(x_D.tobytes())
        if len(seen) == k:
            break
    return len(seen)
