"""Laplace's approximation for the binary GP classifier with the logistic link.

Equations and algorithms are those of Rasmussen & Williams (2006), "R&W", chapters 3 and 5. Labels are y in {0, 1}
(R&W's t), pi = sigma(f), W = diag(pi (1 - pi)) the negative Hessian of log p(y | f) (3.15), a = grad log p(y | f) =
y - pi.

Mode (Algorithm 3.1)
    Psi(f) = log p(y | f) - f' K^-1 f / 2 is concave (3.12). With f = K a, Newton's step is (3.18), computed through
    B = I + W^1/2 K W^1/2, whose eigenvalues are at least 1 (3.26):
        b = W f + y - pi,   a = b - W^1/2 B^-1 W^1/2 K b,   f = K a.
    A step that lowers Psi is halved. At the mode a = y - pi.

Evidence (3.32)
    log q(y) = -a' f / 2 + log p(y | f) - log |B| / 2.

Its derivative (section 5.5.1) by the matrix K, so that autograd does the kernel's own chain rule:
    explicit  (5.22)   (a a' - R) / 2,                    R = W^1/2 B^-1 W^1/2 = (K + W^-1)^-1
    implicit  (5.21)   through the mode: s' df,           s_i = d(-log |B| / 2) / d f_i  (5.23)
    (5.24)             df = (I + K W)^-1 dK a = (I - K R) dK a
    together           d log q / dK = (a a' - R) / 2 + u a',   u = (I - R K) s.
    s needs the posterior variances Sigma_ii = [(K^-1 + W)^-1]_ii and dW/df = pi (1 - pi)(1 - 2 pi). Since
    W^1/2 Sigma W^1/2 = I - B^-1, W cancels and no further solve is needed:
        s_i = -(1 - [B^-1]_ii)(1 - 2 pi_i) / 2.

Prediction (Algorithm 3.2)
    latent mean k*' a (3.21), variance k** - |L^-1 W^1/2 k*|^2 (3.24) with L L' = B; the probability is the integral of
    the logistic against that normal (3.25), with the logistic written as a mixture of five error functions
    (Williams & Barber 1998, appendix A), each of which integrates in closed form.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

#: sigma(f) = 1/2 + sum_j c_j erf(lambda_j f) / 2, nearly (Williams & Barber 1998, appendix A; scikit-learn's numbers)
_ERF_SLOPES = (0.41, 0.4, 0.37, 0.44, 0.39)
_ERF_WEIGHTS = (-1854.8214151, 3516.89893646, 221.29346712, 128.12323805, -2010.49422654)

_MAX_NEWTON = 100
_MAX_HALVINGS = 30
# A last step d leaves an error of the order of d^2 (Newton), so this is close to full precision.
_NEWTON_TOLERANCE = 1e-7


class Laplace(NamedTuple):
    """The approximation at the mode of n labelled points."""

    f_N: Tensor
    a_N: Tensor  # grad log p(y | f) = K^-1 f
    sqrt_w_N: Tensor
    chol_N_N: Tensor  # L of B = I + W^1/2 K W^1/2
    log_evidence: Tensor  # scalar


def log_likelihood(y_N: Tensor, f_N: Tensor) -> Tensor:
    """log p(y | f), summed over the points."""
    return -torch.nn.functional.softplus((1 - 2 * y_N) * f_N).sum()


def _factor(K_N_N: Tensor, w_N: Tensor) -> tuple[Tensor, Tensor]:
    """W^1/2 and the Cholesky factor of B (3.26)."""
    sqrt_w_N = w_N.sqrt()
    B_N_N = sqrt_w_N[:, None] * K_N_N * sqrt_w_N
    B_N_N.diagonal().add_(1.0)
    return sqrt_w_N, torch.linalg.cholesky_ex(B_N_N).L


def _solve(chol_N_N: Tensor, b_N: Tensor) -> Tensor:
    return torch.cholesky_solve(b_N[:, None], chol_N_N)[:, 0]


def find_mode(K_N_N: Tensor, y_N: Tensor, start_N: Tensor | None = None) -> Tensor:
    """The mode of the latent values given the labels (Algorithm 3.1, with step halving).

    Parameters
    ----------
    K_N_N : Tensor of shape (N, N)
    y_N : Tensor of shape (N,)
        0.0 or 1.0.
    start_N : Tensor of shape (N,), optional
        Where the first step is taken from: the mode for a kernel nearby, say. 0 where not given.

    Returns
    -------
    Tensor of shape (N,)
        NaN where K is not finite.
    """
    f_N = torch.zeros_like(y_N) if start_N is None else start_N
    # The best (f, a = K^-1 f) so far. A given start has no such a, hence no known Psi: the reference is f = 0 then,
    # and if the first step from the start is no gain over 0, halving takes it back to there.
    best_f_N = best_a_N = torch.zeros_like(y_N)
    best = log_likelihood(y_N, best_f_N)
    for _ in range(_MAX_NEWTON):
        pi_N = torch.sigmoid(f_N)
        w_N = pi_N * (1 - pi_N)
        sqrt_w_N, chol_N_N = _factor(K_N_N, w_N)
        b_N = w_N * f_N + y_N - pi_N
        a_N = b_N - sqrt_w_N * _solve(chol_N_N, sqrt_w_N * (K_N_N @ b_N))
        new_f_N = K_N_N @ a_N
        psi = log_likelihood(y_N, new_f_N) - 0.5 * a_N @ new_f_N
        for _ in range(_MAX_HALVINGS):
            if psi >= best - 1e-10 * (1 + best.abs()):
                break
            a_N, new_f_N = 0.5 * (a_N + best_a_N), 0.5 * (new_f_N + best_f_N)
            psi = log_likelihood(y_N, new_f_N) - 0.5 * a_N @ new_f_N
        step = (new_f_N - f_N).abs().max()
        f_N, best_f_N, best_a_N, best = new_f_N, new_f_N, a_N, psi
        if not step > _NEWTON_TOLERANCE * (1 + f_N.abs().max()):  # NaN ends the search too
            break
    return f_N


def approximate(K_N_N: Tensor, y_N: Tensor, f_N: Tensor) -> Laplace:
    """All that evidence and prediction need, from the mode `f_N` alone: the same bits for the same mode."""
    pi_N = torch.sigmoid(f_N)
    sqrt_w_N, chol_N_N = _factor(K_N_N, pi_N * (1 - pi_N))
    a_N = y_N - pi_N
    evidence = log_likelihood(y_N, f_N) - 0.5 * a_N @ f_N - chol_N_N.diagonal().log().sum()
    return Laplace(f_N, a_N, sqrt_w_N, chol_N_N, evidence)


class LaplaceEvidence(torch.autograd.Function):
    """(K, y, start) -> (log q(y), mode), differentiable by K once; see the module's docstring."""

    @staticmethod
    def forward(ctx: Any, K_N_N: Tensor, y_N: Tensor, start_N: Tensor | None) -> tuple[Tensor, Tensor]:
        found = approximate(K_N_N, y_N, find_mode(K_N_N, y_N, start_N))
        ctx.save_for_backward(K_N_N, found.f_N, found.a_N, found.sqrt_w_N, found.chol_N_N)
        ctx.mark_non_differentiable(found.f_N)
        return found.log_evidence, found.f_N

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        K_N_N, f_N, a_N, sqrt_w_N, chol_N_N = ctx.saved_tensors
        B_inverse_N_N = torch.cholesky_inverse(chol_N_N)
        R_N_N = sqrt_w_N[:, None] * B_inverse_N_N * sqrt_w_N
        s_N = -0.5 * (1 - B_inverse_N_N.diagonal()) * (1 - 2 * torch.sigmoid(f_N))
        u_N = s_N - R_N_N @ (K_N_N @ s_N)
        return grads[0] * (torch.outer(0.5 * a_N + u_N, a_N) - 0.5 * R_N_N), None, None


def predict_latent(laplace: Laplace, K_N_M: Tensor, k_M: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of the latent function (Algorithm 3.2, lines 4 to 6).

    Parameters
    ----------
    K_N_M : Tensor of shape (N, M)
        Covariance of labelled and new points.
    k_M : Tensor of shape (M,)
        Prior variance at the new points.
    """
    v_N_M = torch.linalg.solve_triangular(laplace.chol_N_N, laplace.sqrt_w_N[:, None] * K_N_M, upper=False)
    return laplace.a_N @ K_N_M, (k_M - v_N_M.square().sum(0)).clamp_min(0.0)


def expected_logistic(mean_M: Tensor, variance_M: Tensor) -> Tensor:
    """E[sigma(f)] for f ~ N(mean, variance), in [0, 1] (3.25): each erf(lambda f) integrates to an erf."""
    slopes_J_1 = mean_M.new_tensor(_ERF_SLOPES)[:, None]
    weights_J = mean_M.new_tensor(_ERF_WEIGHTS)
    erf_J_M = torch.erf(slopes_J_1 * mean_M / (1 + 2 * slopes_J_1.square() * variance_M).sqrt())
    return (0.5 * (weights_J @ erf_J_M + math.fsum(_ERF_WEIGHTS))).clamp(0.0, 1.0)


def leave_one_out(laplace: Laplace, K_N_N: Tensor) -> tuple[Tensor, Tensor]:
    """Latent mean and variance at each labelled point without its label, in closed form.

    The cavity of the Gaussian approximation: take the point's own factor, N(f | f_i + a_i / W_i, 1 / W_i) in Laplace's
    reading, out of its posterior marginal N(f | f_i, Sigma_ii) (R&W 3.56 for EP, here with Laplace's factors):
        v_i = 1 / (1 / Sigma_ii - W_i) = Sigma_ii / [B^-1]_ii,    m_i = f_i - v_i a_i.
    The other points' factors stay as they were found with point i present, which is the approximation made.
    """
    half_N_N = torch.linalg.solve_triangular(laplace.chol_N_N, laplace.sqrt_w_N[:, None] * K_N_N, upper=False)
    sigma_N = (K_N_N.diagonal() - half_N_N.square().sum(0)).clamp_min(0.0)
    variance_N = sigma_N / torch.cholesky_inverse(laplace.chol_N_N).diagonal()
    return laplace.f_N - variance_N * laplace.a_N, variance_N
