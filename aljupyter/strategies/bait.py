"""BAIT: the labels that leave the last layer least to be unsure of, weighed by what predictions depend on."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, helmert

from aljupyter.errors import InvalidParameter
from aljupyter.strategies.base import Strategy
from aljupyter.strategies.chosen import Chosen
from aljupyter.strategies.greedy import Batch, Numbers, Picks, Points, blocks, check_batch
from aljupyter.strategies.needs import gradients
from aljupyter.strategies.pool import Pool
from aljupyter.strategies.selection import positive

MOST_WEIGHTS = 512  # up to so many weights of a last layer have a Fisher matrix of their own
STALE = 1e-5  # of the largest V'AFAV computed from scratch: where gains fall below, rounding would show
TIED = 1e-9  # of the largest gain: gains that differ by less are equal
LEAST = 1e-12  # the least ridge, over the information of all points: M is well conditioned, whatever is asked
CERTAIN = 1e-12  # the least that is left of a direction when the only label that knows of it is taken away


class Information:
    """Fisher information of N points about the p = R E weights of a last layer, and the trace it is weighed by.

    A point's information is ``V V'`` with ``V = B (x) e`` of R columns, B of shape (R, R) and e of shape (E,). With M
    the information of the labels, ``A = M^-1`` and F the information of the pool, a point's label takes

        tr(M^-1 F) - tr((M + V V')^-1 F) = tr((I + V'AV)^-1 V'AFAV)

    off the trace (Woodbury). The two R x R matrices in it are kept for each point and brought up to date when M
    changes: O(N p R) a change, in place of O(N p^2).

    Parameters
    ----------
    factor_N_R_R : array of shape (N, R, R)
        B.
    embed_N_E : array of shape (N, E)
        e.
    fisher_p_p, known_p_p : arrays of shape (p, p)
        F; and M, which has to be positive definite. Weight (r, e) has the position r E + e.
    """

    def __init__(self, factor_N_R_R: Numbers, embed_N_E: Points, fisher_p_p: Numbers, known_p_p: Numbers):
        self._factor, self._embed = factor_N_R_R, embed_N_E
        self._fisher_p_p, self._known_p_p = fisher_p_p, known_p_p
        self._inverse_p_p: Numbers
        self._spread: Numbers  # V'AV
        self._weighed: Numbers  # V'AFAV
        self._gains_N: Numbers | None
        self._largest: float
        self._refresh()

    def __len__(self) -> int:
        return len(self._embed)

    def part(self, rows: NDArray[np.int64]) -> Information:
        """Of some of the points; it may change without this one."""
        return Information(self._factor[rows], self._embed[rows], self._fisher_p_p, self._known_p_p)

    def copy(self) -> Information:
        """One that may change without this one. Nothing is computed again."""
        return self._of(slice(None))

    def without(self, position: int) -> Information:
        """Of the points but one, when the label of that one is taken out of M."""
        self._change(position, -1)
        return self._of(np.delete(np.arange(len(self)), position))

    def add(self, position: int) -> None:
        """Put the label of a point into M."""
        self._change(position, 1)

    def gains(self) -> Numbers:
        """By how much the trace falls with the label of each point, shape (N,)."""
        if self._gains_N is None:
            n_columns = self._spread.shape[1]
            gains_N = np.empty(len(self))
            if n_columns == 1:
                gains_N = self._weighed[:, 0, 0] / (1 + self._spread[:, 0, 0])
            else:
                for rows in blocks(len(self), 4 * n_columns**2):
                    left = np.linalg.solve(np.eye(n_columns) + self._spread[rows], self._weighed[rows])
                    gains_N[rows] = np.trace(left, axis1=1, axis2=2)
            self._gains_N = np.maximum(gains_N, 0)
        return self._gains_N

    def costs(self) -> Numbers:
        """By how much the trace rises without the label of each point, shape (N,): all of them are in M."""
        values_N_R, vectors_N_R_R = np.linalg.eigh(self._spread)
        left_N_R = np.maximum(1 - values_N_R, CERTAIN)
        weighed_N_R = np.einsum("nar,nab,nbr->nr", vectors_N_R_R, self._weighed, vectors_N_R_R, optimize=True)
        costs_N: Numbers = (np.maximum(weighed_N_R, 0) / left_N_R).sum(axis=1)
        return costs_N

    def _change(self, position: int, sign: int) -> None:
        """Put the label of a point into M (sign 1), or take it out (-1)."""
        columns = np.einsum("ar,e->aer", self._factor[position], self._embed[position])
        columns_p_R = columns.reshape(len(self._known_p_p), -1)
        self._known_p_p = self._known_p_p + sign * (columns_p_R @ columns_p_R.T)
        pull_p_R = self._inverse_p_p @ columns_p_R
        values_R, vectors_R_R = np.linalg.eigh(np.eye(columns_p_R.shape[1]) + sign * (columns_p_R.T @ pull_p_R))
        pull_p_R = pull_p_R @ (vectors_R_R / np.sqrt(np.maximum(values_R, CERTAIN)))
        fished_p_R = self._fisher_p_p @ pull_p_R
        both_p_2R = np.hstack([pull_p_R, self._inverse_p_p @ fished_p_R])
        middle_R_R = pull_p_R.T @ fished_p_R
        for rows in blocks(len(self), self._width):
            a_B_R_R, b_B_R_R = np.split(self._project(rows, both_p_2R), 2, axis=2)
            turned = a_B_R_R.swapaxes(1, 2)
            crossed = b_B_R_R @ turned
            self._spread[rows] -= sign * (a_B_R_R @ turned)
            self._weighed[rows] += a_B_R_R @ middle_R_R @ turned - sign * (crossed + crossed.swapaxes(1, 2))
        self._inverse_p_p = self._inverse_p_p - sign * (pull_p_R @ pull_p_R.T)
        self._gains_N = None
        if self.gains().max() < STALE * self._largest:
            self._refresh()

    def _of(self, rows: slice | NDArray[np.int64]) -> Information:
        twin = Information.__new__(Information)
        twin.__dict__.update(self.__dict__)
        twin._factor, twin._embed = self._factor[rows], self._embed[rows]
        twin._spread, twin._weighed, twin._gains_N = self._spread[rows].copy(), self._weighed[rows].copy(), None
        return twin

    @property
    def _width(self) -> int:
        """About so many numbers are worked on for a point."""
        return max(self._embed.shape[1], 4 * self._factor.shape[1] ** 2)

    def _project(self, rows: slice, matrix_p_K: Numbers) -> Numbers:
        """V' times a matrix of K columns, shape (rows, R, K)."""
        n_columns, n_features = self._factor.shape[1], self._embed.shape[1]
        wide_E_RK = matrix_p_K.reshape(n_columns, n_features, -1).swapaxes(0, 1).reshape(n_features, -1)
        on_weights = (self._embed[rows] @ wide_E_RK).reshape(-1, n_columns, matrix_p_K.shape[1])
        projected: Numbers = self._factor[rows].swapaxes(1, 2) @ on_weights
        return projected

    def _quadratic(self, matrix_p_p: Numbers) -> Numbers:
        """V' times a symmetric matrix times V, shape (N, R, R)."""
        n_columns, n_features = self._factor.shape[1], self._embed.shape[1]
        result_N_R_R = np.empty((len(self), n_columns, n_columns))
        matrix = matrix_p_p.reshape(n_columns, n_features, n_columns, n_features)
        for rows in blocks(len(self), self._width):
            e_B_E, b_B_R_R = self._embed[rows], self._factor[rows]
            middle_B_R_R = np.empty((len(e_B_E), n_columns, n_columns))
            for i in range(n_columns):
                for j in range(i + 1):
                    middle_B_R_R[:, i, j] = np.einsum("be,be->b", e_B_E @ matrix[i, :, j], e_B_E)
                    middle_B_R_R[:, j, i] = middle_B_R_R[:, i, j]
            result_N_R_R[rows] = b_B_R_R.swapaxes(1, 2) @ middle_B_R_R @ b_B_R_R
        return result_N_R_R

    def _refresh(self) -> None:
        """Compute all from M."""
        factored = cho_factor(self._known_p_p, lower=True)
        inverse_p_p = cho_solve(factored, np.eye(len(self._known_p_p)))
        self._inverse_p_p = (inverse_p_p + inverse_p_p.T) / 2
        self._spread = self._quadratic(self._inverse_p_p)
        self._weighed = self._quadratic(self._inverse_p_p @ self._fisher_p_p @ self._inverse_p_p)
        self._gains_N = None
        self._largest = float(np.trace(self._weighed, axis1=1, axis2=2).max(initial=0.0))


def pick_by_information(
    information: Information,
    n: int,
    generator: np.random.Generator,
    *,
    oversampling: float = 2.0,
    batch: Batch | None = None,
) -> Picks:
    """Pick n points whose labels make ``tr(M^-1 F)`` small, forwards and backwards.

    BAIT (Ash, Goel, Krishnamurthy & Kakade 2021, arXiv:2106.09675, Algorithm 1): greedily add `oversampling` times as
    many points as are asked, then greedily drop those whose loss costs least. Those that are left are put in the order
    in which they would be picked among themselves. O(N p^2) once, O((N + p) p R) for a point that is added, and
    O((n + p) p R) for one that is dropped.

    Parameters
    ----------
    information : Information
        It is left as it is.
    n : int
    generator : numpy.random.Generator
        Breaks ties.
    oversampling : float
        At least 1; with 1 no point is dropped. Fewer are added where the pool, or a quota, has no more.
    batch : Batch, optional
        Empty; says which points may be picked. All where not given.

    Returns
    -------
    positions : array of int, shape (n,)
        Distinct.
    gains : array of shape (n,)
        By how much each lowered the trace; their sum is what the batch lowers it by.

    Raises
    ------
    QuerySizeError
    """
    check_batch(n, len(information))
    batch = batch or Batch(len(information))
    most = n if n == 1 else math.ceil(oversampling * n)  # the first pick is the best single one
    growing = information.copy()
    while len(batch.positions) < most and batch.open_N.any():
        gains_N = growing.gains()
        pick = batch.best(gains_N, generator, within=TIED * gains_N[batch.open_N].max())
        growing.add(pick)
    kept = np.array(batch.positions)
    shrinking = growing.part(kept)
    while len(kept) > n:
        costs_m = shrinking.costs()
        cheap = np.flatnonzero(costs_m <= (1 + TIED) * costs_m.min())
        drop = int(cheap[-1])  # of equals the one that came last
        kept, shrinking = np.delete(kept, drop), shrinking.without(drop)
    final, order = information.part(kept), Batch(n)
    gains = np.empty(n)
    for i in range(n):
        gains_n = final.gains()
        pick = order.best(gains_n, generator, within=TIED * gains_n[order.open_N].max())
        gains[i] = gains_n[pick]
        final.add(pick)
    return kept[order.positions], gains


def class_factors(residual_N_C: Points) -> Numbers:
    """Factors B of the Fisher information of a softmax about its logits, shape (N, C - 1, C - 1).

    ``B B' = H (diag(p) - p p') H'``, H the Helmert matrix: an orthonormal basis of the logits' differences, for what
    they have in common says nothing of a class. The Cholesky factor of the middle is known in closed form (Tanabe &
    Sagae 1992, JRSS B 54): with tails ``q_j = p_{j+1} + ... + p_C``, its column j is ``sqrt(p_j q_j / q_{j-1})`` on the
    diagonal and ``-p_i sqrt(p_j / (q_j q_{j-1}))`` below it.

    Parameters
    ----------
    residual_N_C : array of shape (N, C)
        p - onehot(argmax p), as :meth:`aljupyter.models.base.ModelManager.gradient_embed` gives it.
    """
    residual_N_C = residual_N_C.astype(np.float64)
    n_points, n_classes = residual_N_C.shape
    probs_N_C = np.maximum(residual_N_C, 0)
    lowest_N = residual_N_C.argmin(1)  # the likeliest class: the only residual below 0, or all are 0
    probs_N_C[np.arange(n_points), lowest_N] = 1 + residual_N_C[np.arange(n_points), lowest_N]
    tails_N_C = np.cumsum(probs_N_C[:, ::-1], axis=1)[:, ::-1]
    before, after, here = tails_N_C[:, :-1], tails_N_C[:, 1:], probs_N_C[:, :-1]
    share = np.divide(here, before, out=np.zeros_like(here), where=before > 0)
    below = np.tri(n_classes, n_classes - 1, -1, dtype=bool)
    ratio = np.zeros((n_points, n_classes, n_classes - 1))
    np.divide(probs_N_C[:, :, None], after[:, None], out=ratio, where=below & (after > 0)[:, None])  # at most 1
    lower = -np.sqrt(probs_N_C[:, :, None] * ratio * share[:, None])
    at = np.arange(n_classes - 1)
    lower[:, at, at] = np.sqrt(share * after)
    factor: Numbers = helmert(n_classes) @ lower
    return factor


def total_variance(residual_N_C: Points) -> Numbers:
    """The trace of diag(p) - p p', ``1 - sum p^2``, of the residuals p - onehot(argmax p), shape (N,)."""
    residual_N_C = residual_N_C.astype(np.float64)
    return np.maximum(-2 * residual_N_C.min(axis=1) - (residual_N_C**2).sum(axis=1), 0)


def total_information(factor_N_R_R: Numbers, embed_N_E: Points) -> Numbers:
    """The sum of ``B B' (x) e e'`` over N points, shape (p, p). Never more than O(p^2) memory beside a block."""
    n_columns, n_features = factor_N_R_R.shape[1], embed_N_E.shape[1]
    total = np.zeros((n_columns, n_features, n_columns, n_features))
    for rows in blocks(len(embed_N_E), max(n_features, n_columns**2)):
        e_B_E, outer_B_R_R = embed_N_E[rows], factor_N_R_R[rows] @ factor_N_R_R[rows].swapaxes(1, 2)
        for i in range(n_columns):
            for j in range(n_columns):
                total[i, :, j] += (e_B_E * outer_B_R_R[:, i, j, None]).T @ e_B_E
    return total.reshape(n_columns * n_features, -1)


class BAIT(Strategy):
    """The batch that leaves least to be unsure of: what a last layer's weights are not known by, where it matters.

    Ash et al. (2021, arXiv:2106.09675): the trace of ``M^-1 F``, with M the Fisher information of the labels about the
    weights of the last layer and F that of all points on average, is what the loss is expected to be too high by. In
    regression it is the mean variance of a linear model on the last layer's input (without a constant), over the noise:
    what :class:`IVR` lowers for a GP. Scores are what a label takes off it.

    A point's information is ``e e'`` in regression, e the last layer's input, and ``(diag(p) - p p') (x) e e'`` in
    classification: exactly where the last layer has at most 512 weights besides a reference class, (C - 1) E, and
    always with two classes. With more weights, ``diag(p) - p p'`` is taken to be as large in all directions of the
    logits, with the trace that it has, ``1 - sum p^2``: then one E x E matrix serves them all.

    Parameters
    ----------
    regularisation : float
        Positive: what is known of each weight before any label, in units of the mean information (its trace) of a
        point. Small, the first picks point in as many directions as there are.
    oversampling : float
        At least 1: so many times the batch are picked, of which the least useful are dropped again. The point of the
        highest score may be among these.

    Raises
    ------
    InvalidParameter
    ModelLacks
        When used with a model that has no last layer.

    Notes
    -----
    The paper averages the information of the labels, and its code lets each point of a batch of n weigh as much as n
    labels; here each label counts once, as in the posterior of the weights.

    Examples
    --------
    >>> BAIT(regularisation=0.1)
    BAIT(regularisation=0.1)
    """

    needs = ("model", "gradients")

    def __init__(self, regularisation: float = 1e-3, oversampling: float = 2.0):
        self.regularisation = positive(regularisation, "regularisation")
        self.oversampling = _at_least_one(oversampling)

    def score(self, pool: Pool) -> Numbers:
        """What the label of each point takes off the trace, shape (N,)."""
        information, copies = self._information(pool)
        return copies * information.gains()

    def select(self, pool: Pool, n: int, scores_N: Numbers) -> Chosen:
        """A batch of n; ``"gain"`` is what each takes off the trace after those before it."""
        information, copies = self._information(pool)
        positions, gains = pick_by_information(
            information, n, pool.generator("select"), oversampling=self.oversampling, batch=pool.batch(n)
        )
        return Chosen(positions, {"gain": copies * gains})

    def _information(self, pool: Pool) -> tuple[Information, int]:
        """Of the points of the pool, about the weights; and how many equal sets of weights there are."""
        key = (repr(self), "information")
        if key not in pool.memo:
            pool.memo[key] = self._computed(pool)
        found: tuple[Information, int] = pool.memo[key]
        return found

    def _computed(self, pool: Pool) -> tuple[Information, int]:
        residual_A_C, embed_A_E = gradients(pool.whole, pool.whole.unlabelled, self)
        is_classification = pool.unlabelled.task == "classification"
        n_classes, n_features = residual_A_C.shape[1], embed_A_E.shape[1]
        copies = n_classes - 1 if is_classification and (n_classes - 1) * n_features > MOST_WEIGHTS else 1

        def parts(residual: Points, embed: Points) -> tuple[Numbers, Numbers]:
            factor = np.ones((len(embed), 1, 1))
            if is_classification and copies == 1:
                factor = class_factors(residual)
            elif is_classification:
                factor = np.sqrt(total_variance(residual) / copies)[:, None, None]
            return factor, embed.astype(np.float64)

        everyone = parts(residual_A_C, embed_A_E)
        total_p_p = total_information(*everyone)
        known_p_p, n_points = np.zeros_like(total_p_p), len(embed_A_E)
        if len(pool.labelled):
            known_p_p = total_information(*parts(*gradients(pool, pool.labelled, self)))
            n_points += len(pool.labelled)
        fisher_p_p = (total_p_p + known_p_p) / n_points
        mean = float(copies * np.trace(fisher_p_p)) or 1.0
        known_p_p[np.diag_indices(len(known_p_p))] += max(self.regularisation, LEAST * n_points) * mean
        if pool.whole is not pool:
            rows = np.searchsorted(pool.whole.unlabelled.indices, pool.unlabelled.indices)
            everyone = everyone[0][rows], everyone[1][rows]
        return Information(*everyone, fisher_p_p, known_p_p), copies


def _at_least_one(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, Real) or not 1 <= float(value) < math.inf:
        raise InvalidParameter(
            f"oversampling is a number of at least 1: so many times the batch are picked at first; got {value!r}."
        )
    return value  # type: ignore[return-value]  # a number, as it was given
