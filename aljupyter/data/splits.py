"""Which points go where: indices given by a person, and seeded draws of a count or a fraction."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch

from aljupyter.errors import (
    DataError,
    IndexOutOfRange,
    MissingLabels,
    OverlappingViews,
    RepeatedIndices,
    WrongShape,
)
from aljupyter.randomness import numpy_generator

WARM_START = 0.1  # of train, as in the paper


def is_number(value: Any) -> bool:
    """Whether a view is given as a count or a fraction, not as indices."""
    return isinstance(value, Real)


def as_indices(value: Any, n_rows: int, name: str) -> np.ndarray:
    """Indices that a person gave, checked.

    Parameters
    ----------
    value : int, or sequence, array, tensor, Series of int, or boolean mask of shape (n_rows,)
    n_rows : int
        Rows of the dataset.
    name : str
        What to call them in a message.

    Returns
    -------
    array of int64, in the order given

    Raises
    ------
    WrongShape, IndexOutOfRange, RepeatedIndices
    DataError
        For values that are not whole numbers.
    """
    try:
        array = np.atleast_1d(value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value))
    except ValueError as error:
        raise WrongShape(f"{name} cannot be read as a list of indices: {error}") from None
    if array.ndim != 1:
        raise WrongShape(f"{name} have shape {array.shape}; a list of indices, shape (n,), is expected.")
    if array.dtype == bool:
        if len(array) != n_rows:
            raise WrongShape(f"{name} are a mask of {len(array)} values; the dataset has {n_rows} rows.")
        return np.flatnonzero(array)
    if not len(array):
        return np.empty(0, dtype=np.int64)
    if array.dtype.kind not in "iu":
        raise DataError(
            f"{name} hold {array.flat[0]!r} ({array.dtype}); whole numbers, the rows' indices, are expected."
        )
    outside = array[(array < 0) | (array >= n_rows)]
    if len(outside):
        raise IndexOutOfRange(
            f"{name} hold {outside[0]}, which is not a row of the dataset: indices run from 0 to {n_rows - 1}."
        )
    values, counts = np.unique(array, return_counts=True)
    if len(values) < len(array):
        raise RepeatedIndices(f"{name} hold {values[counts > 1][0]} more than once; give each index once.")
    return array.astype(np.int64)


def as_size(value: Any, n_candidates: int, name: str, of_what: str) -> int:
    """How many points a count or a fraction asks for.

    Raises
    ------
    DataError
        For a negative or too large count, or a fraction outside (0, 1).
    """
    if isinstance(value, (bool, np.bool_)):
        raise DataError(f"{name}={value} is neither indices, nor a count, nor a fraction.")
    if isinstance(value, Integral):
        if not 0 <= int(value) <= n_candidates:
            raise DataError(f"{name}={value} points were asked for; there are {n_candidates} {of_what} to draw from.")
        return int(value)
    if not 0 < value < 1:
        raise DataError(f"{name}={value} is not a fraction between 0 and 1; a count of points is given as an int.")
    return round(float(value) * n_candidates)


def draw(
    candidates: np.ndarray,
    size: int,
    generator: np.random.Generator,
    strata: np.ndarray | None = None,
    every_stratum: bool = False,
) -> np.ndarray:
    """Points drawn without replacement.

    Parameters
    ----------
    candidates : array of int, shape (n,)
    size : int
        At most n.
    generator : numpy.random.Generator
    strata : array of int, shape (n,), optional
        The class of each candidate: classes are then drawn in proportion to their size.
    every_stratum : bool
        Whether each class comes in at least once, as far as `size` allows.

    Returns
    -------
    array of int64, ascending
    """
    order = generator.permutation(len(candidates))
    if strata is not None:
        shuffled = strata[order]
        _, codes, counts = np.unique(shuffled, return_inverse=True, return_counts=True)
        by_class = np.argsort(codes, kind="stable")
        rank = np.empty(len(order), dtype=np.int64)  # of each candidate within its class
        rank[by_class] = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
        # Points of a class of size m stand at 0.5/m, 1.5/m, ...: the first `size` of all hold each class in proportion.
        place = (rank + 0.5) / counts[codes]
        if every_stratum:
            place[rank == 0] = 0.0
        order = order[np.argsort(place, kind="stable")]
    return np.sort(candidates[order[:size]]).astype(np.int64)


@dataclass(frozen=True)
class Views:
    """Indices of the views, ascending; no point is in two."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def split_views(
    train: Any, validation: Any, test: Any, known: np.ndarray, strata: np.ndarray | None, seed: int
) -> Views:
    """Train, validation and test, given or drawn.

    Given indices are set aside first; then test, validation and train are drawn, in this order. Test and validation
    judge a model, so they are drawn among points whose label is known.

    Parameters
    ----------
    train, validation, test : indices, count, fraction or None
    known : bool array of shape (N,)
        Whether the dataset has a label for the point.
    strata : int array of shape (N,), optional
        Class codes, for draws in proportion to the classes.
    seed : int

    Raises
    ------
    IndexOutOfRange, RepeatedIndices, OverlappingViews, MissingLabels, DataError
    """
    n_rows = len(known)
    wishes = {"test": test, "validation": validation, "train": train}
    views: dict[str, np.ndarray] = {}
    owner = np.full(n_rows, "", dtype="U10")
    for name, wish in wishes.items():
        if wish is not None and not is_number(wish):
            indices = np.sort(as_indices(wish, n_rows, name))
            _require_free(indices, owner, name)
            owner[indices] = name
            views[name] = indices
    for name, wish in wishes.items():
        if name in views:
            continue
        free = owner == ""
        if wish is None:
            chosen = np.flatnonzero(free) if name == "train" else np.empty(0, dtype=np.int64)
        else:
            pool = free if name == "train" else free & known
            kind = "rows" if name == "train" else "labelled rows"
            of_all = as_size(wish, int(known.sum() if name != "train" else n_rows), name, kind)
            candidates = np.flatnonzero(pool)
            if of_all > len(candidates):
                raise DataError(f"{name}={wish} is {of_all} points; {len(candidates)} {kind} are left to draw from.")
            chosen = draw(
                candidates, of_all, numpy_generator(seed, "split", name), None if strata is None else strata[candidates]
            )
        owner[chosen] = name
        views[name] = chosen
    for name in ("test", "validation"):
        blind = views[name][~known[views[name]]]
        if len(blind):
            raise MissingLabels(
                f"Point {blind[0]} of the {name} view has no label ({len(blind)} such points), so it cannot judge a "
                f"model. Leave these points in train, where they can be labelled."
            )
    if not len(views["train"]):
        raise DataError("No point is left for train: every row is in the validation or test view. Make them smaller.")
    return Views(**views)


def _require_free(indices: np.ndarray, owner: np.ndarray, name: str) -> None:
    taken = indices[owner[indices] != ""]
    if len(taken):
        raise OverlappingViews(
            f"Point {taken[0]} is in both {owner[taken[0]]} and {name} ({len(taken)} such points); a point belongs to "
            f"one view only, or the model would be judged on what it learned from."
        )


def split_labelled(
    labelled: Any, train: np.ndarray, known: np.ndarray, strata: np.ndarray | None, seed: int
) -> np.ndarray:
    """The initial labelled set: as given (in that order), or drawn (ascending).

    A draw holds every class, as far as its size allows.

    Raises
    ------
    IndexOutOfRange, RepeatedIndices, OverlappingViews, MissingLabels, DataError
    """
    candidates = train[known[train]]
    if labelled is None:
        if len(candidates) < len(train):
            return candidates
        least = 2 if strata is None else len(np.unique(strata[candidates]))
        size = min(max(round(WARM_START * len(train)), least), len(candidates))
    elif is_number(labelled):
        size = as_size(labelled, len(candidates), "labelled", "points of train with a label")
    else:
        indices = as_indices(labelled, len(known), "labelled")
        outside = indices[~np.isin(indices, train)]
        if len(outside):
            raise OverlappingViews(
                f"Point {outside[0]} was given as labelled, but it is not in the train view ({len(outside)} such "
                f"points). Labelled points are points of train."
            )
        blind = indices[~known[indices]]
        if len(blind):
            raise MissingLabels(
                f"Point {blind[0]} was given as labelled, but the dataset has no label for it ({len(blind)} such "
                f"points). State it afterwards: data.label([{blind[0]}], [...])."
            )
        return indices
    generator = numpy_generator(seed, "labelled")
    return draw(candidates, size, generator, None if strata is None else strata[candidates], every_stratum=True)
