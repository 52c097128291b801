"""Exact Gaussian process regression (Rasmussen & Williams 2006, "R&W", sections 2.2, 5.4).

K_y = K + noise I = L L', alpha = K_y^-1 y (Algorithm 2.1). Targets have mean zero.

Evidence (2.30)
    log p(y) = -y' alpha / 2 - log |K_y| / 2 - n log(2 pi) / 2.
    Its derivative by the matrix (5.9) is (alpha alpha' - K_y^-1) / 2; in the direction K itself, the derivative by
    log C, K = K_y - noise I leaves sums of n numbers.

Prediction (2.25, 2.26)
    mean k*' alpha, variance k** - |v|^2 with v = L^-1 k*.

One more point (R&W A.12, as a Cholesky factor)
    L grows by the row (l', d) with l = L^-1 k and d^2 = k + noise - l' l. At other points the new component of v is
    (k(x, x*) - l' v) / d: O(n) a point. It lowers their variance by its square.

Arrays are of NumPy or tensors: see :mod:`arrays`.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from aljupyter.errors import ModelError
from aljupyter.models.gp.arrays import (
    Array,
    add_to_diagonal,
    as_dtype,
    cholesky,
    diagonal,
    gram_of_lower,
    inverse_of_lower,
    inverse_pays,
    namespace,
    solve_lower,
    solve_rows,
    solve_transposed,
    squared_products,
    squared_solver,
)
from aljupyter.models.gp.covariance import MatrixGradient


@dataclass(frozen=True, eq=False)
class Conditioned:
    """The GP given n targets."""

    w_N: Array  # L^-1 y
    chol_N_N: Array
    log_evidence: Array  # scalar; NaN where K_y is not positive definite in floating point
    jitter: float = 0.0  # what had to be added to K_y to make it so

    @cached_property
    def alpha_N(self) -> Array:
        """K_y^-1 y."""
        return solve_transposed(self.chol_N_N, self.w_N)

    @property
    def weights_N(self) -> Array:
        """What the covariance with a new point is weighted by for its mean."""
        return self.alpha_N

    @cached_property
    def inverse_chol_N_N(self) -> Array:
        """L^-1."""
        return inverse_of_lower(self.chol_N_N)

    @cached_property
    def inverse_N_N(self) -> Array:
        """K_y^-1."""
        return gram_of_lower(self.inverse_chol_N_N)


def factored(K_N_N: Array, y_N: Array) -> Conditioned:
    """Condition on the targets, given K_y, as it is; K_y is overwritten."""
    return solved(cholesky(K_N_N), y_N)


def solved(chol_N_N: Array, y_N: Array) -> Conditioned:
    """Condition on the targets, given the factor of K_y."""
    w_N = solve_lower(chol_N_N, y_N)
    half_log_det = namespace(w_N).log(diagonal(chol_N_N)).sum()
    evidence = -0.5 * (w_N @ w_N) - half_log_det - 0.5 * len(y_N) * math.log(2 * math.pi)  # y' alpha = w' w
    return Conditioned(w_N, chol_N_N, evidence)


def condition(K_N_N: Array, y_N: Array) -> Conditioned:
    """Condition on the targets; where K_y is singular in floating point, with the least jitter that cures it.

    Raises
    ------
    ModelError
        Where no jitter helps.
    """
    found = factored(1.0 * K_N_N, y_N)
    if math.isfinite(found.log_evidence):
        return found
    scale = float(diagonal(K_N_N).mean())
    for jitter in (10.0**k for k in range(-12, -3)):
        found = factored(add_to_diagonal(1.0 * K_N_N, jitter * scale), y_N)
        if math.isfinite(found.log_evidence):
            break
    else:
        raise ModelError(
            "The kernel matrix of the labelled points is not positive definite: this kernel is no covariance function "
            "for features of this dimension, or it gives NaN."
        )
    warnings.warn(
        f"The kernel matrix of the {len(y_N)} labelled points is singular in floating point; noise of {jitter:g} "
        f"times the mean variance was added. Give a larger `noise`.",
        RuntimeWarning,
        stacklevel=2,
    )
    return replace(found, jitter=jitter * scale)


def gradient(conditioned: Conditioned, y_N: Array, noise: float) -> MatrixGradient:
    """d log p / dK = (alpha alpha' - K_y^-1) / 2 (5.9).

    Parameters
    ----------
    noise : float
        What K_y has on its diagonal beyond K.
    """
    alpha_N, inverse_N_N = conditioned.alpha_N, conditioned.inverse_N_N
    fit = y_N @ alpha_N - noise * (alpha_N @ alpha_N)
    along_K = 0.5 * (fit - len(y_N) + noise * diagonal(inverse_N_N).sum())
    return MatrixGradient(0.5 * alpha_N, alpha_N, None, inverse_N_N, along_K)


def gradient_by_noise(conditioned: Conditioned) -> float:
    """d log p / d noise: the trace of (5.9)."""
    alpha_N = conditioned.alpha_N
    return 0.5 * float(alpha_N @ alpha_N - diagonal(conditioned.inverse_N_N).sum())


def append(chol_N_N: Array, k_N: Array, k: float) -> Array:
    """The factor of K_y with one more point, in O(n^2).

    Parameters
    ----------
    k_N : array of shape (N,)
        Covariance of the new point and those so far.
    k : float
        Its variance, noise included. A point that adds nothing in floating point gets a NaN.
    """
    n, row_N = len(k_N), solve_lower(chol_N_N, k_N)
    left = k - float(row_N @ row_N)
    grown_N_N = namespace(k_N).zeros((n + 1, n + 1), dtype=k_N.dtype, device=k_N.device)
    grown_N_N[:n, :n], grown_N_N[n, :n] = chol_N_N, row_N
    grown_N_N[n, n] = math.sqrt(left) if left > 0 else math.nan
    return grown_N_N


def reduction(conditioned: Conditioned, n_points: int, dtype: str = "float64") -> Callable[[Array], Array]:
    """The function that says how much the labels lower the variance at new points: |v|^2 (Algorithm 2.1).

    It takes the covariance of new and labelled points, shape (M, N), which may be overwritten, and gives shape (M,).

    Parameters
    ----------
    n_points : int
        How many points it will be asked of in all.
    dtype : {"float64", "float32"}
        Precision of the covariances that it is given.
    """
    if inverse_pays(n_points, len(conditioned.w_N)):
        return squared_products(as_dtype(conditioned.inverse_chol_N_N, dtype))
    return squared_solver(as_dtype(conditioned.chol_N_N, dtype))


def whiten(conditioned: Conditioned, K_M_N: Array) -> Array:
    """v' = K L^-T, shape (M, N): two points' posterior covariance is their prior one less v_1' v_2."""
    return solve_rows(conditioned.chol_N_N, K_M_N)


def leave_one_out(conditioned: Conditioned, y_N: Array) -> tuple[Array, Array]:
    """Mean and variance, noise included, of each target given all the others (5.12)."""
    variance_N = 1 / diagonal(conditioned.inverse_N_N)
    return y_N - conditioned.alpha_N * variance_N, variance_N


def condition_number(chol_N_N: Array) -> float:
    """A lower bound of the condition number of K_y, from the diagonal of its factor."""
    diagonal_N = diagonal(chol_N_N)
    return float(diagonal_N.max() / diagonal_N.min()) ** 2
