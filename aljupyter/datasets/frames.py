"""Data of one's own, and of others' collections: tables, files, OpenML, Hugging Face."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from aljupyter.data.labels import Target, read_labels
from aljupyter.data.tables import TableSource, read_csv
from aljupyter.datasets.dataset import Dataset
from aljupyter.datasets.files import default_cache
from aljupyter.errors import (
    CacheNotWritable,
    DataError,
    DownloadFailed,
    MissingLibrary,
    NonFiniteFeatures,
    UnknownColumn,
    UnknownDataset,
)

OPENML = "openml:"
TABLE_SUFFIXES = (".csv", ".parquet", ".pq")


def from_frame(
    table: pd.DataFrame,
    target: str | None = None,
    id: str | None = None,
    *,
    group: str | None = None,
    task: str | None = None,
    classes: Sequence[Any] | None = None,
    name: str = "table",
    description: str = "",
) -> Dataset:
    """A table as a dataset.

    Numbers are features as they are; categories and text become 0/1 columns; columns that only name the rows are left
    out, as by :class:`DataManager`.

    Parameters
    ----------
    table : DataFrame
        One row a point.
    target : str
        The column of the labels; missing where unknown.
    id : str, optional
        A column that names the rows.
    group : str, optional
        A column that says which rows belong together (one person, one batch), for ``task(split="grouped")``.
    task : {"classification", "regression"}, optional
        Found out from the labels where not given.
    classes : sequence, optional
        All classes, where the known labels do not show them all.
    name, description : str

    Returns
    -------
    Dataset

    Raises
    ------
    UnknownColumn, NonFiniteFeatures, MixedColumn, UnknownTask, InvalidLabel, DataError

    Examples
    --------
    >>> table = pd.DataFrame({"dose": [0.1, 0.5, 0.9, 1.2], "active": ["no", "no", "yes", "yes"]})
    >>> from_frame(table, target="active").y
    tensor([0, 0, 1, 1])
    """
    if not isinstance(table, pd.DataFrame):
        raise DataError(
            f"A DataFrame is expected, not a {type(table).__name__}. Arrays: al.DataManager(X, y) takes them."
        )
    if target is None:
        raise DataError(f"Which column holds the labels? Say target=..., one of {list(map(str, table.columns))}.")
    groups = None
    if group is not None and table.columns.is_unique:  # repeated names are refused below
        if group not in table.columns or group == target:
            raise UnknownColumn(
                f"group={group!r} is not a column of features; they are {list(map(str, table.columns))}."
            )
        if table[group].isna().any():
            raise DataError(
                f"Column {group!r} does not say for {table[group].isna().sum()} rows which group they are of."
            )
        groups = table[group].to_numpy()
        table = table.drop(columns=group) if group != id else table
    source = TableSource(table, None, target, id, "auto")
    meaning, y = read_labels(source.y, len(table), task, classes, source.label_advice)
    features, _ = source.encoded(np.arange(len(table)))
    return Dataset(
        features.values.clone(),
        y,
        name=name,
        task=meaning.task,
        feature_names=features.names,
        target_names=_names(meaning, target),
        description=description or f"A table of {len(table)} rows and {len(table.columns)} columns.",
        groups=groups,
        group=group or "group",
        table=_numbered(table.drop(columns=target)),
        target=target,
        id=id,
    )


def _numbered(table: pd.DataFrame) -> pd.DataFrame:
    """Rows by position; an index that names them stays, for :class:`DataManager` takes it for their ids."""
    names = not isinstance(table.index, pd.MultiIndex) and not pd.api.types.is_numeric_dtype(table.index.dtype)
    return table if names else table.reset_index(drop=True)


def _names(meaning: Target, target: str) -> tuple[Any, ...]:
    return (target,) if meaning.classes is None else tuple(meaning.classes.tolist())


def from_file(path: str | os.PathLike[str], target: str | None = None, **options: Any) -> Dataset:
    """A CSV or Parquet file as a dataset; the options are those of :func:`from_frame`.

    Raises
    ------
    DataError
        If there is no such file, or it cannot be read; and what :func:`from_frame` raises.
    MissingLibrary
        For Parquet without pyarrow.
    """
    name = os.fspath(path)
    if not name.lower().endswith((".parquet", ".pq")):
        table = read_csv(path)
    elif not os.path.isfile(path):
        raise DataError(f"There is no file {name!r} (looked from {os.getcwd()!r}).")
    else:
        try:
            table = pd.read_parquet(path)
        except ImportError as error:
            raise MissingLibrary("Parquet files are read by pyarrow: pip install 'aljupyter[parquet]'.") from error
        except (OSError, ValueError) as error:
            raise DataError(f"{name!r} cannot be read as a Parquet file: {error}") from error
    data = from_frame(table, target, **{"name": os.path.basename(name), **options})
    data.recipe.update({"name": name, "target": target, **options})
    return data


def from_openml(data_id: str, cache: str | os.PathLike[str] | None = None, target: str | None = None) -> Dataset:
    """A dataset of OpenML, by its number; scikit-learn downloads it and checks what it got.

    Parameters
    ----------
    data_id : str
        Digits.
    cache : path, optional
    target : str, optional
        Another column than the one that OpenML names.

    Raises
    ------
    UnknownDataset, DownloadFailed, CacheNotWritable
    DataError
        For data that are not a table of features and one target; and what :func:`from_frame` raises.
    """
    from sklearn.datasets import fetch_openml

    if not data_id.isdigit():
        raise UnknownDataset(f"'{OPENML}{data_id}' has no number; an OpenML dataset is '{OPENML}1464', say.")
    home = os.path.join(cache if cache is not None else default_cache(), "openml")
    try:
        with warnings.catch_warnings():  # it tries again, and says so each time; what counts is said by the error
            warnings.filterwarnings("ignore", message="A network error occurred|Invalid cache")
            bunch = fetch_openml(data_id=int(data_id), as_frame=True, parser="auto", data_home=home)
    except PermissionError as error:
        raise CacheNotWritable(
            f"The cache {home} cannot be written to ({error}). Give another: cache=folder."
        ) from None
    except OSError as error:  # no network, and what the server says
        url = f"https://www.openml.org/d/{data_id}"
        if getattr(error, "code", None) in (404, 412):
            raise UnknownDataset(f"OpenML has no dataset {data_id} (looked at {url}).") from None
        raise DownloadFailed(
            f"{url} cannot be had: {error}. Is this machine offline? Load it once where it is not."
        ) from None
    except ValueError as error:  # OpenMLError, and sparse data as a frame
        if type(error).__name__ == "OpenMLError":  # what scikit-learn makes of an answer 412
            raise UnknownDataset(f"OpenML has no dataset {data_id}: {error}") from None
        raise DataError(f"OpenML's dataset {data_id} cannot be used: {error}") from None
    given = bunch.target_names if target is None else [target]
    if len(given) != 1:
        raise DataError(f"OpenML's dataset {data_id} names {len(given)} targets {given}; say which: target=...")
    details = bunch.get("details") or {}
    data = from_frame(
        bunch.frame,
        given[0],
        name=f"{OPENML}{data_id}",
        description=f"{details.get('name', '')}\n{bunch.DESCR}".strip(),
    )
    data.about.update(source=f"https://www.openml.org/d/{data_id}", licence=str(details.get("licence", "")))
    data.recipe.update({"name": data.name, **({"target": target} if target else {})})
    return data


def from_huggingface(data: Any, target: str, id: str | None = None, **options: Any) -> Dataset:
    """A Hugging Face dataset as a dataset. The library itself is not needed.

    Columns of vectors (embeddings, say) become one feature a number. Class names are taken over.

    Parameters
    ----------
    data : datasets.Dataset, or datasets.DatasetDict
        Of a DatasetDict the parts are stacked; "train" and "test", and "validation", become the canonical split.
    target, id, options
        As for :func:`from_frame`.

    Raises
    ------
    DataError
        For something else, for columns that are not numbers, text or vectors; and what :func:`from_frame` raises.
    """
    parts = dict(data) if isinstance(data, Mapping) else {"": data}
    if not parts or not all(_in_memory(part) for part in parts.values()):
        raise DataError(
            f"A Hugging Face Dataset or DatasetDict, held in memory, is expected, not a {type(data).__name__}. A "
            f"streamed one is cut and read first: datasets.Dataset.from_list(list(stream.take(1000)))."
        )
    frames = [part.to_pandas() for part in parts.values()]
    table = _without_vectors(pd.concat(frames, ignore_index=True), keep=(target, id))
    names = getattr(next(iter(parts.values())).features.get(target), "names", None)
    if names is not None and target in table:
        codes = table[target].fillna(-1).astype(int)  # -1 is what Hugging Face writes where a label is unknown
        shown = [label for code, label in enumerate(names) if (codes == code).any() or (codes < 0).any()]
        labels = [names[code] if code >= 0 else None for code in codes]
        table[target] = pd.Categorical(labels, categories=shown, ordered=True)
    made = from_frame(table, target, id, **{"name": "huggingface", **options})
    ends = np.cumsum([0, *map(len, frames)])
    if len(parts) > 1:
        made.splits = {part: np.arange(ends[i], ends[i + 1]) for i, part in enumerate(parts)}
    return made


def _in_memory(part: Any) -> bool:
    """Whether this is a Hugging Face dataset whose rows are here; a streamed one has no length."""
    return all(hasattr(part, name) for name in ("to_pandas", "features", "__len__"))


def _without_vectors(table: pd.DataFrame, keep: Sequence[str | None]) -> pd.DataFrame:
    """Columns of vectors, each as several columns of numbers."""
    blocks = []
    for name in table.columns:
        values = table[name]
        there = values.dropna()
        if name in keep or not len(there) or not isinstance(there.iloc[0], (list, tuple, np.ndarray)):
            blocks.append(values.to_frame())
            continue
        if len(there) < len(values):
            raise NonFiniteFeatures(
                f"Column {name!r} holds no vector in {len(values) - len(there)} rows. Leave them out: "
                f"data.filter(lambda row: row[{name!r}] is not None)."
            )
        lengths = {np.shape(value) for value in values}
        if len(lengths) > 1 or len(next(iter(lengths))) != 1:
            raise DataError(
                f"Column {name!r} holds vectors of unequal length, or arrays: {sorted(map(str, lengths))[:3]}."
            )
        matrix = np.stack(list(values))
        if matrix.dtype.kind not in "fiub":
            raise DataError(f"Column {name!r} holds lists of {matrix.dtype}; vectors of numbers are expected.")
        blocks.append(pd.DataFrame(matrix, columns=[f"{name}_{j}" for j in range(matrix.shape[1])]))
    return pd.concat(blocks, axis=1)
