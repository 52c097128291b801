"""Labels on disk: append-only events in SQLite, each committed before it is acknowledged."""

from aljupyter.journal.events import JournalEvent
from aljupyter.journal.journal import Journal

__all__ = ["Journal", "JournalEvent"]
