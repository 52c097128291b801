"""What NumPy arrays and tensors do not share: the algebra above is written once for both.

On the processor it runs on NumPy arrays with scipy's LAPACK, whose calls cost a third of PyTorch's: at 60 points an
evaluation of the evidence takes 0.13 ms against 0.38 ms. On a GPU it runs on tensors. The code keeps to what both have:
operators, indexing, `.sum(-1)`, `.mT`, and the functions of :func:`namespace` whose names and arguments agree.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy.linalg.blas import dtrmm, dtrsm, dtrsv, strmm, strsm
from scipy.linalg.lapack import dlauum, dpocon, dpotrf, dtrtri
from scipy.special import expit
from torch import Tensor

#: a NumPy array or a tensor
Array = Any

#: rows of a block, and up to what order blocks are used, to invert a triangular matrix
_ROWS, _BY_PRODUCTS = 64, 512


def namespace(a: Array) -> Any:
    """The module with the functions for this kind of array: `numpy` or `torch`."""
    return torch if isinstance(a, Tensor) else np


def like(values: Any, a: Array) -> Array:
    """Numbers, a NumPy array or a tensor as an array of the kind, precision and device of `a`."""
    if isinstance(a, Tensor):
        return torch.as_tensor(values).to(a)
    if isinstance(values, Tensor):
        values = values.cpu().numpy()
    return np.asarray(values, dtype=a.dtype)


def positions_in(a: Array, indices: np.ndarray) -> Array:
    """Integer positions, (M,), of the kind that indexes arrays such as `a`."""
    return torch.tensor(indices, device=a.device) if isinstance(a, Tensor) else indices


def as_dtype(a: Array, dtype: str) -> Array:
    """In another precision: "float32" or "float64"."""
    return a.to(getattr(torch, dtype)) if isinstance(a, Tensor) else a.astype(dtype, copy=False)


def as_tensor(a: Array) -> Tensor:
    """A tensor that shares the memory, where possible."""
    return torch.as_tensor(a)


def as_numpy(a: Array) -> np.ndarray:
    """A NumPy array that shares the memory, where possible."""
    return a.cpu().numpy() if isinstance(a, Tensor) else a


def equal(a: Array, b: Array) -> bool:
    """Whether two arrays have the same shape and values."""
    return torch.equal(a, b) if isinstance(a, Tensor) else np.array_equal(a, b)


def begins_with(x_N: Array, first_M: Array) -> bool:
    """Whether the first points (or labels) are those."""
    return len(first_M) <= len(x_N) and equal(x_N[: len(first_M)], first_M)


def largest(v: Array) -> float:
    """The largest absolute value; 0 of none, NaN where there is one."""
    return float(abs(v).max()) if v.shape[-1] else 0.0


def sigmoid(a: Array) -> Array:
    """1 / (1 + exp(-a))."""
    return torch.sigmoid(a) if isinstance(a, Tensor) else expit(a)


def erf(a: Array) -> Array:
    """The error function."""
    return torch.erf(a) if isinstance(a, Tensor) else torch.erf(torch.from_numpy(a)).numpy()  # scipy's is slower


def softplus(a: Array) -> Array:
    """log(1 + exp(a))."""
    if isinstance(a, Tensor):
        return torch.nn.functional.softplus(a, threshold=40)  # beyond 20, its default, a alone would be 2e-9 off
    with np.errstate(invalid="ignore"):  # NaN in, NaN out
        return np.logaddexp(0.0, a)


def diagonal(A_N_N: Array) -> Array:
    """The diagonal of each matrix, shape (..., N): a view."""
    if isinstance(A_N_N, Tensor):
        return A_N_N.diagonal(dim1=-2, dim2=-1)
    return np.einsum("...ii->...i", A_N_N)


def add_to_diagonal(A_N_N: Array, value: float) -> Array:
    """A + value I, in place."""
    entries_N = diagonal(A_N_N)
    entries_N += value
    return A_N_N


def matvec(A_N_M: Array, v_M: Array) -> Array:
    """A v, for one matrix or a batch."""
    return A_N_M @ v_M if A_N_M.ndim == 2 else (A_N_M @ v_M[..., None])[..., 0]


def squared_rows(v_M_N: Array) -> Array:
    """Squared norm of each row."""
    return (v_M_N * v_M_N).sum(1) if isinstance(v_M_N, Tensor) else np.einsum("ij,ij->i", v_M_N, v_M_N)


def cholesky(A_N_N: Array) -> Array:
    """Lower factor L of A = L L'; NaN where A is not positive definite. A is overwritten."""
    if isinstance(A_N_N, Tensor):
        chol_N_N, info = torch.linalg.cholesky_ex(A_N_N)
        chol_N_N = chol_N_N.contiguous()  # as it comes back from a file: other orders have other last digits
        return torch.where((info == 0)[..., None, None], chol_N_N, torch.nan) if bool((info != 0).any()) else chol_N_N
    if A_N_N.ndim > 2:
        return np.stack([cholesky(A) for A in A_N_N])
    # LAPACK counts columns first: the upper factor of the transposed, which is the same matrix, is L in our order
    upper, info = dpotrf(A_N_N.T, lower=0, overwrite_a=1)
    return upper.T if info == 0 else np.full_like(A_N_N, np.nan)


def inverse_of_lower(chol_N_N: Array) -> Array:
    """L^-1."""
    if isinstance(chol_N_N, Tensor):
        eye_N_N = torch.eye(chol_N_N.shape[-1], dtype=chol_N_N.dtype, device=chol_N_N.device)
        return torch.linalg.solve_triangular(chol_N_N, eye_N_N, upper=False)
    if chol_N_N.ndim > 2:
        return np.stack([inverse_of_lower(L) for L in chol_N_N])
    n = len(chol_N_N)
    if n > _BY_PRODUCTS:
        return dtrtri(chol_N_N.T, lower=0)[0].T
    # OpenBLAS inverts matrices of this size at a quarter of the speed of its products, which do most of this: the rows
    # of a block are -L_ii^-1 L_i,before (L^-1)_before
    inverse_N_N = np.zeros_like(chol_N_N)
    for start in range(0, n, _ROWS):
        end = min(start + _ROWS, n)
        own = dtrtri(chol_N_N[start:end, start:end].T, lower=0)[0].T
        inverse_N_N[start:end, start:end] = own
        inverse_N_N[start:end, :start] = -own @ (chol_N_N[start:end, :start] @ inverse_N_N[:start, :start])
    return inverse_N_N


def gram_of_lower(A_N_N: Array) -> Array:
    """A' A of a lower triangular matrix: the inverse of L L' from A = L^-1."""
    if isinstance(A_N_N, Tensor):
        return A_N_N.mT @ A_N_N
    if A_N_N.ndim > 2:
        return np.stack([gram_of_lower(A) for A in A_N_N])
    upper, _ = dlauum(A_N_N.T, lower=0)  # zeros below the diagonal stay zeros
    product_N_N = upper + upper.T
    diagonal(product_N_N)[...] *= 0.5
    return product_N_N


def solve_product(chol_N_N: Array, b_N: Array) -> Array:
    """(L L')^-1 b."""
    if isinstance(chol_N_N, Tensor):
        return torch.cholesky_solve(b_N[..., None], chol_N_N)[..., 0]
    if chol_N_N.ndim > 2:
        return np.stack([solve_product(L, b) for L, b in zip(chol_N_N, b_N, strict=True)])
    return solve_transposed(chol_N_N, solve_lower(chol_N_N, b_N))


def solve_lower(chol_N_N: Array, b_N: Array) -> Array:
    """L^-1 b."""
    if isinstance(chol_N_N, Tensor):
        return torch.linalg.solve_triangular(chol_N_N, b_N[:, None], upper=False)[:, 0]
    return dtrsv(chol_N_N.T, b_N, lower=0, trans=1)


def solve_transposed(chol_N_N: Array, b_N: Array) -> Array:
    """L'^-1 b."""
    if isinstance(chol_N_N, Tensor):
        return torch.linalg.solve_triangular(chol_N_N.mT, b_N[:, None], upper=True)[:, 0]
    return dtrsv(chol_N_N.T, b_N, lower=0, trans=0)


def solve_rows(chol_N_N: Array, K_M_N: Array) -> Array:
    """K L'^-1, shape (M, N): L^-1 applied to each row of K. K is overwritten."""
    if isinstance(chol_N_N, Tensor):
        return torch.linalg.solve_triangular(chol_N_N.mT, K_M_N, upper=True, left=False)
    trsm = dtrsm if chol_N_N.dtype == np.float64 else strsm
    if K_M_N.flags.f_contiguous:  # in the order that it is in: turned round, it would be copied
        return trsm(1.0, chol_N_N.T, K_M_N, side=1, lower=0, overwrite_b=1)
    return trsm(1.0, chol_N_N.T, K_M_N.T, lower=0, trans_a=1, overwrite_b=1).T


def inverse_pays(n_rows: int, n: int) -> bool:
    """Whether L^-1 k of this many k is cheaper by a product with the inverse of L, of order n: mostly, it is."""
    return 2 * n_rows >= n


def squared_products(A_N_N: Array) -> Callable[[Array], Array]:
    """The function K -> |A k|^2 of each row k of K, (M, N) to (M,), for a lower triangular A; K is overwritten."""
    if isinstance(A_N_N, Tensor):
        return lambda K_M_N: squared_rows(K_M_N @ A_N_N.mT)
    trmm = dtrmm if A_N_N.dtype == np.float64 else strmm

    def squares(K_M_N: Array) -> Array:
        if K_M_N.flags.f_contiguous:  # in the order that it is in: turned round, it would be copied
            return squared_rows(trmm(1.0, A_N_N.T, K_M_N, side=1, lower=0, overwrite_b=1))
        return squared_rows(trmm(1.0, A_N_N.T, K_M_N.T, lower=0, trans_a=1, overwrite_b=1).T)

    return squares


def squared_solver(chol_N_N: Array) -> Callable[[Array], Array]:
    """The function K -> |L^-1 k|^2 of each row k of K, (M, N) to (M,); K is overwritten."""
    return lambda K_M_N: squared_rows(solve_rows(chol_N_N, K_M_N))


def estimated_condition(chol_N_N: Array, norm: float) -> float:
    """Condition number of L L' in the 1-norm, estimated in O(n^2); `norm` is that of the matrix."""
    reciprocal, _ = dpocon(as_numpy(chol_N_N).T, norm)
    return 1 / max(float(reciprocal), 1e-300)
