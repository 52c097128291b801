"""The only place with threads: one worker that runs learner calls, reports on them, and can be told to stop.

Callbacks of a browser come on one thread or another, by the version of ipykernel; nothing here depends on which.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any

from aljupyter.control import Control
from aljupyter.errors import LearnerBusyError, RoundCancelled

Job = Callable[[Control], Any]
INTERVAL = 0.1  # seconds between two reports of progress


class Throttle:
    """Passes calls on at most every `interval` seconds; what was held back comes with :meth:`flush`."""

    def __init__(self, call: Callable[[float, str], None], interval: float = INTERVAL):
        self._call, self._interval = call, interval
        self._last = -float("inf")
        self._held: tuple[float, str] | None = None

    def __call__(self, fraction: float, message: str = "") -> None:
        self._held = fraction, message
        if time.monotonic() - self._last >= self._interval:
            self.flush()

    def flush(self) -> None:
        if self._held is not None:
            (fraction, message), self._held = self._held, None
            self._last = time.monotonic()
            self._call(fraction, message)


class Controller:
    """Runs one job at a time in a worker thread.

    Parameters
    ----------
    on_progress : callable
        Called with a fraction and words at about 10 Hz, the last value always; on the worker thread.
    on_change : callable
        Called with True before a job is handed over, with False when it has ended, however it ended.
    synchronous : bool
        Run jobs in the calling thread: for tests, and for notebooks executed without a browser.
    """

    def __init__(
        self, on_progress: Callable[[float, str], None], on_change: Callable[[bool], None], synchronous: bool = False
    ):
        self._on_progress, self._on_change = on_progress, on_change
        self.synchronous = synchronous
        self._lock = threading.Lock()
        self._ended = threading.Condition(self._lock)
        self._unfinished = 0
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._control: Control | None = None
        self._background: Control | None = None
        self._closed = False

    @property
    def busy(self) -> bool:
        return self._control is not None

    @property
    def control(self) -> Control | None:
        """Of the job under way."""
        return self._control

    def start(self, job: Job) -> Future[Any]:
        """Run ``job(control)``; a background job makes way for it.

        Returns
        -------
        Future
            With what the job returns or raises.

        Raises
        ------
        LearnerBusyError
            If a job is under way.
        """
        throttle = Throttle(self._on_progress)
        control = Control(throttle)
        with self._lock:
            if self._closed:
                raise LearnerBusyError("This view was closed; the learner goes on without it: `learner.step()`.")
            if self._control is not None:
                raise LearnerBusyError("A round is under way: wait until it ends, or press Cancel.")
            self._control = control
            self._unfinished += 1
            if self._background is not None:
                self._background.cancel()
        future: Future[Any] = Future()
        self._on_change(True)

        def work() -> None:
            result, error = None, None
            try:
                result = job(control)
            except BaseException as raised:  # a KeyboardInterrupt in synchronous mode must restore the buttons too
                error = raised
            try:
                throttle.flush()
            finally:
                with self._lock:
                    self._control = None
                try:
                    self._on_change(False)
                finally:  # whoever waits must hear of the end, whatever the screen makes of it
                    if error is None:
                        future.set_result(result)
                    else:
                        future.set_exception(error)
                    self._end()

        self._submit(work)
        return future

    def start_in_background(self, job: Job) -> None:
        """Run a job that nobody waits for. It is dropped when there is one already, and cancelled by :meth:`start`."""
        control = Control()
        with self._lock:
            if self._control is not None or self._background is not None or self._closed:
                return
            self._background = control
            self._unfinished += 1

        def work() -> None:
            try:
                control.check()
                job(control)
            except RoundCancelled:
                pass
            finally:
                with self._lock:
                    self._background = None
                self._end()

        self._submit(work)

    def cancel(self) -> bool:
        """Ask the job under way to stop, without waiting; False if there is none."""
        control = self._control
        if control is None:
            return False
        control.cancel()
        return True

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until no job is under way, background jobs included; False if the time ran out first."""
        with self._ended:
            return self._ended.wait_for(lambda: self._unfinished == 0, timeout)

    def close(self) -> None:
        """Cancel what is under way and end the thread."""
        with self._lock:
            self._closed = True
            for control in (self._control, self._background):
                if control is not None:
                    control.cancel()
            thread, self._thread = self._thread, None
        self._queue.put(None)
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=5)

    def _end(self) -> None:
        with self._ended:
            self._unfinished -= 1
            self._ended.notify_all()

    def _submit(self, work: Callable[[], None]) -> None:
        if self.synchronous:
            work()
            return
        with self._lock:
            if self._thread is None:
                # a daemon: closing the kernel does not wait for a fit
                self._thread = threading.Thread(target=self._serve, name="aljupyter worker", daemon=True)
                self._thread.start()
        self._queue.put(work)

    def _serve(self) -> None:
        while (work := self._queue.get()) is not None:
            try:
                work()
            except Exception:  # of a view: the worker lives on for the next click
                logging.getLogger(__name__).exception("A view of a learner failed")
