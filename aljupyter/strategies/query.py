"""Points to ask, the scores behind them, and why these were chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


def frozen_array(values: Any) -> np.ndarray:
    """A copy that cannot be written to."""
    array = np.array(values)
    array.setflags(write=False)
    return array


def in_number(n: int, noun: str) -> str:
    """``1 label``, ``2 labels``."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


@dataclass(frozen=True, eq=False)
class Scores:
    """One score for each unlabelled point.

    Attributes
    ----------
    indices : array of shape (N,)
        The dataset's own, ascending.
    values : array of shape (N,)
        Higher is asked first. Minus infinity where a point is not a candidate.
    strategy : str
    terms : mapping of str to array of shape (N,)
        Those of a composed score, by their definitions; NaN where a point is not a candidate.
    """

    indices: np.ndarray
    values: np.ndarray
    strategy: str
    terms: Mapping[str, np.ndarray] = field(default_factory=lambda: MappingProxyType({}), repr=False)

    def __len__(self) -> int:
        return len(self.indices)

    def best(self, k: int = 5) -> list[int]:
        """Indices of the k highest scores, of candidates only."""
        order = np.argsort(-self.values, kind="stable")[:k]
        return self.indices[order[self.values[order] > -np.inf]].tolist()

    def to_frame(self) -> pd.DataFrame:
        """One row a point, highest score first: columns ``index`` and ``score``."""
        import pandas as pd

        frame = pd.DataFrame({"index": self.indices, "score": self.values})
        return frame.sort_values("score", ascending=False, kind="stable", ignore_index=True)

    def __repr__(self) -> str:
        if not len(self):
            return f"Scores of no point by {self.strategy}: the pool is empty"
        return (
            f"Scores of {in_number(len(self), 'point')} by {self.strategy}: from {self.values.min():.3g} to "
            f"{self.values.max():.3g}, highest at {', '.join(map(str, self.best(3)))}"
        )


@dataclass(frozen=True, eq=False)
class Query:
    """Points to ask.

    Attributes
    ----------
    indices : array of shape (n,)
        The dataset's own, in the order in which they were chosen.
    scores : array of shape (n,)
        What each was worth as the first of a batch.
    round : int
    strategy : str
    pool : Scores
        Of the whole pool that the query was chosen from.
    why : mapping
        What else is known of the choice, one value a point: ``"gain"``, what it was worth when it was chosen, after
        those before it; ``"nearest_labelled"``, the index of the nearest labelled point (-1 where there is none), and
        ``"distance"`` to it, between features; ``"cluster"`` where the strategy made clusters; and ``"terms"``, a
        mapping from the parts of a composed score to their values.
    """

    indices: np.ndarray
    scores: np.ndarray
    round: int
    strategy: str
    pool: Scores = field(repr=False)
    why: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}), repr=False)

    def __len__(self) -> int:
        return len(self.indices)

    def __repr__(self) -> str:
        asked = ", ".join(f"{i} ({s:.3g})" for i, s in zip(self.indices[:8], self.scores[:8], strict=True))
        more = f" and {len(self) - 8} more" if len(self) > 8 else ""
        return f"Query of round {self.round} by {self.strategy}: point (score) {asked}{more}"
