"""Journals as tables and files: what leaves one, and what another takes in."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aljupyter.errors import JournalError
from aljupyter.journal.events import Item, JournalEvent, Label, fold

if TYPE_CHECKING:
    import pandas as pd

    from aljupyter.journal.journal import Journal

COLUMNS = ("seq", "time", "kind", "item", "label", "person", "round", "seconds", "model", "note")
MOST_SHOWN = 5


@dataclass(frozen=True)
class ImportReport:
    """What a file holds for a journal.

    Attributes
    ----------
    new : dict
        Labels by item that the journal does not have.
    known : int
        How many it has already, with the same label.
    conflicts : dict
        By item, its label here and the one in the file. They are never taken over.
    refused : list of (int, str)
        Lines that could not be read, and why; the first line is 1.
    written : bool
        Whether the new labels are in the journal now.
    """

    new: dict[Item, Label] = field(default_factory=dict)
    known: int = 0
    conflicts: dict[Item, tuple[Label, Label]] = field(default_factory=dict)
    refused: list[tuple[int, str]] = field(default_factory=list)
    written: bool = False

    def __repr__(self) -> str:
        done = "taken in" if self.written else "to take in"
        lines = [f"{len(self.new)} labels {done}, {self.known} known already, {len(self.conflicts)} conflicts, "
                 f"{len(self.refused)} lines refused."]  # fmt: skip
        shown = [f"{item!r}: {ours!r} here, {theirs!r} there" for item, (ours, theirs) in self.conflicts.items()]
        shown += [f"line {number}: {why}" for number, why in self.refused]
        more = len(shown) - MOST_SHOWN
        return "\n  ".join([*lines, *shown[:MOST_SHOWN], *([f"and {more} more"] if more > 0 else [])])


def to_frame(events: list[JournalEvent]) -> pd.DataFrame:
    """A row a point of each event, in order."""
    import pandas as pd

    rows = [
        (e.seq, e.time, e.kind, item, label, e.person, e.round, e.seconds, e.model, json.dumps(dict(e.note)))
        for e in events
        for item, label in zip(e.items, e.labels or (None,) * len(e.items), strict=True)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def export(events: list[JournalEvent], path: str | os.PathLike[str]) -> None:
    """Write events: `.jsonl` one a line, as they are; `.csv` and `.parquet` as :func:`to_frame` has them.

    Raises
    ------
    JournalError
        For another ending, or a file that cannot be written.
    """
    target = Path(path)
    kind = target.suffix.lower()
    try:
        if kind == ".jsonl":
            lines = (json.dumps({"seq": e.seq, **json.loads(e.body())}, ensure_ascii=False) for e in events)
            target.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        elif kind == ".csv":
            to_frame(events).to_csv(target, index=False)
        elif kind == ".parquet":
            frame = to_frame(events)
            for column in ("item", "label"):  # of one kind each, as Parquet wants it: JSON keeps 7 apart from "7"
                frame[column] = [json.dumps(value) for value in frame[column]]
            frame.to_parquet(target, index=False)
        else:
            raise JournalError(f"A journal goes out as .csv, .jsonl or .parquet; got {target.name!r}.")
    except ImportError as error:
        raise JournalError(f"{target.name} needs a package that is missing: {error}") from error
    except JournalError:
        raise
    except OSError as error:
        raise JournalError(f"{target} cannot be written: {error}.") from error


def take_in(journal: Journal, path: str | os.PathLike[str], dry_run: bool, person: str) -> ImportReport:
    """See :meth:`Journal.import_file`."""
    source = Path(path)
    try:
        text = source.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise JournalError(f"{source} cannot be read as UTF-8 text: {error}.") from error
    if source.suffix.lower() == ".jsonl":
        labels, refused = _of_lines(text)
    elif source.suffix.lower() == ".csv":
        labels, refused = _of_table(text, journal)
    else:
        raise JournalError(f"A journal takes in .csv and .jsonl; got {source.name!r}.")
    here = journal.labels()
    new = {item: label for item, label in labels.items() if item not in here}
    conflicts = {item: (here[item], label) for item, label in labels.items() if item in here and here[item] != label}
    known = len(labels) - len(new) - len(conflicts)
    if not dry_run and new:
        note = {"from": source.name}
        journal.record("label", list(new), list(new.values()), person=person, note=note)
    return ImportReport(new, known, conflicts, refused, written=not dry_run and bool(new))


def _of_lines(text: str) -> tuple[dict[Item, Label], list[tuple[int, str]]]:
    """The labels that hold after the events of a file, a line each."""
    events, refused = [], []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            facts = json.loads(line)
            seq = facts.pop("seq")
            event = JournalEvent.read(seq, json.dumps(facts))
            if event.kind in ("label", "relabel") and len(event.items) != len(event.labels):
                raise ValueError("points and labels are not as many")
            events.append(event)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            refused.append((number, f"no event of a journal ({error!r})"))
    try:
        return fold(events).labels, refused
    except (KeyError, ValueError) as error:
        raise JournalError(f"These events do not go together: {error!r}. Was a line lost?") from error


def _of_table(text: str, journal: Journal) -> tuple[dict[Item, Label], list[tuple[int, str]]]:
    """Labels of a table with the columns item and label, or of an exported journal: its last word on each item."""
    import csv
    import io

    rows = list(csv.DictReader(io.StringIO(text)))
    columns = set(rows[0]) if rows else set()
    if not {"item", "label"} <= columns:
        raise JournalError(
            f"A table of labels has the columns item and label; this one has {sorted(map(str, columns))}."
        )
    if "kind" in columns and any(row["kind"] == "undo" for row in rows):
        raise JournalError("This table holds events that were undone, which a table cannot say clearly: use .jsonl.")
    as_text = any(isinstance(item, str) for item in journal.labels())
    labels: dict[Item, Label] = {}
    refused: list[tuple[int, str]] = []
    for number, row in enumerate(rows, 2):  # the header is line 1
        if row.get("kind", "label") not in ("label", "relabel"):
            continue
        written, label = (row["item"] or "").strip(), row["label"]
        if not written or label is None or not label.strip():
            refused.append((number, "no item" if not written else "no label"))
            continue
        item: Item = written if as_text else _number(written, whole=True)
        value = _number(label.strip())
        if item in labels and labels[item] != value and row.get("kind") != "relabel":
            refused.append((number, f"{item!r} has another label on an earlier line, {labels[item]!r}"))
            continue
        labels[item] = value
    return labels, refused


def _number(text: str, whole: bool = False) -> Any:
    """A number where the text is written as one, else the text: "007" is a name."""
    try:
        number = int(text)
        return number if str(number) == text else text
    except ValueError:
        pass
    if whole:
        return text
    try:
        value = float(text)
    except ValueError:
        return text
    return value if abs(value) < float("inf") else text
