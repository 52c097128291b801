"""Predictions that are kept up to date, for a regressor whose hyperparameters stay as they are.

With every label the factor of K_y grows by a row, and so does v = L^-1 k at every point of a dataset (:mod:`exact`):
a round costs O(n N) in place of O(n^2 N).
"""

from __future__ import annotations

import numpy as np

from aljupyter.data.features import Features, TensorFeatures
from aljupyter.models.gp.arrays import Array, begins_with, like, namespace
from aljupyter.models.gp.modules import RegressionGP
from aljupyter.models.gp.threads import one_thread

#: bytes that the vectors v of all points may take; beyond, predictions are made anew each time
MEMORY = 256 * 2**20


class RunningPredictions:
    """Latent mean and variance at all points of a dataset, for a GP and its successors with more labelled points.

    All points, asked for or not, and one labelled point after the other: so a session that was resumed has the same
    numbers to the last digit.

    Parameters
    ----------
    model : RegressionGP
    features : Features
        Of the dataset.
    """

    def __init__(self, model: RegressionGP, features: Features):
        self.features = features
        self._model = model
        x_P_D = like(features.gather(np.arange(len(features))).flatten(1), model.x_N_D)
        self._covariances = model.covariance.towards(model.kernel_theta, x_P_D)
        self._v_R_P = _empty(0, len(x_P_D), x_P_D)  # one row a labelled point, and spare ones
        self._w_N = model.y_N[:0]  # L^-1 y: the mean is w' v
        self._variance_P = model.covariance.variance(model.kernel_theta, x_P_D)
        self._mean_P = 0 * self._variance_P
        self._follow(model)

    @staticmethod
    def fit_in_memory(model: RegressionGP, features: Features) -> bool:
        """Whether the features are at hand, and there is room, with some for labels to come."""
        return isinstance(features, TensorFeatures) and 2 * 8 * len(features) * len(model.y_N) <= MEMORY

    def continues(self, model: RegressionGP) -> bool:
        """Whether a model is the last one, or the last one with more points."""
        before = self._model
        return model is before or (
            model.family is before.family
            and model.factored_at == before.factored_at
            and begins_with(model.x_N_D, before.x_N_D)
        )

    def latent(self, model: RegressionGP, indices: np.ndarray) -> tuple[Array, Array]:
        """Mean and variance of the latent function, (M,) each.

        Parameters
        ----------
        model : RegressionGP
            One that :meth:`continues` the last.
        indices : array of int, shape (M,)
            Points of the dataset.
        """
        self._follow(model)
        return self._mean_P[indices], self._variance_P[indices].clip(0.0)

    def _follow(self, model: RegressionGP) -> None:
        """Add a row for each labelled point that the model has more than the last one."""
        n_before, n = len(self._w_N), len(model.y_N)
        y_changed = not begins_with(model.y_N, self._model.y_N)
        self._model = model
        if n == n_before and not y_changed:
            return
        if n > len(self._v_R_P):
            spare_R_P = _empty(n + max(n // 2, 16) - len(self._v_R_P), self._v_R_P.shape[1], self._v_R_P)
            self._v_R_P = namespace(spare_R_P).concatenate([self._v_R_P, spare_R_P])
        self._w_N, chol_N_N = model.posterior.w_N, model.posterior.chol_N_N
        if y_changed:
            self._mean_P = self._w_N[:n_before] @ self._v_R_P[:n_before]
        with one_thread(n):
            for r in range(n_before, n):
                v_P = self._covariances(model.x_N_D[r : r + 1])[0]
                v_P -= chol_N_N[r, :r] @ self._v_R_P[:r]
                v_P /= chol_N_N[r, r]
                self._v_R_P[r] = v_P
                self._variance_P -= v_P * v_P
                self._mean_P += self._w_N[r] * v_P


def _empty(n_rows: int, n_columns: int, a: Array) -> Array:
    return namespace(a).empty((n_rows, n_columns), dtype=a.dtype, device=a.device)
