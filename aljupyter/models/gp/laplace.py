"""Laplace's approximation for the binary GP classifier with the logistic link.

Equations and algorithms are those of Rasmussen & Williams (2006), "R&W", chapters 3 and 5. Labels are y in {0, 1}
(R&W's t), pi = sigma(f), W = diag(pi (1 - pi)) the negative Hessian of log p(y | f) (3.15), a = grad log p(y | f) =
y - pi.

Mode (Algorithm 3.1)
    Psi(f) = log p(y | f) - f' K^-1 f / 2 is concave (3.12). With f = K a, Newton's step is (3.18), computed through
    B = I + W^1/2 K W^1/2, whose eigenvalues are at least 1 (3.26):
        b = W f + y - pi,   a = b - W^1/2 B^-1 W^1/2 K b,   f = K a.
    A step that lowers Psi is halved. At the mode a = y - pi.

    The mode is also where F(f) = f - K (y - pi) is zero. With the factor of a matrix B_0 nearby (the last step's, or
    the last hyperparameters') Newton's step on F costs O(n^2) in place of O(n^3). This "chord" step is
        f <- f - (I + K_0 W_0)^-1 F(f),   (I + K_0 W_0)^-1 = W_0^-1/2 B_0^-1 W_0^1/2.
    It converges to the same mode, linearly; where it is slow, full steps take over.

Evidence (3.32)
    log q(y) = -a' f / 2 + log p(y | f) - log |B| / 2.

Its derivative (section 5.5.1) by the matrix K; the kernel's own chain rule is in :mod:`covariance`:
    explicit  (5.22)   (a a' - R) / 2,                    R = W^1/2 B^-1 W^1/2 = (K + W^-1)^-1
    implicit  (5.21)   through the mode: s' df,           s_i = d(-log |B| / 2) / d f_i  (5.23)
    (5.24)             df = (I + K W)^-1 dK a = (I - K R) dK a
    together           d log q / dK = (a a' - R) / 2 + u a',   u = (I - R K) s.
    s needs the posterior variances Sigma_ii = [(K^-1 + W)^-1]_ii and dW/df = pi (1 - pi)(1 - 2 pi). Since
    W^1/2 Sigma W^1/2 = I - B^-1, W cancels and no further solve is needed:
        s_i = -(1 - [B^-1]_ii)(1 - 2 pi_i) / 2.
    In the direction K itself, the derivative by log C, K a = f and tr(R K) = n - tr(B^-1) leave sums of n numbers.

One more point (A.12, as a Cholesky factor)
    At the same f, K and so B grow by a border, and the factor by L_21 = (L^-1 V)', L_22 L_22' = D - L_21 L_21':
    O(n^2) for a few points. It is the matrix B_0 of the first chord steps.

Prediction (Algorithm 3.2)
    latent mean k*' a (3.21), variance k** - |L^-1 W^1/2 k*|^2 (3.24) with L L' = B; the probability is the integral of
    the logistic against that normal (3.25), with the logistic written as a mixture of five error functions
    (Williams & Barber 1998, appendix A), each of which integrates in closed form.

Where it says ``...`` in a shape there may be a batch of problems, which then take their steps together. Arrays are of
NumPy or tensors: see :mod:`arrays`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import NamedTuple

import numpy as np

from aljupyter.models.gp.arrays import (
    Array,
    add_to_diagonal,
    as_dtype,
    cholesky,
    diagonal,
    erf,
    gram_of_lower,
    inverse_of_lower,
    inverse_pays,
    largest,
    like,
    matvec,
    namespace,
    sigmoid,
    softplus,
    solve_product,
    solve_rows,
    squared_products,
    squared_rows,
    squared_solver,
)
from aljupyter.models.gp.covariance import MatrixGradient

#: sigma(f) = 1/2 + sum_j c_j erf(lambda_j f) / 2, nearly (Williams & Barber 1998, appendix A; scikit-learn's numbers)
_ERF_SLOPES = np.array([0.41, 0.4, 0.37, 0.44, 0.39])
_ERF_WEIGHTS = np.array([-1854.8214151, 3516.89893646, 221.29346712, 128.12323805, -2010.49422654])

_MAX_NEWTON = 100
_MAX_HALVINGS = 30
# In units of 1 + max |f|. A last Newton step d leaves an error of the order of d^2, a last chord step one of the order
# of d times the rate at which the steps shrink.
_NEWTON_TOLERANCE = 1e-7
_CHORD_TOLERANCE = 1e-10
_CHORD_RADIUS = 0.6  # a step of this size is too far for a factor found elsewhere
_SLOWEST_RATE = 0.3  # and where steps shrink slower than this, a new factor pays
_FASTEST_RATE = 0.1  # what the first step is taken to promise
_SMALLEST_SQRT_W = 1e-12  # W_0^-1/2 must stay finite


class Nearby(NamedTuple):
    """Where the search for a mode starts: the mode at hyperparameters nearby, and the matrix B there."""

    f_N: Array
    B: tuple[Array, Array] | None = None  # W^1/2 and the factor of B


@dataclass(frozen=True, eq=False)
class Laplace:
    """The approximation at the mode of n labelled points; fields of shape (..., N) and (..., N, N)."""

    f_N: Array
    a_N: Array  # grad log p(y | f) = K^-1 f
    sqrt_w_N: Array
    chol_N_N: Array  # L of B = I + W^1/2 K W^1/2
    log_evidence: Array  # shape (...)

    @property
    def weights_N(self) -> Array:
        """What the covariance with a new point is weighted by for its mean."""
        return self.a_N

    @cached_property
    def inverse_chol_N_N(self) -> Array:
        """L^-1."""
        return inverse_of_lower(self.chol_N_N)

    @cached_property
    def inverse_N_N(self) -> Array:
        """B^-1."""
        return gram_of_lower(self.inverse_chol_N_N)

    @cached_property
    def whitening_N_N(self) -> Array:
        """L^-1 W^1/2, which makes v of k* (Algorithm 3.2)."""
        return self.inverse_chol_N_N * self.sqrt_w_N

    def nearby(self) -> Nearby:
        """Where a search at other hyperparameters may start."""
        return Nearby(self.f_N, (self.sqrt_w_N, self.chol_N_N))

    def part(self, b: int) -> Laplace:
        """The b-th problem of a batch."""
        one = Laplace(*(getattr(self, field.name)[b] for field in fields(self)))
        for name in {"inverse_chol_N_N", "inverse_N_N"} & vars(self).keys():
            vars(one)[name] = vars(self)[name][b]
        return one


def log_likelihood(y_N: Array, f_N: Array) -> Array:
    """log p(y | f), summed over the points, shape (...)."""
    return -softplus((1 - 2 * y_N) * f_N).sum(-1)


def _factor(K_N_N: Array, w_N: Array) -> tuple[Array, Array]:
    """W^1/2 and the Cholesky factor of B (3.26)."""
    sqrt_w_N = w_N**0.5
    B_N_N = sqrt_w_N[..., None] * K_N_N
    B_N_N *= sqrt_w_N[..., None, :]
    return sqrt_w_N, cholesky(add_to_diagonal(B_N_N, 1.0))


def find_mode(K_N_N: Array, y_N: Array, start: Nearby | None = None) -> Array:
    """The mode of the latent values given the labels.

    Parameters
    ----------
    K_N_N : array of shape (..., N, N)
    y_N : array of shape (..., N)
        0.0 or 1.0.
    start : Nearby, optional
        Where the first step is taken from, with the factor that it may be taken with. f = 0 where not given.

    Returns
    -------
    array of shape (..., N)
        Not finite where K is not finite.
    """
    f_N = 0 * y_N if start is None else start.f_N
    if start is not None and start.B is not None:
        f_N, is_mode = _chords(K_N_N, y_N, f_N, *start.B)
        if is_mode:
            return f_N
    return _newton(K_N_N, y_N, f_N)


def _newton(K_N_N: Array, y_N: Array, f_N: Array) -> Array:
    """Algorithm 3.1 with step halving; chord steps with its last factor once it is near."""
    where = namespace(y_N).where
    # The best (f, a = K^-1 f) so far. A given start has no such a, hence no known Psi: the reference is f = 0 then,
    # and if the first step from the start is no gain over 0, halving takes it back to there.
    best_f_N = best_a_N = 0 * y_N
    best = log_likelihood(y_N, best_f_N)
    for _ in range(_MAX_NEWTON):
        pi_N = sigmoid(f_N)
        w_N = pi_N * (1 - pi_N)
        sqrt_w_N, chol_N_N = _factor(K_N_N, w_N)
        b_N = w_N * f_N + y_N - pi_N
        a_N = b_N - sqrt_w_N * solve_product(chol_N_N, sqrt_w_N * matvec(K_N_N, b_N))
        new_f_N = matvec(K_N_N, a_N)
        psi = log_likelihood(y_N, new_f_N) - 0.5 * (a_N * new_f_N).sum(-1)
        for _ in range(_MAX_HALVINGS):
            worse = psi < best - 1e-10 * (1 + abs(best))
            if not bool(worse.any()):
                break
            a_N = where(worse[..., None], 0.5 * (a_N + best_a_N), a_N)
            new_f_N = where(worse[..., None], 0.5 * (new_f_N + best_f_N), new_f_N)
            psi = log_likelihood(y_N, new_f_N) - 0.5 * (a_N * new_f_N).sum(-1)
        step, scale = largest(new_f_N - f_N), 1 + largest(new_f_N)
        f_N, best_f_N, best_a_N, best = new_f_N, new_f_N, a_N, psi
        if not step > _NEWTON_TOLERANCE * scale:  # NaN ends the search too
            break
        if step < _CHORD_RADIUS * scale:
            near_N, is_mode = _chords(K_N_N, y_N, f_N, sqrt_w_N, chol_N_N)
            if is_mode:
                return near_N
    return f_N


def _chords(K_N_N: Array, y_N: Array, f_N: Array, sqrt_w_N: Array, chol_N_N: Array) -> tuple[Array, bool]:
    """Chord steps with one matrix B_0 (W_0^1/2 and its factor) while they shrink fast; whether they found the mode."""
    sqrt_w_N = sqrt_w_N.clip(_SMALLEST_SQRT_W)
    scale, last = 1 + largest(f_N), math.inf
    before = rate = _FASTEST_RATE
    while True:
        F_N = f_N - matvec(K_N_N, y_N - sigmoid(f_N))
        step_N = solve_product(chol_N_N, sqrt_w_N * F_N) / sqrt_w_N
        step = largest(step_N)
        if not step < min(_CHORD_RADIUS * scale, last):  # NaN ends the search too
            return f_N, False
        f_N = f_N - step_N
        if last < math.inf:
            before, rate = rate, step / last
        if rate > _SLOWEST_RATE:
            return f_N, False
        slower = max(before, rate)  # one step may shrink much by chance
        if step * slower / (1 - slower) < _CHORD_TOLERANCE * scale:  # the steps to come, in all
            return f_N, True
        last = step


def approximate(K_N_N: Array, y_N: Array, f_N: Array) -> Laplace:
    """All that evidence and prediction need, from the mode `f_N` alone: the same bits for the same mode."""
    pi_N = sigmoid(f_N)
    sqrt_w_N, chol_N_N = _factor(K_N_N, pi_N * (1 - pi_N))
    a_N = y_N - pi_N
    half_log_det = namespace(f_N).log(diagonal(chol_N_N)).sum(-1)
    return Laplace(f_N, a_N, sqrt_w_N, chol_N_N, log_likelihood(y_N, f_N) - 0.5 * (a_N * f_N).sum(-1) - half_log_det)


def gradient(laplace: Laplace, y_N: Array, K_N_N: Array) -> MatrixGradient:
    """d log q / dK = (a a' - R) / 2 + u a' (5.22, 5.21, 5.24)."""
    pi_N = y_N - laplace.a_N
    inverse_N_N, sqrt_w_N = laplace.inverse_N_N, laplace.sqrt_w_N
    reduction_N = 1 - diagonal(inverse_N_N)
    s_N = -0.5 * reduction_N * (1 - 2 * pi_N)
    u_N = s_N - sqrt_w_N * matvec(inverse_N_N, sqrt_w_N * matvec(K_N_N, s_N)) + 0.5 * laplace.a_N
    along_K = (u_N * laplace.f_N).sum(-1) - 0.5 * reduction_N.sum(-1)
    return MatrixGradient(u_N, laplace.a_N, sqrt_w_N, inverse_N_N, along_K)


def append(laplace: Laplace, K_N_K: Array, K_K_K: Array) -> Nearby:
    """A start for the same hyperparameters with K more points, in O(n^2); their latent values are predicted.

    Parameters
    ----------
    K_N_K : array of shape (N, K)
        Covariance of the points so far and the new ones.
    K_K_K : array of shape (K, K)
    """
    concatenate = namespace(K_N_K).concatenate
    new_f_K = laplace.a_N @ K_N_K
    pi_K = sigmoid(new_f_K)
    new_sqrt_w_K = (pi_K * (1 - pi_K)) ** 0.5
    V_N_K = laplace.sqrt_w_N[:, None] * K_N_K * new_sqrt_w_K
    D_K_K = add_to_diagonal(new_sqrt_w_K[:, None] * K_K_K * new_sqrt_w_K, 1.0)
    L21_K_N = solve_rows(laplace.chol_N_N, 1.0 * V_N_K.mT)
    n, n_all = len(K_N_K), len(K_N_K) + K_N_K.shape[1]
    chol_M_M = namespace(K_N_K).zeros((n_all, n_all), dtype=K_N_K.dtype, device=K_N_K.device)
    chol_M_M[:n, :n], chol_M_M[n:, :n] = laplace.chol_N_N, L21_K_N
    chol_M_M[n:, n:] = cholesky(D_K_K - L21_K_N @ L21_K_N.mT)
    sqrt_w_M = concatenate([laplace.sqrt_w_N, new_sqrt_w_K])
    return Nearby(concatenate([laplace.f_N, new_f_K]), (sqrt_w_M, chol_M_M))


def stacked(starts: Sequence[Nearby | None]) -> Nearby | None:
    """The starts of several problems as that of a batch: as much as all of them have."""
    known = [start for start in starts if start is not None]
    if len(known) < len(starts):
        return None
    stack = namespace(known[0].f_N).stack
    matrices = [start.B for start in known if start.B is not None]
    f_B_N = stack([start.f_N for start in known])
    if len(matrices) < len(known):
        return Nearby(f_B_N)
    sqrt_w, chol = zip(*matrices, strict=True)
    return Nearby(f_B_N, (stack(sqrt_w), stack(chol)))


def reduction(laplace: Laplace, n_points: int, dtype: str = "float64") -> Callable[[Array], Array]:
    """The function that says how much the labels lower the variance at new points: |v|^2 (Algorithm 3.2, lines 4 to 6).

    It takes the covariance of new and labelled points, shape (M, N), which may be overwritten, and gives shape (M,).

    Parameters
    ----------
    n_points : int
        How many points it will be asked of in all.
    dtype : {"float64", "float32"}
        Precision of the covariances that it is given.
    """
    if inverse_pays(n_points, laplace.f_N.shape[-1]):
        return squared_products(as_dtype(laplace.whitening_N_N, dtype))
    squares, sqrt_w_N = squared_solver(as_dtype(laplace.chol_N_N, dtype)), as_dtype(laplace.sqrt_w_N, dtype)
    return lambda K_M_N: squares(K_M_N * sqrt_w_N)


def whiten(laplace: Laplace, K_M_N: Array) -> Array:
    """v' = K W^1/2 L^-T, shape (M, N): two points' posterior covariance is their prior one less v_1' v_2 (3.24)."""
    return solve_rows(laplace.chol_N_N, K_M_N * laplace.sqrt_w_N)


def expected_logistic(mean_M: Array, variance_M: Array) -> Array:
    """E[sigma(f)] for f ~ N(mean, variance), in [0, 1] (3.25): each erf(lambda f) integrates to an erf."""
    weights_5, inverse_squares_5 = like(_ERF_WEIGHTS, mean_M), like(1 / _ERF_SLOPES**2, mean_M)
    arguments_5_M = mean_M / (inverse_squares_5[:, None] + 2 * variance_M) ** 0.5
    return (0.5 * (math.fsum(_ERF_WEIGHTS) + weights_5 @ erf(arguments_5_M))).clip(0.0, 1.0)


def leave_one_out(laplace: Laplace, K_N_N: Array) -> tuple[Array, Array]:
    """Latent mean and variance at each labelled point without its label, in closed form.

    The cavity of the Gaussian approximation: take the point's own factor, N(f | f_i + a_i / W_i, 1 / W_i) in Laplace's
    reading, out of its posterior marginal N(f | f_i, Sigma_ii) (R&W 3.56 for EP, here with Laplace's factors):
        v_i = 1 / (1 / Sigma_ii - W_i) = Sigma_ii / [B^-1]_ii,    m_i = f_i - v_i a_i.
    The other points' factors stay as they were found with point i present, which is the approximation made.
    """
    sigma_N = (diagonal(K_N_N) - squared_rows(whiten(laplace, K_N_N))).clip(0.0)
    variance_N = sigma_N / diagonal(laplace.inverse_N_N)
    return laplace.f_N - variance_N * laplace.a_N, variance_N
