"""The Explorer: step through rounds with buttons and watch what the model knows."""

from __future__ import annotations

import asyncio
import atexit
import base64
import difflib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import ipywidgets as w

from aljupyter import strategies
from aljupyter.companions import band_of, replay
from aljupyter.control import Control
from aljupyter.errors import ViewError
from aljupyter.records import RoundRecord
from aljupyter.stopping import as_rules
from aljupyter.widgets import text
from aljupyter.widgets.cleanup import close_tree
from aljupyter.widgets.controls import Controls
from aljupyter.widgets.follower import Follower
from aljupyter.widgets.heats import all_shown
from aljupyter.widgets.keys import KeyGuard
from aljupyter.widgets.leftovers import forget, replace_leftovers
from aljupyter.widgets.pane import RightPane
from aljupyter.widgets.plane_picker import PlanePicker
from aljupyter.widgets.planes import Inputs, Plane
from aljupyter.widgets.player import Player
from aljupyter.widgets.questions import Questions
from aljupyter.widgets.region import Region
from aljupyter.widgets.screen import Screen
from aljupyter.widgets.settings import Settings
from aljupyter.widgets.show import ShowFunction
from aljupyter.widgets.strategy_menu import StrategyMenu
from aljupyter.widgets.timeline import Timeline
from aljupyter.widgets.voice import Voice

if TYPE_CHECKING:
    from aljupyter.learner import ActiveLearner

MAX_GRID = 100
PREFERRED_METRICS = ("balanced_accuracy", "rmse")


class Explorer:
    """Buttons and pictures over a learner. It shows what any other cell, or another Explorer, does to it as well.

    The ceiling of the learning curve is looked for between rounds, for up to 1,000 training points.

    Parameters
    ----------
    learner : ActiveLearner
    measure : str, optional
        What the heatmap shows, one of ``learner.measures()``; what the strategy asks by where not given.
    plane : "pca", "t-sne", "isomap", "umap", two features, array of shape (N, 2) or object, optional
        Over what: the first two principal components; an embedding (UMAP where umap-learn is installed); two features
        by name or number, the others at their median; a place of one's own for each row of the dataset; or an object
        whose ``fit_transform`` gives such places. The two inputs, or the principal components of more, where not
        given. With an embedding the heat of a place is that of the nearest training point.
    metric : str, optional
        What the learning curve shows, one of ``learner.metric_names``.
    grid : int
        Cells of the heatmap along an axis, 2 to 100.
    beside : mapping of str to learners, optional
        Other loops whose mean and spread are drawn beside the learning curve, by name: the same strategy on other
        folds, say, or another strategy. A learner or its history, or several.
    until : StopRule or callable, or several, optional
        When Run ends before its last round; see :meth:`ActiveLearner.run`. More can be ticked in the settings.
    show : callable, optional
        ``show(index, row)``: a picture, a table or a text of a point that is clicked, beside what is known of it. The
        row is a dict by column. Text is shown as it is; an array, a PIL image, a matplotlib figure or a DataFrame too.
    synchronous : bool
        Run rounds in the calling thread instead of a worker: for tests, and notebooks run without a browser.

    Attributes
    ----------
    learner : ActiveLearner
    widget : ipywidgets.VBox
        What is displayed.

    Raises
    ------
    ViewError, UnknownColumn, WrongShape, InvalidParameter
        For a measure, metric, plane, grid, stop rule or loop that there is not.

    Examples
    --------
    >>> Explorer(learner, measure="entropy", plane=("mean radius", "mean texture"))
    """

    def __init__(
        self,
        learner: ActiveLearner,
        measure: str | None = None,
        plane: Any = None,
        metric: str | None = None,
        grid: int = MAX_GRID,
        beside: Mapping[str, Any] | None = None,
        until: Any = None,
        show: ShowFunction | None = None,
        synchronous: bool = False,
    ):
        if not 2 <= grid <= MAX_GRID:
            raise ViewError(f"grid is the number of cells along an axis, 2 to {MAX_GRID}; got {grid!r}.")
        self.learner = learner
        self._inputs = Inputs(learner.data)
        measures = all_shown(learner.measures(), learner.data)
        asked_by = [name for name, shown in measures.items() if repr(shown) == repr(learner.strategy)]
        measure = _choose("measure", measure, measures, asked_by)
        metric = _choose("metric", metric, learner.metric_names, PREFERRED_METRICS)
        self._picker = PlanePicker(learner.data, self._inputs, plane)
        rules = as_rules(until)
        bands = [band_of(str(name), loops) for name, loops in (beside or {}).items()]
        self._right = RightPane(learner.data, learner.metric_names, learner.floor_performance(), bands)
        self._right.metric.value = metric
        self._screen = Screen(learner.data, measures, measure, self._picker.current, int(grid), self._right)

        named = strategies.names(learner.data.task)
        self._controls = Controls(named, list(measures), self._picker.widgets)
        self._controls.measure.value = measure
        self._follower = Follower(learner, self._screen, self._controls.batch.value)
        self._voice = Voice(self._controls, self._status, lambda: self._follower.problem)
        self._timeline = Timeline(
            lambda at: self._voice.attempt(lambda: self._go_to(at)),
            lambda pinned: self._voice.attempt(lambda: self._compare(pinned)),
        )
        self._player = Player(
            learner, self._controls, self._screen, self._follower, self._voice, self._follow, synchronous
        )
        self._questions = Questions(
            learner, self._screen, self._follower, self._player, self._voice, self._inputs, show,
            self._picker.offer_point,
        )  # fmt: skip
        self._region = Region(learner, self._screen, self._voice.attempt)
        self._strategy = StrategyMenu(learner, self._controls.strategy, self._region, self._voice)
        self._settings = Settings(
            learner, self._follower, self._player, self._voice, self._inputs.names, self._strategy.tune, rules
        )
        self._controls.add(self._region.toggle)
        self._explained, self._words = (w.HTML(layout=w.Layout(display="none")) for _ in range(2))
        self._explained.add_class("al-explained")
        self._words.add_class("al-words")
        parts = [
            self._controls.widget, self._settings.widget, self._explained, self._region.widget, self._screen.widget,
            self._questions.view.widget, self._timeline.widget, self._words,
            KeyGuard("al-explorer"),
        ]  # fmt: skip
        self.widget = w.VBox(parts, layout=w.Layout(width="100%"))
        self.widget.add_class("al-explorer")
        self._connect()
        replace_leftovers(self)
        atexit.register(self.close)  # a worker still in torch when the interpreter ends would abort it
        learner.observe(self._on_event)
        self._follow()
        self._player.look_for_ceiling()

    def ask(self, index: int) -> None:
        """Show what is known of a point, as a click on it does.

        Raises
        ------
        IndexOutOfRange
        """
        self._questions.ask(index)

    # --- what a person or a cell calls ------------------------------------------------------------------------------

    @property
    def last_error(self) -> BaseException | None:
        """Of the last thing that failed; its message stands in the status line."""
        return self._voice.last_error

    async def step_async(self, n: int | None = None) -> RoundRecord:
        """One round in the worker, awaited from a cell: Cancel stays alive meanwhile."""
        return await asyncio.wrap_future(self._player.step(n))

    async def run_async(self, rounds: int, n: int | None = None) -> list[RoundRecord]:
        """Several rounds in the worker, awaited from a cell; fewer where a stop rule of this view says so."""
        return await asyncio.wrap_future(self._player.run(rounds, n, self._settings.rules()))

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the worker is done, with the ceiling of the curve too; False if the time ran out first."""
        return self._player.controller.wait(timeout)

    def summary(self) -> str:
        """What is on the screen, in words."""
        parts = self._controls, self._settings, self._screen, self._questions.view, self._timeline
        return "\n".join(said for part in parts if (said := part.summary()))

    def picture(self) -> bytes | None:
        """What is on the screen, as a PNG; None before anything is."""
        return self._screen.picture(self._controls.summary())

    def close(self) -> None:
        """Stop what is under way, stop watching the learner and remove every widget."""
        self._voice.silent = True
        forget(self)
        atexit.unregister(self.close)
        self.learner.unobserve(self._on_event)
        self._player.close()
        with self._voice.lock:
            self._screen.close()
            self._questions.view.close()
            self._timeline.close()
            self._settings.close()
            self._region.close()
            self._controls.close()
            close_tree(self.widget, *self._picker.not_shown)

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

    # --- what a person does -----------------------------------------------------------------------------------------

    def _connect(self) -> None:
        controls, player = self._controls, self._player
        controls.cancel.on_click(lambda _: player.cancel())
        for button, act in (
            (controls.step, player.step),
            (controls.run, lambda: player.run(controls.rounds.value, until=self._settings.rules())),
            (controls.undo, player.undo),
            (self._right.baseline, self._play_random),
        ):
            button.on_click(lambda _, act=act: self._voice.attempt(act))
        for menu, change in (
            (controls.batch, self._change_batch),
            (controls.measure, self._change_names),
            *((menu, self._change_plane) for menu in self._picker.menus),
            *((menu, self._change_right) for menu in self._right.menus),
        ):
            menu.observe(lambda _, change=change: self._voice.attempt(change), "value")
        controls.explain.observe(lambda _: self._voice.attempt(self._explain), "value")
        controls.in_words.observe(lambda _: self._voice.attempt(self._say_all), "value")
        self._voice.on_said = self._say_all
        controls.settings.observe(
            lambda change: self._voice.attempt(lambda: self._settings.open(change["new"])), "value"
        )

    def _go_to(self, at: int | None) -> None:
        """Show the model before query `at`, or the present."""
        self._follower.show(at)
        self._questions.refresh()
        self._settings.refresh()
        self._voice.stand()

    def _say_all(self) -> None:
        """All that is on the screen, in words, where a person has asked for it."""
        asked = self._controls.in_words.value
        if asked or self._words.value:
            said = text.paragraphs(self.summary()) if asked else ""
            with self._voice.lock:
                self._words.value, self._words.layout.display = said, None if asked else "none"

    def _explain(self) -> None:
        """Say how the loop is doing, where a person has asked for it."""
        asked = self._controls.explain.value
        said = text.explained(self.learner.explain()) if asked else ""
        with self._voice.lock:
            self._explained.value, self._explained.layout.display = said, None if asked else "none"

    def _compare(self, pinned: bool) -> None:
        self._follower.pin(pinned)
        self._questions.refresh()
        self._show_round()

    def _show_round(self) -> None:
        """Let the timeline say what is shown, and Undo be there where it can be done."""
        rounds = len(self.learner.history)
        with self._voice.lock:
            self._timeline.show(rounds, self._follower.at, self._follower.pinned)
            self._controls.allow_undo(not self._player.controller.busy and rounds > 0)

    def _change_names(self) -> None:
        self._screen.measure = self._controls.measure.value
        self._screen.draw()
        self._voice.stand()

    def _change_right(self) -> None:
        self._screen.draw_right()
        self._right.compare(self.learner)
        self._voice.stand()

    def _play_random(self) -> None:
        """Play the rounds of the learner with random queries, and say what it gains over them."""

        def play(control: Control) -> None:
            self._right.take_random(replay(self.learner, control=control))
            self._change_right()

        self._player.start(play, stays=True)

    def _change_plane(self) -> None:
        if self._picker.is_setting:
            return
        if problem := self._picker.problem():
            self._voice.say(problem)
        elif self._picker.takes_time:
            self._voice.say(f"Computing {self._picker.plane.value}…")
            self._player.start(lambda control: self._show_plane(self._picker.make()), stays=True)
        else:
            self._show_plane(self._picker.make())
            self._voice.stand()

    def _show_plane(self, plane: Plane) -> None:
        self._screen.plane = plane
        self._player.catch_up()
        self._questions.move()
        self._region.plane_changed()

    def _change_batch(self) -> None:
        self._follower.batch = self._controls.batch.value
        self._player.catch_up()
        self._voice.stand()

    # --- following the learner --------------------------------------------------------------------------------------

    def _on_event(self, event: str) -> None:
        """The learner changed; this thread did it, and has its turn."""
        if not (self._voice.silent or self._follower.at_work or self._player.skips()):
            self._follow()

    def _follow(self) -> None:
        try:
            self._follower.refresh(self._player.controller.control or Control())
            self._region.refresh()
            self._strategy.show()
            self._show_round()
            self._questions.refresh()
            self._settings.refresh()
            self._right.compare(self.learner)
            if self._controls.explain.value:
                self._explain()
            self._voice.stand()
        except KeyboardInterrupt:  # of a cell whose round is done, while the model was fitted for the picture
            self._follower.refresh()
            self._show_round()
            self._voice.stand()
            raise
        except Exception as error:
            self._voice.fail(error)

    def _status(self) -> str:
        at = self._follower.at
        if at is not None:
            return text.past(self.learner, self._right.metric.value, at)
        return text.status(self.learner, self._right.metric.value)


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
