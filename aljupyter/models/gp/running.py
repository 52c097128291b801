"""Predictions for all points of a dataset that are kept up to date, for GPs whose hyperparameters stay as they are.

Regression: with every label the factor of K_y grows by a row, and so does v = L^-1 k at every point (:mod:`exact`): a
round costs O(n N) in place of O(n^2 N).

Classification: a label moves the mode, and with it B and its factor, so that v has to be found anew. What stays are the
covariances of all points with the labelled ones, to which a label adds a row.

What is kept is about all points, asked for or not, and grows by one labelled point after the other: so a session that
was resumed has the same numbers to the last digit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from aljupyter.data.features import Features, TensorFeatures
from aljupyter.models.gp.arrays import Array, begins_with, like, namespace, positions_in
from aljupyter.models.gp.covariance import covariance_of
from aljupyter.models.gp.modules import ClassificationGP, RegressionGP
from aljupyter.models.gp.process import GaussianProcess
from aljupyter.models.gp.threads import one_thread

#: bytes that the vectors of all points may take; beyond, predictions are made anew each time
MEMORY = 256 * 2**20


class Running(ABC):
    """Latent mean and variance at all points of a dataset, for GPs and their successors with more labelled points.

    Parameters
    ----------
    models : sequence of GaussianProcess
        One, or one a class, of the same hyperparameters.
    features : Features
        Of the dataset.
    """

    def __init__(self, models: Sequence[Any], features: Features):
        self.features = features
        self._models = tuple(models)
        model = models[0]
        x_P_D = like(features.gather(np.arange(len(features))).flatten(1), model.x_N_D)
        covariance = covariance_of(model.covar_module, x_P_D)
        self._covariances = covariance.towards(model.kernel_theta, x_P_D)
        self._variance_P = covariance.variance(model.kernel_theta, x_P_D)
        self._rows_R_P = _empty(0, len(x_P_D), x_P_D)  # one row a labelled point, and spare ones

    @staticmethod
    def can_be_had(models: Sequence[GaussianProcess], features: Features) -> bool:
        """Whether the kernel is one, the features are at hand, and there is room, with some for labels to come."""
        first, *others = models
        if not isinstance(features, TensorFeatures) or 2 * 8 * len(features) * len(first.y_N) > MEMORY:
            return False
        return all(np.array_equal(model.kernel_theta, first.kernel_theta) for model in others)

    @abstractmethod
    def continues(self, models: Sequence[Any]) -> bool:
        """Whether models are the last ones, or the last ones with more points."""

    @abstractmethod
    def latent(self, models: Sequence[Any], indices: np.ndarray) -> list[tuple[Array, Array]]:
        """Mean and variance of each latent function, (M,) each.

        Parameters
        ----------
        models : sequence of GaussianProcess
            Such as :meth:`continues` says.
        indices : array of int, shape (M,)
            Points of the dataset.
        """

    def _make_room(self, n: int) -> None:
        if n > len(self._rows_R_P):
            spare_R_P = _empty(n + max(n // 2, 16) - len(self._rows_R_P), self._rows_R_P.shape[1], self._rows_R_P)
            self._rows_R_P = namespace(spare_R_P).concatenate([self._rows_R_P, spare_R_P])


class RunningPredictions(Running):
    """For a regressor: the rows are v = L^-1 k, the mean is w' v with w = L^-1 y."""

    _models: tuple[RegressionGP]

    def __init__(self, models: Sequence[RegressionGP], features: Features):
        super().__init__(models, features)
        self._w_N = models[0].y_N[:0]
        self._mean_P = 0 * self._variance_P
        self._follow(models[0])

    def continues(self, models: Sequence[RegressionGP]) -> bool:
        (model,), (before,) = models, self._models
        return model is before or (
            model.family is before.family
            and model.factored_at == before.factored_at
            and begins_with(model.x_N_D, before.x_N_D)
        )

    def latent(self, models: Sequence[RegressionGP], indices: np.ndarray) -> list[tuple[Array, Array]]:
        self._follow(models[0])
        positions_M = positions_in(self._mean_P, indices)
        return [(self._mean_P[positions_M], self._variance_P[positions_M].clip(0.0))]

    def _follow(self, model: RegressionGP) -> None:
        """Add a row for each labelled point that the model has more than the last one."""
        n_before, n = len(self._w_N), len(model.y_N)
        y_changed = not begins_with(model.y_N, self._models[0].y_N)
        self._models = (model,)
        if n == n_before and not y_changed:
            return
        self._make_room(n)
        self._w_N, chol_N_N = model.posterior.w_N, model.posterior.chol_N_N
        if y_changed:
            self._mean_P = self._w_N[:n_before] @ self._rows_R_P[:n_before]
        with one_thread(n):
            for r in range(n_before, n):
                v_P = self._covariances(model.x_N_D[r : r + 1])[0]
                v_P -= chol_N_N[r, :r] @ self._rows_R_P[:r]
                v_P /= chol_N_N[r, r]
                self._rows_R_P[r] = v_P
                self._variance_P -= v_P * v_P
                self._mean_P += self._w_N[r] * v_P


class RunningCovariances(Running):
    """For a classifier: the rows are covariances of all points with a labelled one."""

    _models: tuple[ClassificationGP, ...]

    def __init__(self, models: Sequence[ClassificationGP], features: Features):
        super().__init__(models, features)
        self._theta = models[0].kernel_theta
        self._n = 0

    def continues(self, models: Sequence[ClassificationGP]) -> bool:
        first = models[0]
        if first is self._models[0]:
            return True
        return np.array_equal(first.kernel_theta, self._theta) and begins_with(first.x_N_D, self._models[0].x_N_D)

    def latent(self, models: Sequence[ClassificationGP], indices: np.ndarray) -> list[tuple[Array, Array]]:
        self._follow(models)
        K_N_P, positions_M = self._rows_R_P[: self._n], positions_in(self._rows_R_P, indices)
        prior_M, n_points = self._variance_P[positions_M], len(self._variance_P)
        return [
            model.latent_given(lambda piece: K_N_P[:, positions_M[piece]].mT, prior_M, n_points=n_points)
            for model in models
        ]

    def _follow(self, models: Sequence[ClassificationGP]) -> None:
        """Add a row for each labelled point that the models have more than the last ones."""
        self._models, x_N_D = tuple(models), models[0].x_N_D
        if self._n == len(x_N_D):
            return
        self._make_room(len(x_N_D))
        with one_thread(len(x_N_D)):
            for r in range(self._n, len(x_N_D)):
                self._rows_R_P[r] = self._covariances(x_N_D[r : r + 1])[0]
        self._n = len(x_N_D)


def _empty(n_rows: int, n_columns: int, a: Array) -> Array:
    return namespace(a).empty((n_rows, n_columns), dtype=a.dtype, device=a.device)
