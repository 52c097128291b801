"""The default priors over hyperparameters, as GPyTorch constraints and priors.

They were chosen by experiment: over fourteen classification sets the guard lifts even random queries (by 0.6 points of
balanced accuracy; none of the sets got worse), over eleven regression sets the hierarchical ARD prior lowers the error
by a median of 13% against an isotropic kernel fitted by marginal likelihood.
"""

from __future__ import annotations

import math

import gpytorch
import numpy as np
import torch
from gpytorch.kernels import Kernel, RBFKernel, ScaleKernel
from gpytorch.likelihoods import GaussianLikelihood
from gpytorch.priors import MultivariateNormalPrior, NormalPrior
from numpy.typing import NDArray
from torch import Tensor

from aljupyter.models.gp.arrays import Array
from aljupyter.models.gp.kernels import LogInterval, copy_of, free_parameters, rms_distance, write


def guard(kernel: Kernel, x: Array) -> None:
    """Keep a C * RBF classifier from the two degenerate optima: variance in [0.5, 1000], length in [0.1, 5] x rms.

    With few labels the marginal likelihood often has its maximum where all is noise (variance to 0) or where every
    point is an island (length scale to 0). The rms distance is that of the labelled points `x`.
    """
    assert isinstance(kernel, ScaleKernel) and isinstance(kernel.base_kernel, RBFKernel)
    rms = rms_distance(x)
    kernel.register_constraint("raw_outputscale", LogInterval(0.5, 1000.0))
    kernel.base_kernel.register_constraint("raw_lengthscale", LogInterval(0.1 * rms, 5 * rms))


def hierarchical(kernel: Kernel, x: Array) -> None:
    """Length scales that share a common factor, each free to differ; for a C * RBF regressor on a normalised target.

    log l_j = common + deviation_j, common ~ N(log c, 1), deviation_j ~ N(0, 0.5): jointly the log length scales are
    normal with covariance 1 + 0.5 I. The centre c = rms distance / sqrt(2) is sqrt(D) for standardised features.
    log signal variance ~ N(0, 1.5^2). The densities are of the logarithms, in which the optimum is sought.
    """
    assert isinstance(kernel, ScaleKernel) and isinstance(kernel.base_kernel, RBFKernel)
    rbf = kernel.base_kernel
    centre, n_scales = rms_distance(x) / math.sqrt(2), rbf.raw_lengthscale.numel()
    mean = torch.full((n_scales,), math.log(centre), dtype=torch.float64)
    covariance = torch.ones(n_scales, n_scales, dtype=torch.float64)
    if n_scales > 1:
        covariance += 0.5 * torch.eye(n_scales, dtype=torch.float64)
    rbf.register_constraint("raw_lengthscale", LogInterval(0.01 * centre, 100 * centre))
    rbf.register_prior("log_lengthscale_prior", MultivariateNormalPrior(mean, covariance), _log_lengthscale)
    kernel.register_constraint("raw_outputscale", LogInterval(1e-3, 1e3))
    kernel.register_prior("log_outputscale_prior", _normal(0.0, 1.5), _log_outputscale)


def noisy(likelihood: GaussianLikelihood) -> None:
    """log noise variance ~ N(log 0.2, 1), in units of the normalised target."""
    likelihood.noise_covar.register_prior("log_noise_prior", _normal(math.log(0.2), 1.0), _log_noise)


def log_prior(module: gpytorch.Module) -> Tensor:
    """Log density of the hyperparameters under all the priors registered in the module, one at least."""
    return torch.stack(
        [prior.log_prob(closure(part)).sum() for _, part, prior, closure, _ in module.named_priors()]
    ).sum()


class Hyperprior:
    """Log density of theta under the priors registered in a module, up to a constant, and its gradient.

    Normal priors on raw parameters, as the default ones are, become one quadratic form; others go through autograd.

    Parameters
    ----------
    module : gpytorch.Module
    """

    def __init__(self, module: gpytorch.Module):
        self._module = copy_of(module)  # its parameters are moved about
        self._free = free_parameters(self._module)
        self._parameters = [parameter for parameter, _ in self._free]
        self._quadratic = self._as_quadratic()

    def __call__(self, theta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        if self._quadratic is not None:
            mean, precision = self._quadratic
            pull = precision @ (mean - theta)
            return -0.5 * float((mean - theta) @ pull), pull
        write(self._free, theta)
        with torch.enable_grad():
            value = log_prior(self._module)
        parts = torch.autograd.grad(value, self._parameters, materialize_grads=True)
        return float(value.detach()), torch.cat([part.reshape(-1) for part in parts]).cpu().numpy()

    def _as_quadratic(self) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Mean and precision of theta, where every prior is normal and about a raw parameter as it is."""
        ends = np.cumsum([parameter.numel() for parameter in self._parameters])
        starts = {id(p): end - p.numel() for p, end in zip(self._parameters, ends, strict=True)}
        size = int(ends[-1])
        mean, precision = np.zeros(size), np.zeros((size, size))
        for _, part, prior, closure, _ in self._module.named_priors():
            raw = closure(part)
            if id(raw) not in starts or type(prior) not in (NormalPrior, MultivariateNormalPrior):
                return None
            span = slice(starts[id(raw)], starts[id(raw)] + raw.numel())
            if precision[span, span].any():  # a second prior about the same parameter
                return None
            mean[span] = prior.mean.detach().cpu().expand(raw.numel()).numpy()
            if isinstance(prior, NormalPrior):
                precision[span, span] = np.diag(1 / prior.variance.detach().cpu().expand(raw.numel()).numpy())
            else:
                precision[span, span] = np.linalg.inv(prior.covariance_matrix.detach().cpu().numpy())
        return mean, precision


def has_priors(module: gpytorch.Module) -> bool:
    """Whether any prior is registered in the module."""
    return next(module.named_priors(), None) is not None


def _normal(mean: float, std: float) -> NormalPrior:
    return NormalPrior(torch.tensor(mean, dtype=torch.float64), torch.tensor(std, dtype=torch.float64))


# functions with a name, not lambdas: a fitted model can be pickled and deep-copied
def _log_lengthscale(kernel: Kernel) -> Tensor:
    return kernel.raw_lengthscale


def _log_outputscale(kernel: ScaleKernel) -> Tensor:
    return kernel.raw_outputscale


def _log_noise(noise_covar: gpytorch.Module) -> Tensor:
    return noise_covar.raw_noise
