"""The right pane: a learning curve, or what the model of the moment gets right and wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from html import escape
from typing import Any

import ipywidgets as w

from aljupyter.companions import Band, in_words
from aljupyter.widgets import theme
from aljupyter.widgets.cleanup import close_tree
from aljupyter.widgets.curve import CurveView
from aljupyter.widgets.curves import LABELS, ROUNDS, CurveFrame, curve_frame
from aljupyter.widgets.diagnostic_view import DiagnosticView
from aljupyter.widgets.diagnostics import CALIBRATION, CURVE, OUTCOME, DiagnosticFrame, diagnostic_frame
from aljupyter.widgets.diagnostics import LABELS as SO_FAR
from aljupyter.widgets.frames import Metrics, Moment
from aljupyter.widgets.heatmap import set_traits
from aljupyter.widgets.menus import menu

RANDOM = "random queries"
RightFrame = CurveFrame | DiagnosticFrame


class RightPane:
    """One view at a time; those that are not looked at are not made, and nothing is computed or sent for them.

    Parameters
    ----------
    data : DataManager
    metrics : sequence of str
        What the curve can show.
    floor : mapping or None
        Metrics of predicting without features.
    bands : sequence of Band
        Other loops beside the curve.
    """

    def __init__(self, data: Any, metrics: Sequence[str], floor: Metrics | None, bands: Sequence[Band] = ()):
        self._data, self._floor = data, floor
        self.ceiling: Metrics | None = None
        self._given = tuple(bands)
        self.random: Band | None = None

        outcome = "confusion matrix" if data.n_classes else "predicted against measured"
        views = [("learning curve", CURVE), (CALIBRATION, CALIBRATION), (outcome, OUTCOME), (SO_FAR, SO_FAR)]
        self.view = menu("view", views, "What is shown on this side", "al-view", "190px")
        names = [(name.replace("_", " "), name) for name in metrics]
        self.metric = menu("of", names, "The metric of the learning curve", "al-metric", "190px")
        self.over = menu("over", [LABELS, ROUNDS], "What the learning curve goes over", "al-over")
        self.log = w.Checkbox(
            description="log", indent=False, tooltip="A logarithmic axis of the metric", layout=w.Layout(width="56px")
        )
        self.log.add_class("al-log")
        self.baseline = w.Button(
            description="Random baseline", layout=w.Layout(width="142px"),
            tooltip="Play the same rounds with random queries, five times, and compare; the learner is left alone",
        )  # fmt: skip
        self.baseline.add_class("al-baseline")
        row = {"flex_flow": "row wrap", "align_items": "center", "width": "100%"}
        header = w.HBox([self.view, self.metric], layout=w.Layout(**row))
        self.sentence = w.HTML()
        self.sentence.add_class("al-gain")
        self.curve = CurveView()
        self._log_curve: CurveView | None = None
        self._diagnostic: DiagnosticView | None = None
        self._body = w.VBox([self.curve.widget], layout=w.Layout(width="100%"))
        choices = w.HBox([self.over, self.log, self.baseline], layout=w.Layout(**row))
        foot = w.VBox([choices, self.sentence], layout=w.Layout(width="100%"))
        self._of_curve = [self.metric, foot]
        self.widget = w.VBox([header, self._body, foot], layout=w.Layout(flex="1 1 400px", min_width="320px"))
        self.frame: RightFrame | None = None
        self._gain = ""

    @property
    def menus(self) -> tuple[Any, ...]:
        """Controls whose change asks for another picture."""
        return self.view, self.metric, self.over, self.log

    @property
    def bands(self) -> tuple[Band, ...]:
        return (*self._given, *([self.random] if self.random is not None else []))

    def draw(self, moment: Moment, whole: Moment, at: int | None) -> None:
        """Draw the view that is chosen.

        Parameters
        ----------
        moment : Moment
            The one that is looked at.
        whole : Moment
            The present, whose history the curve shows.
        at : int or None
            Which round the moment is; None for the present.
        """
        on_curve = self.view.value == CURVE
        for control in self._of_curve:
            set_traits(control.layout, display=None if on_curve else "none")
        if on_curve:
            curve = curve_frame(
                whole, self.metric.value, len(self._data.train), self.ceiling, self._floor, at, self.over.value,
                self.bands,
            )  # fmt: skip
            view: Any = self._curve_view()
            view.render(curve)
            self.frame = curve
        else:
            diagnostic = diagnostic_frame(self.view.value, moment, self._data)
            view = self._diagnostic = self._diagnostic or DiagnosticView()
            view.render(diagnostic)
            self.frame = diagnostic
        if self._body.children != (view.widget,):
            self._body.children = [view.widget]

    def _curve_view(self) -> CurveView:
        if not self.log.value:
            return self.curve
        self._log_curve = self._log_curve or CurveView(log=True)
        return self._log_curve

    def compare(self, learner: Any) -> None:
        """Say what the learner gains over random queries, where these have been played."""
        said = "" if self.random is None else in_words(learner, self.random, self.metric.value, theme.number)
        if said != self._gain:
            self._gain = said
            self.sentence.value = f'<div role="status" aria-live="polite" style="line-height:1.4">{escape(said)}</div>'

    def take_random(self, band: Band) -> None:
        """Random queries have been played."""
        self.random = replace(band, name=RANDOM)

    def summary(self) -> str:
        """What is on the screen, in words."""
        if self.view.value != CURVE:
            return "" if self._diagnostic is None else self._diagnostic.summary()
        said = self._curve_view().summary()
        return f"{said} {self._gain}" if self._gain else said

    def close(self) -> None:
        views = [view for view in (self.curve, self._log_curve, self._diagnostic) if view is not None]
        for view in views:
            view.close()
        close_tree(self.widget)
