"""Covariance functions as the search for hyperparameters needs them: theta in, matrix out, and the way back.

A :class:`Covariance` belongs to n labelled points. It gives K(theta), and turns the derivative of the evidence by that
matrix into the derivative by theta. ``C * RBF`` with one length scale or one a feature is written out by hand, which
is several times faster than autograd; every other GPyTorch kernel takes the generic way. :func:`covariance_of` decides.

Where it says ``...`` in a shape there may be a batch of problems that share their points.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from gpytorch.kernels import Kernel
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from torch import Tensor

from aljupyter.models.gp.arrays import (
    Array,
    as_numpy,
    as_tensor,
    begins_with,
    diagonal,
    like,
    matvec,
    namespace,
)
from aljupyter.models.gp.kernels import copy_of, free_parameters, is_scaled_rbf, write

Vector = NDArray[np.float64]

# Squared distances by a matrix product are wrong by about eps |z|^2. Where that is more than this, they are taken
# from the differences instead: slower, but right for points far from each other and from the origin.
_LARGEST_ERROR = 1e-9


class MatrixGradient(NamedTuple):
    """Derivative of a log evidence by the kernel matrix: d log q / dK = u a' - S M S / 2, S diagonal.

    Both evidences have this form (:mod:`laplace`, :mod:`exact`); nothing of size n^2 is built to hold it.
    """

    u_N: Array
    a_N: Array
    scale_N: Array | None  # diagonal of S; the identity where None
    inverse_N_N: Array  # M, symmetric
    along_K: Array  # sum of (d log q / dK) * K: the derivative by log C

    def along(self, P_N_N: Array) -> Array:
        """Derivative in the direction P, shape (...): the sum of (d log q / dK) * P."""
        curved_N_N = self.inverse_N_N * P_N_N
        if self.scale_N is None:
            trace = curved_N_N.sum((-2, -1))
        else:
            trace = (self.scale_N * matvec(curved_N_N, self.scale_N)).sum(-1)
        return (self.u_N * matvec(P_N_N, self.a_N)).sum(-1) - 0.5 * trace

    def dense(self) -> Array:
        """The whole matrix, shape (..., N, N)."""
        curved_N_N = -0.5 * self.inverse_N_N
        if self.scale_N is not None:
            curved_N_N *= self.scale_N[..., None]
            curved_N_N *= self.scale_N[..., None, :]
        curved_N_N += self.u_N[..., None] * self.a_N[..., None, :]
        return curved_N_N


class Covariance(ABC):
    """A covariance function on n labelled points.

    Parameters
    ----------
    x_N_D : array of shape (N, D)
        float64. Its kind, NumPy or tensor, is that of all that is computed.
    """

    def __init__(self, x_N_D: Array):
        self.x_N_D = x_N_D

    @abstractmethod
    def on(self, x_N_D: Array) -> Self:
        """The same function on other points; what is known of the first of them is kept."""

    @abstractmethod
    def matrix(self, theta: Vector) -> Array:
        """K of the labelled points, shape (N, N); (B, N, N) for theta of shape (B, P), where batches are known."""

    @abstractmethod
    def gradient(self, theta: Vector, K_N_N: Array, by_matrix: MatrixGradient) -> Vector:
        """Derivative of the evidence by theta, shape (P,) or (B, P), from that by the matrix at the same theta.

        The diagonal of `K_N_N` may have been changed: it is the same for all length scales.
        """

    @abstractmethod
    def towards(self, theta: Vector, b_N_D: Array) -> Callable[[Array], Array]:
        """A function that takes points, (M, D), to their covariances with these, (M, N)."""

    def between(self, theta: Vector, a_M_D: Array, b_N_D: Array) -> Array:
        """Covariances of two sets of points, shape (M, N)."""
        return self.towards(theta, b_N_D)(a_M_D)

    @abstractmethod
    def variance(self, theta: Vector, x_M_D: Array) -> Array:
        """Prior variance at points, shape (M,)."""


class _ScaledRBF(Covariance):
    """What C * RBF has in common with one length scale and with many: theta = (log C, log l_1, ..., log l_L)."""

    def __init__(self, x_N_D: Array, centre_D: Array | None = None):
        super().__init__(x_N_D)
        # the matrix products of `scaled_rbf` are exact to rounding near the origin: any centre of the points will do
        self.centre_D = x_N_D.mean(0) if centre_D is None else centre_D

    def towards(self, theta: Vector, b_N_D: Array) -> Callable[[Array], Array]:
        inverse_length = like(np.exp(-theta[1:]), b_N_D)
        covariances = scaled_rbf(theta[0], (b_N_D - self.centre_D) * inverse_length)
        return lambda a_M_D: covariances((a_M_D - self.centre_D) * inverse_length)

    def variance(self, theta: Vector, x_M_D: Array) -> Array:
        return 0 * x_M_D[:, 0] + float(np.exp(theta[0]))


class IsotropicRBF(_ScaledRBF):
    """C * RBF with one length scale: theta = (log C, log l).

    Parameters
    ----------
    x_N_D : array
    centre_D : array, optional
    known_M_M : array, optional
        Squared distances of the first M points.
    """

    def __init__(self, x_N_D: Array, centre_D: Array | None = None, known_M_M: Array | None = None):
        super().__init__(x_N_D, centre_D)
        self.known_M_M = known_M_M

    def on(self, x_N_D: Array) -> IsotropicRBF:
        if not begins_with(x_N_D, self.x_N_D):
            return IsotropicRBF(x_N_D)
        return IsotropicRBF(x_N_D, self.centre_D, self.known_M_M)

    @property
    def D2_N_N(self) -> Array:
        """Squared distances of the points, computed when first asked for."""
        if self.known_M_M is None:
            self.known_M_M = exact_squared_distances(self.x_N_D, self.x_N_D)
        elif len(self.known_M_M) < len(self.x_N_D):
            self.known_M_M = _grown_squared_distances(self.x_N_D, self.known_M_M)
        return self.known_M_M

    def matrix(self, theta: Vector) -> Array:
        K_N_N = self.D2_N_N * _column(-0.5 * np.exp(-2 * theta[..., 1]), self.x_N_D)
        K_N_N += _column(theta[..., 0], self.x_N_D)
        return _exp(K_N_N)

    def gradient(self, theta: Vector, K_N_N: Array, by_matrix: MatrixGradient) -> Vector:
        by_length = as_numpy(by_matrix.along(K_N_N * self.D2_N_N))  # dK / d log l = K * D2 / l^2
        return np.stack([as_numpy(by_matrix.along_K), by_length * np.exp(-2 * theta[..., 1])], -1)


class ARDRBF(_ScaledRBF):
    """C * RBF with one length scale a feature: theta = (log C, log l_1, ..., log l_D)."""

    def on(self, x_N_D: Array) -> ARDRBF:
        return ARDRBF(x_N_D, self.centre_D if begins_with(x_N_D, self.x_N_D) else None)

    def _scaled(self, theta: Vector) -> Array:
        return (self.x_N_D - self.centre_D) * like(np.exp(-theta[..., None, 1:]), self.x_N_D)

    def matrix(self, theta: Vector) -> Array:
        z_N_D = self._scaled(theta)
        K_N_N = scaled_rbf(theta[..., 0], z_N_D)(z_N_D)
        diagonal(K_N_N)[...] = _column(np.exp(theta[..., 0]), self.x_N_D)[..., 0]
        return K_N_N

    def gradient(self, theta: Vector, K_N_N: Array, by_matrix: MatrixGradient) -> Vector:
        # dK / d log l_j = K * (z_ij - z_kj)^2 with z = x / l; the square is multiplied out
        W_N_N, z_N_D = by_matrix.dense(), self._scaled(theta)
        W_N_N *= K_N_N
        if _is_near(z_N_D):
            weight_N_1 = (W_N_N.sum(-1) + W_N_N.sum(-2))[..., None]
            by_length = (z_N_D * (weight_N_1 * z_N_D - 2 * (W_N_N @ z_N_D))).sum(-2)
        else:
            differences = (z_N_D[..., j, None] - z_N_D[..., None, :, j] for j in range(z_N_D.shape[-1]))
            by_length = namespace(z_N_D).stack([(W_N_N * d_N_N**2).sum((-2, -1)) for d_N_N in differences], -1)
        return np.concatenate([as_numpy(by_matrix.along_K)[..., None], as_numpy(by_length)], -1)


class AnyKernel(Covariance):
    """Any GPyTorch kernel, by its own code and autograd.

    Parameters
    ----------
    kernel : gpytorch.kernels.Kernel
    x_N_D : array
    """

    def __init__(self, kernel: Kernel, x_N_D: Array):
        super().__init__(x_N_D)
        self._kernel = copy_of(kernel)  # its parameters are moved about
        self._free = free_parameters(self._kernel)
        self._graph_N_N: Tensor | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_graph_N_N": None}  # which cannot be copied

    def on(self, x_N_D: Array) -> AnyKernel:
        return AnyKernel(self._kernel, x_N_D)

    def _points(self, x_N_D: Array) -> Tensor:
        return as_tensor(x_N_D).to(as_tensor(self.x_N_D))

    def matrix(self, theta: Vector) -> Array:
        write(self._free, theta)
        with torch.enable_grad():
            self._graph_N_N = self._kernel(self._points(self.x_N_D)).to_dense()
        return like(self._graph_N_N.detach().clone(), self.x_N_D)  # a copy: a caller may write into it

    def gradient(self, theta: Vector, K_N_N: Array, by_matrix: MatrixGradient) -> Vector:
        assert self._graph_N_N is not None
        by_K_N_N = self._points(by_matrix.dense())
        parameters = [parameter for parameter, _ in self._free]
        parts = torch.autograd.grad(self._graph_N_N, parameters, by_K_N_N, materialize_grads=True)
        self._graph_N_N = None
        return torch.cat([part.reshape(-1) for part in parts]).cpu().numpy()

    def towards(self, theta: Vector, b_N_D: Array) -> Callable[[Array], Array]:
        @torch.no_grad()
        def covariances(a_M_D: Array) -> Array:
            write(self._free, theta)
            return like(self._kernel(self._points(a_M_D), self._points(b_N_D)).to_dense(), a_M_D)

        return covariances

    @torch.no_grad()
    def variance(self, theta: Vector, x_M_D: Array) -> Array:
        write(self._free, theta)
        return like(self._kernel(self._points(x_M_D), diag=True), x_M_D)


def covariance_of(kernel: Kernel, x_N_D: Array, known: Covariance | None = None) -> Covariance:
    """The fastest :class:`Covariance` for a GPyTorch kernel on these points.

    Parameters
    ----------
    known : Covariance, optional
        Of the same points, or of the first few of them: its squared distances are not computed again.
    """
    if not is_scaled_rbf(kernel):
        return AnyKernel(kernel, x_N_D)
    if kernel.base_kernel.raw_lengthscale.numel() > 1:
        return ARDRBF(x_N_D)
    if isinstance(known, IsotropicRBF) and begins_with(x_N_D, known.x_N_D):
        return IsotropicRBF(x_N_D, known_M_M=known.known_M_M)
    return IsotropicRBF(x_N_D)


def scaled_rbf(log_variance: Vector | float, b_N_D: Array) -> Callable[[Array], Array]:
    """The function a -> exp(log C - |a - b|^2 / 2), (..., M, D) to (..., M, N), for points near the origin.

    In units of the length scale.
    """
    log_C, concatenate = _column(np.asarray(log_variance), b_N_D), namespace(b_N_D).concatenate
    b2_N_1 = _squares(b_N_D)
    # a'b - |a|^2 / 2 - |b|^2 / 2 + log C in one product, by two more columns
    right_N_E = concatenate([b_N_D, 0 * b2_N_1 + 1, log_C - 0.5 * b2_N_1], -1)
    b_is_near = _is_near(b_N_D)

    def covariances(a_M_D: Array) -> Array:
        a2_M_1 = _squares(a_M_D)
        if not (b_is_near and _is_near(a_M_D)):
            K_M_N = exact_squared_distances(a_M_D, b_N_D)
            K_M_N *= -0.5
            K_M_N += log_C
        else:
            K_M_N = concatenate([a_M_D, -0.5 * a2_M_1, 0 * a2_M_1 + 1], -1) @ right_N_E.mT
        return _exp(K_M_N)

    return covariances


def _is_near(z_N_D: Array) -> bool:
    """Whether products of these points are accurate enough to take their distances from."""
    if not z_N_D.shape[-2]:
        return True
    return float(_squares(z_N_D).max()) <= _LARGEST_ERROR / 2.2e-16


def _squares(z_N_D: Array) -> Array:
    return (z_N_D * z_N_D).sum(-1)[..., None]


def _exp(A_N_M: Array) -> Array:
    """exp(A), in place."""
    return A_N_M.exp_() if isinstance(A_N_M, Tensor) else np.exp(A_N_M, out=A_N_M)


def _column(values: Vector | np.float64, a: Array) -> Array:
    """Numbers, shape (...), as an array of shape (..., 1, 1)."""
    return like(values, a)[..., None, None]


def exact_squared_distances(a_M_D: Array, b_N_D: Array) -> Array:
    """From the differences, shape (..., M, N)."""
    if isinstance(a_M_D, Tensor):
        return torch.cdist(a_M_D, b_N_D, compute_mode="donot_use_mm_for_euclid_dist").square_()
    if a_M_D.ndim > 2:
        return np.stack([exact_squared_distances(a, b) for a, b in zip(a_M_D, b_N_D, strict=True)])
    return like(cdist(a_M_D, b_N_D, "sqeuclidean"), a_M_D)


def _grown_squared_distances(x_N_D: Array, known_M_M: Array) -> Array:
    """Squared distances of all points, those of the first M known."""
    m, n = len(known_M_M), len(x_N_D)
    D2_N_N = namespace(x_N_D).empty((n, n), dtype=x_N_D.dtype, device=x_N_D.device)
    D2_N_N[:m, :m] = known_M_M
    D2_N_N[m:] = exact_squared_distances(x_N_D[m:], x_N_D)
    D2_N_N[:m, m:] = D2_N_N[m:, :m].mT
    return D2_N_N
