"""What a model says about points.

Dimension suffixes of names: N points, C classes, S draws, D features.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from aljupyter.errors import InvalidParameter, InvalidPosterior, NoDraws

#: points whose covariance is factored at once for a joint draw: 70 MB, a quarter of a second
MOST_FACTORED = 2048


class JointCovariance(Protocol):
    """Covariance of the latent function between points of one posterior, in blocks: no N x N matrix is built."""

    def cov(self, rows: Tensor | slice, cols: Tensor | slice) -> Tensor:
        """Covariance of shape (R, K) between points given by their positions in the posterior.

        Shape (C, R, K) where there is a latent function for each of C classes.
        """
        ...


class ClassDraws(Protocol):
    """Draws of class probabilities that are made when they are asked for, and for some points at a time."""

    #: of shape (S,), with a sum of one
    weights_S: Tensor

    def __call__(self, rows: slice) -> Tensor:
        """Probabilities of shape (S, n, C) at these points of the posterior, each point by itself."""
        ...

    def functions(self, k: int, generator: np.random.Generator, rows: Tensor) -> Tensor:
        """Probabilities of shape (k, n, C) at some points: each draw is one function, at all of them.

        Raises
        ------
        NoDraws
            Where a model cannot say that.
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
    draws : ClassDraws, optional
        The same as `probs_S_N_C`, one point at a time (not coupled), where holding all at once would take too much.

    Raises
    ------
    InvalidPosterior
        Where a probability in `mean_N_C` is NaN, negative, or its rows do not sum to one; where draws or weights have
        another shape, or weights are none. What the draws hold is checked by the measures that read them.
    """

    mean_N_C: Tensor
    probs_S_N_C: Tensor | None = None
    weights_S: Tensor | None = None
    coupled: bool = False
    joint: JointCovariance | None = None
    provenance: str = "unknown"
    draws: ClassDraws | None = None

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
        if self.weights_S is not None:
            n_draws = 0 if self.probs_S_N_C is None else len(self.probs_S_N_C)
            _require(
                self.weights_S.shape == (n_draws,),
                f"There must be one weight a draw: {n_draws} draws, weights of shape {tuple(self.weights_S.shape)}.",
            )
            weights = self.weights_S.detach().cpu().double()
            _require(
                bool((weights >= 0).all()) and 0 < float(weights.sum()) < math.inf,
                f"Weights of draws are numbers of at least 0, not all of them 0; got {weights[:5].tolist()}.",
            )

    def __len__(self) -> int:
        return self.mean_N_C.shape[0]

    @property
    def n_classes(self) -> int:
        return self.mean_N_C.shape[1]

    def sample(self, k: int, generator: np.random.Generator, rows: Tensor | None = None) -> Tensor:
        """Draws of class probabilities: each is one function, seen at all points.

        Where the model gave coupled draws, k of these, by their weights, none twice while they last. Otherwise what
        its `draws` say of functions.

        Parameters
        ----------
        k : int
            1 or more.
        generator : numpy.random.Generator
        rows : Tensor of int64, shape (n,), optional
            Positions of some points; all where not given.

        Returns
        -------
        Tensor of shape (k, n, C), float64

        Raises
        ------
        InvalidParameter
            For a number of draws below one.
        NoDraws
            Where there are none of that kind: draws of each point by itself do not say what two points have in common.
        """
        _check_number(k)
        if self.probs_S_N_C is not None and self.coupled:
            n_draws = len(self.probs_S_N_C)
            shares = (
                None if self.weights_S is None else (self.weights_S.double() / self.weights_S.double().sum()).numpy()
            )
            n_possible = n_draws if shares is None else int((shares > 0).sum())
            chosen_k = torch.from_numpy(generator.choice(n_draws, int(k), replace=k > n_possible, p=shares))
            drawn = self.probs_S_N_C[chosen_k]
            return _double(drawn if rows is None else drawn[:, rows])
        if self.draws is None or self.probs_S_N_C is not None:
            raise NoDraws(
                f"This posterior ({self.provenance}) has no draws that are one function at all points, as an ensemble "
                f"or a GP gives them."
            )
        return self.draws.functions(int(k), generator, torch.arange(len(self)) if rows is None else rows)


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
        Draws of the latent function: each is one function, at all points.
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
        if self.noise_N is not None:
            _require(
                self.noise_N.shape == mean.shape,
                f"There must be one noise variance a point: {len(mean)} points, shape {tuple(self.noise_N.shape)}.",
            )
        if self.draws_S_N is not None:
            _require(
                self.draws_S_N.ndim == 2 and self.draws_S_N.shape[1:] == mean.shape and len(self.draws_S_N) > 0,
                f"Draws have shape (S, N) = (S, {len(mean)}), got {tuple(self.draws_S_N.shape)}.",
            )

    def __len__(self) -> int:
        return self.mean_N.shape[0]

    @property
    def std_N(self) -> Tensor:
        """Standard deviation of the latent function, shape (N,)."""
        return self.variance_N.sqrt()

    def sample(self, k: int, generator: np.random.Generator | torch.Generator) -> Tensor:
        """Draws of the latent function: each is one function, seen at all points, where the posterior can say so.

        Where the model gave draws, k of these, none twice while they last. Otherwise, from `joint`, normal ones: exact
        for up to `MOST_FACTORED` points. Of more, as many are chosen at random and drawn jointly, and each other one
        given these: the distribution of a point, and its covariance with those, stay exact; two of the others depend
        on each other through those alone. Without either, each point is drawn by itself: such a draw is no function of
        the model's, it jumps between neighbours.

        Parameters
        ----------
        k : int
            1 or more.
        generator : numpy.random.Generator or torch.Generator
            The same state gives the same draws.

        Returns
        -------
        Tensor of shape (k, N), float64, in units of the target
            Without the noise of an observation.

        Raises
        ------
        InvalidParameter
            For a number of draws below one.

        Examples
        --------
        >>> posterior = RegressionPosterior(torch.zeros(3), torch.tensor([0.0, 1.0, 4.0]))
        >>> posterior.sample(1000, np.random.default_rng(0)).std(0).round().tolist()
        [0.0, 1.0, 2.0]
        """
        _check_number(k)
        if isinstance(generator, torch.Generator):
            seed = torch.randint(2**63 - 1, (), generator=generator, device=generator.device)
            generator = np.random.default_rng(int(seed))
        if self.draws_S_N is not None:
            chosen_k = generator.choice(len(self.draws_S_N), int(k), replace=k > len(self.draws_S_N))
            return _double(self.draws_S_N[torch.from_numpy(chosen_k).to(self.draws_S_N.device)])
        z_k_N = torch.from_numpy(generator.standard_normal((int(k), len(self))))
        if self.joint is None:
            return _double(self.mean_N) + _double(self.std_N) * z_k_N
        return _double(self.mean_N) + jointly_normal(self.joint.cov, self.variance_N, z_k_N, generator, MOST_FACTORED)


def jointly_normal(
    cov: Callable[[Tensor, Tensor], Tensor],
    variance_N: Tensor,
    z_k_N: Tensor,
    generator: np.random.Generator,
    most: int,
) -> Tensor:
    """Normal draws about zero, (k, N): up to `most` points jointly, each other one given these.

    Parameters
    ----------
    cov : callable
        Covariance (R, K) between points given by their positions, (R,) and (K,).
    variance_N : Tensor of shape (N,)
    z_k_N : Tensor of shape (k, N)
        Standard normal.
    generator : numpy.random.Generator
        Chooses the points that are drawn jointly.
    most : int
        How many these are at most: see `MOST_FACTORED`.
    """
    variance_N, drawn_k_N = _double(variance_N), torch.zeros_like(z_k_N)
    if not variance_N.any():
        return drawn_k_N
    first_M = torch.arange(len(variance_N))
    if len(variance_N) > most:
        first_M = torch.from_numpy(np.sort(generator.permutation(len(variance_N))[:most]))
    factor_M_M = _factor(_double(cov(first_M, first_M)), float(variance_N.max()))
    drawn_k_N[:, first_M] = z_k_N[:, first_M] @ factor_M_M.mT
    if len(first_M) == len(variance_N):
        return drawn_k_N
    others = torch.from_numpy(np.setdiff1d(np.arange(len(variance_N)), first_M))
    for other_B in others.split(most):
        loads_M_B = torch.linalg.solve_triangular(factor_M_M, _double(cov(first_M, other_B)), upper=False)
        own_B = (variance_N[other_B] - loads_M_B.square().sum(0)).clamp_min(0).sqrt()
        drawn_k_N[:, other_B] = z_k_N[:, first_M] @ loads_M_B + z_k_N[:, other_B] * own_B
    return drawn_k_N


def _check_number(k: object) -> None:
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise InvalidParameter(f"The number of draws is a whole number of at least 1, got {k!r}.")


def _double(values: Tensor) -> Tensor:
    return values.detach().cpu().double()


def _factor(cov_M_M: Tensor, scale: float) -> Tensor:
    """Cholesky factor, with the least jitter that makes one possible: neighbours have almost the same value."""
    for jitter in (0.0, *(scale * 10.0**k for k in range(-15, -1))):
        factor_M_M, info = torch.linalg.cholesky_ex(cov_M_M + jitter * torch.eye(len(cov_M_M), dtype=cov_M_M.dtype))
        if info == 0:
            return factor_M_M
    raise InvalidPosterior("The joint covariance of this posterior is not positive semidefinite, or holds NaN.")


Posterior = ClassPosterior | RegressionPosterior
