"""Which reader takes what a person hands over."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import pandas as pd

from aljupyter.data.arrays import ArraySource
from aljupyter.data.map_style import DatasetSource, is_map_style
from aljupyter.data.source import Source
from aljupyter.data.tables import TableSource, read_csv
from aljupyter.errors import DataError


def read_source(
    data: Any,
    y: Any,
    target: str | None,
    id: str | None,
    feature_names: Sequence[str] | None,
    preprocess: str | None,
    memory_budget: int,
) -> Source:
    """Read whatever `DataManager` takes; the parameters are the same.

    Raises
    ------
    DataError
        And its kinds: see the readers.
    """
    if preprocess not in ("auto", None):
        raise DataError(f"preprocess={preprocess!r} is neither 'auto' nor None.")
    if isinstance(data, (str, os.PathLike)):
        data = read_csv(data)
    if isinstance(data, pd.DataFrame):
        if feature_names is not None:
            raise DataError(
                "feature_names are for arrays; columns of a table are renamed by table.rename(columns=...)."
            )
        return TableSource(data, y, target, id, preprocess)
    if target is not None or id is not None or isinstance(y, str):
        raise DataError(
            "target=, id= and y=<str> name columns of a table (a DataFrame or a CSV file); labels of an array or a "
            "Dataset are given as y=<array>."
        )
    if is_map_style(data):
        return DatasetSource(data, y, feature_names, memory_budget)
    return ArraySource(data, y, feature_names, preprocess)
