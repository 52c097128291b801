"""What the catalogue knows of each dataset: read from ``catalogue.toml``, looked up by name, shown as a table."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from aljupyter.datasets.files import File
from aljupyter.errors import UnknownDataset

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Entry:
    """One dataset of the catalogue; the fields are those of ``catalogue.toml``.

    `about` describes the data, `paper` how ``variant="paper"`` differs from them. `classes` is None for a regression.
    """

    name: str
    title: str
    task: str
    kind: str
    rows: int
    features: int
    url: str
    doi: str
    licence: str
    citation: str
    used_in: tuple[str, ...]
    about: str
    paper: str
    target_names: tuple[Any, ...]
    classes: int | None = None
    aliases: tuple[str, ...] = ()
    feature_names: tuple[str, ...] = ()
    files: tuple[File, ...] = ()


@cache
def entries() -> dict[str, Entry]:
    """All datasets of the catalogue by name, in its order."""
    text = resources.files("aljupyter.datasets").joinpath("catalogue.toml").read_text(encoding="utf-8")
    return {name: _entry(name, table) for name, table in tomllib.loads(text).items()}


def _entry(name: str, table: dict[str, Any]) -> Entry:
    lists = {key: tuple(value) for key, value in table.items() if isinstance(value, list) and key != "files"}
    files = tuple(File(**{**file, "sources": tuple(file["sources"])}) for file in table.get("files", []))
    return Entry(name=name, **{**table, **lists, "files": files})


def normalised(name: str) -> str:
    """A name without case, blanks, ``_``, ``-`` and a leading "uci": two spellings of one name come out the same."""
    plain = "".join(name.lower().replace("_", " ").replace("-", " ").split())
    return plain.removeprefix("uci") or plain


@cache
def _spellings() -> dict[str, str]:
    return {
        normalised(spelling): entry.name for entry in entries().values() for spelling in (entry.name, *entry.aliases)
    }


def is_name(name: str) -> bool:
    """Whether the catalogue has a dataset of this name, in any usual spelling."""
    return normalised(name) in _spellings()


def entry_of(name: str) -> Entry:
    """The entry of this name, in any usual spelling.

    Raises
    ------
    UnknownDataset
        With the nearest names.
    """
    wanted = normalised(name)
    found = _spellings().get(wanted)
    if found is None:
        close = difflib.get_close_matches(wanted, _spellings(), n=3, cutoff=0.5)
        names = list(dict.fromkeys(_spellings()[spelling] for spelling in close))
        meant = f" Did you mean {' or '.join(map(repr, names))}?" if names else ""
        raise UnknownDataset(
            f"There is no dataset {name!r} in the catalogue.{meant} It holds {', '.join(entries())}. Others come from "
            f"'openml:<id>', from the path of a CSV or Parquet file, or from al.datasets.from_frame(table, target=...)."
        )
    return entries()[found]


def catalogue() -> pd.DataFrame:
    """What datasets there are: one row each.

    Returns
    -------
    DataFrame
        With the columns ``name title task rows features classes kind source doi licence citation sha256 size used_in``.
        `source` is the URL of a page about the data. `classes` is missing for a regression. `sha256` and `size` (bytes)
        are those of the files; several checksums are separated by blanks. They are empty and 0 where there is no file,
        because the data are generated, or nobody has published them.

    Examples
    --------
    >>> table = catalogue()
    >>> table.loc[table["name"] == "glass", ["rows", "features", "licence"]].values.tolist()
    [[214, 9, 'CC BY 4.0']]
    """
    import pandas as pd

    rows = [
        {
            "name": entry.name,
            "title": entry.title,
            "task": entry.task,
            "rows": entry.rows,
            "features": entry.features,
            "classes": entry.classes,
            "kind": entry.kind,
            "source": entry.url,
            "doi": entry.doi,
            "licence": entry.licence,
            "citation": entry.citation,
            "sha256": " ".join(file.sha256 for file in entry.files if file.sha256),
            "size": sum(file.bytes for file in entry.files),
            "used_in": "; ".join(entry.used_in),
        }
        for entry in entries().values()
    ]
    return pd.DataFrame(rows).astype({"classes": "Int64"})
