"""The latent function at several points at once: covariances in blocks, and joint draws."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from aljupyter.data.subset import Subset
from aljupyter.errors import IndexOutOfRange, ModelError, TooLargeForMemory, WrongShape
from aljupyter.models.gp.arrays import Array, as_tensor, like
from aljupyter.models.gp.process import GaussianProcess
from aljupyter.randomness import numpy_generator

#: points that can be drawn jointly: their covariance and its factor take 16 bytes a pair, 1.6 GB
MOST_JOINT_POINTS = 10_000
#: rows of a covariance computed at once
_BLOCK = 1024


class LatentJoint:
    """Posterior covariance of the latent function between points, a block at a time; nothing is computed before.

    Parameters
    ----------
    models : sequence of GaussianProcess
        Conditioned: one, or one a class.
    points : Tensor of shape (N, ...) or Subset
        Of a view no more than the rows asked for are read. A tensor is not copied.
    variance : float
        Unit of the result: the squared scale of the target.
    """

    def __init__(self, models: Sequence[GaussianProcess], points: Tensor | Subset, variance: float = 1.0):
        self._models = tuple(models)
        self._points = points
        self._variance = variance

    def __len__(self) -> int:
        return len(self._points)

    def cov(self, rows: Tensor | slice, cols: Tensor | slice) -> Tensor:
        """Covariance between points given by their positions.

        The cost is that of predicting these points, and of one product; the diagonal of a point's own covariance may
        be below zero by a rounding error.

        Parameters
        ----------
        rows, cols : Tensor of int64, shapes (R,) and (K,), or slices

        Returns
        -------
        Tensor of shape (R, K), or (C, R, K) for a classifier of C > 2 classes
            For a regressor in squared units of the target.

        Raises
        ------
        IndexOutOfRange
            For a position that is not in 0 ... N - 1.
        WrongShape
            For positions that are not integers in one dimension, or points of another number of features.
        """
        x_R_D, x_K_D = self._features(rows), self._features(cols)
        blocks = [as_tensor(self._variance * model.joint(x_R_D, x_K_D)) for model in self._models]
        return (blocks[0] if len(blocks) == 1 else torch.stack(blocks)).cpu()

    def _features(self, which: Tensor | slice) -> Array:
        positions = _positions(which, len(self))
        points = self._points
        x = points.rows(positions) if isinstance(points, Subset) else points[positions.to(points.device)]
        known_N_D = self._models[0].x_N_D
        x_R_D = like(x.detach().flatten(1), known_N_D)
        if x_R_D.shape[1] != known_N_D.shape[1]:
            raise WrongShape(
                f"These points have {x_R_D.shape[1]} features, the model was fitted on {known_N_D.shape[1]}."
            )
        return x_R_D


def _positions(which: Tensor | slice, n_points: int) -> Tensor:
    if isinstance(which, slice):
        return torch.arange(*which.indices(n_points))
    if which.ndim != 1 or which.dtype not in (torch.int64, torch.int32):
        raise WrongShape(
            f"Give positions as a slice or as integers in one dimension, got {which.dtype} of shape "
            f"{tuple(which.shape)}. A mask becomes positions by `mask.nonzero().flatten()`."
        )
    positions = which.long().cpu()
    if len(positions) and not 0 <= int(positions.min()) <= int(positions.max()) < n_points:
        raise IndexOutOfRange(
            f"Positions {int(positions.min())} to {int(positions.max())} were asked for; this posterior is over "
            f"{n_points} points, 0 to {n_points - 1}."
        )
    return positions


def draw_jointly(models: Sequence[GaussianProcess], x_M_D: Array, n_draws: int, seed: int) -> Tensor:
    """Draws of the latent function at points, (B, S, M) for B models, each independent of the others.

    mean + L z with L L' the posterior covariance of the points and z normal. The first draws are the same for any
    number of them.

    Raises
    ------
    ModelError
        For a number of draws below one, and where the covariance is not positive semidefinite.
    TooLargeForMemory
        Beyond `MOST_JOINT_POINTS` points.
    """
    if n_draws < 1:
        raise ModelError(f"n_draws must be 1 or more, got {n_draws!r}.")
    n_points = len(x_M_D)
    if n_points > MOST_JOINT_POINTS:
        raise TooLargeForMemory(
            f"Joint draws at {n_points:,} points need their covariance matrix, {16 * n_points**2 / 1e9:.1f} GB with "
            f"its factor. At most {MOST_JOINT_POINTS:,} points are drawn at once: choose some of them, at random say."
        )
    draws = []
    for b, model in enumerate(models):
        z_S_M = numpy_generator(seed, "sample_latent", b).standard_normal((n_draws, n_points))
        draws.append(_draw(model, x_M_D, torch.from_numpy(z_S_M)))
    return torch.stack(draws)


def _draw(model: GaussianProcess, x_M_D: Array, z_S_M: Tensor) -> Tensor:
    mean_M = as_tensor(model.latent(x_M_D)[0])
    factor_M_M = _factor(_covariance(model, x_M_D), _prior_variance(model, x_M_D))
    return mean_M + z_S_M.to(mean_M) @ factor_M_M.mT


def _covariance(model: GaussianProcess, x_M_D: Array) -> Tensor:
    """The lower triangle of the posterior covariance, (M, M), with little memory beyond its own."""
    cov_M_M = as_tensor(x_M_D).new_zeros(len(x_M_D), len(x_M_D))
    for start in range(0, len(x_M_D), _BLOCK):
        end = start + _BLOCK
        cov_M_M[start:end, :end] = as_tensor(model.joint(x_M_D[start:end], x_M_D[:end]))
    return cov_M_M


def _prior_variance(model: GaussianProcess, x_M_D: Array) -> float:
    return float(model.covariance.variance(model.kernel_theta, x_M_D).max()) if len(x_M_D) else 0.0


def _factor(cov_M_M: Tensor, prior_variance: float) -> Tensor:
    """Cholesky factor, with the least jitter that makes one possible; the covariance is written to.

    Points close to each other, or to labelled ones, have a covariance that is singular up to rounding errors, which are
    of the order of the prior variance times 1e-16.
    """
    added = 0.0
    for jitter in (0.0, *(prior_variance * 10.0**k for k in range(-17, -5))):
        cov_M_M.diagonal().add_(jitter - added)
        added = jitter
        chol_M_M, info = torch.linalg.cholesky_ex(cov_M_M)
        if info == 0:
            return chol_M_M
        del chol_M_M  # before the next one is made: each may be close to a gigabyte
    raise ModelError(
        "The posterior covariance of these points is not positive semidefinite: this kernel is no covariance function "
        "for features of this dimension, or it gives NaN."
    )
