"""The GPs of classification and of regression, as GPyTorch modules: theta in, evidence and posterior out."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Sequence

import numpy as np
from gpytorch.kernels import Kernel
from gpytorch.likelihoods import GaussianLikelihood

from aljupyter.models.gp import exact, laplace
from aljupyter.models.gp.arrays import (
    Array,
    add_to_diagonal,
    begins_with,
    estimated_condition,
    namespace,
)
from aljupyter.models.gp.covariance import Covariance, Vector, covariance_of
from aljupyter.models.gp.kernels import WIDEST, Free, LogInterval, copy_of
from aljupyter.models.gp.process import GaussianProcess
from aljupyter.models.gp.threads import one_thread

#: condition number of the kernel matrix beyond which predictions may have fewer than six digits, and what a lower bound
#: must be for a closer look
_ILL_CONDITIONED, _SUSPECT = 1e10, 1e7


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
    start: laplace.Nearby | None
    known: tuple[Vector, Array] | None

    def __init__(self, kernel: Kernel, x_N_D: Array, y_N: Array, known: Covariance | None = None):
        super().__init__(kernel, x_N_D, y_N, known)
        self._keep(start=None, known=None)

    def evidence(self, theta: Vector) -> tuple[float, Vector]:
        K_N_N = self._matrix(theta)
        found = laplace.approximate(K_N_N, self.y_N, laplace.find_mode(K_N_N, self.y_N, self.start))
        self._take(theta, found)
        if not math.isfinite(found.log_evidence):
            return -math.inf, np.zeros(len(theta))
        by_matrix = laplace.gradient(found, self.y_N, K_N_N)
        return float(found.log_evidence), self.covariance.gradient(theta, K_N_N, by_matrix)

    def _matrix(self, theta: Vector) -> Array:
        known = self.known
        self._keep(known=None)
        if known is not None and np.array_equal(theta, known[0]):
            return known[1]
        return self.covariance.matrix(theta)

    def _take(self, theta: Vector, found: laplace.Laplace) -> None:
        self._keep(posterior=found, at=theta)
        if math.isfinite(found.log_evidence):  # the last mode found is the next one's start: theta moves little
            self._keep(start=found.nearby())

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
            start = laplace.append(last.posterior, K_N_N[:n_last, n_last:], K_N_N[n_last:, n_last:])
            self._keep(start=start, known=(theta, K_N_N))  # the search begins there
        else:  # the last model's latent mean: its mode at points that it knew, its prediction at new ones
            self._keep(start=laplace.Nearby(last.latent(self.x_N_D)[0]))

    def jump(self) -> None:
        if self.start is not None:  # the mode is of use elsewhere too, the matrix is not
            self._keep(start=laplace.Nearby(self.posterior.f_N))

    def _covariance_on(self, x_N_D: Array) -> Covariance:
        # to the last bit as after a fit on all these points
        return covariance_of(self.covar_module, x_N_D, self.covariance)

    def _append_to(self, last: ClassificationGP) -> None:
        self.continue_from(last)
        self.condition()

    def latent_without_itself(self) -> tuple[Array, Array]:
        """Mean and variance of the latent function at each labelled point given the other labels, (N,) each."""
        with one_thread(len(self.y_N)):
            return laplace.leave_one_out(self.posterior, self.covariance_matrix())


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
    jitter: float
    #: whether a warning has said so, in this round or an earlier one
    is_ill_conditioned: bool
    #: number of points when the whole matrix was factored last; the others were appended
    factored_at: int
    learns_noise: bool

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
        raw_noise = likelihood.noise_covar.raw_noise
        self._keep(jitter=jitter, is_ill_conditioned=False, factored_at=0, learns_noise=raw_noise.requires_grad)

    @property
    def free(self) -> Free:
        if not self.learns_noise:
            return super().free
        noise_covar = self.likelihood.noise_covar
        return [*super().free, (noise_covar.raw_noise, noise_covar.raw_noise_constraint)]

    @property
    def noise(self) -> float:
        """Variance of the noise, in units of the (scaled) target."""
        return math.exp(self.likelihood.noise_covar.raw_noise.item())

    def noisy_covariance(self) -> Array:
        """K_y of the labelled points at the present hyperparameters, (N, N)."""
        return add_to_diagonal(self.covariance_matrix(), self.noise + self.jitter)

    def evidence(self, theta: Vector) -> tuple[float, Vector]:
        noise = math.exp(theta[-1]) if self.learns_noise else self.noise
        kernel_theta = theta[:-1] if self.learns_noise else theta
        K_N_N = self.covariance.matrix(kernel_theta)
        found = exact.factored(add_to_diagonal(1.0 * K_N_N, noise + self.jitter), self.y_N)
        self._keep(posterior=found, at=theta, factored_at=len(self.y_N))
        if not math.isfinite(found.log_evidence):
            return -math.inf, np.zeros(len(theta))
        by_matrix = exact.gradient(found, self.y_N, noise + self.jitter)
        gradient = self.covariance.gradient(kernel_theta, K_N_N, by_matrix)
        if self.learns_noise:
            gradient = np.append(gradient, noise * exact.gradient_by_noise(found))
        return float(found.log_evidence), gradient

    def condition(self) -> None:
        found = exact.condition(self.noisy_covariance(), self.y_N)
        self._keep(posterior=found, at=self.theta, factored_at=len(self.y_N))

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
            self._keep(posterior=found, at=last.at, factored_at=last.factored_at)
        else:
            self.condition()

    def latent_without_itself(self) -> tuple[Array, Array]:
        """Mean and variance of the latent function at each labelled point given the others, (N,) each."""
        with one_thread(len(self.y_N)):
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
