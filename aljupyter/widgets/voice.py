"""What a view says: its status line, and the last thing that failed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from aljupyter.widgets.controls import Controls


class Voice:
    """The status line of a view. Nothing is computed while it is held.

    Parameters
    ----------
    controls : Controls
    standing : callable
        The sentence that says where things stand.
    problem : callable
        What kept the picture from showing all, or None.

    Attributes
    ----------
    lock : RLock
        Of buttons and status: they are set on more than one thread.
    last_error : BaseException or None
        Of the last thing that failed; its message stands in the status line.
    silent : bool
        Once the view is closed, nothing is done or said.
    on_said : callable
        Called when the status line has changed.
    """

    def __init__(self, controls: Controls, standing: Callable[[], str], problem: Callable[[], Exception | None]):
        self._controls, self._standing, self._problem = controls, standing, problem
        self.lock = threading.RLock()
        self.last_error: BaseException | None = None
        self.silent = False
        self.on_said: Callable[[], None] = lambda: None

    def attempt(self, act: Callable[[], Any]) -> None:
        """Do what a control asks. What goes wrong is shown, never printed where nobody looks."""
        if not self.silent:
            try:
                act()
            except Exception as error:
                self.fail(error)

    def stand(self, before: str = "") -> None:
        """Say where things stand, after what was done."""
        with self.lock:
            problem, sentence = self._problem(), f"{before}{self._standing()}"
            if problem is None:
                self._controls.say(sentence)
            else:  # what was done stays done, and is said first
                self.last_error = problem
                self._controls.say(f"{sentence} {_words(problem)}", problem)
        self.on_said()

    def say(self, sentence: str) -> None:
        with self.lock:
            self._controls.say(sentence)

    def fail(self, error: BaseException) -> None:
        with self.lock:
            self._controls.say(_words(error), error)
            self.last_error = error


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__
