"""IVR: the labels that lower the variance most where it matters, on average over the pool."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from aljupyter.strategies.base import Strategy
from aljupyter.strategies.chosen import Chosen
from aljupyter.strategies.determinant import moments
from aljupyter.strategies.greedy import Batch, Numbers, Picks, blocks, check_batch
from aljupyter.strategies.needs import covariance, fitted, lacks
from aljupyter.strategies.points import whole
from aljupyter.strategies.pool import Pool

MOST_STORED = 2**24  # covariances with targets that are kept: 128 MB; of more they are computed again for each pick
NOTHING_LEFT = 1e-12  # of the largest variance, what is left by rounding


class Towards:
    """Covariances of N points with T targets, in blocks of rows; kept where they are few.

    Parameters
    ----------
    cov : callable
        Of a slice of the points: their covariances with all targets, shape (rows, T).
    n_points, n_targets : int
        N and T.
    """

    def __init__(self, cov: Callable[[slice], Numbers], n_points: int, n_targets: int):
        self._cov, self.shape = cov, (n_points, n_targets)
        self._kept_N_T = np.empty(self.shape) if n_points * n_targets <= MOST_STORED else None
        self._squares_N: Numbers | None = None

    def squares(self) -> Numbers:
        """Sums over targets of squared covariances, shape (N,)."""
        if self._squares_N is None:
            self._squares_N = np.empty(self.shape[0])
            for rows in blocks(*self.shape):
                cov_B_T = self._cov(rows)
                self._squares_N[rows] = np.einsum("bt,bt->b", cov_B_T, cov_B_T)
                if self._kept_N_T is not None:
                    self._kept_N_T[rows] = cov_B_T
        return self._squares_N

    def row(self, position: int) -> Numbers:
        """Covariances of a point with all targets, shape (T,)."""
        if self._kept_N_T is not None:
            self.squares()
            return self._kept_N_T[position]
        return self._cov(slice(position, position + 1))[0]

    def times(self, vector_T: Numbers) -> Numbers:
        """The matrix times a vector, shape (N,)."""
        if self._kept_N_T is not None:
            self.squares()
            product_N: Numbers = self._kept_N_T @ vector_T
            return product_N
        return np.concatenate([self._cov(rows) @ vector_T for rows in blocks(*self.shape)])


def variance_reduction(towards: Towards, variance_N: Numbers, noise_N: Numbers) -> Numbers:
    """By how much the label of each point lowers the mean variance of the targets, shape (N,).

    ``mean_t cov(x, t)^2 / (var(x) + noise)``: of a GP, exactly, whatever the label will be (Cohn, Ghahramani & Jordan
    1996, JAIR 4; Seo, Wallat, Graepel & Obermayer 2000).

    Parameters
    ----------
    towards : Towards
    variance_N, noise_N : arrays of shape (N,)
        Of the latent function, and of an observation.
    """
    return _values(towards.squares(), variance_N, noise_N, towards.shape[1], NOTHING_LEFT * variance_N.max())


def _values(squares_N: Numbers, variance_N: Numbers, noise_N: Numbers, n_targets: int, nothing: float) -> Numbers:
    has_any_N = variance_N > nothing  # one that has none left has no covariance either
    return np.divide(
        np.maximum(squares_N, 0) / n_targets, variance_N + noise_N, out=np.zeros(len(squares_N)), where=has_any_N
    )


def pick_by_reduction(
    towards: Towards,
    column: Callable[[int], Numbers],
    variance_N: Numbers,
    noise_N: Numbers,
    n: int,
    generator: np.random.Generator,
    *,
    batch: Batch | None = None,
) -> Picks:
    """Pick n points, each the one that lowers the mean variance of the targets most, given those before it.

    Of a GP the variance after a label does not depend on the label, so that each pick conditions all covariances
    exactly, by an update of rank one: with c the covariances of the points with the pick, b those of the pick with the
    targets and d its variance and noise, the squares ``sum_t C_xt^2`` become ``s - 2 (c / d) (C b) + (c / d)^2 |b|^2``.
    The matrix C itself is only read, and those of earlier picks are taken off its products: O(N (T + n)) time a pick
    and no second matrix, besides the column of covariances with the pick.

    Parameters
    ----------
    towards : Towards
        Covariances with the targets, before any pick.
    column : callable
        Of a position: covariances of all points with it, shape (N,), before any pick.
    variance_N, noise_N : arrays of shape (N,)
        Of the latent function, and of an observation.
    n : int
    generator : numpy.random.Generator
        Breaks ties.
    batch : Batch, optional
        Empty; says which points may be picked. All where not given.

    Returns
    -------
    positions : array of int, shape (n,)
        Distinct.
    gains : array of shape (n,)
        By how much each lowered the mean variance.

    Raises
    ------
    QuerySizeError
    """
    n_points, n_targets = towards.shape
    check_batch(n, n_points)
    batch = batch or Batch(n_points)
    nothing = NOTHING_LEFT * variance_N.max()
    squares_N, left_N = towards.squares().copy(), variance_N.copy()
    loads_n_N, pulls_n_T = np.empty((n - 1, n_points)), np.empty((n - 1, n_targets))
    positions, gains = np.empty(n, dtype=np.int64), np.empty(n)
    for i in range(n):
        values_N = _values(squares_N, left_N, noise_N, n_targets, nothing)
        pick = batch.best(values_N, generator, within=NOTHING_LEFT * values_N.max())
        positions[i], gains[i] = pick, values_N[pick]
        if i == n - 1:
            break
        if left_N[pick] <= nothing:  # it tells nothing of others
            loads_n_N[i], pulls_n_T[i] = 0.0, 0.0
            continue
        scale = np.sqrt(left_N[pick] + noise_N[pick])
        before_i = loads_n_N[:i, pick]
        load_N = (column(pick) - before_i @ loads_n_N[:i]) / scale
        pull_T = (towards.row(pick) - before_i @ pulls_n_T[:i]) / scale
        product_N = towards.times(pull_T) - (pulls_n_T[:i] @ pull_T) @ loads_n_N[:i]
        squares_N += load_N * (load_N * (pull_T @ pull_T) - 2 * product_N)
        left_N = np.maximum(left_N - load_N**2, 0.0)
        loads_n_N[i], pulls_n_T[i] = load_N, pull_T
    return positions, gains


class IVR(Strategy):
    """Integrated variance reduction: the label that lowers the model's variance most, on average over the pool.

    Also known as ALC (Cohn, Ghahramani & Jordan 1996, JAIR 4; Seo et al. 2000), for regression with covariances between
    points, such as a GP. The largest variance sits at the rim of the pool, where a label tells little of the rest; this
    asks where it tells most. Batches are exact: each pick knows of those before it. Scores are the mean reduction, in
    squared units of the target.

    Parameters
    ----------
    n_targets : int or None
        The mean is taken over so many unlabelled points, drawn anew each round by the seed; over all for None. Those
        that may not be asked (:meth:`within`) count as well.

    Raises
    ------
    InvalidParameter
    ModelLacks
        When used with a model that gives no covariances between points.

    Examples
    --------
    >>> IVR(n_targets=100)
    IVR(n_targets=100)
    """

    task = "regression"
    needs = ("model", "covariance")

    def __init__(self, n_targets: int | None = 500):
        self.n_targets = n_targets if n_targets is None else whole(n_targets, "n_targets")

    def score(self, pool: Pool) -> Numbers:
        """By how much the label of each point lowers the mean variance, shape (N,), in squared units of the target."""
        return variance_reduction(self._towards(pool), *moments(pool))

    def select(self, pool: Pool, n: int, scores_N: Numbers) -> Chosen:
        """A batch of n in the order of the picks; ``"gain"`` is by how much each lowered the mean variance."""
        joint = covariance(pool, self)

        def column(pick: int) -> Numbers:
            values: Numbers = joint.cov(slice(None), torch.tensor([pick])).double().numpy()[:, 0]
            return values

        positions, gains = pick_by_reduction(
            self._towards(pool), column, *moments(pool), n, pool.generator("select"), batch=pool.batch(n)
        )
        return Chosen(positions, {"gain": gains})

    def _towards(self, pool: Pool) -> Towards:
        """Covariances of the pool with the targets, which are points of the whole pool."""
        key = (repr(self), "towards")
        if key not in pool.memo:
            joint, view = covariance(pool, self), pool.whole.unlabelled
            targets_T = np.arange(len(view))
            if self.n_targets is not None and self.n_targets < len(view):
                targets_T = np.sort(pool.generator("targets").permutation(len(view))[: self.n_targets])
            rows_N = np.arange(len(pool))
            if len(pool) < len(view):  # the posterior about candidates and targets at once, and no others
                rows_N = np.searchsorted(view.indices, pool.unlabelled.indices)
                both = np.union1d(rows_N, targets_T)
                model = fitted(pool, self)
                of_both = model.posterior(view.part(both)).joint
                if of_both is None:
                    raise lacks(self, model, "covariance")
                joint, rows_N, targets_T = of_both, np.searchsorted(both, rows_N), np.searchsorted(both, targets_T)

            def cov(rows: slice) -> NDArray[np.float64]:
                return joint.cov(torch.from_numpy(rows_N[rows]), torch.from_numpy(targets_T)).double().numpy()

            pool.memo[key] = Towards(cov, len(pool), len(targets_T))
        towards: Towards = pool.memo[key]
        return towards
