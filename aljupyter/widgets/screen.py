"""The two panes of an Explorer, and what they show: a moment, by the measure and the view chosen."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import ipywidgets as w
import numpy as np
from torch import Tensor

from aljupyter.widgets import frames, static
from aljupyter.widgets.cleanup import close_tree
from aljupyter.widgets.frames import Moment
from aljupyter.widgets.heatmap import HeatmapView
from aljupyter.widgets.pane import RightFrame, RightPane
from aljupyter.widgets.planes import Plane


@dataclass(frozen=True)
class Look:
    """What is to be shown.

    Attributes
    ----------
    moment : Moment
    message : str
        Said beside the heat.
    whole : Moment
        The present, whose history the learning curve shows.
    at : int or None
        Which round the moment is; None for the present.
    key : hashable or None
        What the model's picture is remembered by; None where it is not to be.
    against : Against or None
        The round that it is compared with.
    """

    moment: Moment
    message: str
    whole: Moment
    at: int | None = None
    key: Hashable = None
    against: frames.Against | None = None


class Screen:
    """Heatmap beside the right pane. It reads a moment once (:meth:`look`) and draws it as often as asked.

    One thread draws at a time: ipywidgets gathers changes in one place a widget, and two writers would mix theirs.

    Parameters
    ----------
    data : DataManager
    measures : mapping of str to Measure or Field
        What the heatmap can show.
    measure : str
        What it shows now.
    plane : Plane
    grid : int
        Cells along an axis.
    right : RightPane
    """

    def __init__(
        self,
        data: Any,
        measures: Mapping[str, frames.Shown],
        measure: str,
        plane: Plane,
        grid: int,
        right: RightPane,
    ):
        self.measure, self.right = measure, right
        self._data, self._measures, self._grid = data, measures, grid
        self._classes = data.classes if data.n_classes else None
        self._lock = threading.RLock()
        self._look: Look | None = None
        self._frames: tuple[frames.PlaneFrame, RightFrame] | None = None
        self.plane = plane
        self.heatmap = HeatmapView(self._classes, is_line=plane.is_line)
        self.widget = w.HBox([self.heatmap.widget, right.widget], layout=w.Layout(flex_flow="row wrap", width="100%"))

    @property
    def plane(self) -> Plane:
        return self._painter.plane

    @plane.setter
    def plane(self, plane: Plane) -> None:
        """Takes effect with the next :meth:`look`."""
        self._painter = frames.Painter(self._data, plane, self._grid)

    def look(self, look: Look) -> None:
        """Take in a moment, and draw it. Its model is asked about the grid here, and not again."""
        with self._lock:
            self._painter.look(look.moment.model, look.key, lasts=look.at is not None)
            self._look, self._looked_by = look, self._painter
            self.draw()

    def draw(self) -> None:
        """Draw the moment that was last looked at; nothing before the first."""
        with self._lock:
            look = self._look
            if look is None:
                return
            measure = self._measures[self.measure]
            plane = self._looked_by.frame(look.moment, measure, self.measure, look.message, look.against)
            self.heatmap.render(plane)
            self.right.draw(look.moment, look.whole, look.at)
            assert self.right.frame is not None
            self._frames = plane, self.right.frame

    def draw_right(self) -> None:
        """Draw the right pane anew: the left one shows what it showed."""
        with self._lock:
            look = self._look
            if look is not None and self._frames is not None:
                self.right.draw(look.moment, look.whole, look.at)
                assert self.right.frame is not None
                self._frames = self._frames[0], self.right.frame

    def locate(self, indices: Any) -> np.ndarray:
        """Where points of the dataset lie on the picture, shape (N, 2)."""
        return self._looked_by.plane.locate(self._data, indices)

    def inputs_at(self, x: float, y: float) -> Tensor:
        """The model's inputs at a place of the picture, shape (D,)."""
        return self._looked_by.plane.at(np.array([[x, y]]))[0]

    def point_near(self, x: float, y: float, near: float) -> int | None:
        """The index of a drawn point within a share of the axes of a place; None where there is none.

        Where places of the plane stand for the points nearest to them, that is the one.
        """
        nearest = self._looked_by.plane.nearest(np.array([[x, y]]))
        if nearest is not None:
            return int(nearest[0])
        with self._lock:
            if self._frames is None:
                return None
            frame = self._frames[0]
        drawn = [part for part in (frame.candidates, frame.asked, frame.labelled, frame.pool) if len(part)]
        if not drawn:
            return None
        indices, xy = np.concatenate([part.indices for part in drawn]), np.concatenate([part.xy for part in drawn])
        spans = [high - low for low, high in (frame.x_limits, frame.y_limits)]
        distance = np.hypot((xy[:, 0] - x) / spans[0], (xy[:, 1] - y) / spans[1])
        best = int(distance.argmin())
        return int(indices[best]) if distance[best] <= near else None

    def summary(self) -> str:
        """What is on the screen, in words."""
        with self._lock:
            return f"{self.heatmap.summary()}\n{self.right.summary()}"

    def picture(self, title: str) -> bytes | None:
        """What is on the screen, as a PNG; None before anything is."""
        with self._lock:
            return None if self._frames is None else static.picture(*self._frames, self._classes, title)

    def close(self) -> None:
        with self._lock:
            self._look = None  # whoever draws after this draws nothing
            self.heatmap.close()
            self.right.close()
            close_tree(self.widget)
