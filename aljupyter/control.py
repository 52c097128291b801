"""How a long call reports progress and hears that it should stop.

The engine is synchronous. Whoever runs it (a cell, a worker thread) hands it a :class:`Control`; models call
``control.check()`` between optimiser steps and ``control.progress(...)`` now and then.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from aljupyter.errors import RoundCancelled

ProgressCallback = Callable[[float, str], None]


class Control:
    """A cancel event and a progress callback.

    Parameters
    ----------
    on_progress : callable, optional
        Called with a fraction in [0, 1] and a few words; on the thread that does the work.
    """

    def __init__(self, on_progress: ProgressCallback | None = None):
        self._cancelled = threading.Event()
        self._on_progress = on_progress

    def cancel(self) -> None:
        """Ask for a stop; may be called from any thread."""
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    def check(self) -> None:
        """Raise if a stop was asked for.

        Raises
        ------
        RoundCancelled
        """
        if self._cancelled.is_set():
            raise RoundCancelled("Cancelled: the round in flight was rolled back, finished rounds stay.")

    def progress(self, fraction: float, message: str = "") -> None:
        if self._on_progress is not None:
            self._on_progress(fraction, message)

    def part(self, k: int, parts: int) -> Control:
        """The control of the k-th of several equal parts of this call: the same cancel event, progress scaled."""
        part = Control(lambda fraction, words: self.progress((k + fraction) / parts, f"{words} ({k + 1} of {parts})"))
        part._cancelled = self._cancelled
        return part
