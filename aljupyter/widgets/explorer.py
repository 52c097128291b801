"""The Explorer: step through rounds with buttons and watch what the model knows."""

from __future__ import annotations

import asyncio
import atexit
import base64
import contextlib
import difflib
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import ipywidgets as w

from aljupyter import strategies
from aljupyter.control import Control
from aljupyter.errors import LearnerBusyError, RoundCancelled, ViewError
from aljupyter.records import RoundRecord
from aljupyter.widgets import text
from aljupyter.widgets.cleanup import close_tree
from aljupyter.widgets.controller import Controller
from aljupyter.widgets.controls import FEATURES, PCA, Controls
from aljupyter.widgets.follower import Follower
from aljupyter.widgets.keys import KeyGuard
from aljupyter.widgets.leftovers import forget, replace_leftovers
from aljupyter.widgets.planes import FeaturePlane, Inputs, PlaneChoice, PrincipalPlane, choose_plane
from aljupyter.widgets.screen import Screen

if TYPE_CHECKING:
    from aljupyter.learner import ActiveLearner

MAX_GRID = 100
MAX_CEILING = 1000  # training points: a fit on these takes seconds, on more it would slow down the rounds
PATIENCE = 1.0  # seconds that a click waits for a picture to be finished: they may come on two threads
PREFERRED_METRICS = ("balanced_accuracy", "rmse")


class Explorer:
    """Buttons and pictures over a learner. It shows what any other cell, or another Explorer, does to it as well.

    The ceiling of the learning curve is looked for between rounds, for up to 1,000 training points.

    Parameters
    ----------
    learner : ActiveLearner
    measure : str, optional
        What the heatmap shows, one of ``learner.measures()``; what the strategy asks by where not given.
    plane : "pca" or two features, optional
        Over what: the first two principal components, or two features by name or number, the others at their median.
        The two inputs, or the principal components of more, where not given.
    metric : str, optional
        What the learning curve shows, one of ``learner.metric_names``.
    grid : int
        Cells of the heatmap along an axis, 2 to 100.
    synchronous : bool
        Run rounds in the calling thread instead of a worker: for tests, and notebooks run without a browser.

    Attributes
    ----------
    learner : ActiveLearner
    widget : ipywidgets.VBox
        What is displayed.
    last_error : Exception or None
        Of the last thing that failed; its message stands in the status line.

    Raises
    ------
    ViewError, UnknownColumn, WrongShape
        For a measure, metric, plane or grid that there is not.

    Examples
    --------
    >>> Explorer(learner, measure="entropy", plane=("mean radius", "mean texture"))
    """

    def __init__(
        self,
        learner: ActiveLearner,
        measure: str | None = None,
        plane: PlaneChoice = None,
        metric: str | None = None,
        grid: int = MAX_GRID,
        synchronous: bool = False,
    ):
        if not 2 <= grid <= MAX_GRID:
            raise ViewError(f"grid is the number of cells along an axis, 2 to {MAX_GRID}; got {grid!r}.")
        self.learner = learner
        self.last_error: BaseException | None = None
        self._inputs = Inputs(learner.data)
        measures = learner.measures()
        asked_by = [name for name, shown in measures.items() if repr(shown) == repr(learner.strategy)]
        measure = _choose("measure", measure, measures, asked_by)
        metric = _choose("metric", metric, learner.metric_names, PREFERRED_METRICS)
        chosen = choose_plane(self._inputs, plane)
        self._screen = Screen(learner.data, measures, measure, metric, chosen, int(grid), learner.floor_performance())

        self._say_lock = threading.RLock()  # of buttons and status; never held while anything is computed
        self._closed = self._ceiling_known = False
        self._setting_menu: int | None = None  # the thread that does
        self._named = {name: strategies.get(name) for name in strategies.names(learner.data.task)}
        self._controls = Controls(list(self._named), list(measures), list(learner.metric_names), self._inputs.names)
        parts = [self._controls.widget, self._screen.widget, KeyGuard("al-explorer")]
        self.widget = w.VBox(parts, layout=w.Layout(width="100%"))
        self.widget.add_class("al-explorer")
        self._controls.measure.value, self._controls.metric.value = measure, metric
        self._controls.show_plane(chosen.features if isinstance(chosen, FeaturePlane) else None)
        self._follower = Follower(learner, self._screen, self._controls.batch.value)
        self._controller = Controller(self._on_progress, self._on_busy, synchronous)
        self._connect()
        replace_leftovers(self)
        atexit.register(self.close)  # a worker still in torch when the interpreter ends would abort it
        learner.observe(self._on_event)
        self._follow()
        self._look_for_ceiling()

    # --- what a person or a cell calls ------------------------------------------------------------------------------

    async def step_async(self, n: int | None = None) -> RoundRecord:
        """One round in the worker, awaited from a cell: Cancel stays alive meanwhile."""
        return await asyncio.wrap_future(self._start_step(n))

    async def run_async(self, rounds: int, n: int | None = None) -> list[RoundRecord]:
        """Several rounds in the worker, awaited from a cell."""
        return await asyncio.wrap_future(self._start_run(rounds, n))

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the worker is done, with the ceiling of the curve too; False if the time ran out first."""
        return self._controller.wait(timeout)

    def summary(self) -> str:
        """What is on the screen, in words."""
        return f"{self._controls.summary()}\n{self._screen.summary()}"

    def picture(self) -> bytes | None:
        """What is on the screen, as a PNG; None before anything is."""
        return self._screen.picture(self._controls.summary())

    def close(self) -> None:
        """Stop what is under way, stop watching the learner and remove every widget."""
        self._closed = True
        forget(self)
        atexit.unregister(self.close)
        self.learner.unobserve(self._on_event)
        self._controller.close()
        with self._say_lock:
            self._screen.close()
            self._controls.close()
            close_tree(self.widget)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        bundle: dict[str, Any] = dict(self.widget._repr_mimebundle_() or {})
        # For readers without a kernel a picture, and words for those who cannot see it. The curve is not in the words:
        # whether its ceiling is known by now depends on the worker, and the same notebook should give the same text.
        bundle["text/plain"] = f"{self._controls.summary()}\n{self._screen.heatmap.summary()}"
        picture = self.picture()
        if picture is not None:
            bundle["image/png"] = base64.b64encode(picture).decode()
        return bundle

    def __repr__(self) -> str:
        return f"Explorer of {self._screen.measure} over {self._screen.plane.name}"

    # --- buttons: learner calls, in the worker ----------------------------------------------------------------------

    def _connect(self) -> None:
        controls = self._controls
        controls.cancel.on_click(lambda _: self._cancel())
        for button, start in (
            (controls.step, self._start_step),
            (controls.run, lambda: self._start_run(controls.rounds.value)),
            (controls.undo, lambda: self._start(lambda control: self.learner.undo(), "Taken back. ")),
        ):
            button.on_click(lambda _, start=start: self._try(start))
        for menu, change in (
            (controls.strategy, self._change_strategy),
            (controls.batch, self._change_batch),
            (controls.plane, self._change_plane),
            (controls.first, self._change_plane),
            (controls.second, self._change_plane),
            (controls.measure, self._change_names),
            (controls.metric, self._change_names),
        ):
            menu.observe(lambda _, change=change: self._try(change), "value")

    def _try(self, act: Callable[[], Any]) -> None:
        """Do what a control asks. What goes wrong is shown, never printed where nobody looks."""
        if not self._closed:
            try:
                act()
            except Exception as error:
                self._fail(error)

    def _start_step(self, n: int | None = None) -> Future[RoundRecord]:
        size = self._controls.batch.value if n is None else n
        return self._start(lambda control: self.learner.step(size, control=control))

    def _start_run(self, rounds: int, n: int | None = None) -> Future[list[RoundRecord]]:
        size = self._controls.batch.value if n is None else n
        return self._start(lambda control: self.learner.run(rounds, size, control=control, progress=False))

    def _start(self, call: Callable[[Control], Any], done: str = "") -> Future[Any]:
        def job(control: Control) -> Any:
            before = len(self.learner.history)
            try:
                with self.learner.turn.within(PATIENCE):
                    result = call(control)
            except RoundCancelled:
                finished = len(self.learner.history) - before
                self._say(f"Cancelled: the round in flight was rolled back, {finished} finished before it. "
                          f"{self._status()}")  # fmt: skip
                raise
            except Exception as error:
                # another's round may be told of before this answer, and its picture come after: look once more then
                self._follower.stale |= isinstance(error, LearnerBusyError)
                self._fail(error)
                raise
            self._say_status("Cancelled after the round, before its model was fitted. " if control.cancelled else done)
            return result

        return self._controller.start(job)

    def _cancel(self) -> None:
        if self._controller.cancel():
            self._say("Cancelling…")

    def _on_busy(self, busy: bool) -> None:
        if self._closed:
            return
        with self._say_lock:
            if busy:
                self.last_error = None
            self._controls.set_busy(busy, can_undo=len(self.learner.history) > 0)
        if not busy:
            if self._follower.stale:
                self._try(self._catch_up)
            if self._follower.stale and not self._controller.synchronous:
                self._controller.start_in_background(self._catch_up_later)
            else:
                self._look_for_ceiling()

    def _on_progress(self, fraction: float, words: str) -> None:
        if not (self._follower.at_work or self._closed):  # the round that a picture is made of has been reported
            with self._say_lock:
                self._controls.report(fraction, words)

    def _look_for_ceiling(self) -> None:
        if not self._ceiling_known and len(self.learner.data.train) <= MAX_CEILING:
            self._controller.start_in_background(self._find_ceiling)

    def _find_ceiling(self, control: Control) -> None:
        try:
            self._screen.ceiling = self.learner.full_data_performance(control)
        except RoundCancelled:
            raise  # a round came first; it is looked for again after it
        except Exception as error:  # a curve without a ceiling is worth having
            self.last_error = error
        self._ceiling_known = True
        self._try(self._screen.draw)

    # --- menus: other looks at the same state -----------------------------------------------------------------------

    def _change_names(self) -> None:
        self._screen.measure, self._screen.metric = self._controls.measure.value, self._controls.metric.value
        self._screen.draw()
        self._say_status()

    def _change_plane(self) -> None:
        controls = self._controls
        controls.show_features()
        if controls.plane.value == FEATURES and controls.first.value == controls.second.value:
            self._say("Choose two different features for the plane.")
            return
        self._screen.plane = (
            PrincipalPlane(self._inputs)
            if controls.plane.value == PCA
            else FeaturePlane(self._inputs, controls.first.index, controls.second.index)
        )
        self._catch_up()
        self._say_status()

    def _change_batch(self) -> None:
        self._follower.batch = self._controls.batch.value
        self._catch_up()
        self._say_status()

    def _change_strategy(self) -> None:
        if self._setting_menu == threading.get_ident():
            return  # the menu follows the learner, not the other way round
        try:
            with self.learner.turn.within(PATIENCE):
                self.learner.strategy = self._named[self._controls.strategy.value]
        except LearnerBusyError:
            self._show_strategy()
            raise

    def _catch_up(self) -> None:
        """Show the present state anew, fitting nothing. A call that is under way sees to it when it ends."""
        with contextlib.suppress(LearnerBusyError):
            self._follower.refresh()

    def _catch_up_later(self, control: Control) -> None:
        """Show the present state as soon as another thread is done with the learner."""
        while self._follower.stale:
            control.check()
            with contextlib.suppress(LearnerBusyError):
                self._follower.refresh(patience=0.1)
                self._say_status()
        if not self._ceiling_known and len(self.learner.data.train) <= MAX_CEILING:
            self._find_ceiling(control)

    # --- following the learner --------------------------------------------------------------------------------------

    def _on_event(self, event: str) -> None:
        """The learner changed; this thread did it, and has its turn."""
        if not (self._closed or self._follower.at_work):
            self._follow()

    def _follow(self) -> None:
        try:
            self._follower.refresh(self._controller.control or Control())
            self._show_strategy()
            self._say_status()
        except KeyboardInterrupt:  # of a cell whose round is done, while the model was fitted for the picture
            self._follower.refresh()
            self._say_status()
            raise
        except Exception as error:
            self._fail(error)

    def _show_strategy(self) -> None:
        """Let the menu say which strategy the learner has, also one that has no name."""
        current = self.learner.strategy
        name = next((name for name, known in self._named.items() if repr(known) == repr(current)), repr(current))
        self._named[name] = current
        with self._say_lock:
            menu = self._controls.strategy
            self._setting_menu = threading.get_ident()
            try:
                if name not in menu.options:
                    menu.options = [*menu.options, name]
                menu.value = name
            finally:
                self._setting_menu = None

    # --- the status line --------------------------------------------------------------------------------------------

    def _status(self) -> str:
        return text.status(self.learner, self._screen.metric)

    def _say_status(self, before: str = "") -> None:
        with self._say_lock:
            self._controls.allow_undo(not self._controller.busy and len(self.learner.history) > 0)
            problem = self._follower.problem
            if problem is None:
                self._controls.say(before + self._status())
            else:  # what was done stays done, and is said first
                self.last_error = problem
                self._controls.say(f"{before}{self._status()} {problem or type(problem).__name__}", error=True)

    def _say(self, sentence: str) -> None:
        with self._say_lock:
            self._controls.say(sentence)

    def _fail(self, error: BaseException) -> None:
        self.last_error = error
        with self._say_lock:
            self._controls.say(str(error) or type(error).__name__, error=True)


def _choose(what: str, name: str | None, offered: Iterable[str], preferred: Iterable[str]) -> str:
    """The name given, or the first preferred one that is offered."""
    names = list(offered)
    if name is None:
        return next((choice for choice in preferred if choice in names), names[0])
    if name not in names:
        near = difflib.get_close_matches(str(name), names, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ViewError(f"There is no {what} {name!r} for this task.{hint} There are: {', '.join(names)}.")
    return name
