"""A rectangle on the heatmap: only pool points within it may be asked."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import bqplot as bq
import ipywidgets as w
import numpy as np
from bqplot.interacts import BrushSelector

from aljupyter.errors import LearnerBusyError
from aljupyter.records import in_number
from aljupyter.strategies.base import Strategy
from aljupyter.widgets import theme
from aljupyter.widgets.cleanup import close_tree
from aljupyter.widgets.player import give_strategy
from aljupyter.widgets.screen import Screen

if TYPE_CHECKING:
    from aljupyter.learner import ActiveLearner

DRAW = "Drag a rectangle over the heatmap, or type its edges."
_EDGES = (("left", "x from"), ("right", "to"), ("lower", "y from"), ("upper", "to"))


class Region:
    """Restricts the learner's strategy to candidates in a rectangle, as long as it is wanted.

    While a rectangle is drawn, clicks go to it; once it is drawn, points can be asked about again.

    Parameters
    ----------
    learner : ActiveLearner
    screen : Screen
    attempt : callable
        Calls a function, and shows what goes wrong.
    """

    def __init__(
        self,
        learner: ActiveLearner,
        screen: Screen,
        attempt: Callable[[Callable[[], Any]], None],
    ):
        self._learner, self._screen, self._attempt = learner, screen, attempt
        self.toggle = w.ToggleButton(
            description="Region", tooltip="Ask only points of the pool within a rectangle on the heatmap",
            layout=w.Layout(width="70px"),
        )  # fmt: skip
        self.toggle.add_class("al-region")
        self.candidates: np.ndarray | None = None
        self._before: np.ndarray | None = None  # candidates of the strategy's own
        self._brush: BrushSelector | None = None
        self._marks: list[bq.Lines] = []
        self._setting: int | None = None
        self.edges: list[w.FloatText] = []  # made when it is wanted first, as the brush is
        self.sentence = w.HTML()
        self.sentence.add_class("al-region-sentence")
        self.widget = w.HBox([], layout=w.Layout(display="none", flex_flow="row wrap", align_items="center"))
        self.toggle.observe(lambda change: attempt(lambda: self._toggled(change["new"])), "value")

    def _edge(self, name: str, words: str) -> w.FloatText:
        made = w.FloatText(
            description=words, tooltip=f"{name.capitalize()} edge of the rectangle", continuous_update=False,
            style={"description_width": "initial"}, layout=w.Layout(width="140px"),
        )  # fmt: skip
        made.add_class(f"al-region-{name}")
        made.observe(lambda _: self._attempt(self._typed), "value")
        return made

    # --- what a person does -----------------------------------------------------------------------------------------

    def _toggled(self, on: bool) -> None:
        if self._setting == threading.get_ident():
            return
        if not on:
            self._lift()
            return
        heatmap = self._screen.heatmap
        scales = heatmap.points.pool.scales
        if self._brush is None:
            self.edges = [self._edge(name, words) for name, words in _EDGES]
            self.widget.children = [*self.edges, self.sentence]
            self._brush = BrushSelector(x_scale=scales["x"], y_scale=scales["y"], color=theme.ASKED_COLOUR)
            self._brush.observe(lambda change: self._attempt(lambda: self._drawn(change["new"])), "brushing")
            dark = bq.Lines(x=[], y=[], scales=scales, colors=[theme.OUTLINE], stroke_width=4)
            light = bq.Lines(x=[], y=[], scales=scales, colors=["#ffffff"], stroke_width=2, line_style="dashed")
            self._marks = [dark, light]
            heatmap.figure.marks = [*heatmap.figure.marks, *self._marks]
        whole = scales["x"].min, scales["x"].max, scales["y"].min, scales["y"].max
        self._fill(whole)
        heatmap.figure.interaction = self._brush
        self.widget.layout.display = None
        self._say(DRAW)

    def _drawn(self, under_way: bool) -> None:
        """The rectangle is done: it becomes a mark, and the layer that takes the clicks goes."""
        brush = self._brush
        if under_way or brush is None or brush.selected_x is None or brush.selected_y is None:
            return
        xs, ys = np.sort(np.asarray(brush.selected_x, float)), np.sort(np.asarray(brush.selected_y, float))
        if len(xs) == 2 and len(ys) == 2 and xs[1] > xs[0] and ys[1] > ys[0]:
            self._fill((xs[0], xs[1], ys[0], ys[1]))
            self._apply()

    def _typed(self) -> None:
        if self._setting != threading.get_ident() and self.toggle.value:
            self._apply()

    def _apply(self) -> None:
        left, right, lower, upper = (edge.value for edge in self.edges)
        pool, strategy = self._learner.data.unlabelled, self.lifted(self._learner.strategy)
        xy = self._screen.locate(pool.indices)
        inside = (xy[:, 0] >= left) & (xy[:, 0] <= right)
        if not self._screen.plane.is_line:
            inside &= (xy[:, 1] >= lower) & (xy[:, 1] <= upper)
        chosen = pool.indices[inside]
        own = strategy.restrictions.candidates
        if own is not None:
            chosen = chosen[np.isin(chosen, own)]
        if len(chosen) == 0:
            self._say("No point of the pool lies within: everything may still be asked." if self.candidates is None
                      else "No point of the pool lies within: the last rectangle still counts.")  # fmt: skip
            return
        self._draw((left, right, lower, upper))
        self._screen.heatmap.figure.interaction = None
        self.candidates = chosen
        try:
            give_strategy(self._learner, self.restricted(strategy))
        except LearnerBusyError:
            self._forget()
            raise

    def _lift(self) -> None:
        strategy = self.lifted(self._learner.strategy)
        was = self.candidates is not None
        self._forget()
        if was:
            give_strategy(self._learner, strategy)

    # --- following --------------------------------------------------------------------------------------------------

    def restricted(self, strategy: Strategy) -> Strategy:
        """A strategy that asks within the region, where there is one."""
        if self.candidates is None:
            return strategy
        self._before = strategy.restrictions.candidates
        within = self.candidates
        if self._before is not None:
            within = within[np.isin(within, self._before)]
        return strategy.within(candidates=within)

    def lifted(self, strategy: Strategy) -> Strategy:
        """The same without the region."""
        if self.candidates is None or not self._is_mine(strategy):
            return strategy
        other = copy.copy(strategy)
        other.restrictions = strategy.restrictions.with_(candidates=self._before)
        return other

    def _is_mine(self, strategy: Strategy) -> bool:
        theirs, mine = strategy.restrictions.candidates, self.candidates
        if mine is not None and self._before is not None:
            mine = mine[np.isin(mine, self._before)]
        return theirs is not None and mine is not None and np.array_equal(theirs, mine)

    def refresh(self) -> None:
        """Say how many may be asked; forget the region where the learner was given a strategy without it."""
        if self.candidates is None:
            return
        if not self._is_mine(self._learner.strategy):
            self._forget()
            return
        left = int(np.isin(self._learner.data.unlabelled.indices, self.candidates).sum())
        where = "within it" if len(self._marks[0].x) else "of a region on another plane"
        said = f"{in_number(left, 'point')} {where} may be asked."
        self._say(said if left else f"No point {where} is left: draw another, or take the region away.")

    def plane_changed(self) -> None:
        """The rectangle meant the former plane; the points in it still mean themselves."""
        self._draw(None)
        if self.toggle.value:
            scales = self._screen.heatmap.points.pool.scales
            self._fill((scales["x"].min, scales["x"].max, scales["y"].min, scales["y"].max))
        self.refresh()

    def _forget(self) -> None:
        self.candidates = self._before = None
        self._setting = threading.get_ident()
        try:
            self.toggle.value = False
        finally:
            self._setting = None
        self._screen.heatmap.figure.interaction = None
        self.widget.layout.display = "none"
        self._draw(None)

    def _fill(self, values: tuple[float, float, float, float]) -> None:
        self._setting = threading.get_ident()
        try:
            for edge, value in zip(self.edges, values, strict=True):
                edge.value = float(f"{value:.4g}")
        finally:
            self._setting = None

    def _draw(self, edges: tuple[float, float, float, float] | None) -> None:
        left, right, lower, upper = (0.0,) * 4 if edges is None else edges
        none = np.zeros(0, np.float32)
        for mark in self._marks:
            with mark.hold_sync():
                mark.x = none if edges is None else np.array([left, right, right, left, left], np.float32)
                mark.y = none if edges is None else np.array([lower, lower, upper, upper, lower], np.float32)

    def _say(self, words: str) -> None:
        self.sentence.value = f'<div role="status" aria-live="polite" style="color:{theme.FAINT_TEXT}">{words}</div>'

    def close(self) -> None:
        close_tree(self.widget, self.sentence, self.toggle, *([] if self._brush is None else [self._brush]))
