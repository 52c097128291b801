"""BADGE: points whose gradients are large and unlike each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aljupyter.strategies.base import Strategy
from aljupyter.strategies.chosen import Chosen
from aljupyter.strategies.greedy import Batch, Numbers, Picks, Points, blocks, check_batch
from aljupyter.strategies.needs import gradients
from aljupyter.strategies.pool import Pool

PATIENCE = 32  # rejected draws before all distances are brought up to date
ROUNDING = 1e-12  # squared distances below this share of the squared norms are zero


class OuterProducts:
    """N points ``g = r (x) e`` of C x E numbers each, known by their factors alone.

    ``|g_i - g_j|^2 = |g_i|^2 + |g_j|^2 - 2 (r_i . r_j) (e_i . e_j)``: nothing of the size C x E is ever formed.

    Parameters
    ----------
    residual_N_C, embed_N_E : arrays of shapes (N, C) and (N, E)
    """

    def __init__(self, residual_N_C: Points, embed_N_E: Points):
        self._residual = np.ascontiguousarray(residual_N_C, dtype=np.float64)
        self._embed = np.ascontiguousarray(embed_N_E, dtype=np.float64)
        #: squared norms, shape (N,)
        self.squares_N: Numbers = np.einsum("nc,nc->n", self._residual, self._residual) * np.einsum(
            "ne,ne->n", self._embed, self._embed
        )

    def __len__(self) -> int:
        return len(self._residual)

    def squared(self, rows: slice | NDArray[np.int64], columns: NDArray[np.int64]) -> Numbers:
        """Squared distances, shape (rows, columns); exactly 0 where they are 0 to within rounding."""
        squared = self._residual[rows] @ self._residual[columns].T
        squared *= self._embed[rows] @ self._embed[columns].T
        squared *= -2
        norms = self.squares_N[rows, None] + self.squares_N[columns]
        squared += norms
        squared[squared < ROUNDING * norms] = 0
        return squared


def seed_by_gradients(
    residual_N_C: Points,
    embed_N_E: Points,
    n: int,
    generator: np.random.Generator,
    *,
    batch: Batch | None = None,
) -> Picks:
    """Pick n points as k-means++ seeds its centres, in the space of gradients.

    BADGE (Ash et al. 2020, arXiv:1906.03671, Algorithm 1). The first pick is the point of the largest gradient, as in
    the authors' code; each next one is drawn with a probability in proportion to its squared distance to the nearest
    pick. Distances never grow, so an old one bounds a new one from above: a point is drawn by the bounds and kept with
    the probability distance / bound, which is the same distribution, and looks at few points. O(N (C + E)) time a
    pick at most, O(N) memory beside the factors.

    Parameters
    ----------
    residual_N_C, embed_N_E : arrays of shapes (N, C) and (N, E)
        Factors of the gradients by the weights of the last layer: (p - onehot(argmax p)) and its input.
    n : int
    generator : numpy.random.Generator
    batch : Batch, optional
        Who may come.

    Returns
    -------
    positions : array of int, shape (n,)
        Distinct. Once all that is left equals a pick, random ones.
    gains : array of shape (n,)
        The norm of the first gradient; then distances to the nearest pick before.

    Raises
    ------
    QuerySizeError
    """
    check_batch(n, len(residual_N_C))
    points = OuterProducts(residual_N_C, embed_N_E)
    batch = batch or Batch(len(points))
    first = batch.best(points.squares_N, generator)
    gains = np.empty(n)
    gains[0] = np.sqrt(points.squares_N[first])
    nearest = _Nearest(points, first)
    for i in range(1, n):
        pick, squared = nearest.draw(np.array(batch.positions), batch.open_N, generator)
        gains[i] = np.sqrt(squared)
        batch.take(pick)
    return np.array(batch.positions[-n:]), gains


class _Nearest:
    """Squared distances to the nearest of the picks, or bounds from above where they were not asked for."""

    def __init__(self, points: OuterProducts, first: int):
        self._points = points
        self._bounds_N = np.empty(len(points))
        self._seen_N = np.zeros(len(points), dtype=np.int64)
        self._bounds_N.fill(np.inf)
        self._refresh(np.array([first]))

    def draw(
        self, picks_i: NDArray[np.int64], open_N: NDArray[np.bool_], generator: np.random.Generator
    ) -> tuple[int, float]:
        """An open point, in proportion to its squared distance to the nearest pick, and that distance."""
        rejected = 0
        while True:
            cumulative_N = np.cumsum(np.where(open_N, self._bounds_N, 0.0))
            if cumulative_N[-1] <= 0:
                return int(generator.choice(np.flatnonzero(open_N))), 0.0
            drawn = int(np.searchsorted(cumulative_N, generator.random() * cumulative_N[-1], side="right"))
            drawn = min(drawn, int(np.flatnonzero(open_N)[-1]))  # rounding may reach the end
            bound = self._bounds_N[drawn]
            unseen = picks_i[self._seen_N[drawn] :]
            if len(unseen):
                squared = self._points.squared(slice(drawn, drawn + 1), unseen).min()
                self._bounds_N[drawn] = min(bound, squared)
                self._seen_N[drawn] = len(picks_i)
            if generator.random() * bound < self._bounds_N[drawn]:
                return drawn, float(self._bounds_N[drawn])
            rejected += 1
            if rejected % PATIENCE == 0:
                self._refresh(picks_i)

    def _refresh(self, picks_i: NDArray[np.int64]) -> None:
        unseen = picks_i[self._seen_N.min() :]
        for rows in blocks(len(self._bounds_N), len(unseen), size=2**17):
            np.minimum(self._bounds_N[rows], self._points.squared(rows, unseen).min(axis=1), out=self._bounds_N[rows])
        self._seen_N.fill(len(picks_i))


class BADGE(Strategy):
    """A batch of large and diverse gradients: what a label would change in the last layer, guessed by its likeliest.

    Ash et al. (2020, arXiv:1906.03671); see :func:`seed_by_gradients`. Scores are the norms of the gradients.

    Examples
    --------
    >>> BADGE()
    BADGE()
    """

    task = "classification"
    needs = ("model", "gradients")

    def __init__(self) -> None:
        pass

    def score(self, pool: Pool) -> Numbers:
        """The norm of the gradient of each unlabelled point, shape (N,)."""
        return np.sqrt(OuterProducts(*self._factors(pool)).squares_N)

    def select(self, pool: Pool, n: int, scores_N: Numbers) -> Chosen:
        """A batch drawn by k-means++ seeding."""
        positions, gains = seed_by_gradients(
            *self._factors(pool), n, pool.generator("select"), batch=pool.batch(n)
        )  # fmt: skip
        return Chosen(positions, {"gain": gains})

    def _factors(self, pool: Pool) -> tuple[Points, Points]:
        return gradients(pool, pool.unlabelled, self)
