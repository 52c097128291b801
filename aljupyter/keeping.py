"""What a learner writes into a journal, and how it goes on from one."""

from __future__ import annotations

import contextlib
import hashlib
import uuid
from types import MappingProxyType
from typing import Any

import numpy as np

from aljupyter.data.manager import DataManager
from aljupyter.errors import JournalConflict, JournalError, JournalMismatch
from aljupyter.journal import Journal, JournalEvent
from aljupyter.models.base import ModelManager
from aljupyter.randomness import numpy_generator
from aljupyter.records import Event, Query, RoundRecord, Scores, frozen_array

SAMPLED = 1000  # rows whose features are part of the fingerprint


class Keeper:
    """Keeps the journal of one learner.

    Parameters
    ----------
    journal : Journal or path
    data : DataManager

    Raises
    ------
    JournalError, JournalMismatch
    """

    def __init__(self, journal: Any, data: DataManager):
        self.journal = journal if isinstance(journal, Journal) else Journal(journal)
        self._data = data
        self._names: list[Any] = range(len(data)) if data.ids is None else data.ids.tolist()  # type: ignore[assignment]
        self._places = {name: k for k, name in enumerate(self._names)}
        self._event_of: dict[int, int] = {}  # round -> the event that ended it
        self._attempt = ""  # mark of the last label event written from here: others write to the file too
        self.journal.bind(fingerprint(data))

    # --- writing ----------------------------------------------------------------------------------------------------

    def issue(self, query: Query) -> None:
        """A query was given out; once, however often it is asked for."""
        items = self._items(query.indices)
        if tuple(items) != self.journal.pending():
            note = {"strategy": query.strategy, "scores": _numbers(query.scores)}
            self.journal.record("query", items, round=query.round, note=note)

    def label(self, record: RoundRecord) -> None:
        """A round has ended. When this returns, it is on disk."""
        self._attempt = uuid.uuid4().hex
        note = {
            "mark": self._attempt,
            "strategy": record.strategy,
            "scores": None if record.scores is None else _numbers(record.scores),
            "metrics": {name: _number(value) for name, value in record.metrics.items()},
            "measured_on": record.measured_on,
            "before_label": {name: _number(value) for name, value in record.before_label.items()},
            "seed": record.seed,
        }
        event = self.journal.record(
            "label", self._items(record.indices), record.labels.tolist(), person=record.labelled_by, round=record.round,
            seconds=sum(record.timings.values()), note=note,
        )  # fmt: skip
        self._event_of[record.round] = event.seq

    def undo(self, record: RoundRecord) -> None:
        """A round was taken back."""
        self.journal.undo(self._event_of[record.round])

    def roll_back(self, rounds: int) -> None:
        """A round was interrupted: take it back where it was on disk already. Only so many rounds have been played.

        What others wrote meanwhile stays. It is done as well as it can be: who cannot write now will find the label
        when the journal is opened again.
        """
        with contextlib.suppress(JournalError, JournalConflict):
            undone = self.journal.state().undone
            for event in self.journal.events():
                mine = event.kind == "label" and event.note.get("mark") == self._attempt
                if mine and event.seq not in undone and event.round is not None and event.round >= rounds:
                    self.journal.undo(event.seq)

    # --- going on ---------------------------------------------------------------------------------------------------

    def pending(self, round: int, n: int) -> Query | None:
        """The query of this round that waits for its answer, as it was given out."""
        waiting = self.journal.pending()
        if len(waiting) != n:
            return None
        asked = [event for event in self.journal.events() if event.kind == "query"][-1]
        if asked.round != round or asked.items != waiting:
            return None
        indices, scores = self._indices(asked), np.array(asked.note["scores"], float)
        strategy = asked.note["strategy"]
        order = np.argsort(indices)
        pool = Scores(frozen_array(indices[order]), frozen_array(scores[order]), strategy)
        return Query(frozen_array(indices), frozen_array(scores), round, strategy, pool)

    def resume(self, kind: ModelManager) -> tuple[list[RoundRecord], tuple[Event, ...]]:
        """Label what the journal has labelled, and give back the rounds and events that it tells of.

        Raises
        ------
        JournalMismatch
            If it holds points that the data do not have, or that cannot be labelled.
        """
        undone = self.journal.state().undone
        records: list[RoundRecord] = []
        told: list[Event] = []
        for event in self.journal.events():
            if event.kind == "label":
                told.append(self._event(event))
                if event.seq not in undone:
                    records.append(self._record(event, len(records), kind))
            elif event.kind == "undo":
                told.append(self._event(event))
        return records, tuple(told)

    def _record(self, event: JournalEvent, round: int, kind: ModelManager) -> RoundRecord:
        """A round that is gone on from. Its number is its place: labels that were taken in from a file have none."""
        indices, note, before = self._indices(event), event.note, self._data.labelled
        corrected = self.journal.state().labels  # those that hold by now
        self._data.label(indices, [corrected[item] for item in event.items])
        self._event_of[round] = event.seq
        scores = note.get("scores")
        return RoundRecord(
            round=round,
            indices=frozen_array(indices),
            labels=frozen_array(self._data.decode(self._data.labelled.y[len(before) :])),
            scores=None if scores is None else frozen_array(np.array(scores, float)),
            pool=None,
            labelled_before=before.indices,
            labelled_y=before.y.clone(),
            metrics=_read(note.get("metrics")),
            measured_on=note.get("measured_on", ""),
            before_label=_read(note.get("before_label")),
            strategy=note.get("strategy", "given"),
            labelled_by=event.person,
            seed=note.get("seed", 0),
            timings=MappingProxyType({} if event.seconds is None else {"label": event.seconds}),
            model=kind,
        )

    def _event(self, event: JournalEvent) -> Event:
        who = "learner" if event.kind == "undo" else event.person
        indices = tuple(self._indices(event).tolist())
        return Event(event.kind, event.round or 0, indices, tuple(event.labels), who)

    def _items(self, indices: np.ndarray) -> list[Any]:
        return [self._names[k] for k in indices.tolist()]

    def _indices(self, event: JournalEvent) -> np.ndarray:
        unknown = [item for item in event.items if item not in self._places]
        if unknown:
            raise JournalMismatch(
                f"Event {event.seq} of {self.journal!r} is about {unknown[0]!r}, which the data lack."
            )
        return np.array([self._places[item] for item in event.items], dtype=np.int64)


def fingerprint(data: DataManager) -> str:
    """Of the data as they are at the start of a loop, as a SHA-256 in hex.

    Their views, the labelled one too; classes and names; and the features of up to 1,000 rows.
    """
    chosen = np.arange(len(data))
    if len(data) > SAMPLED:
        chosen = np.sort(numpy_generator(0, "fingerprint", len(data)).choice(len(data), SAMPLED, replace=False))
    parts = [
        repr((len(data), data.task, data.n_features)).encode(),
        repr(None if data.classes is None else data.classes.tolist()).encode(),
        repr(None if data.ids is None else data.ids.tolist()).encode(),
        *(view.indices.tobytes() for view in (data.train, data.validation, data.test, data.labelled)),
        data.subset(chosen).x.double().numpy().tobytes(),
    ]
    whole = hashlib.sha256()
    for part in parts:
        whole.update(hashlib.sha256(part).digest())
    return whole.hexdigest()


def _number(value: Any) -> float | None:
    """A number as JSON can hold it: None for one that is none."""
    return float(value) if np.isfinite(value) else None


def _numbers(values: Any) -> list[float | None]:
    return [_number(value) for value in np.asarray(values, float).tolist()]


def _read(numbers: Any) -> MappingProxyType[str, float]:
    return MappingProxyType({name: np.nan if value is None else value for name, value in (numbers or {}).items()})
