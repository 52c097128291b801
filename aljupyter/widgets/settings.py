"""What can be set beside the menus: parameters of the strategy and the model, hyperparameters, stop rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import ipywidgets as w

from aljupyter.errors import NotFitted
from aljupyter.models import as_manager
from aljupyter.models.base import ModelManager
from aljupyter.parameters import Parameter, changed, of_strategy, parameters_of
from aljupyter.stopping import StopRule
from aljupyter.strategies.base import Strategy
from aljupyter.widgets import theme
from aljupyter.widgets.cleanup import close_tree
from aljupyter.widgets.follower import Follower
from aljupyter.widgets.forms import Form
from aljupyter.widgets.player import Player
from aljupyter.widgets.stops import Stops
from aljupyter.widgets.voice import Voice

if TYPE_CHECKING:
    from aljupyter.learner import ActiveLearner

LEARNED = "learned"


class Settings:
    """A panel that a person opens; closed, it costs nothing.

    Parameters
    ----------
    learner : ActiveLearner
    follower, player, voice : the parts of the view
    names : sequence of str
        Of the inputs, for hyperparameters that each has.
    tune : callable
        Gives the learner its strategy with other parameters.
    rules : tuple of StopRule
        Those that hold from the start.
    """

    def __init__(
        self,
        learner: ActiveLearner,
        follower: Follower,
        player: Player,
        voice: Voice,
        names: Sequence[str],
        tune: Callable[[Strategy], None],
        rules: tuple[StopRule, ...] = (),
    ):
        self.learner = learner
        self._follower, self._player, self._voice, self._names = follower, player, voice, names
        self._tune = tune
        self._given = rules
        self._stops: Stops | None = None  # all of it is made when it is opened first
        self._holds = False
        self.widget = w.VBox([], layout=w.Layout(display="none", width="100%", padding="4px 8px"))
        self.widget.layout.border = "1px solid var(--jp-border-color2, #cccccc)"
        self.widget.add_class("al-settings-panel")

    def rules(self) -> tuple[StopRule, ...]:
        """When Run is to stop."""
        return self._given if self._stops is None else self._stops.rules()

    def _make(self) -> Stops:
        attempt = self._voice.attempt
        self.strategy = Form(self._set_strategy, attempt, "al-strategy-form")
        self.model = Form(self._set_model, attempt, "al-model-form")
        self.learned = Form(self._set_learned, attempt, "al-hyperparameters")
        self.hold = w.Checkbox(
            description="hold them", indent=False, layout=w.Layout(width="auto", margin="0 12px"),
            tooltip="Keep the hyperparameters where they are, instead of learning them in each round",
        )  # fmt: skip
        self.hold.add_class("al-hold")
        self.hold.observe(lambda change: attempt(lambda: self._hold(change["new"])), "value")
        self._strategy_title, self._model_title, self._learned_title = (w.HTML() for _ in range(3))
        stops = Stops(self.learner, self._given, attempt)
        self.widget.children = [
            w.HBox(parts, layout=w.Layout(flex_flow="row wrap", align_items="center"))
            for parts in (
                [self._strategy_title, self.strategy.widget],
                [self._model_title, self.model.widget],
                [self._learned_title, self.hold, self.learned.widget],
                [w.HTML("<b>Run ends before its last round</b> when"), stops.widget],
            )
        ]
        return stops

    @property
    def is_open(self) -> bool:
        return self.widget.layout.display is None

    def open(self, asked: bool) -> None:
        if asked and self._stops is None:
            self._stops = self._make()
        self.widget.layout.display = None if asked else "none"
        self.refresh()

    def refresh(self) -> None:
        """Show what holds at the moment that is shown; nothing while closed."""
        if not self.is_open:
            return
        learner, at = self.learner, self._follower.at
        kind = learner.kind if at is None else learner.at(at).kind
        estimator = kind.estimator
        found = self._found()
        with self._voice.lock:
            said = escape(theme.short(repr(learner.strategy), 90))
            self._strategy_title.value = f"<b>Strategy</b> {said}"
            self.strategy.show(of_strategy(learner.strategy))
            name = type(kind if estimator is None else estimator).__name__
            then = "" if at is None else f" in round {at}"
            anew = " (a change learns hyperparameters again)" if kind.is_held and found else ""
            self._model_title.value = f"<b>Model</b> {escape(name)}{then}{anew}"
            self.model.show(() if estimator is None else parameters_of(estimator), disabled=at is not None)
            self.learned.show([Parameter(LEARNED, *item, "number") for item in found.items()], disabled=at is not None)
            self._learned_title.value = self._heading(kind, found, then)
            self._holds = self.hold.value = kind.is_held
            self.hold.disabled = at is not None or not found

    def _found(self) -> dict[str, float]:
        model = self._follower.look.moment.model
        try:
            return {} if model is None else model.hyperparameters(self._names)
        except NotFitted:
            return {}

    def _heading(self, kind: ModelManager, found: dict[str, float], then: str) -> str:
        if not found:
            return f"<b>Hyperparameters</b> none to show{then}"
        how = "held" if kind.is_held else "learned from the labels"
        several = ", means over the classes" if (self.learner.data.n_classes or 0) > 2 else ""
        return f"<b>Hyperparameters</b> {how}{several}{then}"

    # --- what a person sets -----------------------------------------------------------------------------------------

    def _set_strategy(self, key: str, value: Any) -> None:
        self._tune(changed(self.learner.strategy, {key: value}))

    def _set_model(self, key: str, value: Any) -> None:
        estimator = changed(self.learner.kind.estimator, {key: value})
        self._replace(as_manager(estimator, self.learner.data.task))

    def _set_learned(self, key: str, value: float) -> None:
        name = key.removeprefix(f"{LEARNED}.")
        held = self.learner.model.held_at({name: value}, self._names)
        self._replace(held)

    def _hold(self, wanted: bool) -> None:
        if wanted != self._holds:
            model = self.learner.model
            try:
                held = model.held_at({}, self._names) if wanted else model.released()
                self._replace(held)
            except Exception:
                self.hold.value = self._holds
                raise

    def _replace(self, model: ModelManager) -> None:
        """Put another model in place of the present one; the worker fits it."""

        def put(_: Any) -> None:
            self.learner.model = model

        self._player.start(put)

    def summary(self) -> str:
        """What is set, in words; empty while closed."""
        if self._stops is None or not self.is_open:
            return ""
        lines = [
            f"Strategy: {self.learner.strategy!r}; {self.strategy.summary() or 'no parameters'}.",
            f"Model: {self.model.summary() or 'no parameters'}.",
            f"Hyperparameters{' (held)' if self._holds else ''}: {self.learned.summary() or 'none'}.",
            self._stops.summary(),
        ]
        return "\n".join(lines)

    def close(self) -> None:
        close_tree(self.widget)
