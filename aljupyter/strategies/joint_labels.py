"""The labels that several points may get together, and what each such labelling says of draws from a posterior.

Draw s gives point x the label c with probability p_s(c | x), independently of the labels of other points: these have in
common only which draw is right. So a labelling y of some points is as probable as the mean over draws of the product of
its labels' probabilities, and that product is the weight of draw s once y was seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aljupyter.errors import ModelLacks
from aljupyter.posterior import ClassPosterior, Posterior
from aljupyter.strategies.greedy import Numbers, blocks
from aljupyter.strategies.needs import fitted, lacks
from aljupyter.strategies.pool import Pool

_AT_ONCE = 2**17  # numbers of a mixture that are worked on at once: they stay in the processor's cache
_FIRST = 64  # points that are looked at at once, to begin with
_TINY = np.finfo(np.float64).tiny


@dataclass(frozen=True, eq=False)
class Labellings:
    """What labels the points of a batch may get.

    Parameters
    ----------
    weights_M_S : array of shape (M, S)
        Of the draws, once the points have these labels. Each row sums to one.
    shares_M : array of shape (M,)
        How probable each labelling is. They sum to one.
    """

    weights_M_S: Numbers
    shares_M: Numbers

    @classmethod
    def of_nothing(cls, n_draws: int) -> Labellings:
        """The one labelling of an empty batch: all draws are equal."""
        return cls(np.full((1, n_draws), 1 / n_draws), np.ones(1))

    def __len__(self) -> int:
        return len(self.shares_M)

    def followed_by(self, probs_S_C: Numbers, most: int, generator: np.random.Generator) -> Labellings:
        """Those with one point more; some of them in place of all, where they are more than `most`."""
        probable_M_C = self.weights_M_S @ probs_S_C
        kept, shares = thinned((self.shares_M[:, None] * probable_M_C).ravel(), most, generator)
        before, label = np.divmod(kept, probs_S_C.shape[1])
        return Labellings(seen(self.weights_M_S[before], probs_S_C.T[label]), shares)

    def thinned(self, most: int, generator: np.random.Generator) -> Labellings:
        """At most so many of them."""
        if len(self) <= most:
            return self
        kept, shares = thinned(self.shares_M, most, generator)
        return Labellings(self.weights_M_S[kept], shares)

    def mean_entropy(self, probs_S_n_C: Numbers) -> Numbers:
        """Entropy of the label of each of n points, given the labels of the batch, shape (n,), in nats."""
        return -_mean_plogp(self.weights_M_S, self.shares_M, probs_S_n_C)


def seen(weights_M_S: Numbers, probs_M_S: Numbers) -> Numbers:
    """Weights of draws (M, S) after a label that draw s finds so probable."""
    after_M_S = weights_M_S * probs_M_S
    after_M_S /= after_M_S.sum(axis=1, keepdims=True)
    return after_M_S


def thinned(shares_M: Numbers, most: int, generator: np.random.Generator) -> tuple[NDArray[np.int64], Numbers]:
    """At most `most` of some alternatives in place of all, so that means over them stay right on average.

    Large shares stay as they are. Of those below a threshold, each stays with a probability in proportion to its share,
    which then becomes the threshold: of all ways without bias this changes the shares least (Fearnhead & Clifford 2003,
    J. R. Stat. Soc. B 65, section 3.2). Who stays is drawn at even steps along the list, so that neighbours in it are
    represented evenly.

    Parameters
    ----------
    shares_M : array of shape (M,)
        At least 0. Zeros never stay.
    most : int
    generator : numpy.random.Generator
        Not asked where nothing has to go.

    Returns
    -------
    kept : array of int, in ascending order
    shares : array of the same shape
        With the sum of all.
    """
    possible = np.flatnonzero(shares_M > 0)
    if len(possible) <= most:
        return possible, shares_M[possible]
    shares = shares_M[possible]
    descending = np.sort(shares)[::-1]
    below = np.cumsum(descending[::-1])[::-1][:most]  # of the k-th largest share and all smaller ones
    thresholds = below / (most - np.arange(most))
    n_large = int(np.argmax(descending[:most] <= thresholds))
    threshold = thresholds[n_large]
    is_large = shares > threshold
    small = np.flatnonzero(~is_large)
    n_small = most - int(is_large.sum())
    steps = generator.random() + np.arange(n_small)
    drawn = np.searchsorted(np.cumsum(shares[small]) / threshold, steps, side="right")
    kept = np.union1d(np.flatnonzero(is_large), small[np.minimum(drawn, len(small) - 1)])
    after = np.where(is_large[kept], shares[kept], threshold)
    return possible[kept], after * (shares.sum() / after.sum())


def _mean_plogp(weights_M_S: Numbers, shares_M: Numbers, probs_S_n_C: Numbers) -> Numbers:
    """Mean over labellings of the sum over classes of p log p, with p the mixture of the draws, shape (n,)."""
    n_draws, n_points, n_classes = probs_S_n_C.shape
    probs_S_nC = probs_S_n_C.reshape(n_draws, n_points * n_classes)
    means_nC = np.empty(n_points * n_classes)
    for columns in blocks(len(means_nC), len(shares_M), _AT_ONCE):
        mixed_M_B = weights_M_S @ probs_S_nC[:, columns]
        mixed_M_B *= np.log(np.maximum(mixed_M_B, _TINY))  # 0 log 0 = 0
        means_nC[columns] = shares_M @ mixed_M_B
    sums_n: Numbers = means_nC.reshape(n_points, n_classes).sum(axis=1)
    return sums_n


class Forecast:
    """What the labels of target points may be, given those of a batch, to be told by the label of one point more.

    The target is one of T, each as probable as any other.

    Parameters
    ----------
    batch : Labellings
    probs_S_T_C : array of shape (S, T, C)
    most : int
        Of the combinations of a labelling, a target and its label, some in place of all where they are more.
    generator : numpy.random.Generator
    """

    def __init__(self, batch: Labellings, probs_S_T_C: Numbers, most: int, generator: np.random.Generator):
        n_draws, n_targets, n_classes = probs_S_T_C.shape
        probs_TC_S = probs_S_T_C.reshape(n_draws, n_targets * n_classes).T
        probable_TC_B = probs_TC_S @ batch.weights_M_S.T
        shares_TC_B = probable_TC_B * (batch.shares_M / n_targets)
        kept, self._shares_M = thinned(shares_TC_B.ravel(), most, generator)
        label, before = np.divmod(kept, len(batch))
        self._weights_M_S = seen(batch.weights_M_S[before], probs_TC_S[label])
        self._batch_B_S = batch.weights_M_S
        # what is left of the weights before the target's label is known: those themselves where nothing was thinned
        self._before_B_S = np.zeros_like(self._batch_B_S)
        np.add.at(self._before_B_S, before, self._shares_M[:, None] * self._weights_M_S)

    def information(self, probs_S_n_C: Numbers) -> Numbers:
        """Mutual information of each of n points' labels with the target's, given the batch's, shape (n,), in nats.

        The mean over labellings and the target's labels of the divergence of p(y | both) from p(y | batch): of those
        that were kept, too, it is never below 0.
        """
        n_draws, n_points, n_classes = probs_S_n_C.shape
        probs_S_nC = probs_S_n_C.reshape(n_draws, n_points * n_classes)
        crossed_nC = np.empty(n_points * n_classes)
        for columns in blocks(len(crossed_nC), len(self._batch_B_S), _AT_ONCE):
            logs_B_b = np.log(np.maximum(self._batch_B_S @ probs_S_nC[:, columns], _TINY))
            crossed_nC[columns] = np.einsum("mb,mb->b", self._before_B_S @ probs_S_nC[:, columns], logs_B_b)
        known_n = _mean_plogp(self._weights_M_S, self._shares_M, probs_S_n_C)
        return np.maximum(known_n - crossed_nC.reshape(n_points, n_classes).sum(axis=1), 0.0)


def bring_up_to_date(
    values_N: Numbers,
    open_N: NDArray[np.bool_],
    value_of: Callable[[NDArray[np.int64]], Numbers],
    within: float,
) -> NDArray[np.bool_]:
    """Compute values anew, the largest old ones first, until none that is left could be the best (lazy greedy).

    An old value is taken for a bound of the new one from above (Minoux 1978).

    Parameters
    ----------
    values_N : array of shape (N,)
        Old values; written to.
    open_N : array of bool, shape (N,)
        Who matters.
    value_of : callable
        New values of points given by their positions.
    within : float
        Values that are lower by no more than this could be the best.

    Returns
    -------
    array of bool, shape (N,)
        Whose value is new, or 0 as before.
    """
    stale_N = open_N & (values_N > within)
    best = values_N[open_N & ~stale_N].max(initial=0.0)
    size = _FIRST
    while len(todo := np.flatnonzero(stale_N & (values_N >= best - within))):
        if len(todo) > size:
            todo = np.sort(todo[np.argpartition(-values_N[todo], size)[:size]])
        values_N[todo] = value_of(todo)
        stale_N[todo] = False
        best = max(best, float(values_N[todo].max()))
        size *= 2
    return open_N & ~stale_N


def draws_of(pool: Pool, posterior: Posterior, n_draws: int, generator: np.random.Generator, who: object) -> Numbers:
    """Draws of equal weight, each one function at all points of a posterior: all that are stored, if these are fewer.

    Returns
    -------
    array of shape (S, N, C)

    Raises
    ------
    ModelError, ModelLacks
    """
    model = fitted(pool, who)
    if not isinstance(posterior, ClassPosterior):
        raise lacks(who, model, "functions")
    stored = posterior.probs_S_N_C
    if stored is not None and posterior.coupled and posterior.weights_S is None:
        n_draws = min(n_draws, len(stored))  # one that is drawn twice would count twice
    try:
        draws_S_N_C: Numbers = posterior.sample(n_draws, generator).numpy()
    except ModelLacks as error:
        raise lacks(who, model, "functions") from error
    return draws_S_N_C
