"""Exact Gaussian process regression (Rasmussen & Williams 2006, "R&W", sections 2.2, 5.4).

K_y = K + noise I = L L', alpha = K_y^-1 y (Algorithm 2.1). Targets have mean zero.
"""

from __future__ import annotations

import math
import warnings
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from aljupyter.errors import ModelError


class Conditioned(NamedTuple):
    """The GP given n targets."""

    alpha_N: Tensor
    chol_N_N: Tensor
    log_evidence: Tensor  # scalar


def _log_evidence(y_N: Tensor, alpha_N: Tensor, chol_N_N: Tensor) -> Tensor:
    """Log marginal likelihood (R&W 2.30)."""
    return -0.5 * y_N @ alpha_N - chol_N_N.diagonal().log().sum() - 0.5 * len(y_N) * math.log(2 * math.pi)


class ExactEvidence(torch.autograd.Function):
    """(K_y, y) -> log p(y), differentiable by K_y once: (alpha alpha' - K_y^-1) / 2 (R&W 5.9).

    Minus infinity where K_y is not positive definite in floating point.
    """

    @staticmethod
    def forward(ctx: Any, K_N_N: Tensor, y_N: Tensor) -> Tensor:
        chol_N_N, info = torch.linalg.cholesky_ex(K_N_N)
        if info != 0:
            return K_N_N.new_tensor(-math.inf)
        alpha_N = torch.cholesky_solve(y_N[:, None], chol_N_N)[:, 0]
        ctx.save_for_backward(alpha_N, chol_N_N)
        return _log_evidence(y_N, alpha_N, chol_N_N)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        alpha_N, chol_N_N = ctx.saved_tensors
        return 0.5 * grads[0] * (torch.outer(alpha_N, alpha_N) - torch.cholesky_inverse(chol_N_N)), None


def condition(K_N_N: Tensor, y_N: Tensor) -> Conditioned:
    """Condition on the targets; where K_y is singular in floating point, with the least jitter that cures it.

    Raises
    ------
    ModelError
        Where no jitter helps.
    """
    scale = K_N_N.diagonal().mean().item()
    for jitter in (0.0, *(10.0**k for k in range(-12, -3))):
        chol_N_N, info = torch.linalg.cholesky_ex(K_N_N + jitter * scale * torch.eye(len(y_N)).to(K_N_N))
        if info == 0:
            break
    else:
        raise ModelError(
            "The kernel matrix of the labelled points is not positive definite: this kernel is no covariance function "
            "for features of this dimension, or it gives NaN."
        )
    if jitter > 0:
        warnings.warn(
            f"The kernel matrix of the {len(y_N)} labelled points is singular in floating point; noise of {jitter:g} "
            f"times the mean variance was added. Give a larger `noise`.",
            RuntimeWarning,
            stacklevel=2,
        )
    alpha_N = torch.cholesky_solve(y_N[:, None], chol_N_N)[:, 0]
    return Conditioned(alpha_N, chol_N_N, _log_evidence(y_N, alpha_N, chol_N_N))


def predict_latent(conditioned: Conditioned, K_N_M: Tensor, k_M: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of the latent function (R&W 2.25, 2.26; Algorithm 2.1).

    Parameters
    ----------
    K_N_M : Tensor of shape (N, M)
        Covariance of labelled and new points.
    k_M : Tensor of shape (M,)
        Prior variance at the new points.
    """
    v_N_M = torch.linalg.solve_triangular(conditioned.chol_N_N, K_N_M, upper=False)
    return conditioned.alpha_N @ K_N_M, (k_M - v_N_M.square().sum(0)).clamp_min(0.0)


def leave_one_out(conditioned: Conditioned, y_N: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance, noise included, of each target given all the others (R&W 5.12)."""
    variance_N = 1 / torch.cholesky_inverse(conditioned.chol_N_N).diagonal()
    return y_N - conditioned.alpha_N * variance_N, variance_N
