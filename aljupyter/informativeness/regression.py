"""Measures for regression (Table 3 and Appendix A.1 of the PyRelationAL paper, arXiv:2205.11117)."""

from __future__ import annotations

from torch import Tensor

from aljupyter.informativeness.checks import check_weight, regression_posterior
from aljupyter.posterior import RegressionPosterior


def variance(posterior: RegressionPosterior) -> Tensor:
    """Variance of the latent function, the paper's least confidence for regression.

    I(x) = Var[f(x)] (MacKay 1992; the paper's Appendix A.1). The noise of an observation is left out: it is the same
    whatever one asks, or cannot be reduced by asking.

    Parameters
    ----------
    posterior : RegressionPosterior
        Over N points.

    Returns
    -------
    Tensor of shape (N,), in squared units of the target

    Raises
    ------
    WrongTask

    Examples
    --------
    >>> import torch
    >>> variance(RegressionPosterior(torch.tensor([1.0, 2.0]), torch.tensor([0.5, 0.1])))
    tensor([0.5000, 0.1000])
    """
    return regression_posterior(posterior, "variance").variance_N


def greedy(posterior: RegressionPosterior) -> Tensor:
    """Mean prediction: ask where the target is believed to be high.

    I(x) = E[Y | x] (the paper's Appendix A.1).

    Parameters
    ----------
    posterior : RegressionPosterior
        Over N points.

    Returns
    -------
    Tensor of shape (N,), in units of the target

    Raises
    ------
    WrongTask

    Examples
    --------
    >>> import torch
    >>> greedy(RegressionPosterior(torch.tensor([1.0, 2.0]), torch.tensor([0.5, 0.1])))
    tensor([1., 2.])
    """
    return regression_posterior(posterior, "greedy").mean_N


def ucb(posterior: RegressionPosterior, weight: float = 1.0) -> Tensor:
    """Upper confidence bound: greedy mean plus `weight` standard deviations.

    I(x) = E[Y | x] + weight * sqrt(Var[f(x)]) (Auer 2002; the paper's Appendix A.1, where weight is lambda).

    Parameters
    ----------
    posterior : RegressionPosterior
        Over N points.
    weight : float
        Standard deviations added, at least 0; 0 is :func:`greedy`.

    Returns
    -------
    Tensor of shape (N,), in units of the target

    Raises
    ------
    WrongTask
    InvalidParameter
        If the weight is negative or not finite.

    Examples
    --------
    >>> import torch
    >>> ucb(RegressionPosterior(torch.tensor([1.0, 2.0]), torch.tensor([0.25, 0.0])), weight=2)
    tensor([2., 2.])
    """
    posterior = regression_posterior(posterior, "ucb")
    return posterior.mean_N + check_weight(weight) * posterior.std_N
