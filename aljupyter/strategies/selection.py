"""From scores to a query."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from aljupyter.errors import InvalidParameter

TIES = ("random", "first", "last")


class Selection(Protocol):
    """Chooses n positions out of N scores."""

    def __call__(self, scores_N: np.ndarray, n: int, generator: np.random.Generator) -> np.ndarray: ...


class TopK:
    """The n points of the highest scores, best first.

    Parameters
    ----------
    ties : {"random", "first", "last"}
        Who comes first among equal scores: by the seeded generator, or by place in the pool. A GP far from its labels
        gives many points exactly the same score, so this decides results.
    """

    def __init__(self, ties: str = "random"):
        if ties not in TIES:
            raise InvalidParameter(f"ties is one of {', '.join(TIES)}, got {ties!r}.")
        self.ties = ties

    def __call__(self, scores_N: np.ndarray, n: int, generator: np.random.Generator) -> np.ndarray:
        """Positions of the chosen points, shape (n,).

        Parameters
        ----------
        scores_N : array of shape (N,)
            Without NaN.
        n : int
            1 <= n <= N.
        generator : numpy.random.Generator
            Breaks ties where ``ties="random"``.
        """
        # All above the n-th highest score are in; the places left go to those that equal it.
        threshold = np.partition(scores_N, -n)[-n]
        candidates = np.flatnonzero(scores_N >= threshold)
        precedence: np.ndarray = candidates if self.ties == "first" else -candidates
        if self.ties == "random":
            precedence = generator.random(len(candidates))
        return candidates[np.lexsort((precedence, -scores_N[candidates]))[:n]]

    def __repr__(self) -> str:
        return "TopK()" if self.ties == "random" else f"TopK(ties={self.ties!r})"
