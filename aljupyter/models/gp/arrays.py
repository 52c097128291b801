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
from scipy.linalg.blas import get_blas_funcs
from scipy.linalg.lapack import dpocon, dpotrf, dpotri, get_lapack_funcs
from scipy.special import expit
from torch import Tensor

#: a NumPy array or a tensor
Array = Any

#: an inverse pays for this many times as many rows as columns; and blocks of at least this many rows
_MANY, _BLOCK = 3, 100


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


def inverse_of_product(chol_N_N: Array) -> Array:
    """(L L')^-1."""
    if isinstance(chol_N_N, Tensor):
        return torch.cholesky_inverse(chol_N_N)
    if chol_N_N.ndim > 2:
        return np.stack([inverse_of_product(L) for L in chol_N_N])
    upper, _ = dpotri(chol_N_N.T, lower=0)  # zeros below the diagonal stay zeros
    inverse_N_N = upper + upper.T
    diagonal(inverse_N_N)[...] *= 0.5
    return inverse_N_N


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
    trsv = get_blas_funcs("trsv", dtype=chol_N_N.dtype)
    return trsv(chol_N_N.T, b_N, lower=0, trans=1)


def solve_transposed(chol_N_N: Array, b_N: Array) -> Array:
    """L'^-1 b."""
    if isinstance(chol_N_N, Tensor):
        return torch.linalg.solve_triangular(chol_N_N.mT, b_N[:, None], upper=True)[:, 0]
    trsv = get_blas_funcs("trsv", dtype=chol_N_N.dtype)
    return trsv(chol_N_N.T, b_N, lower=0, trans=0)


def solve_rows(chol_N_N: Array, K_M_N: Array) -> Array:
    """K L'^-1, shape (M, N): L^-1 applied to each row of K. K is overwritten."""
    if isinstance(chol_N_N, Tensor):
        return torch.linalg.solve_triangular(chol_N_N.mT, K_M_N, upper=True, left=False)
    trsm = get_blas_funcs("trsm", dtype=chol_N_N.dtype)
    return trsm(1.0, chol_N_N.T, K_M_N.T, lower=0, trans_a=1, overwrite_b=1).T


def squared_solver(chol_N_N: Array, n_rows: int) -> Callable[[Array], Array]:
    """The function K -> |L^-1 k|^2 of each row k of K, (M, N) to (M,); K may be overwritten.

    Parameters
    ----------
    n_rows : int
        For how many rows in all: for many it pays to invert L. Products are faster than triangular solves, and by
        blocks they spare most of the zeros of the inverse.
    """
    if n_rows < _MANY * len(chol_N_N):
        return lambda K_M_N: squared_rows(solve_rows(chol_N_N, K_M_N))
    n, inverse_N_N = len(chol_N_N), _inverse_of_lower(chol_N_N)
    size = max(_BLOCK, -(-n // 4))
    ends = [(start, min(start + size, n)) for start in range(0, n, size)]

    def by_blocks(K_M_N: Array) -> Array:
        return sum(squared_rows(K_M_N[:, :end] @ inverse_N_N[start:end, :end].mT) for start, end in ends)

    return by_blocks


def _inverse_of_lower(chol_N_N: Array) -> Array:
    if isinstance(chol_N_N, Tensor):
        return torch.linalg.solve_triangular(chol_N_N, torch.eye(len(chol_N_N)).to(chol_N_N), upper=False)
    upper, _ = get_lapack_funcs("trtri", dtype=chol_N_N.dtype)(chol_N_N.T, lower=0)
    return upper.T


def estimated_condition(chol_N_N: Array, norm: float) -> float:
    """Condition number of L L' in the 1-norm, estimated in O(n^2); `norm` is that of the matrix."""
    reciprocal, _ = dpocon(as_numpy(chol_N_N).T, norm)
    return 1 / max(float(reciprocal), 1e-300)
