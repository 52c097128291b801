"""Measures for finding a large value of the target with few labels (Table 3 of the paper, arXiv:2205.11117)."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from aljupyter.informativeness.checks import check_goal, check_incumbent, check_xi, regression_posterior
from aljupyter.posterior import RegressionPosterior

_LOG_SQRT_2_PI = 0.5 * math.log(2 * math.pi)
#: standard deviations below the incumbent from which on a series is more precise than erfcx
_FAR = 1e3


def expected_improvement(
    posterior: RegressionPosterior, incumbent: float, xi: float = 0.0, goal: str = "max", log: bool = False
) -> Tensor:
    """By how much the latent function is expected to exceed the best value so far.

    I(x) = E[max(f(x) - incumbent - xi, 0)] = s h(z), with z = (E[f(x)] - incumbent - xi) / s, s^2 = Var[f(x)] and
    h(z) = phi(z) + z Phi(z) of the normal density phi and its integral Phi (Mockus et al. 1978; Jones et al. 1998,
    equation 15). With goal "min" that of -f over -incumbent. Below the incumbent, where the two terms cancel, h is
    taken as phi(z) (1 + z Phi(z) / phi(z)), by the scaled complementary error function.

    Parameters
    ----------
    posterior : RegressionPosterior
        Over N points; taken to be normal.
    incumbent : float
        Best value so far, in units of the target. The best label, as a rule; where labels are noisy that is a lucky
        one, and the best mean at a labelled point is the more cautious choice.
    xi : float
        Improvement that does not count, in units of the target, at least 0: more of it explores more.
    goal : {"max", "min"}
        Whether large or small values are sought.
    log : bool
        Whether to give the logarithm. It ranks the same, and goes on to do so some 38 standard deviations below the
        incumbent and further, where the improvement itself is 0 in floating point (Ament et al. 2023).

    Returns
    -------
    Tensor of shape (N,), float64, at least 0, in units of the target; with `log`, its logarithm
        max(E[f(x)] - incumbent - xi, 0) where the variance is 0.

    Raises
    ------
    WrongTask
    InvalidParameter
        If the incumbent is not finite, xi negative or not finite, or the goal another one.

    Examples
    --------
    >>> posterior = RegressionPosterior(torch.tensor([1.0, 0.0, 2.0]), torch.tensor([1.0, 4.0, 0.0]))
    >>> expected_improvement(posterior, incumbent=1.0).round(decimals=4).tolist()
    [0.3989, 0.3956, 1.0]
    """
    posterior = regression_posterior(posterior, "expected_improvement")
    sign = 1.0 if check_goal(goal) == "max" else -1.0
    gain_N = sign * (posterior.mean_N.detach().cpu().double() - check_incumbent(incumbent)) - check_xi(xi)
    std_N = posterior.variance_N.detach().cpu().double().sqrt()
    z_N = torch.where(std_N > 0, gain_N / std_N, gain_N * math.inf).nan_to_num(0.0, math.inf, -math.inf)
    if log:
        below_N = std_N.log() + _log_h(z_N)
        above_N = _improvement(gain_N, std_N, z_N).log()
        return torch.where(z_N < 0, below_N, above_N)
    return _improvement(gain_N, std_N, z_N)


def _improvement(gain_N: Tensor, std_N: Tensor, z_N: Tensor) -> Tensor:
    density_N = (-0.5 * z_N.square() - _LOG_SQRT_2_PI).exp()
    above_N = std_N * density_N + gain_N * torch.special.ndtr(z_N)
    below_N = std_N * density_N * _remaining(z_N.clamp(-_FAR, 0))  # the density of less is 0
    return torch.where(z_N < 0, below_N, above_N)


def _remaining(z_N: Tensor) -> Tensor:
    """1 + z Phi(z) / phi(z) for -1000 <= z <= 0."""
    return 1 + z_N * math.sqrt(math.pi / 2) * torch.special.erfcx(-z_N / math.sqrt(2))


def _log_h(z_N: Tensor) -> Tensor:
    """log(phi(z) + z Phi(z)) for z <= 0."""
    inverse_N = z_N.clamp_max(-_FAR).reciprocal().square()  # of 1 / z^2
    far_N = inverse_N.log() + torch.log1p(-3 * inverse_N)
    near_N = _remaining(z_N.clamp(-_FAR, 0)).log()
    return -0.5 * z_N.square() - _LOG_SQRT_2_PI + torch.where(z_N < -_FAR, far_N, near_N)


def thompson(posterior: RegressionPosterior, generator: np.random.Generator | torch.Generator) -> Tensor:
    """One function drawn from the posterior: a point is best as often as it is believed to be.

    I(x) = f(x) with f drawn from the posterior (Thompson 1933; Russo et al. 2018), once for all points. That asks for
    dependence between points: the posterior's own draws or its joint covariance are used, see
    :meth:`RegressionPosterior.sample`. A posterior with neither gives each point a draw of its own. That is no Thompson
    sampling in the strict sense: among many points alike, one will be high by chance, so large regions of large
    variance are asked more often than they should be.

    Parameters
    ----------
    posterior : RegressionPosterior
        Over N points.
    generator : numpy.random.Generator or torch.Generator
        The same state gives the same function.

    Returns
    -------
    Tensor of shape (N,), float64, in units of the target

    Raises
    ------
    WrongTask

    Examples
    --------
    >>> posterior = RegressionPosterior(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 0.0]))
    >>> thompson(posterior, np.random.default_rng(0)).tolist()
    [1.0, 2.0]
    """
    return regression_posterior(posterior, "thompson").sample(1, generator)[0]
