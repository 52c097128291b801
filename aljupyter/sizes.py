"""How many points a round asks, and how many rounds there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from aljupyter.errors import EmptyPool, QuerySizeError

BatchSizes = int | Sequence[int] | Callable[[int], int]


def _is_whole(n: Any) -> bool:
    return isinstance(n, int | np.integer) and not isinstance(n, bool)


def check_size(n: Any, left: int | None = None) -> int:
    """The number of points to ask, if that many can be asked.

    Parameters
    ----------
    n : int
    left : int, optional
        Size of the pool; any number is taken where not given.

    Raises
    ------
    QuerySizeError
        If n is not a whole number from 1 to `left`.
    EmptyPool
        If nothing is left.
    """
    if not _is_whole(n) or n < 1:
        raise QuerySizeError(f"A query asks a whole number of points, at least 1; got {n!r}.")
    if left == 0:
        raise EmptyPool("Every point of the pool is labelled: there is nothing left to ask.")
    if left is not None and n > left:
        raise QuerySizeError(f"A query of {n} points is more than the {left} left in the pool; ask at most {left}.")
    return int(n)


def schedule(rounds: int | None, n: BatchSizes, left: int) -> tuple[int, Callable[[int, int], int]]:
    """The number of rounds of a run, and a function from (k-th of this run, round of the learner) to a batch size.

    Parameters
    ----------
    rounds : int or None
        None: until the pool is empty, or as many as there are sizes.
    n : int, sequence of int or callable
        A callable is given the round of the learner.
    left : int
        Size of the pool: each round asks one point at least, so there cannot be more rounds.

    Raises
    ------
    QuerySizeError
    """
    sizes = np.asarray(n).tolist() if hasattr(n, "__len__") else None
    if rounds is None:
        rounds = left if sizes is None else len(sizes)
    if not _is_whole(rounds) or rounds < 0:
        raise QuerySizeError(f"The number of rounds is a whole number of at least 0, got {rounds!r}.")
    if sizes is not None:
        if len(sizes) < rounds:
            raise QuerySizeError(f"{rounds} rounds need {rounds} batch sizes, got {len(sizes)}.")
        checked = [check_size(size) for size in sizes]
        return int(rounds), lambda k, _: checked[k]
    if callable(n):
        return int(rounds), lambda _, round: check_size(n(round))
    size = check_size(n)
    return -(-left // size) if rounds * size > left else int(rounds), lambda *_: size
