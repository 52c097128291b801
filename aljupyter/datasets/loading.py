"""From a name to a dataset, and from a frozen task to a task."""

from __future__ import annotations

import inspect
import json
import os
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from aljupyter.data.labels import CLASSIFICATION
from aljupyter.datasets import generators, readers
from aljupyter.datasets.dataset import CLEAN, PAPER, Dataset
from aljupyter.datasets.entries import Entry, entry_of, is_name
from aljupyter.datasets.files import read_file
from aljupyter.datasets.frames import OPENML, TABLE_SUFFIXES, from_file, from_frame, from_openml
from aljupyter.datasets.readers import Parts, Request
from aljupyter.datasets.tasks import FORMAT, Task, thawed
from aljupyter.errors import AlJupyterError, DataError, InvalidOption, UnknownDataset

_OF_ALL_PAPER = (
    "As of all data in the paper: numbers are in single precision and not standardised, folds are contiguous, and the "
    "warm start is that of Python's random.sample, seeded with 1234 + the task's seed."
)


def load(
    name: str | os.PathLike[str],
    variant: str = CLEAN,
    seed: int = 0,
    cache: str | os.PathLike[str] | None = None,
    **options: Any,
) -> Dataset:
    """A dataset by name: of the catalogue, of OpenML, or a file.

    Parameters
    ----------
    name : str or path
        A name of :func:`catalogue` in any spelling (case, ``_``, ``-`` and a leading "uci" do not count),
        ``"openml:<id>"``, or the path of a CSV or Parquet file.
    variant : {"clean", "paper"}
        "clean" is right. "paper" is what PyRelationAL's loaders fed to the models of the paper's tables, with their
        mistakes; ``.description`` says which.
    seed : int
        Draws what is generated, and permutes the rows where the paper's loaders did. Nothing else depends on it.
    cache : path, optional
        Folder for downloaded files; one of this user where not given. Files are looked for in the folder that the
        environment variable ALJUPYTER_DATA names first, which is only read, and downloaded last, from the mirror that
        ALJUPYTER_MIRROR names if it is set, then from the sources of the catalogue.
    **options
        Of single datasets: ``target="y2"`` for energy, ``color="white"`` for wine_quality, ``images=True`` for digits,
        mnist and fashion_mnist, ``generate=True`` for checkerboards (draws new points by their rule). For files those
        of :func:`from_frame`: ``target=``, ``id=``, ``group=``, ``task=``, ``classes=``. For OpenML ``target=``.

    Returns
    -------
    Dataset

    Raises
    ------
    UnknownDataset, InvalidOption
    DownloadFailed, WrongChecksum, CacheNotWritable
        Where a file is neither here nor to be had; they say what to put where by hand.
    DataError
        For files of one's own that cannot be used.

    Examples
    --------
    >>> load("diabetes")
    Dataset 'diabetes' (clean): 442 rows, 10 features, real data, regression
      features  age, sex, bmi, bp, s1, s2, s3, s4, s5, s6
      target    disease_progression_after_one_year from 25 to 346
      source    https://www4.stat.ncsu.edu/~boos/var.select/diabetes.html
      licence   CC BY 4.0
      more      print(dataset.description)
    """
    if variant not in (CLEAN, PAPER):
        raise InvalidOption(f"variant={variant!r} is neither 'clean' nor 'paper'.")
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**32 - 2000:
        raise InvalidOption(f"seed={seed!r} is not a seed; give an int, 0 or more.")
    if isinstance(name, pd.DataFrame):
        raise UnknownDataset("A table is made a dataset by al.datasets.from_frame(table, target=...).")
    if not isinstance(name, (str, os.PathLike)):
        raise UnknownDataset(f"The name of a dataset or the path of a file is expected, not {name!r}.")
    text = os.fspath(name)
    outside = text.lower().startswith(OPENML) or isinstance(name, os.PathLike)
    outside = outside or text.lower().endswith(TABLE_SUFFIXES) or (not is_name(text) and os.path.isfile(text))
    if outside and variant == PAPER:
        raise InvalidOption(
            f"{text!r} is not in the paper; variant='paper' is for the datasets of al.datasets.catalogue()."
        )
    if text.lower().startswith(OPENML):
        _require_options(from_openml, options, {"data_id", "cache"})
        return from_openml(text[len(OPENML) :], cache, **options)
    if outside:
        _require_options(from_frame, options, {"table"})
        return from_file(name, **options)
    return _of_catalogue(text, variant, int(seed), cache, options)


def _of_catalogue(
    name: str, variant: str, seed: int, cache: str | os.PathLike[str] | None, options: dict[str, Any]
) -> Dataset:
    entry = entry_of(name)
    wine = entry.name.startswith("wine_quality")
    color = options.pop("color", None) if wine else None
    colors = ("white",) if entry.name == "wine_quality_white" else ("red", "white")
    if color is not None and color not in colors:
        raise InvalidOption(
            f"color={color!r} is not a wine of {entry.name}: {' and '.join(map(repr, colors))} can be had."
        )
    if color == "white":
        entry = entry_of("wine_quality_white")
    reader = _reader(entry)
    _require_options(reader, options, {"request"}, ["color"] if wine else [])
    request = Request(entry, variant == PAPER, seed, lambda i: read_file(entry.files[i], cache))
    parts = reader(request, **options)
    recipe = {"name": entry.name, "variant": variant, "seed": seed, **options}
    return _dataset(entry, variant, parts, recipe)


def _reader(entry: Entry) -> Callable[..., Parts]:
    name = {"wine_quality_white": "wine_quality", "fashion_mnist": "mnist"}.get(entry.name, entry.name)
    found = getattr(readers, name, None) or getattr(generators, name)
    assert callable(found)
    return found


def _require_options(
    function: Callable[..., Any], options: dict[str, Any], own: set[str], more: Sequence[str] = ()
) -> None:
    known = [name for name in inspect.signature(function).parameters if name not in own] + list(more)
    for option in options:
        if option not in known:
            has = f"its options are {', '.join(known)}" if known else "it has none"
            raise InvalidOption(f"{option}= is not an option of this dataset; {has}.")


def _dataset(entry: Entry, variant: str, parts: Parts, recipe: dict[str, Any]) -> Dataset:
    classes = entry.task == CLASSIFICATION
    y = np.unique(parts.y, return_inverse=True)[1] if classes else parts.y
    x = np.ascontiguousarray(parts.x)
    if variant == PAPER:
        x, y = x.astype(np.float32), (y if classes else y.astype(np.float32))
    feature_names = entry.feature_names if parts.feature_names is None else parts.feature_names
    if not feature_names and x.ndim == 2:
        feature_names = tuple(f"x{j}" for j in range(x.shape[1]))
    target_names = parts.target_names or entry.target_names
    return Dataset(
        torch.from_numpy(x),
        torch.from_numpy(y.astype(np.int64) if classes else np.ascontiguousarray(y)),
        name=entry.name,
        task=entry.task,
        feature_names=feature_names,
        target_names=target_names,
        description=_description(entry, variant, parts),
        variant=variant,
        kind=entry.kind,
        splits=parts.splits,
        groups=parts.groups,
        target="target" if classes else str(target_names[0]),
        about={"source": entry.url, "doi": entry.doi, "licence": entry.licence, "citation": entry.citation},
        recipe=recipe,
    )


def _description(entry: Entry, variant: str, parts: Parts) -> str:
    pieces = [entry.about, parts.note]
    if parts.x.nbytes < 2**28 and parts.x.ndim == 2:
        rows = pd.DataFrame(parts.x)
        n_repeated = int(rows.assign(label=parts.y).duplicated().sum())
        repeated = f"Rows that repeat another one, label included: {n_repeated}. They are kept."
        pieces.append(repeated if n_repeated else "No row repeats another one.")
    if variant == PAPER:
        own = entry.paper or "Rows and columns are those of the clean variant."
        pieces.append(f"The paper's variant differs. {own} {_OF_ALL_PAPER}")
    paragraphs = [textwrap.fill(" ".join(piece.split()), 100) for piece in pieces if piece.strip()]
    source = f"Source: {entry.url}" + (f" (doi {entry.doi})" if entry.doi else "")
    citation = textwrap.fill(f"Citation: {entry.citation}", 100, break_long_words=False)
    head = f"{entry.title}\n{'=' * len(entry.title)}"
    return "\n\n".join([head, *paragraphs, f"{source}\nLicence: {entry.licence}\n{citation}"])


def from_json(text: str, dataset: Dataset | None = None, cache: str | os.PathLike[str] | None = None) -> Task:
    """A task that was frozen with ``task.to_json()``.

    Parameters
    ----------
    text : str
    dataset : Dataset, optional
        The data, where they cannot be loaded by name: made with :func:`from_frame` or :func:`from_huggingface`.
    cache : path, optional
        As for :func:`load`.

    Returns
    -------
    Task

    Raises
    ------
    OtherData
        Where the data are not those that the task was frozen with.
    DataError
        For a text that is not a frozen task; and what :func:`load` raises.
    """
    try:
        frozen = json.loads(text)
        if frozen["format"] != FORMAT or frozen["version"] != 1:
            raise KeyError("format")
        if dataset is None:
            recipe = dict(frozen["recipe"])
            if "name" not in recipe:
                raise DataError(
                    f"This task is of {frozen['dataset']!r}, which cannot be loaded by name; give the data: "
                    f"from_json(text, dataset)."
                )
            dataset = load(recipe.pop("name"), cache=cache, **recipe)
        return thawed(frozen, dataset)
    except AlJupyterError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"This is not a frozen task of version 1, as task.to_json() writes it ({type(error).__name__}: {error})."
        ) from None
