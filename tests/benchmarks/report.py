"""What a section of a benchmark found, and how it is printed: figures in a table, each demand beside its figure."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tqdm import tqdm

T = TypeVar("T")

WIDTH = 118
_FORMATS = {
    "rounds": "d",
    "CPU ratio": ".1f",
    "ours ms": ".2f",
    "sklearn ms": ".2f",
    "chol": ".1f",
    "floor ms": ".2f",
    "worst gap": "+.1e",
    "mean gap": "+.1e",
    "worse %": ".1f",
    "peak MB": ".0f",
    "d mean": ".1e",
    "d std": ".1e",
    "d prob": ".1e",
    "RMSE": ".3f",
    "RMSE ratio": ".3f",
    "coverage": ".3f",
    "iso RMSE": ".3f",
    "iso coverage": ".3f",
}
_OTHERWISE = ".3g"


@dataclass(frozen=True)
class Setting:
    """How a section is to be run.

    Parameters
    ----------
    seed : int
        Of every split, draw and order.
    quick : bool
        Whether to run a short version, whose figures say little.
    draws : int
        Repetitions of the comparison of defaults.
    """

    seed: int = 0
    quick: bool = False
    draws: int = 5

    def rounds(self, wanted: int) -> int:
        return min(wanted, 8) if self.quick else wanted


@dataclass(frozen=True)
class Demand:
    """A figure and what it must be at least, or at most."""

    what: str
    value: float
    at_least: float | None = None
    at_most: float | None = None

    @property
    def is_met(self) -> bool:
        """False for NaN."""
        if self.at_least is not None:
            return self.value >= self.at_least
        return self.at_most is not None and self.value <= self.at_most

    def __str__(self) -> str:
        bound = f">= {self.at_least:g}" if self.at_least is not None else f"<= {self.at_most:g}"
        verdict = "met" if self.is_met else "NOT MET"
        return f"{self.what}: {self.value:.3g} (demand: {bound}) {verdict}"


@dataclass
class Section:
    """A titled part of the table."""

    title: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    demands: list[Demand] = field(default_factory=list)
    notes: str = ""

    def __str__(self) -> str:
        lines = [f"== {self.title} ".ljust(WIDTH, "=")]
        lines += [self.notes] if self.notes else []
        lines += [self.table(), *(f"  * {demand}" for demand in self.demands), ""]
        return "\n".join(lines)

    def table(self) -> str:
        """The rows under their column names, the first column to the left, figures to the right."""
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        cells = [columns, *([_text(name, row.get(name, "")) for name in columns] for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        return "\n".join(
            "  ".join(
                [line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True))]
            )
            for line in cells
        )


def _text(column: str, value: Any) -> str:
    return value if isinstance(value, str) else format(value, _FORMATS.get(column, _OTHERWISE))


def progress(things: Iterable[T], what: str) -> Iterator[T]:
    """Go through things, showing on stderr how far we are, where that is a terminal."""
    yield from tqdm(things, desc=what, file=sys.stderr, leave=False, disable=None)
