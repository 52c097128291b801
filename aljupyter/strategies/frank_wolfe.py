"""ACS-FW: a batch that stands for the whole pool, by what its labels would say of the model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aljupyter.posterior import ClassPosterior
from aljupyter.strategies.base import Strategy
from aljupyter.strategies.chosen import Chosen
from aljupyter.strategies.determinant import moments
from aljupyter.strategies.greedy import Batch, Numbers, Picks, blocks, check_batch
from aljupyter.strategies.needs import functions
from aljupyter.strategies.points import whole
from aljupyter.strategies.pool import Pool

DAMPING = 1e-6  # added to squared lengths, as in the authors' code: who says less than 0.001 nats is not made longer
PATIENCE = 50  # steps in a row that only weigh the batch anew
TIED = 1e-9  # of the length of the sum: scores that differ by less are equal
TINY = 1e-12  # smaller probabilities in a draw have the logarithm of this
MOST_OTHERS = 2000  # points that may not be asked: of more, so many are drawn to stand for them


def lengths(features_N_J: Numbers) -> Numbers:
    """Lengths of the rows, damped, shape (N,)."""
    return np.sqrt(np.einsum("nj,nj->n", features_N_J, features_N_J) + DAMPING)


def agreement(features_N_J: Numbers, wanted_J: Numbers) -> Numbers:
    """The inner product of each row, made of length 1, with a vector, shape (N,)."""
    product_N: Numbers = features_N_J @ wanted_J / lengths(features_N_J)
    return product_N


def pick_by_frank_wolfe(
    features_N_J: Numbers,
    n: int,
    generator: np.random.Generator,
    *,
    total_J: Numbers | None = None,
    total_length: float | None = None,
    batch: Batch | None = None,
) -> Picks:
    """Pick n points that, weighed, add up to what all points add up to.

    ACS-FW (Pinsler, Gordon, Nalisnick & Hernandez-Lobato 2019, arXiv:1908.02144, Algorithm 1): Frank-Wolfe steps on
    ``|L - sum_n w_n L_n|^2`` over the weights with ``w >= 0`` and ``sum_n w_n |L_n| = sum_n |L_n|``, from zero. Each
    step goes to the point whose direction agrees best with what is left, by an exact line search. In the paper there
    are n steps, some of which may fall on points that are in the batch, and the batch is then smaller. Here such a step
    is taken as well, and others follow until n points are in; where 50 in a row brought none, the best of those that
    are not in it is taken. O(N J) time a step, no second matrix.

    Parameters
    ----------
    features_N_J : array of shape (N, J)
        L, one row a point.
    n : int
    generator : numpy.random.Generator
        Breaks ties.
    total_J : array of shape (J,), optional
        What is to be approximated; the sum of all rows where not given.
    total_length : float, optional
        The sum of the lengths of what was added up there.
    batch : Batch, optional
        Empty; says which points may be picked. All where not given.

    Returns
    -------
    positions : array of int, shape (n,)
        Distinct.
    gains : array of shape (n,)
        How much of what was left lay in the direction of each when it was picked.

    Raises
    ------
    QuerySizeError
    """
    check_batch(n, len(features_N_J))
    batch = batch or Batch(len(features_N_J))
    lengths_N = lengths(features_N_J)
    wanted_J = features_N_J.sum(axis=0) if total_J is None else total_J
    budget = float(lengths_N.sum()) if total_length is None else total_length
    says_N = np.linalg.norm(features_N_J, axis=1) > TIED * lengths_N.max()  # the others come last
    within = TIED * float(np.linalg.norm(wanted_J))
    reached_J = np.zeros_like(wanted_J)
    gains, reweighed = np.empty(n), 0
    while len(batch.positions) < n:
        left_J = wanted_J - reached_J
        scores_N = np.where(says_N, features_N_J @ left_J / lengths_N, -np.inf)
        pick = _again(scores_N, batch, within) if reweighed < PATIENCE else None
        if pick is None:
            pick, reweighed = batch.best(scores_N, generator, within=within), 0
            gains[len(batch.positions) - 1] = scores_N[pick] if says_N[pick] else 0.0
        else:
            reweighed += 1
        if not says_N[pick]:
            continue
        step_J = features_N_J[pick] * (budget / lengths_N[pick]) - reached_J
        size = float(step_J @ step_J)
        if size > 0:
            reached_J = reached_J + min(max(float(step_J @ left_J) / size, 0.0), 1.0) * step_J
    return np.array(batch.positions), gains


def _again(scores_N: Numbers, batch: Batch, within: float) -> int | None:
    """The best point, where it is in the batch already; None where it is not."""
    if not batch.positions:
        return None
    best = batch.positions[int(scores_N[batch.positions].argmax())]
    return best if scores_N[best] > scores_N[batch.open_N].max() + within else None


def class_features(probs_N_C: Numbers, draws_J_N_C: Numbers) -> Numbers:
    """What a label of each point is expected to say for each draw: ``sum_c p_c log q_c``, less its mean; (N, J).

    The paper adds the entropy of the prediction in place of taking off the mean over draws: both are constants of a
    point, which say nothing about the draws, and without the mean inner products are covariances.

    Parameters
    ----------
    probs_N_C : array of shape (N, C)
        p, the prediction.
    draws_J_N_C : array of shape (J, N, C)
        q, of functions at all points.

    Returns
    -------
    array of shape (N, J)
        In nats over the root of J: inner products are covariances over the draws.
    """
    n_draws, n_points, n_classes = draws_J_N_C.shape
    features_N_J = np.empty((n_points, n_draws))
    for rows in blocks(n_points, n_draws * n_classes):
        logs_J_B_C = np.log(np.maximum(draws_J_N_C[:, rows], TINY))
        features_N_J[rows] = np.einsum("jbc,bc->bj", logs_J_B_C, probs_N_C[rows])
    return _centred(features_N_J)


def value_features(mean_N: Numbers, noise_N: Numbers, draws_J_N: Numbers) -> Numbers:
    """The same of normal labels with this mean and noise, ``-(f - mean)^2 / (2 noise)`` less its mean; (N, J)."""
    return _centred((-0.5 * (draws_J_N - mean_N) ** 2 / noise_N).T)


def _centred(features_N_J: Numbers) -> Numbers:
    centred: Numbers = features_N_J - features_N_J.mean(axis=1, keepdims=True)
    return centred / np.sqrt(features_N_J.shape[1])


class ACSFW(Strategy):
    """The batch whose labels would say of the model what the labels of the whole pool would say.

    Bayesian batch active learning as sparse subset approximation (Pinsler et al. 2019, arXiv:1908.02144). What a point
    says is the expected log-likelihood of its label, by the model's own prediction, as a function of the model: here
    its values at draws from the posterior (the paper's random projections), less their mean, which says nothing. A
    batch is weighed to add up to the sum over the pool; see :func:`pick_by_frank_wolfe`. Scores are how much of that
    sum lies in the direction of a point, in nats. As it is the direction that counts, a point that says little may
    come first.

    Parameters
    ----------
    n_draws : int
        At least 2; more tell more points apart. A batch of more points than that is in part random.

    Raises
    ------
    InvalidParameter
    ModelLacks
        When used with a model without draws that are functions.

    Notes
    -----
    The draws take N C n_draws numbers: restrict a large pool by :meth:`within`. Points that may not be asked count in
    the sum; of more than 2,000 of these a sample stands for all.

    Examples
    --------
    >>> ACSFW(n_draws=50)
    ACSFW(n_draws=50)
    """

    needs = ("model", "functions")

    def __init__(self, n_draws: int = 100):
        self.n_draws = whole(n_draws, "n_draws", at_least=2)

    def score(self, pool: Pool) -> Numbers:
        """How much of what the pool says lies in the direction of each point, shape (N,), in nats."""
        features_N_J, total_J, _ = self._features(pool)
        return agreement(features_N_J, total_J)

    def select(self, pool: Pool, n: int, scores_N: Numbers) -> Chosen:
        """A batch of n in the order of the picks; ``"gain"`` is the score of each after those before it."""
        features_N_J, total_J, total_length = self._features(pool)
        positions, gains = pick_by_frank_wolfe(
            features_N_J,
            n,
            pool.generator("select"),
            total_J=total_J,
            total_length=total_length,
            batch=pool.batch(n),
        )
        return Chosen(positions, {"gain": gains})

    def _features(self, pool: Pool) -> tuple[Numbers, Numbers, float]:
        """Of the points of the pool; their sum and that of their lengths over the whole pool."""
        key = (repr(self), "features")
        if key not in pool.memo:
            part, mine_N, weights_A = self._everyone(pool)
            draws = functions(part, self.n_draws, pool.generator("functions"), self)
            posterior = part.posterior
            if isinstance(posterior, ClassPosterior):
                features_A_J = class_features(posterior.mean_N_C.detach().cpu().double().numpy(), draws)
            else:
                mean_A = posterior.mean_N.detach().cpu().double().numpy()
                features_A_J = value_features(mean_A, moments(part)[1], draws)
            total_length = float(weights_A @ lengths(features_A_J))
            pool.memo[key] = features_A_J[mine_N], weights_A @ features_A_J, total_length
        found: tuple[Numbers, Numbers, float] = pool.memo[key]
        return found

    def _everyone(self, pool: Pool) -> tuple[Pool, NDArray[np.int64] | slice, Numbers]:
        """The whole pool or a part of it, where the points of `pool` are there, and how many each stands for."""
        if pool.whole is pool:
            return pool, slice(None), np.ones(len(pool))
        indices = pool.whole.unlabelled.indices
        rows_N = np.searchsorted(indices, pool.unlabelled.indices)
        others = np.setdiff1d(np.arange(len(indices)), rows_N)
        n_others = len(others)
        if n_others > MOST_OTHERS:
            others = pool.generator("others").permutation(others)[:MOST_OTHERS]
        rows_A = np.union1d(rows_N, others)
        mine_N = np.searchsorted(rows_A, rows_N)
        weights_A = np.full(len(rows_A), n_others / max(1, len(others)))
        weights_A[mine_N] = 1.0
        return pool.whole.restricted(rows_A), mine_N, weights_A
