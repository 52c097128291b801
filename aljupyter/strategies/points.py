"""Strategies that look at where points lie, not at what a model says of them: what they have in common."""

from __future__ import annotations

import inspect
import math
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aljupyter.data.subset import Subset
from aljupyter.errors import InvalidParameter, ModelError, NonFiniteFeatures
from aljupyter.randomness import numpy_generator
from aljupyter.strategies.base import Strategy
from aljupyter.strategies.greedy import Numbers, Picks, Points
from aljupyter.strategies.pool import Pool

EMBEDDINGS = ("inputs", "model")


class FeatureStrategy(Strategy):
    """A batch that is chosen by where points lie. Subclasses say what the first pick is worth, and pick greedily.

    Parameters
    ----------
    embedding : {"inputs", "model"}
        Where distances are measured: between the features (an image as a row), or between the representations that the
        fitted model has of them.
    max_candidates : int, optional
        Of a larger pool only so many points are looked at in a round, drawn by the seed; the scores of all others are
        minus infinity. All of them where not given.

    Raises
    ------
    InvalidParameter
    """

    def __init__(self, embedding: str = "inputs", max_candidates: int | None = None):
        self.embedding = one_of(embedding, EMBEDDINGS, "embedding")
        self.max_candidates = max_candidates if max_candidates is None else whole(max_candidates, "max_candidates")

    @property
    def task(self) -> str | None:
        return None

    @property
    def needs_model(self) -> bool:
        return self.embedding == "model"

    def score(self, pool: Pool) -> np.ndarray:
        """What each unlabelled point is worth as the first pick of a batch, shape (N,)."""
        candidates = self._candidates(pool, 1)
        values = self._first(pool, *self._points(pool, candidates))
        if candidates is None:
            return values
        scores_N = np.full(len(pool), -np.inf)
        scores_N[candidates] = values
        return scores_N

    def select(self, pool: Pool, n: int, scores_N: np.ndarray) -> np.ndarray:
        """Positions in the pool of a batch of n, in the order in which they were picked, shape (n,).

        Parameters
        ----------
        pool : Pool
        n : int
        scores_N : array of shape (N,)
            Those that :meth:`score` gave for this pool: the first pick's values are not computed again.
        """
        candidates = self._candidates(pool, n)
        first_N = np.asarray(scores_N, dtype=np.float64)
        if candidates is None:
            return self._greedy(pool, *self._points(pool, candidates), n, first_N)[0]
        # More may be asked than were scored: then all values are computed anew.
        known = first_N[candidates] if np.isfinite(first_N[candidates]).all() else None
        return candidates[self._greedy(pool, *self._points(pool, candidates), n, known)[0]]

    def _first(self, pool: Pool, x_N_D: Points, x_M_D: Points) -> Numbers:
        raise NotImplementedError

    def _greedy(self, pool: Pool, x_N_D: Points, x_M_D: Points, n: int, first_N: Numbers | None) -> Picks:
        raise NotImplementedError

    def _candidates(self, pool: Pool, n: int) -> NDArray[np.int64] | None:
        """Positions of the points that are looked at this round, ascending; None for all."""
        most = len(pool) if self.max_candidates is None else max(self.max_candidates, n)
        if most >= len(pool):
            return None
        return np.sort(pool.generator("candidates").permutation(len(pool))[:most])

    def _points(self, pool: Pool, candidates: NDArray[np.int64] | None) -> tuple[Points, Points]:
        """The candidates and the labelled points, of shapes (N, D) and (M, D)."""
        x_N_D = self._embed(pool, pool.unlabelled, candidates)
        if len(pool.labelled) == 0:
            return x_N_D, x_N_D[:0]
        return x_N_D, self._embed(pool, pool.labelled, None).astype(x_N_D.dtype, copy=False)

    def sample(self, pool: Pool, size: int, purpose: str) -> tuple[Points, np.random.Generator]:
        """Some of the labelled and unlabelled points, the same in every round while these are the same in all.

        Also the generator that drew them.
        """
        generator = numpy_generator(pool.seed, purpose)
        indices = np.concatenate([pool.labelled.indices, pool.unlabelled.indices])
        drawn = np.argsort(indices)
        if len(drawn) > size:
            drawn = drawn[np.sort(generator.permutation(len(drawn))[:size])]
        labelled = drawn < len(pool.labelled)
        parts = [
            (pool.labelled, drawn[labelled]),
            (pool.unlabelled, drawn[~labelled] - len(pool.labelled)),
        ]
        x_S_D = np.concatenate([self._embed(pool, view, rows) for view, rows in parts if len(rows)])
        order = np.argsort(np.concatenate([np.flatnonzero(labelled), np.flatnonzero(~labelled)]))
        return x_S_D[order], generator

    def _embed(self, pool: Pool, view: Subset, rows: NDArray[np.int64] | None) -> Points:
        points: Tensor | Subset = view if rows is None else view.rows(torch.from_numpy(rows))
        if self.embedding == "model":
            if pool.model is None:
                raise ModelError(
                    f"{self!r} measures distances in what the model makes of the points, and no model is fitted yet. "
                    f"Label some points first, or start with embedding='inputs'."
                )
            return _as_array(pool.model.embed(points), f"What {pool.model!r} makes of the points (its embedding)")
        return _as_array(points.x if isinstance(points, Subset) else points, "The features of the points")

    def __repr__(self) -> str:
        parameters = inspect.signature(type(self)).parameters.values()
        stated = [(p.name, getattr(self, p.name)) for p in parameters if getattr(self, p.name) != p.default]
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in stated)})"


def _as_array(points: Tensor, what: str) -> Points:
    """Points as rows; float32 and float64 are kept, all else becomes float64.

    Raises
    ------
    NonFiniteFeatures
    """
    rows = points.detach().cpu()
    if rows.dtype not in (torch.float32, torch.float64):
        rows = rows.double()
    x_N_D: Points = rows.reshape(len(rows), -1).numpy()
    if not np.isfinite(x_N_D).all():
        raise NonFiniteFeatures(f"{what} are not all finite numbers, so there are no distances between them.")
    return x_N_D


def whole(value: Any, name: str, at_least: int = 1) -> int:
    """A parameter that is a whole number.

    Raises
    ------
    InvalidParameter
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < at_least:
        raise InvalidParameter(f"{name} is a whole number of at least {at_least}, got {value!r}.")
    return int(value)


def one_of(value: Any, choices: tuple[str, ...], name: str) -> str:
    """A parameter that is one of some words.

    Raises
    ------
    InvalidParameter
    """
    if not isinstance(value, str) or value not in choices:
        raise InvalidParameter(f"{name} is one of {', '.join(choices)}, got {value!r}.")
    return value


def share(value: Any, name: str) -> float:
    """A parameter that is a share.

    Raises
    ------
    InvalidParameter
    """
    if not isinstance(value, Real) or not 0 < float(value) < 1:
        raise InvalidParameter(f"{name} is a share between 0 and 1, such as 0.95, got {value!r}.")
    return float(value)


def positive_or(value: Any, word: str, name: str) -> float | str:
    """A parameter that is a positive number, or a word.

    Raises
    ------
    InvalidParameter
    """
    if isinstance(value, str) and value == word:
        return value
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < float(value) < math.inf:
        raise InvalidParameter(f"{name} is a positive number or {word!r}, got {value!r}.")
    return value  # type: ignore[return-value]  # a number, as it was given
