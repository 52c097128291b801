"""What GPs of classification and regression have in common: a kernel, labelled points, predictions in chunks.

GPyTorch owns parameters, constraints, priors and `state_dict`; the algebra is in :mod:`laplace` and :mod:`exact`, the
kernels' part of it in :mod:`covariance`, the search for theta in :mod:`learning`.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Self

import gpytorch
import numpy as np
from gpytorch.kernels import Kernel

from aljupyter.models.gp.arrays import Array, as_dtype, like, namespace
from aljupyter.models.gp.covariance import Covariance, Vector, covariance_of
from aljupyter.models.gp.kernels import Free, flat, free_parameters, write
from aljupyter.models.gp.threads import one_thread
from aljupyter.models.gp.tracks import Track

#: points predicted at once: larger chunks fall out of the processor's cache
CHUNK = 512


class GaussianProcess(gpytorch.models.GP):
    """A zero-mean GP prior and its n labelled points.

    Parameters
    ----------
    kernel : gpytorch.kernels.Kernel
        Parameters hold logarithms (:func:`make_kernel`).
    x_N_D, y_N : array
        float64. Their kind, NumPy or tensor, is that of all that is computed (:mod:`arrays`).
    known : Covariance, optional
        Of the first few of these points: spares the computation of their distances.
    """

    #: laplace or exact
    algebra: Any
    x_N_D: Array
    y_N: Array
    covariance: Covariance
    track: Track
    #: the theta that `posterior` is of
    at: Vector | None
    #: shared with those made of this GP by giving it more points
    family: object
    _free_of_kernel: Free
    #: to what the log evidence is maximised in a loop
    tolerance: float
    #: a new start is made when the points have grown by this factor since the last one
    growth: float
    posterior: Any

    def __init__(self, kernel: Kernel, x_N_D: Array, y_N: Array, known: Covariance | None = None):
        super().__init__()
        self.covar_module = kernel
        self._keep(
            x_N_D=x_N_D,
            y_N=y_N,
            covariance=covariance_of(kernel, x_N_D, known),
            track=Track(),
            at=None,
            family=object(),
            _free_of_kernel=free_parameters(kernel),
        )

    def _keep(self, **values: Any) -> None:
        """Set attributes that are neither parameters nor modules, for which modules would look at length."""
        self.__dict__.update(values)

    @abstractmethod
    def evidence(self, theta: Vector) -> tuple[float, Vector]:
        """Log marginal likelihood and its gradient; `posterior` becomes that at theta, the parameters stay.

        Minus infinity where the matrix is not finite or not positive definite in floating point.
        """

    @abstractmethod
    def condition(self) -> None:
        """Make ready for predictions at the present hyperparameters."""

    def jump(self) -> None:
        """Prepare for an evaluation far from the last one."""

    @abstractmethod
    def continue_from(self, last: Self) -> None:
        """Take from the GP of an earlier round, at its hyperparameters, what makes this one's first steps cheap."""

    def with_points(self, x_K_D: Array, y_K: Array) -> Self:
        """A GP given more points, at the same hyperparameters, whose parameters it shares; this one stays as it is."""
        grown = type(self).__new__(type(self))
        concatenate = namespace(self.x_N_D).concatenate
        x_N_D = concatenate([self.x_N_D, like(x_K_D, self.x_N_D)])
        y_N = concatenate([self.y_N, like(y_K, self.y_N)])
        grown.__dict__.update(self.__dict__, x_N_D=x_N_D, y_N=y_N, covariance=self._covariance_on(x_N_D))
        with one_thread(len(y_N)):
            grown._append_to(self)
        return grown

    def _covariance_on(self, x_N_D: Array) -> Covariance:
        return self.covariance.on(x_N_D)

    @abstractmethod
    def _append_to(self, last: Self) -> None:
        """Condition, from a GP on the first of these points at the same hyperparameters."""

    @property
    def log_evidence_(self) -> float:
        """Log marginal likelihood of the conditioned model."""
        return float(self.posterior.log_evidence)

    @property
    def free(self) -> Free:
        """The raw parameters that theta consists of, and their constraints."""
        return self._free_of_kernel

    @property
    def theta(self) -> Vector:
        """All that is learned: logarithms of the hyperparameters, as a rule."""
        return flat(self.free)

    @property
    def kernel_theta(self) -> Vector:
        """The kernel's part of theta."""
        return flat(self._free_of_kernel)

    def covariance_matrix(self) -> Array:
        """Prior covariance of the labelled points, (N, N)."""
        return self.covariance.matrix(self.kernel_theta)

    def settle(self, theta: Vector) -> None:
        """Take these hyperparameters; what their evaluation found is kept where it was the last one."""
        write(self.free, theta)
        if self.at is None or not np.array_equal(theta, self.at) or not math.isfinite(self.log_evidence_):
            self.condition()

    def latent(self, x_M_D: Array, dtype: str = "float64") -> tuple[Array, Array]:
        """Mean and variance of the latent function at any number of points, in chunks: never an M x M matrix.

        Parameters
        ----------
        x_M_D : array of shape (M, D)
            Of the kind of the labelled points.
        dtype : {"float64", "float32"}
            Precision of the larger part of the work on the variance; the mean and all results are float64.
        """
        theta, covariances = self.kernel_theta, self.covariance.towards(self.kernel_theta, self.x_N_D)
        prior_M = self.covariance.variance(theta, x_M_D)
        return self.latent_given(lambda piece: covariances(x_M_D[piece]), prior_M, dtype)

    def latent_given(
        self,
        covariances: Callable[[slice], Array],
        prior_M: Array,
        dtype: str = "float64",
        n_points: int | None = None,
    ) -> tuple[Array, Array]:
        """:meth:`latent` where the kernel's part is known.

        Parameters
        ----------
        covariances : callable
            Gives those of a slice of the points with the labelled ones, shape (C, N). They are overwritten.
        prior_M : array of shape (M,)
            Prior variances.
        n_points : int, optional
            How many points the model will be asked of in all; M where not given.
        """
        reduction = self.algebra.reduction(self.posterior, n_points or len(prior_M), dtype)
        mean_M, variance_M = 0 * prior_M, 1.0 * prior_M
        with one_thread(len(self.y_N)):
            for start in range(0, len(prior_M), CHUNK):
                piece = slice(start, start + CHUNK)
                K_C_N = covariances(piece)
                mean_M[piece] = K_C_N @ self.posterior.weights_N
                variance_M[piece] -= reduction(as_dtype(K_C_N, dtype))
        return mean_M, variance_M.clip(0.0)

    def joint(self, a_M_D: Array, b_K_D: Array) -> Array:
        """Posterior covariance of the latent function between two sets of points, shape (M, K)."""
        theta = self.kernel_theta
        covariances = self.covariance.towards(theta, self.x_N_D)
        with one_thread(max(len(self.y_N), len(a_M_D), len(b_K_D))):
            v_M_N, v_K_N = (self.algebra.whiten(self.posterior, covariances(x)) for x in (a_M_D, b_K_D))
            return self.covariance.between(theta, a_M_D, b_K_D) - v_M_N @ v_K_N.mT
