"""Who may use a learner now, and who hears of what it did."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aljupyter.errors import LearnerBusyError

Observer = Callable[[str], None]


class Turn:
    """A context manager that one thread can be in at a time; others are refused at once rather than made to wait.

    The thread that has the turn may enter again: a step fits, a run steps, observers look.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._depth = 0

    @property
    def taken(self) -> bool:
        return self._depth > 0

    def __enter__(self) -> None:
        self._take(0.0)

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        self._lock.release()

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """The same, but wait a while for others to end: for a click that comes while a picture is being drawn.

        Raises
        ------
        LearnerBusyError
            If they have not ended by then.
        """
        self._take(seconds)
        try:
            yield
        finally:
            self.__exit__()

    def _take(self, seconds: float) -> None:
        if not self._lock.acquire(timeout=seconds):
            raise LearnerBusyError(
                "This learner is in the middle of a round that another thread started (a button, say). "
                "Wait until it ends, or cancel it."
            )
        self._depth += 1


class Observers:
    """Callbacks that are told of each event, on the thread that caused it."""

    def __init__(self) -> None:
        self._observers: list[Observer] = []

    def add(self, observer: Observer) -> None:
        self._observers.append(observer)

    def remove(self, observer: Observer) -> None:
        if observer in self._observers:
            self._observers.remove(observer)

    def tell(self, event: str) -> None:
        """Call them all. One that fails becomes a warning: a view must not undo a label."""
        for observer in tuple(self._observers):
            try:
                observer(event)
            except Exception as error:
                text = f"An observer of the learner failed on {event!r}: {error!r}"
                warnings.warn(text, RuntimeWarning, stacklevel=3)
