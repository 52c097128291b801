"""The file: SQLite, write-ahead log, one transaction an event."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from aljupyter.errors import JournalConflict, JournalDamaged, JournalError, JournalMismatch
from aljupyter.journal import exchange
from aljupyter.journal.events import KINDS, Item, JournalEvent, Label, State, digest, items_of, labels_for, plain

if TYPE_CHECKING:
    import pandas as pd

VERSION = 1
TIMEOUT = 30.0  # seconds to wait for another process that writes
LEASE = 600.0
_SCHEMA = (
    "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE events (seq INTEGER PRIMARY KEY, body TEXT NOT NULL, digest BLOB NOT NULL)",
    "CREATE TABLE leases (item TEXT PRIMARY KEY, owner TEXT NOT NULL, until REAL NOT NULL)",
    "CREATE TRIGGER kept BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'events are never changed'); END",
    "CREATE TRIGGER stays BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'events are never erased'); END",
    f"INSERT INTO facts VALUES ('version', '{VERSION}')",
)


class Journal:
    """Every decision about a dataset, in one file that survives whatever happens to the process.

    An event is written and committed before the call returns: what was acknowledged is on disk. Nothing is ever
    changed or erased; undo is an event too. Several processes may use one file at once.

    Parameters
    ----------
    path : str or path-like
        Made where there is none.

    Raises
    ------
    JournalError
        Where the file cannot be opened or written.
    JournalDamaged
        Where it is no journal, or not as it was written.

    Examples
    --------
    >>> import tempfile, os
    >>> journal = Journal(os.path.join(tempfile.mkdtemp(), "campaign.sqlite"))
    >>> event = journal.record("label", ["cmpd-7"], [6.4], person="Ada")
    >>> journal.labels()
    {'cmpd-7': 6.4}
    >>> journal.close()
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path)
        self._lock = threading.RLock()  # one connection, used by whichever thread asks
        self._state, self._chain = State(), b""
        try:
            is_new = not self.path.exists() or self.path.stat().st_size == 0
            self._db = sqlite3.connect(self.path, timeout=TIMEOUT, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise JournalError(f"The journal {self.path} cannot be opened: {error}. Is the folder there?") from error
        try:
            self._open(is_new)
        except BaseException:
            self._db.close()
            raise

    def _open(self, is_new: bool) -> None:
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            with self._transaction():
                tables = {name for (name,) in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
                if not tables and is_new:
                    for statement in _SCHEMA:
                        self._db.execute(statement)
                elif not {"facts", "events", "leases"} <= tables:
                    raise JournalDamaged(f"{self.path} is a database, but no journal of this package.")
            version = self._fact("version")
            if version != str(VERSION):
                raise JournalDamaged(f"{self.path} is a journal of version {version}; this package reads {VERSION}.")
            self._catch_up()
        except sqlite3.OperationalError as error:
            raise self._failed(error) from error
        except sqlite3.DatabaseError as error:
            raise JournalDamaged(f"{self.path} is no journal, or damaged: {error}.") from error

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Journal({str(self.path)!r})"

    # --- whose it is ------------------------------------------------------------------------------------------------

    @property
    def fingerprint(self) -> str | None:
        """Of the data that it belongs to; None before :meth:`bind`."""
        return self._fact("fingerprint")

    def bind(self, fingerprint: str) -> None:
        """Say which data it belongs to: the first time for good, later to be sure.

        Raises
        ------
        JournalMismatch
            If it belongs to other data.
        """
        with self._writing():
            known = self._fact("fingerprint")
            if known is None:
                self._db.execute("INSERT INTO facts VALUES ('fingerprint', ?)", (fingerprint,))
            elif known != fingerprint:
                raise JournalMismatch(
                    f"{self.path} belongs to other data (fingerprint {known[:12]}…, these have {fingerprint[:12]}…). "
                    f"Open it with the data that it was begun with, or begin another file."
                )

    # --- writing ----------------------------------------------------------------------------------------------------

    def record(
        self,
        kind: str,
        items: Any,
        labels: Any = None,
        *,
        person: str = "",
        round: int | None = None,
        seconds: float | None = None,
        model: str = "",
        note: Mapping[str, Any] | None = None,
    ) -> JournalEvent:
        """Write one event; it is on disk when this returns.

        Parameters
        ----------
        kind : {"label", "skip", "relabel", "flag", "undo", "query", "result"}
        items : item or sequence of items
            Ids, or rows of the dataset.
        labels : label or sequence of labels, optional
            One an item, for "label" and "relabel": text, numbers, yes or no; None for a measurement that failed.
        person, round, seconds, model, note
            See :class:`JournalEvent`.

        Raises
        ------
        JournalConflict
            For a label on a point that has one, say: what :meth:`State.check` refuses. Nothing is written then.
        JournalError
            For values that a journal cannot hold, and where the disk cannot be written. Nothing is acknowledged then.
        """
        if kind not in KINDS:
            raise JournalError(f"An event is one of {', '.join(KINDS)}; got {kind!r}.")
        found = items_of(items)
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        try:
            event = JournalEvent(
                0, kind, found, labels_for(kind, found, labels), str(person), plain(round, "a round"),
                plain(seconds, "seconds"), str(model), dict(note or {}), now,
            )  # fmt: skip
            body = event.body()
        except (TypeError, ValueError) as error:
            raise JournalError(f"The note of an event holds what JSON can; got {note!r}.") from error
        with self._writing():
            event = JournalEvent.read(self._state.n_events + 1, body)
            self._state.check(event)
            chain = digest(self._chain, event.seq, body)
            self._db.execute("INSERT INTO events VALUES (?, ?, ?)", (event.seq, body, chain))
            self._db.executemany("DELETE FROM leases WHERE item = ?", [(_key(item),) for item in found])
        with self._lock:
            if event.seq == self._state.n_events + 1:  # not where another thread has read it meanwhile
                self._state.take(event)
                self._chain = chain
        return event

    def undo(self, seq: int | None = None, *, person: str = "") -> JournalEvent:
        """Take an event back, the last one where no number is given. It stays in the journal, and so does this.

        Raises
        ------
        JournalConflict
            If there is nothing to take back, or later events rest on it.
        """
        with self._lock:
            self._read_new()
            of = self._state.last_change() if seq is None else seq
            if of is None:
                raise JournalConflict("No event has changed a label, so there is nothing to take back.")
            items = next((event.items for event in self.events(of) if event.seq == of), ())
        return self.record("undo", items, person=person, note={"of": of})

    def lease(self, items: Any, n: int, owner: str, seconds: float = LEASE) -> tuple[Item, ...]:
        """The first n of these points that are open and that nobody else has taken; they are this owner's for a while.

        So two people, or two processes, are never handed the same point unasked.

        Parameters
        ----------
        items : sequence of items
            In the order in which they are wanted.
        n : int
        owner : str
        seconds : float
            After which others may have them, unless they are labelled by then.
        """
        wanted, until = items_of(items), time.time() + seconds
        taken: list[Item] = []
        with self._writing():
            now = time.time()
            held = {item: other for item, other, end in self._db.execute("SELECT item, owner, until FROM leases")
                    if end > now and other != owner}  # fmt: skip
            for item in wanted:
                if len(taken) == n:
                    break
                if item not in self._state.labels and item not in self._state.skipped and _key(item) not in held:
                    taken.append(item)
            rows = [(_key(item), owner, until) for item in taken]
            self._db.executemany("INSERT OR REPLACE INTO leases VALUES (?, ?, ?)", rows)
        return tuple(taken)

    # --- reading ----------------------------------------------------------------------------------------------------

    def events(self, since: int = 1) -> list[JournalEvent]:
        """All events from number `since` on."""
        with self._lock:
            rows = self._run("SELECT seq, body FROM events WHERE seq >= ? ORDER BY seq", (since,)).fetchall()
        return [JournalEvent.read(seq, body) for seq, body in rows]

    def labels(self) -> dict[Item, Label]:
        """The present label of each point that has one, in labelling order."""
        return dict(self.state().labels)

    def pending(self) -> tuple[Item, ...]:
        """Points of the last query that wait for an answer."""
        return self.state().query

    def to_frame(self) -> pd.DataFrame:
        """Events as a table: a row a point of each, with seq, time, kind, item, label, person, round and more."""
        return exchange.to_frame(self.events())

    def export(self, path: str | os.PathLike[str]) -> None:
        """Write all events to a `.csv`, `.jsonl` (which loses nothing) or `.parquet` file.

        Raises
        ------
        JournalError
        """
        exchange.export(self.events(), path)

    def import_file(
        self, path: str | os.PathLike[str], dry_run: bool = True, person: str = ""
    ) -> exchange.ImportReport:
        """Labels of a `.csv` (columns item and label) or an exported `.jsonl`: those that are new, in one event.

        Parameters
        ----------
        path : str or path-like
        dry_run : bool
            Whether only to say what would happen.
        person : str

        Returns
        -------
        ImportReport
            With the conflicts: points whose label here is another. They stay as they are here.

        Raises
        ------
        JournalError
        """
        return exchange.take_in(self, path, dry_run, person)

    def state(self) -> State:
        """What holds now, with what other processes have written."""
        with self._lock:
            self._read_new()
            return self._state

    def __len__(self) -> int:
        return self.state().n_events

    # --- underneath -------------------------------------------------------------------------------------------------

    def _fact(self, name: str) -> str | None:
        with self._lock:
            row = self._run("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def _run(self, statement: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        try:
            return self._db.execute(statement, values)
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _read_new(self) -> None:
        try:
            self._catch_up()
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _catch_up(self) -> None:
        """Read what has been written since, by any process, and check that it is what was written."""
        query = "SELECT seq, body, digest FROM events WHERE seq > ? ORDER BY seq"
        for seq, body, kept in self._db.execute(query, (self._state.n_events,)):
            chain = digest(self._chain, seq, body) if isinstance(body, str) else b""
            if seq != self._state.n_events + 1 or chain != kept:
                raise JournalDamaged(
                    f"{self.path} is not as it was written, from event {seq} on. The {self._state.n_events} events "
                    f"before it are sound: restore a copy, or export them."
                )
            self._state.take(JournalEvent.read(seq, body))
            self._chain = chain

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """A transaction that sees all that others have written, and after which all of it is on disk, or none."""
        with self._lock:
            try:
                with self._transaction():
                    self._catch_up()
                    yield
            except sqlite3.Error as error:
                raise self._failed(error) from error

    def _failed(self, error: sqlite3.Error) -> JournalError:
        if isinstance(error, sqlite3.OperationalError | sqlite3.ProgrammingError) or "full" in str(error):
            return JournalError(f"The journal {self.path} cannot be used now: {error}. Nothing was acknowledged.")
        return JournalDamaged(f"{self.path} is damaged: {error}.")


def _key(item: Item) -> str:
    """An item as text, 7 apart from "7"."""
    return f"{type(item).__name__}:{item}"
