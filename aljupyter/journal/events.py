"""What a journal holds: events, and the present state as a fold over them. The standard library alone is used here."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aljupyter.errors import JournalConflict, JournalError

#: what may happen; "undo" takes the effect of an earlier event away, "query" and "result" change no label
KINDS = ("label", "skip", "relabel", "flag", "undo", "query", "result")
CHANGES = ("label", "skip", "relabel", "flag")

Item = str | int
Label = str | int | float | bool | None


@dataclass(frozen=True)
class JournalEvent:
    """One decision.

    Attributes
    ----------
    seq : int
        Its place in the journal, from 1. The order of events is that of their numbers; a clock may go back.
    kind : {"label", "skip", "relabel", "flag", "undo", "query", "result"}
    items : tuple of str or int
        The points: ids of a table, or rows of a dataset.
    labels : tuple
        One an item for "label" and "relabel", else empty.
    person : str
    round : int or None
    seconds : float or None
        That the decision took.
    model : str
        Version of the model that asked.
    note : mapping
        More, as JSON values; of "undo" the number of the event that it takes back, under "of".
    time : str
        UTC, ISO 8601.
    """

    seq: int
    kind: str
    items: tuple[Item, ...]
    labels: tuple[Label, ...] = ()
    person: str = ""
    round: int | None = None
    seconds: float | None = None
    model: str = ""
    note: Mapping[str, Any] = field(default_factory=dict)
    time: str = ""

    def body(self) -> str:
        """All but its number, as one line of JSON that is the same for the same event."""
        facts = {name: getattr(self, name) for name in _FIELDS}
        return json.dumps(facts, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)

    @classmethod
    def read(cls, seq: int, body: str) -> JournalEvent:
        """The event of such a line."""
        facts = json.loads(body)
        facts["items"], facts["labels"] = tuple(facts["items"]), tuple(facts["labels"])
        return cls(seq, **facts)


_FIELDS = ("kind", "items", "labels", "person", "round", "seconds", "model", "note", "time")


def digest(before: bytes, seq: int, body: str) -> bytes:
    """A chain: each event vouches for all before it, so that a byte that was flipped is found."""
    return hashlib.sha256(before + str(seq).encode() + b"\0" + body.encode()).digest()


def plain(value: Any, what: str) -> Any:
    """A value as JSON holds it: NumPy scalars as Python's; nothing that JSON cannot give back as it was.

    Raises
    ------
    JournalError
    """
    value = value.item() if hasattr(value, "item") and getattr(value, "ndim", 0) == 0 else value
    if value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise JournalError(f"A journal holds text, whole and finite numbers, and yes or no; got {value!r} as {what}.")


def items_of(items: Any) -> tuple[Item, ...]:
    """The points of an event.

    Raises
    ------
    JournalError
        Where one is neither text nor a whole number, or stands twice.
    """
    given = [items] if isinstance(items, str | int) or getattr(items, "ndim", None) == 0 else list(items)
    found = tuple(plain(item, "an item") for item in given)
    for item in found:
        if isinstance(item, bool) or not isinstance(item, str | int):
            raise JournalError(f"Points are named by text or whole numbers; got {item!r}.")
    if len(set(found)) < len(found):
        again = next(item for k, item in enumerate(found) if item in found[:k])
        raise JournalError(f"{again!r} stands twice among the points of one event.")
    return found


@dataclass
class State:
    """What holds after some events.

    Attributes
    ----------
    labels : dict
        By item, in labelling order.
    skipped, flagged : dict
        By item, the number of the event that did it.
    query : tuple
        The points that were asked last and have neither a label nor been skipped.
    undone : set of int
        Numbers of events that were taken back.
    """

    labels: dict[Item, Label] = field(default_factory=dict)
    skipped: dict[Item, int] = field(default_factory=dict)
    flagged: dict[Item, int] = field(default_factory=dict)
    query: tuple[Item, ...] = ()
    undone: set[int] = field(default_factory=set)
    n_events: int = 0
    _before: dict[int, dict[Item, tuple[Any, ...]]] = field(default_factory=dict)

    def check(self, event: JournalEvent) -> None:
        """Whether this event may come next.

        Raises
        ------
        JournalConflict
            For a label on a point that has one, a correction of one that has none, an undo of what cannot be undone.
        """
        if event.kind == "label":
            for item in event.items:
                if item in self.labels:
                    raise JournalConflict(
                        f"{item!r} has a label already, {self.labels[item]!r}. To change it, relabel it; to take it "
                        f"back, undo the event."
                    )
        elif event.kind == "relabel":
            for item in event.items:
                if item not in self.labels:
                    raise JournalConflict(f"{item!r} has no label that could be corrected: label it.")
        elif event.kind == "undo":
            of = event.note.get("of")
            if of in self.undone or of not in self._before:
                raise JournalConflict(f"Event {of} cannot be taken back: it is none that changed a label, or undone.")
            later = [seq for seq in self._before if seq > of and seq not in self.undone
                     and set(self._before[seq]) & set(self._before[of])]  # fmt: skip
            if later:
                raise JournalConflict(f"Event {later[-1]} came after event {of} on the same points: undo it first.")

    def take(self, event: JournalEvent) -> None:
        """Let an event happen that :meth:`check` has let pass."""
        self.n_events = event.seq
        if event.kind in CHANGES:
            self._before[event.seq] = {item: self._of(item) for item in event.items}
        if event.kind in ("label", "relabel"):
            for item, label in zip(event.items, event.labels, strict=True):
                self.labels[item] = label
                self.skipped.pop(item, None)
        elif event.kind == "skip":
            self.skipped.update(dict.fromkeys(event.items, event.seq))
        elif event.kind == "flag":
            self.flagged.update(dict.fromkeys(event.items, event.seq))
        elif event.kind == "query":
            self.query = event.items
        elif event.kind == "undo":
            of = event.note["of"]
            self.undone.add(of)
            for item, (label, skipped, flagged) in self._before[of].items():
                _put(self.labels, item, label)
                _put(self.skipped, item, skipped)
                _put(self.flagged, item, flagged)
        if event.kind in ("label", "skip"):
            answered = set(event.items)
            self.query = tuple(item for item in self.query if item not in answered)

    def last_change(self) -> int | None:
        """Number of the last event that can be undone."""
        return next((seq for seq in reversed(self._before) if seq not in self.undone), None)

    def _of(self, item: Item) -> tuple[Any, ...]:
        return tuple(known.get(item, _NOTHING) for known in (self.labels, self.skipped, self.flagged))


_NOTHING = object()


def _put(known: dict[Any, Any], item: Item, value: Any) -> None:
    if value is _NOTHING:
        known.pop(item, None)
    else:
        known[item] = value


def fold(events: Iterable[JournalEvent]) -> State:
    """The state after these events."""
    state = State()
    for event in events:
        state.take(event)
    return state


def labels_for(kind: str, items: Sequence[Item], labels: Any) -> tuple[Label, ...]:
    """One label an item where the kind has labels.

    Raises
    ------
    JournalError
    """
    if kind not in ("label", "relabel"):
        if labels is not None and len(labels):
            raise JournalError(f"A {kind!r} has no labels; got {labels!r}.")
        return ()
    given = [labels] if isinstance(labels, str | int | float) else list(labels if labels is not None else ())
    if len(given) != len(items):
        raise JournalError(f"{len(given)} labels were given for {len(items)} points; give one a point.")
    return tuple(plain(label, "a label") for label in given)
