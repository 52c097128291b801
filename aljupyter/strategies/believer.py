"""A batch that is chosen point by point, each as if the labels of those before it were known."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aljupyter.errors import RedundantBatch
from aljupyter.posterior import ClassPosterior, JointCovariance, RegressionPosterior
from aljupyter.strategies.chosen import Chosen
from aljupyter.strategies.pool import Pool

Rescore = Callable[[Pool], NDArray[np.float64]]


class Believer:
    """The highest score; then the highest score as if that point had the label that the model predicts; and so on.

    The kriging believer (Ginsbourger, Le Riche & Carraro 2010). In regression the mean then stays what it is, and the
    variance falls as it will, whatever the label turns out to be: exact for a GP, without a fit. A classifier is
    given the likeliest class as a hypothetical label. Where a model gives neither covariances nor fantasies, or there
    is none, what it says stays as it is; that a place is taken counts for distances all the same.

    Examples
    --------
    >>> from aljupyter.strategies import Strategy, Variance
    >>> Strategy(Variance(), Believer())
    Variance()
    """

    def __call__(self, pool: Pool, n: int, scores_N: NDArray[np.float64], rescore: Rescore) -> Chosen:
        generator, batch = pool.generator("select"), pool.batch(n)
        gains = np.empty(n)
        values_N = scores_N
        belief: Belief | None = None
        for i in range(n):
            pick = batch.best(values_N, generator)
            gains[i] = values_N[pick]
            if i < n - 1:
                belief = belief or _belief(pool)
                values_N = np.where(np.isneginf(scores_N), -np.inf, rescore(belief.after(batch.positions)))
        return Chosen(np.array(batch.positions), {"gain": gains})

    def __repr__(self) -> str:
        return "Believer()"


def can_believe(pool: Pool) -> bool:
    """Whether the model of a pool, if there is one, says what hypothetical labels would change."""
    return pool.model is None or not isinstance(_belief(pool), _OfPlaces)


class Belief:
    """The pool as it would be with the labels that the model predicts."""

    def __init__(self, pool: Pool):
        self.pool = pool

    def after(self, positions: list[int]) -> Pool:
        """With those of the points at these positions, of which all but the last were given before."""
        raise NotImplementedError


class _OfValues(Belief):
    """The mean is believed: it stays as it is, and variances are conditioned on the points, a column at a time."""

    def __init__(self, pool: Pool, posterior: RegressionPosterior, joint: JointCovariance):
        super().__init__(pool)
        self._posterior = posterior
        self._covariance = Conditioned(joint, posterior)

    def after(self, positions: list[int]) -> Pool:
        self._covariance.add(positions[-1])
        posterior = self._posterior
        believed = RegressionPosterior(
            posterior.mean_N,
            self._covariance.variance_N.to(posterior.variance_N),
            posterior.noise_N,
            joint=self._covariance,
            provenance=posterior.provenance,
        )
        picks = self.pool.unlabelled.part(np.array(positions))
        return self.pool.believing(believed, self.pool.model, picks, posterior.mean_N[positions])


class _OfClasses(Belief):
    """The likeliest classes are believed, by a fantasy of the model about all of them."""

    def after(self, positions: list[int]) -> Pool:
        pool, model = self.pool, self.pool.model
        posterior: Any = pool.posterior
        picks = pool.unlabelled.part(np.array(positions))
        codes_n = posterior.mean_N_C[positions].argmax(1)
        imagine: Any = model
        return pool.believing(None, imagine.fantasize(picks.x, codes_n.numpy()), picks, codes_n)


class _OfPlaces(Belief):
    """A posterior that stays as it is, or none before the first fit; that a place is taken counts for distances."""

    def after(self, positions: list[int]) -> Pool:
        pool, picks = self.pool, self.pool.unlabelled.part(np.array(positions))
        if pool.model is None:  # nothing is predicted; the labels that a dataset holds are not to be seen
            missing = math.nan if picks.y.is_floating_point() else -1
            return pool.believing(None, None, picks, torch.full_like(picks.y, missing))
        posterior = pool.posterior
        likeliest_N = posterior.mean_N_C.argmax(1) if isinstance(posterior, ClassPosterior) else posterior.mean_N
        return pool.believing(posterior, pool.model, picks, likeliest_N[positions])


def _belief(pool: Pool) -> Belief:
    if pool.model is None:
        return _OfPlaces(pool)
    posterior = pool.posterior
    if isinstance(posterior, ClassPosterior):
        return _OfClasses(pool) if callable(getattr(pool.model, "fantasize", None)) else _OfPlaces(pool)
    return _OfPlaces(pool) if posterior.joint is None else _OfValues(pool, posterior, posterior.joint)


class Conditioned:
    """A covariance after noisy values at some points were seen, a rank-one step for each: JointCovariance too.

    Parameters
    ----------
    joint : JointCovariance
    posterior : RegressionPosterior
        Says variances (N,) and noise.
    """

    def __init__(self, joint: JointCovariance, posterior: RegressionPosterior):
        self._joint = joint
        self.variance_N = posterior.variance_N.detach().cpu().double().clone()
        noise_N = posterior.noise_N
        self._noise_N = torch.zeros_like(self.variance_N) if noise_N is None else noise_N.detach().cpu().double()
        self._least = 1e-10 * float(self.variance_N.max()) if len(self.variance_N) else 0.0
        self._columns: list[Tensor] = []

    def add(self, position: int) -> None:
        """See a value at one more point."""
        row = torch.tensor([position])
        column_N = self.cov(slice(None), row)[:, 0]
        seen = max(float(self.variance_N[position] + self._noise_N[position]), self._least)
        if seen <= 0:
            self._columns.append(torch.zeros_like(column_N))
            return
        column_N = column_N / seen**0.5
        self._columns.append(column_N)
        self.variance_N = (self.variance_N - column_N.square()).clamp_min(0)

    def cov(self, rows: Tensor | slice, cols: Tensor | slice) -> Tensor:
        """Covariance of shape (R, K)."""
        cov_R_K = self._joint.cov(rows, cols).double()
        for column_N in self._columns:
            cov_R_K = cov_R_K - column_N[rows, None] * column_N[cols]
        return cov_R_K


def warn_of_redundancy(strategy: object, n: int) -> None:
    """Say that a batch of the highest scores alone is known to lose to a random one."""
    warnings.warn(
        f"{strategy!r} takes the {n} highest scores at once. They lie close together: in regression and for BALD such "
        f"batches are known to lose to random ones. Leave the selection out (each point is then chosen as if the "
        f"labels of those before it were known), or take a batch strategy: IVR(), EPIG(), BatchBALD(), DOptimal().",
        RedundantBatch,
        stacklevel=_levels_to_the_caller(),
    )


def _levels_to_the_caller() -> int:
    """As a `stacklevel` of the function that asks: whoever called this package from outside."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "aljupyter":
        frame, level = frame.f_back, level + 1
    return level
