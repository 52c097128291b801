"""The learning curve: a metric over the number of labels, between its floor and its ceiling, beside other loops."""

from __future__ import annotations

from html import escape

import bqplot as bq
import ipywidgets as w
import numpy as np

from aljupyter.models.metrics import LOWER_IS_BETTER
from aljupyter.records import in_number
from aljupyter.widgets import theme
from aljupyter.widgets.cleanup import close_tree
from aljupyter.widgets.curves import CurveBand, CurveFrame
from aljupyter.widgets.heatmap import set_ticks

_MARGIN = {"top": 8, "bottom": 46, "left": 62, "right": 16}


class CurveView:
    """The learning curve, the present model marked in red, with what all labels and no model would give.

    Parameters
    ----------
    log : bool
        Whether the axis of the metric is logarithmic: values that are not positive are left out then, and said so.
    """

    def __init__(self, log: bool = False) -> None:
        self._log = log
        self._x = bq.LinearScale(min=0, max=1, allow_padding=False)
        kind = bq.LogScale if log else bq.LinearScale
        self._y = kind(min=0.1, max=1, allow_padding=False)
        self._scales = scales = {"x": self._x, "y": self._y}
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
        self.curve = bq.Lines(x=empty, y=empty, scales=scales, colors=[theme.CURVE_COLOUR], stroke_width=2)
        self._tip = bq.Tooltip(fields=["x", "y"], labels=["labels", ""], formats=["", ".4g"])
        self.rounds = bq.Scatter(
            x=empty, y=empty, scales=scales, colors=[theme.CURVE_COLOUR], default_size=22, tooltip=self._tip,
        )  # fmt: skip
        self.present = bq.Scatter(
            x=empty, y=empty, scales=scales, colors=[theme.ASKED_COLOUR], stroke=theme.OUTLINE, default_size=80,
            tooltip=self._tip, apply_clip=False,
        )  # fmt: skip
        self._beside: list[tuple[bq.Lines, bq.Lines]] = []
        style = {"label_color": theme.TEXT, "grid_lines": "none"}
        self._x_axis = bq.Axis(scale=self._x, label="labels", label_offset="34px", **style)
        self._y_axis = bq.Axis(scale=self._y, side="left", label_offset="46px", **style)
        self.figure = bq.Figure(
            marks=[
                self.ceiling, self.floor, self._ceiling_text, self._floor_text, self.curve, self.rounds, self.present,
            ],
            axes=[self._x_axis, self._y_axis], fig_margin=dict(_MARGIN), padding_x=0, padding_y=0,
            display_toolbar=False, layout=w.Layout(width="100%", height="420px", min_width="0"),
        )  # fmt: skip
        self.figure.add_class("al-curve")
        self._caption = w.HTML()
        self.widget = w.VBox([self.figure, self._caption], layout=w.Layout(width="100%"))
        self._bands: tuple[CurveBand, ...] = ()

    def render(self, frame: CurveFrame) -> None:
        can = np.isfinite(frame.values) & ((frame.values > 0) | (not self._log))
        x, y = frame.x_N[can].astype(np.float32), frame.values[can].astype(np.float32)
        self._scale(x, y, frame)
        for mark in (self.curve, self.rounds):
            with mark.hold_sync():
                mark.x, mark.y = x, y
        marked = frame.marked if not self._log or (frame.marked[1] > 0).all() else (np.zeros(0), np.zeros(0))
        with self.present.hold_sync():
            self.present.x, self.present.y = (part.astype(np.float32) for part in marked)
        self._draw_beside(frame.bands)
        name, up = frame.metric.replace("_", " "), 1
        if frame.metric in LOWER_IS_BETTER:
            name, up = f"{name} (lower is better)", -1
        ends = self._x.min, self._x.max
        # words stand outside the two lines, for the curve runs between them
        _level(
            self.ceiling, self._ceiling_text, ends, self._can(frame.ceiling), f"all {frame.n_train} labelled", -10 * up
        )
        _level(self.floor, self._floor_text, ends, self._can(frame.floor), "without a model", 10 * up)
        self._y_axis.label, self._x_axis.label = name, frame.over
        labels = [frame.over, frame.metric.replace("_", " ")]
        if self._tip.labels != labels:
            self._tip.labels = labels
        self._caption.value = self._words(frame, len(x), int(np.isfinite(frame.values).sum()), name)

    def _can(self, value: float | None) -> float | None:
        """A level, where it can be drawn."""
        return None if value is None or (self._log and value <= 0) else value

    def _words(self, frame: CurveFrame, n_drawn: int, n_known: int, name: str) -> str:
        parts = []
        if not n_known:
            parts.append(f'<span style="color:{theme.FAINT_TEXT}">no round with a value of {escape(name)} yet</span>')
        elif n_drawn < n_known:
            left_out = f"{in_number(n_known - n_drawn, 'value')} not above 0 left out of the logarithmic axis"
            parts.append(f'<span style="color:{theme.FAINT_TEXT}">{left_out}</span>')
        for k, band in enumerate(frame.bands):
            of = f"mean of {in_number(band.n_loops, 'loop')}, ± one deviation" if band.n_loops > 1 else "one loop"
            parts.append(f'<span style="color:{theme.band_colour(k)}">▬</span> {escape(theme.short(band.name))} ({of})')
        return "".join(f'<span style="margin-right:12px">{part}</span>' for part in parts)

    def _draw_beside(self, bands: tuple[CurveBand, ...]) -> None:
        """Each as a line, and a band of one deviation to either side."""
        self._bands = bands
        while len(self._beside) < len(bands):
            colour, empty = theme.band_colour(len(self._beside)), np.zeros(0, np.float32)
            band = bq.Lines(
                x=empty, y=empty, scales=self._scales, colors=[colour] * 2, fill="between", fill_colors=[colour] * 2,
                fill_opacities=[0.2, 0.2], opacities=[0, 0], stroke_width=0,
            )  # fmt: skip
            line = bq.Lines(x=empty, y=empty, scales=self._scales, colors=[colour], line_style="dash_dotted")
            self._beside.append((band, line))
            self.figure.marks = [band, line, *self.figure.marks]  # below the curve
        for k, (band, line) in enumerate(self._beside):
            x = mean = spread = np.zeros(0)
            if k < len(bands):
                x, mean, spread = bands[k].x_N, bands[k].mean_N, bands[k].spread_N
            lower = np.maximum(mean - spread, self._y.min) if self._log else mean - spread
            with line.hold_sync():
                line.x, line.y = _floats(*x), _floats(*mean)
            with band.hold_sync():
                band.x = _floats(*x)
                band.y = np.array([lower, mean + spread], np.float32) if len(x) else _floats()

    def _scale(self, x: np.ndarray, y: np.ndarray, frame: CurveFrame) -> None:
        first = float(x[0]) if len(x) else 0.0
        last = max([float(x[-1]) if len(x) else 0.0, *(float(band.x_N[-1]) for band in frame.bands)])
        # room ahead, so that the axis changes now and then and not with every round
        ahead = 10 * (int((last - first) / 10 * 1.25) + 1)
        beside = [v for band in frame.bands for v in (*(band.mean_N - band.spread_N), *(band.mean_N + band.spread_N))]
        ends = [v for v in (frame.ceiling, frame.floor) if v is not None and np.isfinite(v)]
        values = np.array([*y, *ends, *beside])
        if self._log:
            values = values[values > 0]
        low, high = (float(values.min()), float(values.max())) if len(values) else (0.1 if self._log else 0.0, 1.0)
        if self._log:
            by = (high / low) ** 0.08 if high > low else 1.2
            limits = low / by, high * by
        else:
            pad = 0.08 * (high - low) or 0.05
            limits = low - pad, high + pad
        for scale, (lower, upper) in ((self._x, (first - 0.03 * ahead, first + ahead)), (self._y, limits)):
            with scale.hold_sync():
                scale.min, scale.max = lower, upper
        set_ticks(self._x_axis, theme.nice_ticks(self._x.min, self._x.max, n=7, integer=True))
        set_ticks(self._y_axis, theme.log_ticks(*limits) if self._log else theme.nice_ticks(*limits))

    def summary(self) -> str:
        """What is on the screen, in words, read from the marks."""
        name = self._y_axis.label
        if not len(self.curve.x):
            parts = [f"Learning curve: no value of {name} yet"]
        else:
            x, y = self.curve.x, self.curve.y
            parts = [f"Learning curve: {name} {theme.number(y[-1])} at {int(x[-1])} {self._x_axis.label}"]
            if len(y) > 1:
                parts.append(f"{theme.number(y[0])} at {int(x[0])}, best {theme.number(self._best(y))}")
            shown = self.present
            if len(shown.x) and shown.x[0] != x[-1]:
                parts.append(f"shown is {theme.number(shown.y[0])} at {int(shown.x[0])}")
            parts += [f"{band.name} {theme.number(band.mean_N[-1])}" for band in self._bands]
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
