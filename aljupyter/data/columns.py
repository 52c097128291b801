"""What a column of a table holds, and how it becomes numbers."""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from aljupyter.errors import MixedColumn

NUMBER, CATEGORY, TEXT, ID = "number", "category", "text", "id"
MOST_CATEGORIES = 50  # columns that one category column may become; rarer categories are all zeros
MOST_WORDS = 200  # columns that one text column may become
ID_NAME = re.compile(r"(?i:^(id|index|unnamed: \d+)$|[_\s.-]id$)|[a-z]I[dD]$")


def kind_of(column: pd.Series) -> str:
    """What a column holds: "number", "category", "text" or "id" (it only names the rows).

    Strings are ids where all differ and none has a blank; text where most differ and most have a blank; else
    categories. Whole numbers that all differ are ids where the column is called so: "id", "sample_id", "index".

    Raises
    ------
    MixedColumn
        For numbers and strings in one column, numbers written as text, dates, lists and other objects.
    """
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return CATEGORY
    if pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_complex_dtype(dtype):
        whole = pd.api.types.is_integer_dtype(dtype)
        return ID if whole and ID_NAME.search(str(column.name)) and column.is_unique else NUMBER
    found = pd.api.types.infer_dtype(column, skipna=True)
    if found in ("integer", "floating", "mixed-integer-float", "decimal", "boolean") or column.isna().all():
        return NUMBER  # an empty column, too: it is refused with the numbers that are missing
    if found == "string":
        return _kind_of_strings(column)
    if re.search("date|time|period|interval", found):
        raise MixedColumn(
            f"Column {column.name!r} holds dates or times, such as {column.dropna().iloc[0]!s}. Turn it to a number, "
            f"say days, (table[{column.name!r}] - table[{column.name!r}].min()).dt.days, or leave it out."
        )
    examples = {type(value).__name__: value for value in reversed(column.dropna().tolist())}
    shown = " and ".join(f"{value!r} ({name})" for name, value in list(examples.items())[:2])
    raise MixedColumn(
        f"Column {column.name!r} holds {shown}; a column holds numbers, or strings. Numbers: "
        f"pandas.to_numeric(table[{column.name!r}], errors='coerce'), then fill in or drop what is missing. "
        f"Categories: table[{column.name!r}].astype(str)."
    )


def _kind_of_strings(column: pd.Series) -> str:
    values = column.dropna().astype(str)
    distinct = pd.Series(values.unique())
    _refuse_numbers_as_text(column.name, values, distinct)
    blank = distinct.str.strip().str.contains(r"\s", regex=True)
    if len(distinct) == len(column) and not blank.any():
        return ID
    return TEXT if 2 * len(distinct) > len(values) and blank.mean() > 0.5 else CATEGORY


def _refuse_numbers_as_text(name: Hashable, values: pd.Series, distinct: pd.Series) -> None:
    """Digits may name categories or rows; measurements written as text, with or without a "?" among them, may not."""
    is_number = pd.to_numeric(distinct, errors="coerce").notna()
    if is_number.all():
        digits = bool(distinct.str.fullmatch(r"\d+").all())
        if digits and (len(distinct) == len(values) or len(distinct) <= MOST_CATEGORIES):
            return
    elif is_number.mean() <= 0.5:
        return
    other = "" if is_number.all() else f" and {distinct[~is_number].iloc[0]!r}"
    raise MixedColumn(
        f"Column {name!r} holds numbers written as text, such as {distinct[is_number].iloc[0]!r}{other}. Numbers: "
        f"pandas.to_numeric(table[{name!r}], errors='coerce'), then fill in or drop what is missing. Categories: "
        f"table[{name!r}].astype('category')."
    )


@dataclass(frozen=True)
class Block:
    """What one column of the table became: values of shape (N, k), k names, and a note."""

    values: np.ndarray
    names: list[str]
    note: str = ""


def encode_column(column: pd.Series, kind: str, train: np.ndarray) -> Block:
    """A column of a kind that is not an id, as numbers; categories and words are those of the rows `train`."""
    if kind == NUMBER:
        return Block(_numbers(column)[:, None], [str(column.name)])
    return _one_hot(column, train) if kind == CATEGORY else _words(column, train)


def _numbers(column: pd.Series) -> np.ndarray:
    """float32 and float16 keep their type, all else becomes float64; what is missing becomes NaN."""
    narrow = {np.dtype(np.float32): np.float32, np.dtype(np.float16): np.float16}
    return column.to_numpy(dtype=narrow.get(column.dtype, np.float64), na_value=np.nan)


def _one_hot(column: pd.Series, train: np.ndarray) -> Block:
    """A 0/1 column for each category of train, the most frequent where there are many; one for missing values."""
    counts = column.iloc[train].dropna().astype(object).value_counts(sort=False)
    frequent = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))[:MOST_CATEGORIES]
    categories = _sorted([value for value, _ in frequent])
    codes = pd.Index(categories, dtype=object).get_indexer(column.astype(object))
    missing = column.isna().to_numpy()
    with_missing = bool(missing[train].any())
    values = np.zeros((len(column), len(categories) + with_missing), dtype=np.float32)
    rows = np.flatnonzero((codes >= 0) & ~missing)
    values[rows, codes[rows]] = 1.0
    names = [f"{column.name}={category}" for category in categories]
    if with_missing:
        values[missing, -1] = 1.0
        names.append(f"{column.name} missing")
    rest = f" of {len(counts)} (the most frequent)" if len(counts) > len(categories) else ""
    return Block(values, names, f"{column.name!r}: {len(categories)}{rest} categories, one-hot")


def _sorted(values: list[Any]) -> list[Any]:
    try:
        return sorted(values)
    except TypeError:  # categories of several kinds
        return sorted(values, key=str)


def _words(column: pd.Series, train: np.ndarray) -> Block:
    """A 0/1 column for each of the most frequent words of train; a missing text has no words."""
    from sklearn.feature_extraction.text import CountVectorizer

    texts = column.astype(object).where(column.notna(), "").astype(str)
    vectoriser = CountVectorizer(binary=True, max_features=MOST_WORDS, token_pattern=r"(?u)\b\w+\b", dtype=np.float32)
    try:
        vectoriser.fit(texts.iloc[train])
    except ValueError:
        raise MixedColumn(f"Column {column.name!r} looks like text, but holds no words; leave it out.") from None
    words = vectoriser.get_feature_names_out()
    names = [f"{column.name}: {word}" for word in words]
    return Block(vectoriser.transform(texts).toarray(), names, f"{column.name!r}: {len(words)} words, there or not")
