"""The GPs themselves, as GPyTorch modules: a kernel and its data; theta in, evidence and predictions out.

GPyTorch owns parameters, constraints, priors and `state_dict`; the algebra is in :mod:`laplace` and :mod:`exact`.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator
from typing import NamedTuple

import gpytorch
import numpy as np
import torch
from gpytorch.kernels import Kernel
from gpytorch.likelihoods import GaussianLikelihood
from numpy.typing import NDArray
from torch import Tensor

from aljupyter.control import Control
from aljupyter.errors import ModelError
from aljupyter.models.gp import exact, laplace
from aljupyter.models.gp.kernels import LogInterval, free_parameters, get_theta, set_theta, theta_bounds
from aljupyter.models.gp.optimise import Vector, lbfgsb, search
from aljupyter.models.gp.priors import log_prior

#: points predicted at once: larger chunks fall out of the processor's cache
CHUNK = 1024


class WarmStart(NamedTuple):
    """What the last fit leaves for the next one."""

    theta: Vector
    inverse_hessian: NDArray[np.float64]
    turn: int  # the cold starts take turns as the second start
    f_N: Tensor | None = None  # latent values to start Newton's iteration from


class GaussianProcess(gpytorch.models.GP):
    """A zero-mean GP prior and its n labelled points.

    Parameters
    ----------
    kernel : gpytorch.kernels.Kernel
        Parameters hold logarithms (:func:`make_kernel`).
    x_N_D, y_N : Tensor
        float64.
    use_prior : bool
        Whether the priors registered in the module take part in the search for theta.
    """

    def __init__(self, kernel: Kernel, x_N_D: Tensor, y_N: Tensor, use_prior: bool):
        super().__init__()
        self.covar_module = kernel
        self.x_N_D = x_N_D
        self.y_N = y_N
        self.use_prior = use_prior
        self.inverse_hessian = np.eye(0)

    @abstractmethod
    def log_evidence(self) -> Tensor:
        """Log marginal likelihood at the present hyperparameters, differentiable."""

    @abstractmethod
    def condition(self) -> None:
        """Make ready for predictions at the present hyperparameters."""

    @abstractmethod
    def latent_chunk(self, x_M_D: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of the latent function, (M,) each, for as many points as memory holds at once."""

    @property
    @abstractmethod
    def log_evidence_(self) -> float:
        """Log marginal likelihood of the conditioned model."""

    @property
    def theta(self) -> Vector:
        return get_theta(self)

    def covariance(self) -> Tensor:
        """Prior covariance of the labelled points, (N, N)."""
        return self.covar_module(self.x_N_D).to_dense()

    def evidence_and_gradient(self, theta: Vector, with_prior: bool = False) -> tuple[float, Vector]:
        """Log marginal likelihood (plus log prior) and its gradient; moves the hyperparameters to theta."""
        set_theta(self, theta)
        parameters = free_parameters(self)
        with torch.enable_grad():
            value = self.log_evidence()
            if with_prior:
                value = value + log_prior(self)
            if not (math.isfinite(value.item()) and parameters):
                return value.item(), np.zeros(len(theta))
            gradients = torch.autograd.grad(value, parameters)
        return value.item(), torch.cat([g.reshape(-1) for g in gradients]).cpu().numpy()

    def evidence_at(self, theta: Vector) -> tuple[float, Vector]:
        """:meth:`evidence_and_gradient` without prior, leaving the model as it is."""
        kept = self.theta
        try:
            return self.evidence_and_gradient(theta)
        finally:
            set_theta(self, kept)

    def learn(
        self,
        optimizer: str | None,
        starts: list[Vector],
        inverse_hessian: NDArray[np.float64] | None,
        control: Control | None,
    ) -> None:
        """Find theta, then condition.

        Raises
        ------
        ModelError
            Where the evidence is finite at no start.
        RoundCancelled
        """
        if optimizer is not None and len(starts[0]):
            bounds = theta_bounds(self)

            def objective(theta: Vector) -> tuple[float, Vector]:
                value, gradient = self.evidence_and_gradient(theta, self.use_prior)
                return (-value, -gradient) if math.isfinite(value) else (math.inf, gradient)

            if optimizer == "faithful":
                found = lbfgsb(objective, starts[0], bounds, control)
            else:
                found = search(objective, starts, bounds, inverse_hessian, control)
            set_theta(self, found.theta)
            self.inverse_hessian = found.inverse_hessian
        self.condition()
        if not math.isfinite(self.log_evidence_):
            raise ModelError(
                "The GP's log marginal likelihood is not finite at any hyperparameters tried: the kernel gives NaN or "
                "infinite covariances for these features."
            )

    @torch.no_grad()
    def latent(self, x_M_D: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of the latent function at any number of points, in chunks: never an M x M matrix."""
        chunks: Iterator[tuple[Tensor, Tensor]] = (self.latent_chunk(chunk) for chunk in x_M_D.split(CHUNK))
        means, variances = zip(*chunks, strict=True)
        return torch.cat(means), torch.cat(variances)


class ClassificationGP(GaussianProcess):
    """Binary classification by Laplace's approximation; y is 0 or 1.

    Attributes
    ----------
    f_N : Tensor of shape (N,) or None
        Latent values to start the search for the mode from; 0 where None.
    """

    def __init__(self, kernel: Kernel, x_N_D: Tensor, y_N: Tensor, use_prior: bool):
        super().__init__(kernel, x_N_D, y_N, use_prior)
        self.f_N: Tensor | None = None

    def log_evidence(self) -> Tensor:
        # the last mode found is the next one's start: theta moves little between steps
        value, f_N = laplace.LaplaceEvidence.apply(self.covariance(), self.y_N, self.f_N)
        if bool(torch.isfinite(f_N).all()):
            self.f_N = f_N
        return value

    @torch.no_grad()
    def condition(self) -> None:
        K_N_N = self.covariance()
        self.restore(laplace.find_mode(K_N_N, self.y_N, self.f_N))

    @torch.no_grad()
    def restore(self, f_N: Tensor) -> None:
        """Take a known mode at the present hyperparameters, without searching."""
        self.f_N = f_N
        self.posterior = laplace.approximate(self.covariance(), self.y_N, f_N)

    @property
    def log_evidence_(self) -> float:
        return self.posterior.log_evidence.item()

    def latent_chunk(self, x_M_D: Tensor) -> tuple[Tensor, Tensor]:
        K_N_M = self.covar_module(self.x_N_D, x_M_D).to_dense()
        return laplace.predict_latent(self.posterior, K_N_M, self.covar_module(x_M_D, diag=True))

    @torch.no_grad()
    def probability(self, x_M_D: Tensor) -> Tensor:
        """p(y = 1 | x), shape (M,)."""
        return laplace.expected_logistic(*self.latent(x_M_D))

    @torch.no_grad()
    def probability_without_itself(self) -> Tensor:
        """p(y_i = 1 | x_i, all labels but the i-th), shape (N,)."""
        return laplace.expected_logistic(*laplace.leave_one_out(self.posterior, self.covariance()))


class RegressionGP(GaussianProcess):
    """Exact regression on centred targets with Gaussian noise.

    Parameters
    ----------
    likelihood : GaussianLikelihood
        Its noise is learned unless its parameter does not require a gradient.
    jitter : float
        Added to the noise, never part of it.
    """

    def __init__(
        self,
        kernel: Kernel,
        x_N_D: Tensor,
        y_N: Tensor,
        use_prior: bool,
        likelihood: GaussianLikelihood,
        jitter: float,
    ):
        super().__init__(kernel, x_N_D, y_N, use_prior)
        self.likelihood = likelihood
        self.jitter = jitter

    def noisy_covariance(self) -> Tensor:
        eye_N_N = torch.eye(len(self.y_N), dtype=self.y_N.dtype, device=self.y_N.device)
        return self.covariance() + (self.likelihood.noise + self.jitter) * eye_N_N

    def log_evidence(self) -> Tensor:
        return exact.ExactEvidence.apply(self.noisy_covariance(), self.y_N)

    @torch.no_grad()
    def condition(self) -> None:
        self.posterior = exact.condition(self.noisy_covariance(), self.y_N)

    @property
    def log_evidence_(self) -> float:
        return self.posterior.log_evidence.item()

    def latent_chunk(self, x_M_D: Tensor) -> tuple[Tensor, Tensor]:
        K_N_M = self.covar_module(self.x_N_D, x_M_D).to_dense()
        return exact.predict_latent(self.posterior, K_N_M, self.covar_module(x_M_D, diag=True))

    @torch.no_grad()
    def latent_without_itself(self) -> tuple[Tensor, Tensor]:
        """Mean and variance of the latent function at each labelled point given the others, (N,) each."""
        mean_N, variance_N = exact.leave_one_out(self.posterior, self.y_N)
        return mean_N, (variance_N - self.likelihood.noise - self.jitter).clamp_min(0.0)


def gaussian_likelihood(noise: float | None) -> GaussianLikelihood:
    """A likelihood whose noise variance is learned from 1 on, or fixed as given."""
    if noise is None:
        likelihood = GaussianLikelihood(noise_constraint=LogInterval()).double()
        likelihood.noise_covar.raw_noise.data.zero_()
    else:
        likelihood = GaussianLikelihood(noise_constraint=LogInterval(0.0, math.inf)).double()
        likelihood.noise_covar.raw_noise.data.fill_(math.log(noise) if noise > 0 else -math.inf)
        likelihood.noise_covar.raw_noise.requires_grad_(False)
    return likelihood
