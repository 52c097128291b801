"""Rounds at the press of a button: learner calls in the worker, and the ceiling of the curve between them."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from aljupyter.control import Control
from aljupyter.errors import LearnerBusyError, RoundCancelled
from aljupyter.records import RoundRecord
from aljupyter.stopping import StopRule
from aljupyter.strategies.base import Strategy
from aljupyter.widgets.controller import Controller
from aljupyter.widgets.controls import Controls
from aljupyter.widgets.follower import Follower
from aljupyter.widgets.screen import Screen
from aljupyter.widgets.voice import Voice

if TYPE_CHECKING:
    from aljupyter.learner import ActiveLearner

MAX_CEILING = 1000  # training points: a fit on these takes seconds, on more it would slow down the rounds
BETWEEN_PICTURES = 0.2  # seconds, while Run goes
PATIENCE = 1.0  # seconds that a click waits for a picture to be finished: they may come on two threads


class Player:
    """Plays rounds for a view.

    Parameters
    ----------
    learner : ActiveLearner
    controls, screen, follower, voice : the parts of the view
    follow : callable
        Shows the learner as it is, its model fitted.
    synchronous : bool
        Whether to play in the calling thread.

    Attributes
    ----------
    runs : bool
        Whether a run of rounds is under way: more will follow the one that is done.
    """

    def __init__(
        self,
        learner: ActiveLearner,
        controls: Controls,
        screen: Screen,
        follower: Follower,
        voice: Voice,
        follow: Callable[[], None],
        synchronous: bool,
    ):
        self.learner, self._follow = learner, follow
        self.runs = False
        self._drawn = -math.inf
        self._controls, self._screen, self._follower, self._voice = controls, screen, follower, voice
        self._ceiling_known = False
        self.controller = Controller(self._on_progress, self._on_busy, synchronous)

    def step(self, n: int | None = None) -> Future[RoundRecord]:
        size = self._controls.batch.value if n is None else n
        return self.start(lambda control: self.learner.step(size, control=control))

    def run(self, rounds: int, n: int | None = None, until: tuple[StopRule, ...] = ()) -> Future[list[RoundRecord]]:
        size = self._controls.batch.value if n is None else n

        def play(control: Control) -> list[RoundRecord]:
            self.runs = True
            try:
                return self.learner.run(rounds, size, control=control, progress=False, until=until)
            finally:
                self.runs = False
                if self._follower.stale:
                    self._follow()

        return self.start(play, lambda played: f"Stopped: {played.stopped}. " if played.stopped else "")

    def skips(self) -> bool:
        """Whether the picture of a round may be left out: more come, and the last one was just now.

        A page that has to draw every round of a quick run has no time for anything else.
        """
        now = time.monotonic()
        if self.runs and now - self._drawn < BETWEEN_PICTURES:
            self._follower.stale = True
            return True
        self._drawn = now
        return False

    def undo(self) -> Future[RoundRecord]:
        return self.start(lambda control: self.learner.undo(), lambda undone: "Taken back. ")

    def start(
        self, call: Callable[[Control], Any], said: Callable[[Any], str] = lambda result: "", stays: bool = False
    ) -> Future[Any]:
        """Let the worker do something with the learner, and say how it went; of what it gave, what `said` makes of it.

        Parameters
        ----------
        stays : bool
            Whether the round that is shown stays; who plays a round looks at the present.

        Raises
        ------
        LearnerBusyError
            If the worker is busy.
        """

        def job(control: Control) -> Any:
            before = len(self.learner.history)
            try:
                if not stays:
                    self._follower.at = None
                with self.learner.turn.within(PATIENCE):
                    result = call(control)
            except RoundCancelled:
                finished = len(self.learner.history) - before
                self._voice.stand(f"Cancelled: the round in flight was rolled back, {finished} finished before it. ")
                raise
            except Exception as error:
                # another's round may be told of before this answer, and its picture come after: look once more then
                self._follower.stale |= isinstance(error, LearnerBusyError)
                self._voice.fail(error)
                raise
            late = "Cancelled after the round, before its model was fitted. "
            self._voice.stand(late if control.cancelled else said(result))
            return result

        return self.controller.start(job)

    def cancel(self) -> None:
        if self.controller.cancel():
            self._voice.say("Cancelling…")

    def catch_up(self) -> None:
        """Show the present state anew, fitting nothing. A call that is under way sees to it when it ends."""
        with contextlib.suppress(LearnerBusyError):
            self._follower.refresh()

    def look_for_ceiling(self) -> None:
        if self._seeks_ceiling:
            self.controller.start_in_background(self._find_ceiling)

    def close(self) -> None:
        self.controller.close()

    # --- in the worker ----------------------------------------------------------------------------------------------

    def _on_busy(self, busy: bool) -> None:
        if self._voice.silent:
            return
        with self._voice.lock:
            if busy:
                self._voice.last_error = None
            self._controls.set_busy(busy, can_undo=len(self.learner.history) > 0)
        if not busy:
            if self._follower.stale:
                self._voice.attempt(self.catch_up)
            if self._follower.stale and not self.controller.synchronous:
                self.controller.start_in_background(self._catch_up_later)
            else:
                self.look_for_ceiling()

    def _on_progress(self, fraction: float, words: str) -> None:
        # the round that a picture is made of has been reported
        if not (self._follower.at_work or self._voice.silent):
            with self._voice.lock:
                self._controls.report(fraction, words)

    def _catch_up_later(self, control: Control) -> None:
        """Show the present state as soon as another thread is done with the learner."""
        while self._follower.stale:
            control.check()
            with contextlib.suppress(LearnerBusyError):
                self._follower.refresh(patience=0.1)
                self._voice.stand()
        if self._seeks_ceiling:
            self._find_ceiling(control)

    @property
    def _seeks_ceiling(self) -> bool:
        return not self._ceiling_known and len(self.learner.data.train) <= MAX_CEILING

    def _find_ceiling(self, control: Control) -> None:
        try:
            self._screen.right.ceiling = self.learner.full_data_performance(control)
        except RoundCancelled:
            raise  # a round came first; it is looked for again after it
        except Exception as error:  # a curve without a ceiling is worth having
            self._voice.last_error = error
        self._ceiling_known = True
        self._voice.attempt(self._screen.draw_right)


def give_strategy(learner: ActiveLearner, strategy: Strategy) -> None:
    """Let a learner have a strategy, as soon as a picture that is being made of it is done.

    Raises
    ------
    LearnerBusyError
        If a round is under way.
    """
    with learner.turn.within(PATIENCE):
        learner.strategy = strategy
