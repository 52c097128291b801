"""The GPs themselves, as GPyTorch modules: a kernel and its data; theta in, evidence and predictions out.

GPyTorch owns parameters, constraints, priors and `state_dict`; the algebra is in :mod:`laplace` and :mod:`exact`, the
kernels' part of it in :mod:`covariance`, the search for theta in :mod:`learning`.
"""

from __future__ import annotations

import functools
import math
import warnings
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Self

import gpytorch
import numpy as np
import torch
from gpytorch.kernels import Kernel
from gpytorch.likelihoods import GaussianLikelihood

from aljupyter.models.gp import exact, laplace
from aljupyter.models.gp.arrays import (
    Array,
    add_to_diagonal,
    as_dtype,
    begins_with,
    estimated_condition,
    like,
    namespace,
)
from aljupyter.models.gp.covariance import Covariance, Vector, covariance_of
from aljupyter.models.gp.kernels import WIDEST, LogInterval, copy_of, flat, free_parameters, write
from aljupyter.models.gp.threads import one_thread
from aljupyter.models.gp.tracks import Track

#: points predicted at once: larger chunks fall out of the processor's cache
CHUNK = 512
#: condition number of the kernel matrix beyond which predictions may have fewer than six digits, and what a lower bound
#: must be for a closer look
_ILL_CONDITIONED, _SUSPECT = 1e10, 1e7


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
    #: to what the log evidence is maximised in a loop
    tolerance: float
    #: a new start is made when the points have grown by this factor since the last one
    growth: float
    posterior: Any

    def __init__(self, kernel: Kernel, x_N_D: Array, y_N: Array, known: Covariance | None = None):
        super().__init__()
        self.covar_module = kernel
        self.x_N_D = x_N_D
        self.y_N = y_N
        self.covariance = covariance_of(kernel, x_N_D, known)
        self.track = Track()
        self.at: Vector | None = None  # the theta that `posterior` is of
        self._kernel_parameters = free_parameters(kernel)
        self.family = object()  # shared with those made of this GP by giving it more points

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
        grown.__dict__.update(self.__dict__, x_N_D=x_N_D, y_N=y_N, covariance=self.covariance.on(x_N_D))
        with one_thread(len(y_N)):
            grown._append_to(self)
        return grown

    @abstractmethod
    def _append_to(self, last: Self) -> None:
        """Condition, from a GP on the first of these points at the same hyperparameters."""

    def _hold(self, posterior: Any, theta: Vector) -> None:
        self.__dict__.update(posterior=posterior, at=theta)  # past the slow __setattr__ of modules

    @property
    def log_evidence_(self) -> float:
        """Log marginal likelihood of the conditioned model."""
        return float(self.posterior.log_evidence)

    @property
    def free(self) -> list[torch.nn.Parameter]:
        """The raw parameters that theta consists of."""
        return self._kernel_parameters

    @property
    def theta(self) -> Vector:
        """All that is learned: logarithms of the hyperparameters, as a rule."""
        return flat(self.free)

    @property
    def kernel_theta(self) -> Vector:
        """The kernel's part of theta."""
        return flat(self._kernel_parameters)

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
        reduction = self.algebra.reduction(self.posterior.as_dtype(dtype), len(x_M_D))
        mean_M = 0 * self.y_N[:1].repeat(len(x_M_D))
        variance_M = 0 * mean_M
        with one_thread(len(self.y_N)):
            for start in range(0, len(x_M_D), CHUNK):
                piece = slice(start, start + CHUNK)
                K_C_N, k_C = covariances(x_M_D[piece]), self.covariance.variance(theta, x_M_D[piece])
                mean_M[piece] = K_C_N @ self.posterior.weights_N
                variance_M[piece] = k_C - reduction(as_dtype(K_C_N, dtype))
        variance_M = variance_M.clip(0.0)
        return mean_M, variance_M

    def joint(self, a_M_D: Array, b_K_D: Array) -> Array:
        """Posterior covariance of the latent function between two sets of points, shape (M, K)."""
        theta = self.kernel_theta
        covariances = self.covariance.towards(theta, self.x_N_D)
        v_M_N, v_K_N = (self.algebra.whiten(self.posterior, covariances(x)) for x in (a_M_D, b_K_D))
        return self.covariance.between(theta, a_M_D, b_K_D) - v_M_N @ v_K_N.mT


class ClassificationGP(GaussianProcess):
    """Binary classification by Laplace's approximation; y is 0 or 1.

    Attributes
    ----------
    start : laplace.Nearby or None
        Where the search for the next mode starts; f = 0 where None.
    known : tuple or None
        A theta and the matrix there.
    """

    algebra = laplace
    tolerance, growth = 1e-4, 1.1
    posterior: laplace.Laplace

    def __init__(self, kernel: Kernel, x_N_D: Array, y_N: Array, known: Covariance | None = None):
        super().__init__(kernel, x_N_D, y_N, known)
        self.start: laplace.Nearby | None = None
        self.known: tuple[Vector, Array] | None = None

    def evidence(self, theta: Vector) -> tuple[float, Vector]:
        K_N_N = self._matrix(theta)
        found = laplace.approximate(K_N_N, self.y_N, laplace.find_mode(K_N_N, self.y_N, self.start))
        self._take(theta, found)
        if not math.isfinite(found.log_evidence):
            return -math.inf, np.zeros(len(theta))
        by_matrix = laplace.gradient(found, self.y_N, K_N_N)
        return float(found.log_evidence), self.covariance.gradient(theta, K_N_N, by_matrix)

    def _matrix(self, theta: Vector) -> Array:
        known, self.known = self.known, None
        if known is not None and np.array_equal(theta, known[0]):
            return known[1]
        return self.covariance.matrix(theta)

    def _take(self, theta: Vector, found: laplace.Laplace) -> None:
        self._hold(found, theta)
        if math.isfinite(found.log_evidence):  # the last mode found is the next one's start: theta moves little
            self.__dict__["start"] = found.nearby()

    @staticmethod
    def evidence_together(problems: Sequence[ClassificationGP], thetas: Sequence[Vector]) -> list[tuple[float, Vector]]:
        """:meth:`evidence` of problems on the same points, in one batch."""
        covariance, theta_B_P = problems[0].covariance, np.stack(thetas)
        y_B_N = namespace(problems[0].y_N).stack([problem.y_N for problem in problems])
        K_B_N_N = covariance.matrix(theta_B_P)
        start = laplace.stacked([problem.start for problem in problems])
        found = laplace.approximate(K_B_N_N, y_B_N, laplace.find_mode(K_B_N_N, y_B_N, start))
        gradient_B_P = covariance.gradient(theta_B_P, K_B_N_N, laplace.gradient(found, y_B_N, K_B_N_N))
        values = found.log_evidence.tolist()
        for b, problem in enumerate(problems):
            problem._take(thetas[b], found.part(b))
        return [
            (value, gradient) if math.isfinite(value) else (-math.inf, np.zeros(len(gradient)))
            for value, gradient in zip(values, gradient_B_P, strict=True)
        ]

    def condition(self) -> None:
        K_N_N, theta = self._matrix(self.kernel_theta), self.theta
        self._take(theta, laplace.approximate(K_N_N, self.y_N, laplace.find_mode(K_N_N, self.y_N, self.start)))

    def restore(self, f_N: Array) -> None:
        """Take a known mode at the present hyperparameters, without searching."""
        self._take(self.theta, laplace.approximate(self.covariance_matrix(), self.y_N, f_N))

    def continue_from(self, last: ClassificationGP) -> None:
        n_last, n_new = len(last.y_N), len(self.y_N) - len(last.y_N)
        if begins_with(self.x_N_D, last.x_N_D) and begins_with(self.y_N, last.y_N) and 0 < n_new <= n_last:
            theta = last.kernel_theta
            K_N_N = self.covariance.matrix(theta)
            self.start = laplace.append(last.posterior, K_N_N[:n_last, n_last:], K_N_N[n_last:, n_last:])
            self.known = theta, K_N_N  # the search begins there
        else:  # the last model's latent mean: its mode at points that it knew, its prediction at new ones
            self.start = laplace.Nearby(last.latent(self.x_N_D)[0])

    def jump(self) -> None:
        if self.start is not None:  # the mode is of use elsewhere too, the matrix is not
            self.start = laplace.Nearby(self.posterior.f_N)

    def _append_to(self, last: ClassificationGP) -> None:
        self.continue_from(last)
        self.condition()

    def probability(self, x_M_D: Array, dtype: str = "float64") -> Array:
        """p(y = 1 | x), shape (M,)."""
        return laplace.expected_logistic(*self.latent(x_M_D, dtype))

    def probability_without_itself(self) -> Array:
        """p(y_i = 1 | x_i, all labels but the i-th), shape (N,)."""
        return laplace.expected_logistic(*laplace.leave_one_out(self.posterior, self.covariance_matrix()))


class RegressionGP(GaussianProcess):
    """Exact regression on centred targets with Gaussian noise.

    Parameters
    ----------
    likelihood : GaussianLikelihood
        Its noise is learned unless its parameter does not require a gradient; then it is the last of theta.
    jitter : float
        Added to the noise, never part of it.
    """

    algebra = exact
    tolerance, growth = 1e-5, 1.05
    posterior: exact.Conditioned

    def __init__(
        self,
        kernel: Kernel,
        x_N_D: Array,
        y_N: Array,
        likelihood: GaussianLikelihood,
        jitter: float,
        known: Covariance | None = None,
    ):
        super().__init__(kernel, x_N_D, y_N, known)
        self.likelihood = likelihood
        self.jitter = jitter
        self.is_ill_conditioned = False  # whether a warning has said so, in this round or an earlier one
        self.factored_at = 0  # number of points when the whole matrix was factored last; the others were appended

    @property
    def free(self) -> list[torch.nn.Parameter]:
        raw_noise = self.likelihood.noise_covar.raw_noise
        return [*super().free, raw_noise] if raw_noise.requires_grad else super().free

    @property
    def noise(self) -> float:
        """Variance of the noise, in units of the (scaled) target."""
        return self.likelihood.noise.item()

    @property
    def learns_noise(self) -> bool:
        return self.likelihood.noise_covar.raw_noise.requires_grad

    def noisy_covariance(self) -> Array:
        """K_y of the labelled points at the present hyperparameters, (N, N)."""
        return add_to_diagonal(self.covariance_matrix(), self.noise + self.jitter)

    def evidence(self, theta: Vector) -> tuple[float, Vector]:
        noise = math.exp(theta[-1]) if self.learns_noise else self.noise
        kernel_theta = theta[:-1] if self.learns_noise else theta
        K_N_N = self.covariance.matrix(kernel_theta)
        found = exact.factored(add_to_diagonal(1.0 * K_N_N, noise + self.jitter), self.y_N)
        self.__dict__["factored_at"] = len(self.y_N)
        self._hold(found, theta)
        if not math.isfinite(found.log_evidence):
            return -math.inf, np.zeros(len(theta))
        by_matrix = exact.gradient(found, self.y_N, noise + self.jitter)
        gradient = self.covariance.gradient(kernel_theta, K_N_N, by_matrix)
        if self.learns_noise:
            gradient = np.append(gradient, noise * exact.gradient_by_noise(found))
        return float(found.log_evidence), gradient

    def condition(self) -> None:
        self._hold(exact.condition(self.noisy_covariance(), self.y_N), self.theta)
        self.factored_at = len(self.y_N)

    def continue_from(self, last: RegressionGP) -> None:
        """Nothing to take: the matrix is factored anew."""

    def _append_to(self, last: RegressionGP) -> None:
        n_last, chol_N_N, on_diagonal = len(last.y_N), last.posterior.chol_N_N, last.noise + last.jitter
        theta = last.kernel_theta
        for n in range(n_last, len(self.y_N)):  # one by one, as they come: many at once have other last digits
            row_N = self.covariance.between(theta, self.x_N_D[n : n + 1], self.x_N_D[: n + 1])[0]
            chol_N_N = exact.append(chol_N_N, row_N[:n], float(row_N[n]) + on_diagonal)
        found = exact.solved(chol_N_N, self.y_N)
        if math.isfinite(found.log_evidence) and last.posterior.jitter == 0:
            self.__dict__.update(posterior=found, at=last.at, factored_at=last.factored_at)
        else:
            self.condition()

    def latent_without_itself(self) -> tuple[Array, Array]:
        """Mean and variance of the latent function at each labelled point given the others, (N,) each."""
        mean_N, variance_N = exact.leave_one_out(self.posterior, self.y_N)
        return mean_N, (variance_N - self.noise - self.jitter).clip(0.0)

    def warn_if_ill_conditioned(self) -> None:
        """Say once in a loop that the matrix leaves few digits."""
        chol_N_N = self.posterior.chol_N_N
        if self.is_ill_conditioned or self.posterior.jitter or exact.condition_number(chol_N_N) < _SUSPECT:
            return  # said already, or nothing to say
        number = estimated_condition(chol_N_N, float(abs(self.noisy_covariance()).sum(1).max()))
        if number > _ILL_CONDITIONED:
            self.is_ill_conditioned = True
            warnings.warn(
                f"The kernel matrix of the {len(self.y_N)} labelled points is ill-conditioned (condition number "
                f"{number:.0e}): predictions keep about {max(0, int(16 - math.log10(number)))} digits. Give a larger "
                "`noise`.",
                RuntimeWarning,
                stacklevel=2,
            )


def gaussian_likelihood(noise: float | None) -> GaussianLikelihood:
    """A likelihood whose noise variance is learned from 1 on, or fixed as given."""
    likelihood = copy_of(_likelihood(*(WIDEST if noise is None else (0.0, math.inf))))
    raw_noise = likelihood.noise_covar.raw_noise
    if noise is None:
        raw_noise.data.zero_()
    else:
        raw_noise.data.fill_(math.log(noise) if noise > 0 else -math.inf)
        raw_noise.requires_grad_(False)
    return likelihood


@functools.cache
def _likelihood(lower: float, upper: float) -> GaussianLikelihood:
    """The pattern that is copied."""
    return GaussianLikelihood(noise_constraint=LogInterval(lower, upper)).double()
