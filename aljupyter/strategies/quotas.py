"""Rules that a batch keeps: how many of a group may be in it, and which points may be asked at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from aljupyter.errors import IndexOutOfRange, InvalidParameter, QuerySizeError, QuotaError, UnknownColumn, WrongShape
from aljupyter.strategies.greedy import Batch

if TYPE_CHECKING:
    from aljupyter.strategies.pool import Pool


class Quota:
    """A rule about the groups of the points in a batch.

    Parameters
    ----------
    groups : str or array-like of shape (n of the dataset,)
        A column of the table that the data came from, or one value for each row of the dataset.
    """

    def __init__(self, groups: Any):
        if isinstance(groups, str):
            self.groups: Any = groups
            return
        values = np.asarray(groups)
        if values.ndim != 1:
            raise InvalidParameter(
                f"The groups of a quota are a column's name or one value for each row of the dataset, got {groups!r}."
            )
        self.groups = values

    def of(self, pool: Pool) -> tuple[NDArray[np.int64], list[Any]]:
        """The group of each unlabelled point as a code, shape (N,), and the groups by code.

        Raises
        ------
        UnknownColumn
            If the data have no such column.
        WrongShape
            If there is not one value for each row of the dataset.
        """
        values = self.groups
        if isinstance(values, str):
            columns = getattr(pool.raw, "columns", ())
            if values not in columns:
                known = f"Columns: {', '.join(map(str, columns))}." if len(columns) else "The data are not a table."
                raise UnknownColumn(f"{self!r} names a column that the data do not have. {known}")
            values = pool.raw[values].to_numpy()
        indices = pool.unlabelled.indices
        n_rows = len(pool.unlabelled.features)
        if len(values) != n_rows:
            raise WrongShape(f"{self!r} has {len(values)} groups for a dataset of {n_rows} rows: give one for each.")
        import pandas as pd

        code_N, groups = pd.factorize(values[indices], use_na_sentinel=False)
        return code_N.astype(np.int64), list(groups)

    def batch(self, pool: Pool, n: int) -> Batch:
        """An empty batch of this rule, for n points of a pool.

        Raises
        ------
        QuotaError
            If no n points of the pool keep the rule.
        """
        raise NotImplementedError

    def _shown(self) -> str:
        return repr(self.groups) if isinstance(self.groups, str) else f"<{len(self.groups)} groups>"


class AtMost(Quota):
    """At most so many of a group in one batch, such as two compounds a scaffold.

    Parameters
    ----------
    most : int or mapping
        For every group, or for some by their value; others are then free.
    groups : str or array-like
        See :class:`Quota`.

    Raises
    ------
    InvalidParameter

    Examples
    --------
    >>> from aljupyter.strategies import Margin
    >>> Margin().within(quota=AtMost(2, "plate"))
    Margin().within(quota=AtMost(2, 'plate'))
    """

    def __init__(self, most: int | Mapping[Any, int], groups: Any):
        super().__init__(groups)
        numbers = list(most.values()) if isinstance(most, Mapping) else [most]
        least = 0 if isinstance(most, Mapping) else 1
        for number in numbers:
            if isinstance(number, bool) or not isinstance(number, Integral) or number < least:
                raise InvalidParameter(f"A quota is a whole number of at least {least}, got {number!r}.")
        self.most = most

    def batch(self, pool: Pool, n: int) -> Batch:
        code_N, groups = self.of(pool)
        size_G = np.bincount(code_N, minlength=len(groups))
        most = self.most
        if isinstance(most, Mapping):
            room_G = np.array([most.get(group, size) for group, size in zip(groups, size_G, strict=True)])
        else:
            room_G = np.full(len(groups), int(most))
        possible = int(np.minimum(size_G, room_G).sum())
        if possible < n:
            raise QuotaError(
                f"A batch of {n} cannot keep {self!r}: of {len(code_N)} points in {len(groups)} groups it lets "
                f"{possible} into one batch. Ask for {possible} or fewer, or let more of a group in."
            )
        return Batch(len(code_N), code_N, room_G.astype(np.int64))

    def __repr__(self) -> str:
        return f"AtMost({self.most!r}, {self._shown()})"


class OneGroup(Quota):
    """All points of a batch from one group, such as one plate or one site. The first pick decides which.

    Parameters
    ----------
    groups : str or array-like
        See :class:`Quota`. Groups with fewer unlabelled points than are asked are passed by.

    Examples
    --------
    >>> OneGroup("plate")
    OneGroup('plate')
    """

    def batch(self, pool: Pool, n: int) -> Batch:
        code_N, groups = self.of(pool)
        size_G = np.bincount(code_N, minlength=len(groups))
        if size_G.max(initial=0) < n:
            raise QuotaError(
                f"A batch of {n} cannot keep {self!r}: the largest of {len(groups)} groups has "
                f"{size_G.max(initial=0)} unlabelled points. Ask for fewer."
            )
        return Batch(len(code_N), code_N, np.where(size_G >= n, n, 0), one_group=True)

    def __repr__(self) -> str:
        return f"OneGroup({self._shown()})"


@dataclass(frozen=True, eq=False)
class Restrictions:
    """Which points of a pool may be asked.

    Parameters
    ----------
    candidates, forbidden : array of int, optional
        The dataset's own indices. Those that are labelled already are passed by.
    max_candidates : int, optional
        Of more, so many are looked at in a round, drawn by the seed.
    quota : Quota, optional
    """

    candidates: NDArray[np.int64] | None = None
    forbidden: NDArray[np.int64] | None = None
    max_candidates: int | None = None
    quota: Quota | None = None

    def positions(self, pool: Pool, n: int) -> NDArray[np.int64] | None:
        """Positions in the pool of the points that are looked at, ascending; None for all.

        Raises
        ------
        IndexOutOfRange
            For an index that is not a row of the dataset.
        QuerySizeError
            Where nothing is left.
        """
        indices = pool.unlabelled.indices
        may = np.ones(len(indices), dtype=bool)
        for chosen, wanted in ((self.candidates, True), (self.forbidden, False)):
            if chosen is not None:
                n_rows = len(pool.unlabelled.features)
                if len(chosen) and not 0 <= chosen.min() <= chosen.max() < n_rows:
                    raise IndexOutOfRange(
                        f"Candidates and forbidden points are rows of the dataset, 0 to {n_rows - 1}; got "
                        f"{chosen.min()} to {chosen.max()}."
                    )
                may &= np.isin(indices, chosen) == wanted
        left = np.flatnonzero(may)
        if len(left) == 0:
            raise QuerySizeError(
                f"None of the {len(indices)} unlabelled points may be asked: all are forbidden, or none is a candidate."
            )
        if self.max_candidates is not None and max(self.max_candidates, n) < len(left):
            order = pool.generator("candidates").permutation(len(left))
            left = left[np.sort(order[: max(self.max_candidates, n)])]
        return None if len(left) == len(indices) else left

    def with_(self, **changes: Any) -> Restrictions:
        """The same with some changed.

        Raises
        ------
        InvalidParameter
        """
        known = {name: getattr(self, name) for name in ("candidates", "forbidden", "max_candidates", "quota")}
        for name, value in changes.items():
            if name not in known:
                raise InvalidParameter(f"A strategy is restricted by {', '.join(known)}; got {name!r}.")
            known[name] = value if value is None else _CHECKS[name](value, name)
        return Restrictions(**known)

    def __repr__(self) -> str:
        parts = [f"{name}=<{len(value)} indices>" for name in ("candidates", "forbidden")
                 if (value := getattr(self, name)) is not None]  # fmt: skip
        parts += [f"{name}={value!r}" for name in ("max_candidates", "quota")
                  if (value := getattr(self, name)) is not None]  # fmt: skip
        return f".within({', '.join(parts)})" if parts else ""


def _indices(value: Any, name: str) -> NDArray[np.int64]:
    array = np.asarray(value)
    if array.size == 0:
        return np.zeros(0, dtype=np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise InvalidParameter(f"{name} are indices of the dataset, in one dimension; got {value!r}.")
    return array.astype(np.int64)


def _number(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise InvalidParameter(f"{name} is a whole number of at least 1, got {value!r}.")
    return int(value)


def _quota(value: Any, name: str) -> Quota:
    if not isinstance(value, Quota):
        raise InvalidParameter(f'{name} is a rule such as AtMost(2, "plate") or OneGroup("plate"), got {value!r}.')
    return value


_CHECKS: dict[str, Any] = {"candidates": _indices, "forbidden": _indices, "max_candidates": _number, "quota": _quota}
