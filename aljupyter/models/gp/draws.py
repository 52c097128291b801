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
from aljupyter.models.gp.joint import LatentJoint
from aljupyter.posterior import MOST_FACTORED, jointly_normal

NODES = 65
REACH = 6.0  # standard deviations
SOBOL_POINTS = 256


class LatentDraws:
    """Draws from the posterior of a fitted classifier about points.

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
        return self._probabilities(mean_n_K + np.sqrt(variance_n_K) * self._standard_S_K[:, None, :])

    def functions(self, k: int, generator: np.random.Generator, rows: Tensor) -> Tensor:
        """Probabilities of shape (k, n, C) at some points: each draw is one function, at all of them.

        Exact for up to 2048 points with two classes, 1024 with more; of more points each beyond these is drawn given
        those: see :func:`aljupyter.posterior.jointly_normal`. O(k n m) for m points drawn jointly, and O(m^2 n) once a
        class.
        """
        points = self._points
        chosen = points.rows(rows) if isinstance(points, Subset) else points[rows.to(points.device)]
        x_n_D = self._embed(chosen)
        most = MOST_FACTORED if self._n_latent == 1 else MOST_FACTORED // 2
        f_k_n_K = np.empty((k, len(rows), self._n_latent))
        for j, (moments, model) in enumerate(zip(self._estimator.latent(x_n_D), self._estimator.models_, strict=True)):
            mean_n, variance_n = (torch.from_numpy(as_numpy(values)) for values in moments)
            z_k_n = torch.from_numpy(generator.standard_normal((k, len(rows))))
            normal_k_n = jointly_normal(LatentJoint([model], x_n_D).cov, variance_n, z_k_n, generator, most)
            f_k_n_K[:, :, j] = (mean_n + normal_k_n).numpy()
        return self._probabilities(f_k_n_K)

    def _probabilities(self, f_S_n_K: NDArray[np.float64]) -> Tensor:
        """Of all classes of the data, (S, n, C), from values of the latent functions, as predict_proba normalises."""
        p_S_n_K = expit(f_S_n_K)
        if p_S_n_K.shape[2] == 1:
            p_S_n_K = np.concatenate([1 - p_S_n_K, p_S_n_K], 2)
        p_S_n_K = np.where(p_S_n_K.sum(2, keepdims=True) > 0, p_S_n_K, 1.0)  # no class at all: all alike
        p_S_n_K /= p_S_n_K.sum(2, keepdims=True)
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
