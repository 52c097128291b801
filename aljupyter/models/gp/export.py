"""A fitted GP as GPyTorch's `ExactGP`, for what GPyTorch has for those: joint posteriors, fantasies, gradients by x.

A regressor is one already. A classifier's Laplace posterior is that of a regression on pseudo-targets
z = K a + a / W with a noise variance 1 / W for each point (Rasmussen & Williams 2006, section 3.4, in the names of
:mod:`laplace`): then (K + W^-1)^-1 z = a, so the mean k*' a is (3.21), and the variance (3.24) is already written so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from typing import Any

import torch
from gpytorch import settings
from gpytorch.distributions import MultivariateNormal
from gpytorch.kernels import Kernel, ScaleKernel
from gpytorch.likelihoods import FixedNoiseGaussianLikelihood, GaussianLikelihood, Likelihood
from gpytorch.means import ConstantMean
from gpytorch.models import ExactGP
from gpytorch.models.exact_prediction_strategies import DefaultPredictionStrategy
from linear_operator import to_dense
from torch import Tensor

from aljupyter.models.gp.arrays import as_tensor, diagonal
from aljupyter.models.gp.kernels import LogInterval
from aljupyter.models.gp.modules import ClassificationGP, RegressionGP, gaussian_likelihood

# A point that the model is sure of has W = 0 in floating point. As K a + a / W makes the mean exact for any W, this
# in its place changes nothing but the variance, by a relative 1e-30 times the prior variance.
_SMALLEST_W = 1e-30
# In units of the prior variance: what GPyTorch may add to a matrix that it cannot factor, tenfold more at each try.
_FIRST_JITTER, _TRIES = 1e-15, 10


class ExactTwin(ExactGP):
    """An `ExactGP` with the posterior of a fitted model, computed by Cholesky factors whatever its size.

    GPyTorch by itself turns to iterative solvers beyond 800 points, and adds 1e-8 to the diagonal of a matrix that it
    cannot factor, whatever the units.

    Parameters
    ----------
    x_N_D, y_N : Tensor
        Labelled points and targets, float64.
    likelihood : Likelihood
    mean : float
        Prior mean.
    kernel : gpytorch.kernels.Kernel
        Not shared with anyone.
    variance : float
        What the kernel is to be multiplied by.
    """

    def __init__(
        self, x_N_D: Tensor, y_N: Tensor, likelihood: Likelihood, mean: float, kernel: Kernel, variance: float
    ):
        super().__init__(x_N_D.clone(), y_N.clone(), likelihood)
        self.mean_module = ConstantMean().double()
        self.mean_module.constant.data.fill_(mean)
        self.covar_module = _InTargetUnits(kernel, variance)
        self.to(x_N_D.device)
        self.eval()

    def forward(self, x_M_D: Tensor) -> MultivariateNormal:
        return MultivariateNormal(self.mean_module(x_M_D), self.covar_module(x_M_D))

    def __call__(self, *args: Any, **kwargs: Any) -> MultivariateNormal:
        with self._exactly():
            return super().__call__(*args, **kwargs)

    def get_fantasy_model(self, inputs: Tensor, targets: Tensor, **kwargs: Any) -> ExactTwin:
        """The GP given further targets; unlike GPyTorch's, it need not have predicted before.

        Parameters
        ----------
        inputs : Tensor of shape (K, D)
        targets : Tensor of shape (K,)
            In units of the target; pseudo-targets for a classifier.
        noise : Tensor of shape (K,)
            For a classifier: variances of the pseudo-targets.
        """
        with self._exactly():
            if self.prediction_strategy is None:
                with settings.debug(False):  # which warns of points that are the labelled ones
                    super().__call__(self.train_inputs[0][..., :1, :])
            return super().get_fantasy_model(inputs, targets, **kwargs)

    @contextmanager
    def _exactly(self) -> Iterator[None]:
        with torch.no_grad():
            scale = self.covar_module(self.train_inputs[0], diag=True).mean().item()
        with ExitStack() as stack:
            stack.enter_context(settings.fast_computations(False, False, False))
            stack.enter_context(settings.max_cholesky_size(2**62))
            stack.enter_context(settings.cholesky_jitter(double_value=_FIRST_JITTER * scale))
            stack.enter_context(settings.cholesky_max_tries(_TRIES))
            yield


class _InTargetUnits(ScaleKernel):
    """A kernel times a constant, as a dense matrix with GPyTorch's plain prediction strategy.

    Kernels of low rank bring strategies of their own, which lose digits where the noise is small.
    """

    def __init__(self, kernel: Kernel, variance: float):
        super().__init__(kernel, outputscale_constraint=LogInterval(0.0, math.inf))
        self.double()
        self.raw_outputscale.data.fill_(math.log(variance))
        self.raw_outputscale.requires_grad_(False)

    def forward(self, x1: Tensor, x2: Tensor, diag: bool = False, **params: Any) -> Tensor:
        # lazily: else a sum of kernels with one of low rank is factored, of which nobody has any use
        with settings.lazily_evaluate_kernels(True):
            return to_dense(super().forward(x1, x2, diag=diag, **params))

    def prediction_strategy(self, *args: Any, **kwargs: Any) -> DefaultPredictionStrategy:
        return DefaultPredictionStrategy(*args, **kwargs)


def regression_twin(model: RegressionGP, mean: float, scale: float) -> ExactTwin:
    """The regressor's `ExactGP`.

    Parameters
    ----------
    model : RegressionGP
        Conditioned.
    mean, scale : float
        Of the target: the unit of the result is that of ``mean + scale * model.y_N``.
    """
    likelihood: GaussianLikelihood = gaussian_likelihood(scale**2 * _noise_of(model))
    return ExactTwin(
        as_tensor(model.x_N_D),
        mean + scale * as_tensor(model.y_N),
        likelihood.eval(),
        mean,
        deepcopy(model.covar_module),
        scale**2,
    )


def classification_twin(model: ClassificationGP) -> ExactTwin:
    """The `ExactGP` of a binary classifier's latent function."""
    W_N = as_tensor(model.posterior.sqrt_w_N).square().clamp_min(_SMALLEST_W)
    a_N = as_tensor(model.posterior.a_N)
    z_N = as_tensor(model.covariance_matrix()) @ a_N + a_N / W_N
    likelihood = FixedNoiseGaussianLikelihood(1 / W_N)  # 4 at least: far from GPyTorch's least fixed noise
    return ExactTwin(as_tensor(model.x_N_D), z_N, likelihood.eval(), 0.0, deepcopy(model.covar_module), 1.0)


def _noise_of(model: RegressionGP) -> float:
    """What K_y has on its diagonal beyond K: noise, jitter, and what was added where it could not be factored."""
    variance_N, chol_N_N = diagonal(model.covariance_matrix()), model.posterior.chol_N_N
    noise = model.noise + model.jitter
    more = float(((chol_N_N * chol_N_N).sum(1) - variance_N).mean()) - noise
    return noise + (more if more > 1e-13 * float(variance_N.mean()) else 0.0)
