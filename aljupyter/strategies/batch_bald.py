"""BatchBALD: the batch whose labels tell most about the model together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aljupyter.strategies.base import Strategy
from aljupyter.strategies.chosen import Chosen
from aljupyter.strategies.greedy import BLOCK, Batch, Numbers, Picks, blocks, check_batch
from aljupyter.strategies.joint_labels import Labellings, bring_up_to_date, draws_of
from aljupyter.strategies.points import whole
from aljupyter.strategies.pool import Pool

ROUNDING = 1e-12  # nats: information below this is none, and a difference below this a tie
FEW = 64  # labellings by which all points are looked at, to find those that are looked at by all labellings
SHORTLIST = 128  # how many these are


def information_of_each(probs_S_N_C: Numbers) -> tuple[Numbers, Numbers]:
    """What the label of each point tells about which draw is right, in nats, and the entropies of the draws.

    Parameters
    ----------
    probs_S_N_C : array of shape (S, N, C)
        Draws of equal weight.

    Returns
    -------
    information_N : array of shape (N,)
        BALD: the entropy of the draws' mean less the mean of their entropies (Houlsby et al. 2011, arXiv:1112.5745).
    entropy_S_N : array of shape (S, N)
    """
    n_draws, n_points, n_classes = probs_S_N_C.shape
    entropy_S_N = np.empty((n_draws, n_points))
    for rows in blocks(n_points, n_draws * n_classes, BLOCK // 8):
        entropy_S_N[:, rows] = _entropy(probs_S_N_C[:, rows])
    return np.maximum(_entropy(probs_S_N_C.mean(axis=0)) - entropy_S_N.mean(axis=0), 0.0), entropy_S_N


def pick_by_joint_information(
    probs_S_N_C: Numbers,
    n: int,
    generator: np.random.Generator,
    *,
    n_configurations: int = 1024,
    batch: Batch | None = None,
) -> Picks:
    """Pick n points, each the one whose label tells most about which draw is right, beyond the labels before it.

    BatchBALD (Kirsch, van Amersfoort & Gal 2019, arXiv:1906.08158, Algorithm 1): greedy in the mutual information
    ``I(y_1 ... y_n; s)`` of all labels together, at least 1 - 1/e of the best there is. With the labels y of the batch
    so far, a point adds ``E_y [H(sum_s w_s p_s) - sum_s w_s H(p_s)]``, w the weights of the draws given y.

    Exact while the batch has at most `n_configurations` labellings of any probability, C^(n - 1); of more, as many
    stand for all without bias (:func:`aljupyter.strategies.joint_labels.thinned`). A point adds less the larger the
    batch, so that what it added before bounds it from above and few points are looked at again. Where there are more
    than `FEW` labellings, all that the bounds leave are looked at by so many, and the best `SHORTLIST` of these by all:
    the picks are those of the greedy method exactly for C^(n - 1) <= `FEW` labellings, or for a pool of at most
    `SHORTLIST` points and C^(n - 1) <= `n_configurations`.

    O(N C S) time, and at most as much times `FEW` for each pick after the first, as a rule far less; O(N S) memory
    beside the draws.

    Parameters
    ----------
    probs_S_N_C : array of shape (S, N, C)
        Class probabilities of S draws of equal weight, each one function at all points.
    n : int
    generator : numpy.random.Generator
        Breaks ties, and draws labellings.
    n_configurations : int
        At most so many labellings of a batch are kept.
    batch : Batch, optional
        Empty; says which points may be picked. All where not given.

    Returns
    -------
    positions : array of int, shape (n,)
        Distinct.
    gains : array of shape (n,)
        What each added, in nats. Their sum is the information of the whole batch.

    Raises
    ------
    QuerySizeError
    """
    n_draws, n_points, _ = probs_S_N_C.shape
    check_batch(n, n_points)
    batch = batch or Batch(n_points)
    values_N, entropy_S_N = information_of_each(probs_S_N_C)
    added = _Added(probs_S_N_C, entropy_S_N, Labellings.of_nothing(n_draws))
    positions, gains = np.empty(n, dtype=np.int64), np.empty(n)
    for i in range(n):
        best_N = values_N
        if i:
            by_few = _Added(probs_S_N_C, entropy_S_N, added.labellings.thinned(FEW, generator))
            new_N = bring_up_to_date(values_N, batch.open_N, by_few, ROUNDING)
            if len(by_few.labellings) < len(added.labellings):
                short = np.flatnonzero(new_N)
                if len(short) > SHORTLIST:
                    short = np.sort(short[np.argpartition(-values_N[short], SHORTLIST)[:SHORTLIST]])
                values_N[short] = added(short)
                best_N = np.full(n_points, -np.inf)
                best_N[short] = values_N[short]
        pick = batch.best(best_N, generator, within=ROUNDING)
        positions[i], gains[i] = pick, values_N[pick]
        if i < n - 1:
            after = added.labellings.followed_by(probs_S_N_C[:, pick], n_configurations, generator)
            added = _Added(probs_S_N_C, entropy_S_N, after)
    return positions, gains


class _Added:
    """What the labels of points add to those of a batch."""

    def __init__(self, probs_S_N_C: Numbers, entropy_S_N: Numbers, labellings: Labellings):
        self.labellings = labellings
        self._probs_S_N_C, self._entropy_S_N = probs_S_N_C, entropy_S_N
        self._weights_S = labellings.shares_M @ labellings.weights_M_S

    def __call__(self, rows: NDArray[np.int64]) -> Numbers:
        entropy_n = self.labellings.mean_entropy(self._probs_S_N_C[:, rows])
        return np.maximum(entropy_n - self._weights_S @ self._entropy_S_N[:, rows], 0.0)


def _entropy(probs: Numbers) -> Numbers:
    entropy: Numbers = -(probs * np.log(np.maximum(probs, np.finfo(np.float64).tiny))).sum(axis=-1)
    return entropy


class BatchBALD(Strategy):
    """The batch whose labels tell most about the model together: no point that only repeats what another one tells.

    Kirsch, van Amersfoort & Gal (2019, arXiv:1906.08158); see :func:`pick_by_joint_information`. Scores are BALD: what
    the label of each point tells by itself, in nats. The draws are functions: of an ensemble its members, of a GP
    classifier joint draws of its latent functions.

    Parameters
    ----------
    n_draws : int
        Functions that are drawn from the posterior, by the seed; all that there are, of an ensemble of fewer. Labels
        can tell no more than the logarithm of their number: for large batches of many classes draw more.
    n_configurations : int
        Of the labels that a batch may get together, at most so many are considered at once.

    Raises
    ------
    InvalidParameter
    ModelLacks
        When used with a model that gives no draws that are functions.

    Notes
    -----
    The draws of a pool of N points are held in memory, 8 N C `n_draws` bytes; for large pools see
    ``within(max_candidates=...)``.

    Examples
    --------
    >>> BatchBALD(n_draws=200)
    BatchBALD(n_draws=200)
    """

    task = "classification"
    needs = ("model", "functions")

    def __init__(self, n_draws: int = 100, n_configurations: int = 1024):
        self.n_draws = whole(n_draws, "n_draws")
        self.n_configurations = whole(n_configurations, "n_configurations")

    def score(self, pool: Pool) -> Numbers:
        """What the label of each unlabelled point tells about the model by itself, shape (N,), in nats."""
        return information_of_each(self._draws(pool))[0]

    def select(self, pool: Pool, n: int, scores_N: Numbers) -> Chosen:
        """A batch of n in the order of the picks; ``"gain"`` is what each added, in nats."""
        positions, gains = pick_by_joint_information(
            self._draws(pool), n, pool.generator("select"), n_configurations=self.n_configurations, batch=pool.batch(n)
        )
        return Chosen(positions, {"gain": gains})

    def _draws(self, pool: Pool) -> Numbers:
        key = ("BatchBALD draws", self.n_draws)
        if key not in pool.memo:
            pool.memo[key] = draws_of(pool, pool.posterior, self.n_draws, pool.generator("draws"), self)
        draws_S_N_C: Numbers = pool.memo[key]
        return draws_S_N_C
