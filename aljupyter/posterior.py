"""What a model says about points.

Dimension suffixes of names: N points, C classes, S draws, D features.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from aljupyter.errors import InvalidPosterior


class JointCovariance(Protocol):
    """Covariance of the latent function between points of one posterior, in blocks: no N x N matrix is built."""

    def cov(self, rows: Tensor | slice, cols: Tensor | slice) -> Tensor:
        """Covariance of shape (R, K) between points given by their positions in the posterior.

        Shape (C, R, K) where there is a latent function for each of C classes.
        """
        ...


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise InvalidPosterior(message)


@dataclass(frozen=True, eq=False)
class ClassPosterior:
    """Class probabilities of N points.

    Parameters
    ----------
    mean_N_C : Tensor of shape (N, C)
        Predictive probabilities, rows sum to one (1e-4). Equal to the model's ``predict_proba``.
    probs_S_N_C : Tensor of shape (S, N, C), optional
        Draws from the posterior, for the measures that need them (BALD).
    weights_S : Tensor of shape (S,), optional
        Weights of the draws; equal where not given.
    coupled : bool
        Whether draw s is one function for all points (ensembles, joint samples), or drawn a point at a time.
    joint : JointCovariance, optional
        Covariances between points: of the latent functions behind the probabilities, not of the probabilities.
    provenance : str
        Where the uncertainty comes from, in words.

    Raises
    ------
    InvalidPosterior
        Where a probability is NaN, negative, or rows do not sum to one.
    """

    mean_N_C: Tensor
    probs_S_N_C: Tensor | None = None
    weights_S: Tensor | None = None
    coupled: bool = False
    joint: JointCovariance | None = None
    provenance: str = "unknown"

    def __post_init__(self) -> None:
        mean = self.mean_N_C
        _require(mean.ndim == 2, f"Class probabilities have shape (N, C), got {tuple(mean.shape)}.")
        if len(mean):
            values = mean.detach().cpu().double().numpy()
            lowest = values.min(initial=0.0)  # NaN where there is one
            is_finite = math.isfinite(lowest + values.max(initial=0.0))
            _require(is_finite, "Class probabilities hold NaN or infinite values.")
            if lowest < -1e-6:
                negative = values[values < -1e-6][:3].tolist()
                raise InvalidPosterior(f"Class probabilities must not be negative, got {negative}.")
            total = values.sum(-1)
            if not abs(total - 1).max() < 1e-4:
                off = total[abs(total - 1) >= 1e-4][:3].tolist()
                raise InvalidPosterior(
                    f"Class probabilities must sum to 1 in each row; got {off}. Logits? Apply a softmax first."
                )
        if self.probs_S_N_C is not None:
            _require(
                self.probs_S_N_C.shape[1:] == mean.shape,
                f"Draws have shape (S, N, C) = (S, {mean.shape[0]}, {mean.shape[1]}), "
                f"got {tuple(self.probs_S_N_C.shape)}.",
            )

    def __len__(self) -> int:
        return self.mean_N_C.shape[0]

    @property
    def n_classes(self) -> int:
        return self.mean_N_C.shape[1]


@dataclass(frozen=True, eq=False)
class RegressionPosterior:
    """Mean and variance of the latent function at N points, in the units of the target.

    Parameters
    ----------
    mean_N : Tensor of shape (N,)
    variance_N : Tensor of shape (N,)
        Of the latent function; the noise of an observation is not in it.
    noise_N : Tensor of shape (N,), optional
        Variance of the observation noise.
    draws_S_N : Tensor of shape (S, N), optional
        Draws of the latent function.
    joint : JointCovariance, optional
        Covariances between points.
    provenance : str
        Where the uncertainty comes from, in words.

    Raises
    ------
    InvalidPosterior
        Where a moment is NaN, a variance negative, or lengths differ.
    """

    mean_N: Tensor
    variance_N: Tensor
    noise_N: Tensor | None = None
    draws_S_N: Tensor | None = None
    joint: JointCovariance | None = None
    provenance: str = "unknown"

    def __post_init__(self) -> None:
        mean, variance = self.mean_N, self.variance_N
        _require(mean.ndim == 1, f"Means have shape (N,), got {tuple(mean.shape)}.")
        _require(
            variance.shape == mean.shape,
            f"There must be one variance a point: {tuple(mean.shape)} means, {tuple(variance.shape)} variances.",
        )
        if len(mean):
            moments = [values.detach().cpu().double().numpy() for values in (variance, mean)]
            lowest, *others = (end for values in moments for end in (values.min(), values.max()))
            _require(all(map(math.isfinite, (lowest, *others))), "The posterior holds NaN or infinite values.")
            if lowest < 0:
                raise InvalidPosterior(f"Variances must not be negative, got {variance[variance < 0][:3].tolist()}.")

    def __len__(self) -> int:
        return self.mean_N.shape[0]

    @property
    def std_N(self) -> Tensor:
        """Standard deviation of the latent function, shape (N,)."""
        return self.variance_N.sqrt()


Posterior = ClassPosterior | RegressionPosterior
