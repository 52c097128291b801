"""DataFrames and CSV files read as features."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import torch

from aljupyter.data.columns import ID, NUMBER, Block, encode_column, kind_of
from aljupyter.data.features import Features, TensorFeatures, standardise
from aljupyter.data.source import Source, plain
from aljupyter.errors import DataError, MixedColumn, NonFiniteFeatures, UnknownColumn, WrongShape


def read_csv(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a CSV file with pandas' defaults.

    Raises
    ------
    DataError
        If there is no such file, or it is not a table of values separated by commas.
    """
    name = os.fspath(path)
    if not os.path.isfile(path):
        raise DataError(f"There is no file {name!r} (looked from {os.getcwd()!r}).")
    advice = f"Read it first, table = pandas.read_csv({name!r}, sep=..., encoding=...), and give the table."
    try:
        table = pd.read_csv(path, low_memory=False)  # a column is typed as a whole, not in pieces
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise DataError(f"{name!r} cannot be read as a CSV file: {str(error).strip()}. {advice}") from error
    if len(table.columns) == 1 and any(mark in str(table.columns[0]) for mark in ";\t|"):
        raise DataError(f"{name!r} has one column, {table.columns[0]!r}: not separated by commas. {advice}")
    return table


class TableSource(Source):
    """A DataFrame; the parameters are those of `DataManager`."""

    def __init__(self, table: pd.DataFrame, y: Any, target: str | None, id: str | None, preprocess: str | None):
        if isinstance(y, str):
            if target is not None:
                raise DataError(f"Labels are given twice: as y={y!r} and as target={target!r}; give one.")
            target, y = y, None
        _check_table(table, y, target, id)
        used = [name for name in table.columns if name not in (target, id)]
        self._kinds = {name: _kind(table[name], preprocess) for name in used}
        self._target = target
        self._preprocess = preprocess
        named = [id] if id is not None else [name for name in used if self._kinds[name] == ID]
        advice = f" Labels in a column are named with target=...; the columns are {_listed(table.columns)}."
        super().__init__(
            n_rows=len(table),
            y=_paired(y, table) if target is None else table[target],
            raw=table.copy(deep=False),
            ids=_ids(table, named),
            label_advice=advice if target is None else "",
        )
        if all(kind == ID for kind in self._kinds.values()):
            raise DataError(
                f"No feature is left: the columns {_listed(self._kinds)} only name the rows, for their values all "
                f"differ. Give columns that say something about a row; codes such as molecules become numbers first."
            )

    def features(self, train: np.ndarray) -> Features:
        """All columns side by side, in the order of the table."""
        unscaled, numbers = self.encoded(train)
        if not numbers or self._preprocess is None:
            return unscaled
        values, note = standardise(unscaled.values, train, numbers)
        return TensorFeatures(values, unscaled.names, (note, *unscaled.notes[1:]))

    def encoded(self, train: np.ndarray) -> tuple[TensorFeatures, list[int]]:
        """The features with numbers as they are, and which of their columns are numbers."""
        left_out = [name for name, kind in self._kinds.items() if kind == ID]
        blocks = {name: encode_column(self.raw[name], kind, train) for name, kind in self._kinds.items() if kind != ID}
        numbers = [name for name in blocks if self._kinds[name] == NUMBER]
        _require_finite({name: blocks[name].values[:, 0] for name in numbers})
        values, columns = _side_by_side(blocks, numbers)
        notes = [block.note for block in blocks.values() if block.note]
        if numbers:
            notes.insert(0, f"{len(numbers)} numbers as given")
        if left_out:
            notes.append(f"left out, naming rows only: {_listed(left_out)}")
        names = tuple(name for block in blocks.values() for name in block.names)
        return TensorFeatures(values, names, tuple(notes)), columns

    def display(self, index: int) -> dict[str, Any]:
        return {str(name): plain(self.raw[name].iloc[index]) for name in self.raw.columns if name != self._target}


def _kind(column: pd.Series, preprocess: str | None) -> str:
    """As :func:`kind_of`; ``preprocess=None`` infers nothing: a number stays one, whatever its column is called."""
    kind = kind_of(column)
    if preprocess is None and kind == ID and pd.api.types.is_numeric_dtype(column.dtype):
        return NUMBER
    if preprocess is None and kind != NUMBER:
        raise MixedColumn(
            f"Column {column.name!r} does not hold numbers, and preprocess=None takes numbers only. Use "
            f"preprocess='auto', name it as id={column.name!r}, or leave it out."
        )
    return kind


def _side_by_side(blocks: dict[str, Block], numbers: list[str]) -> tuple[torch.Tensor, list[int]]:
    """Features of shape (N, D), in the widest type of the numbers, and which of the D columns are numbers."""
    dtype = np.result_type(*[blocks[name].values.dtype for name in numbers] or [np.dtype(np.float64)])
    n_rows = len(next(iter(blocks.values())).values)
    values = np.empty((n_rows, sum(len(block.names) for block in blocks.values())), dtype=dtype)
    columns, start = [], 0
    for name, block in blocks.items():
        values[:, start : start + len(block.names)] = block.values
        if name in numbers:
            columns.append(start)
        start += len(block.names)
    return torch.from_numpy(values), columns


# --- checks ---------------------------------------------------------------------------------------------------------


def _check_table(table: pd.DataFrame, y: Any, target: str | None, id: str | None) -> None:
    repeated = table.columns[table.columns.duplicated()]
    if len(repeated):
        raise DataError(f"The table has more than one column {repeated[0]!r}; rename them.")
    for name in (target, id):
        if name is not None and name not in table.columns:
            close = difflib.get_close_matches(str(name), [str(column) for column in table.columns], n=1)
            raise UnknownColumn(
                f"The table has no column {name!r}; its columns are {_listed(table.columns)}."
                + (f" Did you mean {close[0]!r}?" if close else "")
            )
    if target is not None and y is not None:
        raise DataError(f"Labels are given twice: as y and as target={target!r}; give one.")
    if target is not None and target == id:
        raise DataError(f"Column {target!r} is named as target and as id; it can be one of them.")
    if not len(table):
        raise WrongShape("The table has no rows; at least one is expected.")


def _require_finite(numbers: dict[str, np.ndarray]) -> None:
    bad = {name: np.flatnonzero(~np.isfinite(values)) for name, values in numbers.items()}
    bad = {name: rows for name, rows in bad.items() if len(rows)}
    if bad:
        shown = [f"{name!r} in {len(rows)} rows, row {rows[0]} first" for name, rows in list(bad.items())[:5]]
        more = "; ..." if len(bad) > 5 else ""
        raise NonFiniteFeatures(
            f"Numbers are missing or infinite in {len(bad)} columns: {'; '.join(shown)}{more}. "
            f"Features must be known: drop those rows, table.dropna(subset=[...]), fill them in, "
            f"table.fillna(table.median(numeric_only=True)), or drop the columns."
        )


def _paired(y: Any, table: pd.DataFrame) -> Any:
    """Labels that come as a Series are paired with the rows by position, unless its index says otherwise."""
    if not isinstance(y, pd.Series) or len(y) != len(table) or y.index.equals(table.index):
        return y
    same = not len(y.index.symmetric_difference(table.index))
    numbered = any(index.equals(pd.RangeIndex(len(table))) for index in (y.index, table.index))
    if same or not numbered:
        raise DataError(
            f"y is a Series whose index is not the table's{', in this order' if same else ''} "
            f"(y: {_listed(y.index, 4)}; table: {_listed(table.index, 4)}). "
            f"To pair by index: y.loc[table.index]; by position: y.to_numpy()."
        )
    return y


def _ids(table: pd.DataFrame, named: list[Any]) -> np.ndarray | None:
    """Names of the rows: the id column (the first of those found), else an index that does not just number them."""
    if named:
        return table[named[0]].to_numpy()
    if isinstance(table.index, pd.MultiIndex) or pd.api.types.is_numeric_dtype(table.index.dtype):
        return None
    return table.index.to_numpy()


def _listed(values: Iterable[Any], most: int = 8) -> str:
    shown = [repr(plain(value)) for value in values]
    return ", ".join(shown[:most]) + (", ..." if len(shown) > most else "")
