"""What the greedy selectors share: they take points as arrays and pick a batch one by one.

Each is a function ``(x_N_D, x_M_D, n, generator, ..., batch=None) -> positions, gains``: N points of a pool, M labelled
ones (there may be none), and for each of the n picks its position in the pool and what it was worth when it was picked.
None of them ever holds a matrix of N x N.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from aljupyter.errors import InvalidScores, QuerySizeError

Points = NDArray[np.floating]
Numbers = NDArray[np.float64]
Picks = tuple[NDArray[np.int64], Numbers]

BLOCK = 2**21  # numbers of a matrix that are worked on at once: 16 MiB


def blocks(n_rows: int, width: int, size: int = BLOCK) -> Iterator[slice]:
    """Consecutive rows of a matrix of this width, so many at once that they hold about `size` numbers."""
    step = max(1, size // max(1, width))
    for start in range(0, n_rows, step):
        yield slice(start, min(start + step, n_rows))


def check_batch(n: int, n_points: int) -> None:
    """Refuse a batch of no point, or of more points than there are.

    Raises
    ------
    QuerySizeError
    """
    if not 1 <= n <= n_points:
        raise QuerySizeError(f"A batch has from 1 to {n_points} points, as many as there are to choose from; got {n}.")


class Batch:
    """A batch as it grows: who is in it, and who may still come.

    Parameters
    ----------
    n_points : int
        N.
    group_N : array of int, shape (N,), optional
        The group of each point, 0 ... G - 1, where the batch has a quota.
    room_G : array of int, shape (G,), optional
        How many of each group may come.
    one_group : bool
        Whether all come from the group of the first.

    Attributes
    ----------
    open_N : array of bool, shape (N,)
        Who may still come.
    positions : list of int
        Who came, in order.
    """

    def __init__(
        self,
        n_points: int,
        group_N: NDArray[np.int64] | None = None,
        room_G: NDArray[np.int64] | None = None,
        one_group: bool = False,
    ):
        self.open_N = np.ones(n_points, dtype=bool)
        self.positions: list[int] = []
        self._group_N, self._one_group = group_N, one_group
        self._room_G = None if room_G is None else room_G.copy()
        if group_N is not None and room_G is not None:
            self.open_N &= room_G[group_N] > 0

    def take(self, position: int) -> None:
        """Put a point into the batch, and close those that may not come after it."""
        if not self.open_N[position]:
            raise InvalidScores(f"Position {position} is in the batch already, or its quota is used up.")
        self.positions.append(int(position))
        self.open_N[position] = False
        if self._group_N is None:
            return
        group = self._group_N[position]
        if self._one_group and len(self.positions) == 1:
            self.open_N &= self._group_N == group
        if self._room_G is not None:
            self._room_G[group] -= 1
            if self._room_G[group] <= 0:
                self.open_N[self._group_N == group] = False

    def best(self, values_N: Points, generator: np.random.Generator, *, within: float = 0.0) -> int:
        """Take the open point of the largest value; see :func:`random_argmax`."""
        pick = random_argmax(np.where(self.open_N, values_N, -np.inf), generator, within=within)
        if not self.open_N[pick]:  # every open point is worth minus infinity
            pick = int(generator.choice(np.flatnonzero(self.open_N)))
        self.take(pick)
        return pick


def random_argmax(values_N: Points, generator: np.random.Generator, *, within: float = 0.0) -> int:
    """Position of the largest value. Among equals, to within rounding, the generator chooses.

    Parameters
    ----------
    values_N : array of shape (N,)
        Without NaN; minus infinity where a point is not to be had.
    generator : numpy.random.Generator
        Asked only where there is a tie.
    within : float
        Values that are lower by no more than this count as equal, for values with the rounding of a matrix product.
    """
    best = values_N.max()
    slack = max(within, 16 * np.finfo(values_N.dtype).eps * abs(best)) if np.isfinite(best) else 0.0
    tied = np.flatnonzero(values_N >= best - slack)
    return int(tied[0] if len(tied) == 1 else tied[generator.integers(len(tied))])


class SquaredDistances:
    """Squared Euclidean distances between two sets of points, by one matrix product for each block asked for.

    With a and b centred, ``|a - b|^2 = [a, |a|^2, 1] . [-2 b, 1, |b|^2]``. Rounding is of the order of 1e-16 times the
    squared spread of the points, whatever their dtype: all is float64.

    Parameters
    ----------
    x_A_D, x_B_D : arrays of shapes (A, D) and (B, D)
    centre_D : array of shape (D,), optional
        Subtracted from both, for precision; the mean of `x_A_D` where not given.
    """

    def __init__(self, x_A_D: Points, x_B_D: Points, centre_D: Points | None = None):
        centre_D = x_A_D.mean(axis=0, dtype=np.float64) if centre_D is None else centre_D
        self._left, squares_A = _with_squares(x_A_D, centre_D)
        if x_B_D is x_A_D:
            self._right, squares_B = self._left.copy(), squares_A
        else:
            self._right, squares_B = _with_squares(x_B_D, centre_D)
        self._right[:, :-2] *= -2
        self._right[:, -2:] = self._right[:, :-3:-1]
        #: largest squared distance of a point from the centre: rounding is relative to it
        self.spread = float(max(squares_A.max(initial=0.0), squares_B.max(initial=0.0)))

    def __call__(self, rows: slice | NDArray[np.int64], columns: slice | NDArray[np.int64] = slice(None)) -> Numbers:
        """Squared distances of shape (rows, columns). A little below 0 is possible, by rounding."""
        return self._left[rows] @ self._right[columns].T


def _with_squares(x_N_D: Points, centre_D: Points) -> tuple[Numbers, Numbers]:
    lifted = np.empty((len(x_N_D), x_N_D.shape[1] + 2))
    np.subtract(x_N_D, centre_D, out=lifted[:, :-2])
    squares_N = np.einsum("nd,nd->n", lifted[:, :-2], lifted[:, :-2])
    lifted[:, -2] = squares_N
    lifted[:, -1] = 1.0
    return lifted, squares_N
