"""Draws of class probabilities from a GP classifier, made when a measure asks for them and for a few points at a time.

The latent functions behind the probabilities are normal at each point (Laplace's approximation). With two classes their
one dimension is covered by nodes: the trapezoidal rule over six standard deviations to either side, whose error in the
mutual information is of the order of 1e-5 with 65 nodes (Gauss-Hermite, made for polynomials, has 5e-3). With more
classes each has a function of its own, and normal points that fill the space evenly (Sobol's) take their place.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor

from aljupyter.data.subset import Subset
from aljupyter.models.gp.arrays import as_numpy
from aljupyter.models.gp.classifier import GPClassifier

NODES = 65
REACH = 6.0  # standard deviations
SOBOL_POINTS = 256


class LatentDraws:
    """Draws from the posterior of a fitted classifier about points, each point by itself.

    Parameters
    ----------
    estimator : GPClassifier
        As it was fitted: a later fit makes another one.
    points : Tensor of shape (N, D), or Subset of N points
    embed : callable
        Makes a matrix of features of a Tensor of points.
    columns : callable
        Probabilities of all classes of the data, (M, C), from those of the classes with labels, (M, K).

    Attributes
    ----------
    weights_S : Tensor of shape (S,)
        Sum to one.
    """

    def __init__(
        self,
        estimator: GPClassifier,
        points: Tensor | Subset,
        embed: Callable[[Tensor], Tensor],
        columns: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    ):
        self._estimator, self._points, self._embed, self._columns = estimator, points, embed, columns
        self._n_latent = len(estimator.models_)
        n_draws = NODES if self._n_latent == 1 else SOBOL_POINTS
        weights_S = np.full(n_draws, 1.0)
        if self._n_latent == 1:
            weights_S = np.exp(-0.5 * np.linspace(-REACH, REACH, n_draws) ** 2)
        self.weights_S = torch.from_numpy(weights_S / weights_S.sum())

    def __call__(self, rows: slice) -> Tensor:
        """Probabilities of shape (S, n, C) at some of the points."""
        points = self._points
        chosen = points.rows(torch.arange(len(points))[rows]) if isinstance(points, Subset) else points[rows]
        moments = self._estimator.latent(self._embed(chosen))
        mean_n_K, variance_n_K = (np.stack([as_numpy(pair[i]) for pair in moments], 1) for i in (0, 1))
        p_S_n_K = expit(mean_n_K + np.sqrt(variance_n_K) * self._standard_S_K[:, None, :])
        if p_S_n_K.shape[2] == 1:
            p_S_n_K = np.concatenate([1 - p_S_n_K, p_S_n_K], 2)
        p_S_n_K = np.where(p_S_n_K.sum(2, keepdims=True) > 0, p_S_n_K, 1.0)  # no class at all: all alike
        p_S_n_K /= p_S_n_K.sum(2, keepdims=True)  # as predict_proba normalises
        columns = self._columns(p_S_n_K.reshape(-1, p_S_n_K.shape[2]))
        return torch.from_numpy(columns.reshape(*p_S_n_K.shape[:2], -1))

    @cached_property
    def _standard_S_K(self) -> NDArray[np.float64]:
        """Values of standard normal variables, one a latent function."""
        if self._n_latent == 1:
            return np.linspace(-REACH, REACH, NODES)[:, None]
        from scipy.stats import norm, qmc

        corners_S_K = qmc.Sobol(self._n_latent, scramble=False).random(SOBOL_POINTS)  # of cells: multiples of 1 / S
        return norm.ppf(corners_S_K + 0.5 / SOBOL_POINTS)
