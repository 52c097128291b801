"""The right picture: a metric over the number of labels, between its floor and its ceiling."""

from __future__ import annotations

from html import escape

import bqplot as bq
import ipywidgets as w
import numpy as np

from aljupyter.models.metrics import LOWER_IS_BETTER
from aljupyter.widgets import theme
from aljupyter.widgets.cleanup import close_tree
from aljupyter.widgets.frames import CurveFrame
from aljupyter.widgets.heatmap import set_ticks

_MARGIN = {"top": 8, "bottom": 46, "left": 62, "right": 16}


class CurveView:
    """The learning curve, the present model marked in red, with what all labels and no model would give."""

    def __init__(self) -> None:
        self._x = bq.LinearScale(min=0, max=1, allow_padding=False)
        self._y = bq.LinearScale(min=0, max=1, allow_padding=False)
        scales = {"x": self._x, "y": self._y}
        empty = np.zeros(0, np.float32)

        def level(colour: str) -> tuple[bq.Lines, bq.Label]:
            line = bq.Lines(x=empty, y=empty, scales=scales, colors=[colour], line_style="dashed", stroke_width=1.5)
            text = bq.Label(
                x=empty, y=empty, text=[], scales=scales, colors=[theme.TEXT], default_size=12, font_weight="normal",
                align="end", apply_clip=False,
            )  # fmt: skip
            return line, text

        self.ceiling, self._ceiling_text = level(theme.CEILING_COLOUR)
        self.floor, self._floor_text = level(theme.FLOOR_COLOUR)
        self.curve = bq.Lines(
            x=empty, y=empty, scales=scales, colors=[theme.CURVE_COLOUR], stroke_width=2, marker="circle",
            marker_size=22,
        )  # fmt: skip
        self.present = bq.Scatter(
            x=empty, y=empty, scales=scales, colors=[theme.ASKED_COLOUR], stroke=theme.OUTLINE, default_size=80,
            enable_hover=False, apply_clip=False,
        )  # fmt: skip
        style = {"label_color": theme.TEXT, "grid_lines": "none"}
        self._x_axis = bq.Axis(scale=self._x, label="labels", label_offset="34px", **style)
        self._y_axis = bq.Axis(scale=self._y, side="left", label_offset="46px", **style)
        self.figure = bq.Figure(
            marks=[self.ceiling, self.floor, self._ceiling_text, self._floor_text, self.curve, self.present],
            axes=[self._x_axis, self._y_axis], fig_margin=dict(_MARGIN), padding_x=0, padding_y=0,
            display_toolbar=False, layout=w.Layout(width="100%", height="420px", min_width="0"),
        )  # fmt: skip
        self.figure.add_class("al-curve")
        self._caption = w.HTML()
        self.widget = w.VBox([self._caption, self.figure], layout=w.Layout(flex="1 1 400px", min_width="320px"))

    def render(self, frame: CurveFrame) -> None:
        known = np.isfinite(frame.values)
        x, y = frame.n_labels[known].astype(np.float32), frame.values[known].astype(np.float32)
        self._scale(x, y, frame)
        with self.curve.hold_sync():
            self.curve.x, self.curve.y = x, y
        with self.present.hold_sync():
            self.present.x, self.present.y = (part.astype(np.float32) for part in frame.marked)
        name, up = frame.metric.replace("_", " "), 1
        if frame.metric in LOWER_IS_BETTER:
            name, up = f"{name} (lower is better)", -1
        ends = self._x.min, self._x.max
        # words stand outside the two lines, for the curve runs between them
        _level(self.ceiling, self._ceiling_text, ends, frame.ceiling, f"all {frame.n_train} labelled", -10 * up)
        _level(self.floor, self._floor_text, ends, frame.floor, "without a model", 10 * up)
        self._y_axis.label = name
        caption = "<b>learning curve</b>"
        if not len(x):
            caption += f' <span style="color:{theme.FAINT_TEXT}">no round with a value of {escape(name)} yet</span>'
        self._caption.value = caption

    def _scale(self, x: np.ndarray, y: np.ndarray, frame: CurveFrame) -> None:
        first = float(x[0]) if len(x) else 0.0
        last = float(x[-1]) if len(x) else 0.0
        # room ahead, so that the axis changes now and then and not with every round
        ahead = 10 * (int((last - first) / 10 * 1.25) + 1)
        values = np.array([*y, *(v for v in (frame.ceiling, frame.floor) if v is not None and np.isfinite(v))])
        low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
        pad = 0.08 * (high - low) or 0.05
        for axis, scale, limits, integer in (
            (self._x_axis, self._x, (first - 0.03 * ahead, first + ahead), True),
            (self._y_axis, self._y, (low - pad, high + pad), False),
        ):
            with scale.hold_sync():
                scale.min, scale.max = limits
            ticks = theme.nice_ticks(*limits, n=7 if integer else 5, integer=integer)
            set_ticks(axis, ticks)

    def summary(self) -> str:
        """What is on the screen, in words, read from the marks."""
        name = self._y_axis.label
        if not len(self.curve.x):
            parts = [f"Learning curve: no value of {name} yet"]
        else:
            x, y = self.curve.x, self.curve.y
            parts = [f"Learning curve: {name} {theme.number(y[-1])} at {int(x[-1])} labels"]
            if len(y) > 1:
                parts.append(f"{theme.number(y[0])} at {int(x[0])}, best {theme.number(self._best(y))}")
            shown = self.present
            if len(shown.x) and shown.x[0] != x[-1]:
                parts.append(f"shown is {theme.number(shown.y[0])} at {int(shown.x[0])}")
        for what, line in (("ceiling", self.ceiling), ("floor", self.floor)):
            if len(line.y):
                parts.append(f"{what} {theme.number(line.y[0])}")
        return "; ".join(parts) + "."

    def _best(self, y: np.ndarray) -> float:
        return float(y.min() if "lower is better" in self._y_axis.label else y.max())

    def close(self) -> None:
        close_tree(self.widget)


def _floats(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def _level(
    line: bq.Lines, text: bq.Label, ends: tuple[float, float], value: float | None, words: str, offset: int
) -> None:
    """Draw a horizontal line with its words at the right end, `offset` pixels below it; or nothing."""
    at = [] if value is None or not np.isfinite(value) else [float(value)]
    with line.hold_sync():
        line.x, line.y = _floats(*ends if at else ()), _floats(*at, *at)
    with text.hold_sync():
        text.x, text.y = _floats(*ends[1:] if at else ()), _floats(*at)
        text.text, text.y_offset = [f"{words}: {theme.number(level)}" for level in at], offset
