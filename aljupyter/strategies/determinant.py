"""Batches of a large determinant: each pick is the point that those before it tell least about."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from aljupyter.strategies.base import Strategy
from aljupyter.strategies.chosen import Chosen
from aljupyter.strategies.greedy import BLOCK, Batch, Numbers, Picks, Points, blocks, check_batch, random_argmax
from aljupyter.strategies.needs import covariance, gradients
from aljupyter.strategies.points import EMBEDDINGS, FeatureStrategy, one_of
from aljupyter.strategies.pool import Pool
from aljupyter.strategies.selection import positive

Kernel = Callable[[NDArray[np.int64], NDArray[np.int64]], Numbers]

NOTHING_LEFT = 1e-12  # of the largest variance, what is left by rounding
_FIRST = 64  # points that are brought up to date at once, to begin with


def pick_by_determinant(
    diagonal_N: Numbers,
    kernel: Kernel,
    n: int,
    generator: np.random.Generator,
    *,
    noise: float = 0.0,
    quality_N: Numbers | None = None,
    batch: Batch | None = None,
) -> Picks:
    """Pick n points, each the one that makes ``det(L + noise I)`` of the batch largest, ``L_ij = q_i k_ij q_j``.

    Greedy, by pivoted Cholesky (Chen, Zhang & Zhou 2018, arXiv:1709.05135, Algorithm 1; MaxDet of Holzmueller et al.
    2022, arXiv:2203.09410): a point makes the determinant grow by its variance given those before it, plus noise. For
    the covariance of a GP that is the greedy D-optimal, or maximum entropy, design, whose information is at least
    1 - 1/e of the best there is (Krause, Singh & Guestrin 2008, JMLR 9).

    Variances never grow as points are added, so an old one bounds a new one from above: only points whose bound exceeds
    the largest new variance are looked at again, and no column of the kernel is ever computed whole. At most
    O(N n (n + E)) time for a kernel of O(E), as a rule far less; O(N n) memory, of which only that of points that were
    looked at is written to.

    Parameters
    ----------
    diagonal_N : array of shape (N,)
        k_ii, at least 0.
    kernel : callable
        Of positions (R,) and (K,): k between them, shape (R, K).
    n : int
    generator : numpy.random.Generator
        Breaks ties.
    noise : float
        Added to the diagonal of L, at least 0.
    quality_N : array of shape (N,), optional
        q, at least 0; 1 where not given. Scores here, and similarities for a kernel, make a determinantal batch.
    batch : Batch, optional
        Empty; says which points may be picked. All where not given.

    Returns
    -------
    positions : array of int, shape (n,)
        Distinct.
    gains : array of shape (n,)
        The factor by which each made the determinant grow. They do not increase; once nothing is left to gain they are
        the noise, and the picks random.

    Raises
    ------
    QuerySizeError
    """
    check_batch(n, len(diagonal_N))
    batch = batch or Batch(len(diagonal_N))
    factor = _Factor(diagonal_N, kernel, n, noise, quality_N)
    positions, gains = np.empty(n, dtype=np.int64), np.empty(n)
    for i in range(n):
        pick = factor.best(batch.open_N, generator)
        batch.take(pick)
        positions[i], gains[i] = pick, factor.left_N[pick] + noise
        factor.add(pick)
    return positions, gains


class _Factor:
    """The Cholesky factor of a growing batch, and the variance that it leaves to each point.

    Attributes
    ----------
    left_N : array of shape (N,)
        Variances given the first `_seen_N` picks, without noise: bounds from above of those given all.
    """

    def __init__(self, diagonal_N: Numbers, kernel: Kernel, n: int, noise: float, quality_N: Numbers | None):
        self._quality_N = np.ones(len(diagonal_N)) if quality_N is None else quality_N
        self._kernel, self._noise = kernel, noise
        self.left_N = diagonal_N * self._quality_N**2
        self.nothing = NOTHING_LEFT * self.left_N.max()
        self._seen_N = np.zeros(len(diagonal_N), dtype=np.int64)
        self._loads_N_n = np.empty((len(diagonal_N), n))  # a row holds what was seen, and nothing behind that
        self._factor_n_n = np.zeros((n, n))
        self._picks: list[int] = []

    def add(self, pick: int) -> None:
        i, left = len(self._picks), self.left_N[pick]
        self._factor_n_n[i, :i] = self._loads_N_n[pick, :i]
        # A point without variance tells nothing of others: whatever it is divided by, what is left is rounding.
        self._factor_n_n[i, i] = np.sqrt(left + self._noise) if left > self.nothing else 1.0
        self._picks.append(pick)

    def best(self, open_N: NDArray[np.bool_], generator: np.random.Generator) -> int:
        """The open point of the largest variance; among equals the generator chooses.

        Variances are brought up to date, the largest first, until none that is left could be larger. Of bounds that
        equal the largest variance one is drawn, and drawn again where its variance turns out to be less: each of the
        points that are equal is as likely, and not all have to be looked at.
        """
        i, size = len(self._picks), _FIRST
        stale_N = open_N & (self._seen_N < i) & (self.left_N > 0)
        best = self.left_N[open_N & ~stale_N].max(initial=-np.inf)
        while True:
            todo = np.flatnonzero(stale_N & (self.left_N > best + self.nothing))
            if len(todo) == 0:
                pick = random_argmax(np.where(open_N, self.left_N, -np.inf), generator, within=self.nothing)
                if not stale_N[pick]:
                    return pick
                todo = np.array([pick])
            elif len(todo) > size:
                todo = todo[np.argpartition(self.left_N[todo], -size)[-size:]]
                size = min(2 * size, max(_FIRST, BLOCK // i))
            self._update(todo)
            stale_N[todo] = False
            best = max(best, self.left_N[todo].max())

    def _update(self, todo: NDArray[np.int64]) -> None:
        i, first = len(self._picks), self._seen_N[todo].min()
        new = np.array(self._picks[first:])
        between = self._quality_N[todo, None] * self._kernel(todo, new) * self._quality_N[new]
        between -= self._loads_N_n[todo, :first] @ self._factor_n_n[first:i, :first].T
        loads = solve_triangular(self._factor_n_n[first:i, first:i], between.T, lower=True, check_finite=False).T
        known = np.arange(first, i) < self._seen_N[todo, None]  # of some points, a part was taken off before
        self._loads_N_n[todo, first:i] = loads
        left = self.left_N[todo] - np.where(known, 0.0, loads**2).sum(axis=1)
        self.left_N[todo] = np.where(left > self.nothing, left, 0.0)
        self._seen_N[todo] = i


def information(variance_N: Numbers, noise_N: Numbers | float) -> Numbers:
    """What an observation with noise tells about a normal value, in nats: ``log(1 + variance / noise) / 2``."""
    return 0.5 * np.log1p(variance_N / noise_N)


class DOptimal(Strategy):
    """The batch that tells most about the function: the largest determinant of its posterior covariance.

    Greedy maximisation of ``log det(I + K / noise) / 2``, the mutual information of the batch's labels and the latent
    function of a GP; with equal noise everywhere, the entropy of the labels (Krause, Singh & Guestrin 2008, JMLR 9;
    Shewry & Wynn 1987). It looks for what is unknown, at the rim of the pool first; :class:`IVR` for what lowers the
    variance everywhere. Scores are a point's information in nats: one alone is the point of the largest variance. With
    no noise in the posterior, a billionth of its largest variance is taken.

    Raises
    ------
    ModelLacks
        When used with a model that gives no covariances between points.
    """

    task = "regression"
    needs = ("model", "covariance")

    def __init__(self) -> None:
        pass

    def score(self, pool: Pool) -> Numbers:
        """Information of each point alone, shape (N,), in nats."""
        covariance(pool, self)
        return information(*moments(pool))

    def select(self, pool: Pool, n: int, scores_N: Numbers) -> Chosen:
        """A batch of n in the order of the picks; ``"gain"`` is the information each added, in nats."""
        joint, (variance_N, noise_N) = covariance(pool, self), moments(pool)

        def kernel(rows: NDArray[np.int64], cols: NDArray[np.int64]) -> Numbers:
            cov: Numbers = joint.cov(torch.from_numpy(rows), torch.from_numpy(cols)).double().numpy()
            return cov

        positions, gains = pick_by_determinant(
            variance_N,
            kernel,
            n,
            pool.generator("select"),
            noise=1.0,
            quality_N=1 / np.sqrt(noise_N),
            batch=pool.batch(n),
        )
        return Chosen(positions, {"gain": 0.5 * np.log(gains)})


def moments(pool: Pool) -> tuple[Numbers, Numbers]:
    """Variances of the latent function and of the noise, of shape (N,); the noise is at least a billionth of both."""
    posterior = pool.posterior
    variance_N: Numbers = posterior.variance_N.detach().cpu().double().numpy()  # type: ignore[union-attr]  # regression
    noise = posterior.noise_N  # type: ignore[union-attr]
    noise_N = np.zeros(len(pool)) if noise is None else noise.detach().cpu().double().numpy()
    return variance_N, np.maximum(noise_N, 1e-9 * variance_N.max() or 1.0)


class MaxDet(FeatureStrategy):
    """The batch that a linear model of the points knows least about: the largest determinant of their inner products.

    MaxDet (Holzmueller et al. 2022, arXiv:2203.09410) with the linear kernel, given the labelled points: the greedy
    D-optimal design of a ridge regression, without a constant, on the inputs or on the model's last layer. Scores are
    a point's information about the weights, in nats.

    Parameters
    ----------
    embedding : {"inputs", "model", "gradients"}
        Where inner products are taken: of the features, of the representations that the fitted model has of them, or of
        the gradients of its last layer.
    regularisation : float
        Positive: the noise variance of a label, in units of the mean squared norm of all points, for weights of
        variance 1. Small, the first picks point in as many directions as there are; large, long points are asked.
    max_candidates : int, optional
        See :class:`FeatureStrategy`.

    Raises
    ------
    InvalidParameter

    Examples
    --------
    >>> MaxDet(regularisation=0.1)
    MaxDet(regularisation=0.1)
    """

    def __init__(self, embedding: str = "inputs", regularisation: float = 1e-3, max_candidates: int | None = None):
        one_of(embedding, (*EMBEDDINGS, "gradients"), "embedding")
        super().__init__("inputs" if embedding == "gradients" else embedding, max_candidates)
        if embedding == "gradients":
            self.embedding, self.needs = embedding, ("model", "gradients")
        self.regularisation = positive(regularisation, "regularisation")

    def score(self, pool: Pool) -> Numbers:
        """Information of each point about the weights, shape (N,), in nats."""
        known = pool.memo[repr(self)] = self._known(pool)
        return information(known.left_N, known.noise)

    def select(self, pool: Pool, n: int, scores_N: Numbers) -> Chosen:
        """A batch of n in the order of the picks; ``"gain"`` is the information each added, in nats."""
        known = pool.memo.get(repr(self)) or self._known(pool)
        positions, gains = pick_by_determinant(
            known.left_N, known.kernel, n, pool.generator("select"), noise=known.noise, batch=pool.batch(n)
        )
        return Chosen(positions, {"gain": 0.5 * np.log(gains / known.noise)})

    def _known(self, pool: Pool) -> Conditioned:
        if self.embedding == "gradients":
            points = gradients(pool, pool.unlabelled, self)
            labelled = gradients(pool, pool.labelled, self) if len(pool.labelled) else tuple(z[:0] for z in points)
            return Conditioned(points, labelled, self.regularisation)
        x_N_D, x_M_D = self._points(pool)
        return Conditioned((x_N_D,), (x_M_D,), self.regularisation)


class Conditioned:
    """Covariances of a linear model at points, given labels at others.

    Parameters
    ----------
    points, labelled : tuples of arrays of shapes (N, ...) and (M, ...)
        One array: points as rows. Several: a point is the outer product of its rows, which is never formed, and an
        inner product is the product of theirs.
    regularisation : float
        Noise variance over the mean squared norm of all points.

    Attributes
    ----------
    left_N : array of shape (N,)
        Variances, at least 0.
    noise : float
    """

    def __init__(self, points: tuple[Points, ...], labelled: tuple[Points, ...], regularisation: float):
        self._points = tuple(part.astype(np.float64) for part in points)
        labelled = tuple(part.astype(np.float64) for part in labelled)
        norms_N, norms_M = _norms(self._points), _norms(labelled)
        mean = float(np.concatenate([norms_N, norms_M]).mean())
        self.noise = regularisation * (mean or 1.0)
        self._basis_r_E: Numbers | None = None
        self._loads_N_M: Numbers | None = None
        self.left_N = norms_N
        if len(norms_M) and len(points) == 1:
            # The weights' covariance is I less B' B, with as many rows in B as the labelled points have directions.
            _, scales_r, basis_r_E = np.linalg.svd(labelled[0], full_matrices=False)
            self._basis_r_E = np.sqrt(scales_r**2 / (scales_r**2 + self.noise))[:, None] * basis_r_E
            for rows in blocks(len(norms_N), len(self._basis_r_E)):
                self.left_N[rows] -= ((self._points[0][rows] @ self._basis_r_E.T) ** 2).sum(axis=1)
        elif len(norms_M):
            gram_M_M = _inner(labelled, labelled)
            gram_M_M[np.diag_indices(len(norms_M))] += self.noise
            factor_M_M = np.linalg.cholesky(gram_M_M)
            self._loads_N_M = solve_triangular(factor_M_M, _inner(labelled, self._points), lower=True).T
            self.left_N -= (self._loads_N_M**2).sum(axis=1)
        np.maximum(self.left_N, 0, out=self.left_N)

    def kernel(self, rows: NDArray[np.int64], cols: NDArray[np.int64]) -> Numbers:
        """Covariances between points given by their positions, shape (R, K)."""
        a, b = (tuple(part[which] for part in self._points) for which in (rows, cols))
        if self._basis_r_E is not None:
            b = (b[0] - (b[0] @ self._basis_r_E.T) @ self._basis_r_E,)
        between = _inner(a, b)
        if self._loads_N_M is not None:
            between -= self._loads_N_M[rows] @ self._loads_N_M[cols].T
        return between


def _norms(points: tuple[Points, ...]) -> Numbers:
    norms_N: Numbers = np.prod([np.einsum("nd,nd->n", part, part) for part in points], axis=0)
    return norms_N


def _inner(a: tuple[Points, ...], b: tuple[Points, ...]) -> Numbers:
    product: Numbers = a[0] @ b[0].T
    for left, right in zip(a[1:], b[1:], strict=True):
        product *= left @ right.T
    return product
