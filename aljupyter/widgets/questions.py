"""Asking about a point: what a click means, and what is then shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from torch import Tensor

from aljupyter.errors import AlJupyterError
from aljupyter.inspection import Then, ask_point, then
from aljupyter.whatif import expected_change, what_if
from aljupyter.widgets.follower import Follower
from aljupyter.widgets.planes import Inputs
from aljupyter.widgets.player import Player
from aljupyter.widgets.point import PointView
from aljupyter.widgets.screen import Screen
from aljupyter.widgets.show import ShowFunction, shown_by
from aljupyter.widgets.voice import Voice

if TYPE_CHECKING:
    from aljupyter.learner import ActiveLearner

NEAR = 0.012  # of an axis: a click that close to a point means the point


@dataclass(frozen=True)
class Subject:
    """What is asked about: a point by its index, or a place by the model's inputs; and where it lies on the plane."""

    index: int | None
    x: Tensor | None
    xy: tuple[float, float]


class Questions:
    """Answers clicks on the heatmap in the panel below it.

    Parameters
    ----------
    learner : ActiveLearner
    screen, follower, player, voice : the parts of the view
    inputs : Inputs
    show : callable or None
        ``show(index, row)``: a user's own look at a point.
    on_asked : callable
        Told which point is asked about; None for a place.
    """

    def __init__(
        self,
        learner: ActiveLearner,
        screen: Screen,
        follower: Follower,
        player: Player,
        voice: Voice,
        inputs: Inputs,
        show: ShowFunction | None,
        on_asked: Callable[[int | None], None] = lambda index: None,
    ):
        self.learner, self._on_asked = learner, on_asked
        self._screen, self._follower, self._player, self._voice, self._show = screen, follower, player, voice, show
        self._inputs = inputs
        self._subject: Subject | None = None
        self._then: Then | None = None
        attempt = voice.attempt
        self.view = PointView(
            None if learner.data.classes is None else learner.data.classes.tolist(),
            lambda label: attempt(lambda: self.imagine(label)),
            lambda label: attempt(lambda: self.label(label)),
        )
        screen.heatmap.on_ask(
            lambda index: attempt(lambda: self.ask(index)), lambda x, y: attempt(lambda: self.ask_place(x, y))
        )

    def ask(self, index: int) -> None:
        """About a point of the dataset."""
        x, y = self._screen.locate([index])[0]
        self._about(Subject(index, None, (float(x), float(y))))

    def ask_place(self, x: float, y: float) -> None:
        """About a place of the plane; about a point, where one is drawn there."""
        index = self._screen.point_near(x, y, NEAR)
        if index is not None:
            self.ask(index)
        else:
            self._about(Subject(None, self._screen.inputs_at(x, y), (x, y)))

    def imagine(self, label: Any) -> None:
        """Show what a hypothetical label would change; None takes it back."""
        subject, at = self._subject, self._follower.at
        if subject is None:
            return
        if label is None:
            self._follower.show(at)
            self.view.say("")
            return
        try:
            imagined = what_if(self.learner, label, subject.index, subject.x, self._moment())
            expected = self._expected(subject)
        except AlJupyterError as error:
            self.view.say(str(error), error=True)
            return
        self._follower.imagine(imagined.model, f"as if {_named(subject)} were {imagined.label}", imagined.scores)
        self.view.say(imagined.sentence + expected)

    def label(self, label: Any) -> None:
        """A person's label for the point; it ends the round."""
        subject = self._subject
        if subject is not None and subject.index is not None:
            index = subject.index
            self._player.start(lambda control: self.learner.label([index], [label]))

    def refresh(self) -> None:
        """The moment is another one: the same point is asked about anew, and nothing is imagined any more."""
        self._then = None
        if self._subject is not None:
            self._about(self._subject)

    def move(self) -> None:
        """The plane is another one: the ring goes where the point is now; a place of the old plane is forgotten."""
        if self._subject is not None and self._subject.index is not None:
            self.ask(self._subject.index)
        elif self._subject is not None:
            self.forget()

    def forget(self) -> None:
        """Ask about nothing."""
        self._subject = self._then = None
        self._screen.heatmap.points.choose(None)
        self.view.clear()

    def _about(self, subject: Subject) -> None:
        if self.view.imagines:
            self._follower.show(self._follower.at)
        self._subject = subject
        report = ask_point(self.learner, subject.index, subject.x, self._moment())
        if subject.x is not None:
            report = replace(report, features=self._inputs.in_raw_units(subject.x))
        at = self._follower.at
        shown = None if subject.index is None else shown_by(self._show, subject.index, dict(report.features))
        with self._voice.lock:
            self._screen.heatmap.points.choose(subject.xy)
            self._on_asked(subject.index)
            self.view.render(report, "" if at is None else f", in round {at}", shown, can_label=at is None)

    def _moment(self) -> Then:
        """The loop at the moment that is shown; read once for all that is asked about it."""
        if self._then is None:
            self._then = then(self.learner, self._follower.at)
        return self._then

    def _expected(self, subject: Subject) -> str:
        try:
            expected = expected_change(self.learner, subject.index, subject.x, self._moment())
        except AlJupyterError:  # too many classes to try them all
            return ""
        what = "changed classes" if self.learner.data.n_classes else "mean move"
        return f" Expected over its possible labels: {expected:.3g} {what}."


def _named(subject: Subject) -> str:
    return "this place" if subject.index is None else f"point {subject.index}"
