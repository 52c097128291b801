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
from aljupyter.strategies.chosen import Chosen
from aljupyter.strategies.greedy import Batch, Numbers, Picks, Points
from aljupyter.strategies.needs import check_length
from aljupyter.strategies.pool import Pool
from aljupyter.strategies.quotas import Restrictions

EMBEDDINGS = ("inputs", "model")


class FeatureStrategy(Strategy):
    """A batch that is chosen by where points lie. Subclasses say what the first pick is worth, and pick greedily.

    Parameters
    ----------
    embedding : {"inputs", "model"}
        Where distances are measured: between the features (an image as a row), or between the representations that the
        fitted model has of them.
    max_candidates : int, optional
        Of a larger pool only so many points are looked at in a round; see :meth:`Strategy.within`.

    Raises
    ------
    InvalidParameter
    """

    needs: tuple[str, ...] = ()

    def __init__(self, embedding: str = "inputs", max_candidates: int | None = None):
        self.embedding = one_of(embedding, EMBEDDINGS, "embedding")
        if self.embedding == "model":
            self.needs = ("model", "embedding")
        most = max_candidates if max_candidates is None else whole(max_candidates, "max_candidates")
        self.restrictions = Restrictions(max_candidates=most)

    @property
    def max_candidates(self) -> int | None:
        """How many points are looked at in a round, by the constructor or by :meth:`within`."""
        return self.restrictions.max_candidates

    def score(self, pool: Pool) -> Numbers:
        """What each unlabelled point is worth as the first pick of a batch, shape (N,)."""
        return self._first(pool, *self._points(pool))

    def select(self, pool: Pool, n: int, scores_N: Numbers) -> Chosen:
        """A batch of n, in the order in which they were picked, and what each was worth then: ``"gain"``.

        Parameters
        ----------
        pool : Pool
        n : int
        scores_N : array of shape (N,)
            Those that :meth:`score` gave for this pool: the first pick's values are not computed again.
        """
        first_N = np.asarray(scores_N, dtype=np.float64)
        positions, gains = self._greedy(pool, *self._points(pool), n, first_N, pool.batch(n))
        return Chosen(positions, {"gain": gains})

    def _first(self, pool: Pool, x_N_D: Points, x_M_D: Points) -> Numbers:
        raise NotImplementedError

    def _greedy(self, pool: Pool, x_N_D: Points, x_M_D: Points, n: int, first_N: Numbers, batch: Batch) -> Picks:
        raise NotImplementedError

    def _points(self, pool: Pool) -> tuple[Points, Points]:
        """The unlabelled and the labelled points, of shapes (N, D) and (M, D)."""
        x_N_D = points_of(pool, pool.unlabelled, self.embedding, self)
        if len(pool.labelled) == 0:
            return x_N_D, x_N_D[:0]
        return x_N_D, points_of(pool, pool.labelled, self.embedding, self).astype(x_N_D.dtype, copy=False)

    def sample(self, pool: Pool, size: int, purpose: str) -> tuple[Points, np.random.Generator]:
        """See :func:`sample_of`."""
        return sample_of(pool, size, purpose, self.embedding, self)

    def __repr__(self) -> str:
        if "max_candidates" not in inspect.signature(type(self)).parameters:
            return super().__repr__()
        return self._definition() + repr(self.restrictions.with_(max_candidates=None))


def points_of(pool: Pool, view: Subset, embedding: str, who: object, rows: NDArray[np.int64] | None = None) -> Points:
    """The points of a view as rows, shape (N, D): their features (an image as a row), or what the model makes of them.

    Parameters
    ----------
    pool : Pool
    view : Subset
    embedding : {"inputs", "model"}
    who : object
        Who asks, for the message of an error.
    rows : array of int, optional
        Positions in the view; all where not given.

    Raises
    ------
    ModelError
        If the model is asked and there is none yet.
    NonFiniteFeatures
    """
    points: Tensor | Subset = view if rows is None else view.rows(torch.from_numpy(rows))
    if embedding == "model":
        if pool.model is None:
            raise ModelError(
                f"{who!r} measures distances in what the model makes of the points, and no model is fitted yet. "
                f"Label some points first, or start with embedding='inputs'."
            )
        what = f"What {pool.model!r} makes of the points (its embedding)"
        embedded = pool.model.embed(points)
        check_length(embedded, len(points), what)
        return _as_array(embedded, what)
    return _as_array(points.x if isinstance(points, Subset) else points, "The features of the points")


def sample_of(pool: Pool, size: int, purpose: str, embedding: str, who: object) -> tuple[Points, np.random.Generator]:
    """Some of all labelled and unlabelled points, the same in every round while these are the same in all.

    Those count that may not be asked. Also the generator that drew them.
    """
    pool = pool.whole
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
    x_S_D = np.concatenate([points_of(pool, view, embedding, who, rows) for view, rows in parts if len(rows)])
    order = np.argsort(np.concatenate([np.flatnonzero(labelled), np.flatnonzero(~labelled)]))
    return x_S_D[order], generator


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
