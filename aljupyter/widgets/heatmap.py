"""The left picture: a measure of what the model knows, over a plane (or a line), with the points on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import bqplot as bq
import ipywidgets as w
import numpy as np

from aljupyter.widgets import theme
from aljupyter.widgets.cleanup import close_tree
from aljupyter.widgets.frames import CLASSES, Curves, Heat, PlaneFrame
from aljupyter.widgets.pool import PoolMarks

_MARGIN = {"top": 8, "bottom": 46, "left": 62, "right": 78}
_NOTHING = np.zeros((1, 1), np.uint8)
_GREY = np.full((256, 3), 128, np.uint8)


class HeatmapView:
    """A palette picture under SVG points.

    bqplot's ``Image`` mark is repainted when it is given *another* image, so two are swapped: no widget is made in a
    round.

    Parameters
    ----------
    classes : sequence or None
        Original labels of the classes; None for regression.
    is_line : bool
        Whether the model has one input: then curves are drawn, and below them the heat as a curve of its own.
    """

    def __init__(self, classes: Sequence[Any] | None, is_line: bool = False):
        self._is_line = is_line
        self._n_pool = 0
        self._title = ""
        self._x = bq.LinearScale(min=0, max=1, allow_padding=False)
        self._y = bq.LinearScale(min=0, max=1, allow_padding=False)
        scales = {"x": self._x, "y": self._y}
        blank = theme.encode_png(_NOTHING, _GREY)
        self._images = [w.Image(value=blank, format="png") for _ in range(2)]
        self.image = bq.Image(image=self._images[0], scales=scales, pixelated=False, x=[0, 1], y=[0, 1])
        self.image.visible = False
        self.colours = bq.ColorScale(colors=theme.heat_colours(), min=0, max=1)
        self.points = PoolMarks(scales, classes)
        marks: list[bq.Mark] = [self.image]
        if is_line:
            colours = [theme.CURVE_COLOUR] if classes is None else [*map(theme.class_colour, range(len(classes)))]
            empty = np.zeros(0, np.float32)
            self.band = bq.Lines(
                x=empty, y=empty, scales=scales, colors=[theme.CURVE_COLOUR] * 2, fill="between",
                fill_colors=[theme.CURVE_COLOUR] * 2, fill_opacities=[0.2, 0.2], opacities=[0, 0], stroke_width=0,
            )  # fmt: skip
            self.lines = bq.Lines(x=empty, y=empty, scales=scales, colors=colours, stroke_width=2)
            # light on dark: its own heat lies behind it
            self.acquisition = [
                bq.Lines(x=empty, y=empty, scales=scales, colors=[colour], stroke_width=width)
                for colour, width in ((theme.OUTLINE, 4.5), ("#ffffff", 2))
            ]
            marks += [self.band, self.lines, *self.acquisition]
        style = {"label_color": theme.TEXT, "grid_lines": "none"}
        self._x_axis = bq.Axis(scale=self._x, label_offset="34px", **style)
        self._y_axis = bq.Axis(scale=self._y, side="left", label_offset="46px", **style)
        self._colour_axis = bq.ColorAxis(scale=self.colours, side="right", label_color=theme.TEXT)
        self._value_scale = bq.LinearScale(min=0, max=1, allow_padding=False)
        self._value_axis = bq.Axis(
            scale=self._value_scale, side="right", label_offset="46px", label_location="start", **style
        )
        beside = self._value_axis if is_line else self._colour_axis
        self.figure = bq.Figure(
            marks=marks + self.points.marks, axes=[self._x_axis, self._y_axis, beside],
            fig_margin=dict(_MARGIN), padding_x=0, padding_y=0, display_toolbar=False,
            layout=w.Layout(width="100%", height="420px", min_width="0"),
        )  # fmt: skip
        self.figure.add_class("al-heatmap")
        self._caption = w.HTML()
        self._legend = w.HTML()
        self._caption.add_class("al-heatmap-caption")
        self.widget = w.VBox(
            [self._caption, self.figure, self._legend], layout=w.Layout(flex="1 1 400px", min_width="320px")
        )

    def render(self, frame: PlaneFrame) -> None:
        self._n_pool = frame.n_pool
        _set_axis(self._x_axis, self._x, frame.x_limits, frame.x_label)
        low = frame.heat.y_extent[1] if self._is_line and frame.heat is not None else frame.y_limits[0]
        _set_axis(self._y_axis, self._y, frame.y_limits, frame.y_label, ticks_from=low)
        self._colour_axis.visible = frame.heat is not None
        if frame.heat is None:
            self.image.visible = False
        else:
            self._render_heat(frame.heat)
        if self._is_line:
            self._render_curves(frame.curves)
            self._render_acquisition(frame)
        self.points.render(frame)
        self._title = frame.heat.title if frame.heat is not None else "no heat"
        caption = f"<b>{escape(self._title)}</b>" if frame.heat is not None else ""
        if frame.message:
            caption += f' <span style="color:{theme.FAINT_TEXT}">{escape(frame.message)}</span>'
        set_traits(self._caption, value=caption)
        set_traits(self._legend, value=f'<div style="line-height:1.7">{self.points.legend(frame)}</div>')

    def _render_heat(self, heat: Heat) -> None:
        low, high = heat.limits
        levels = np.clip((heat.values_H_W - low) / (high - low) * 255, 0, 255).round().astype(np.uint8)
        # classes are told by the legend, in which their colours are named
        colours = theme.palette_of(heat.palette, len(self.points.classes or ()))
        self._colour_axis.visible = heat.palette != CLASSES
        self._images.reverse()
        # row 0 of a picture is its top
        self._images[0].value = theme.encode_png(levels[::-1], theme.heat_palette(*colours))
        with self.image.hold_sync():
            self.image.x, self.image.y = _float32(heat.x_extent), _float32(heat.y_extent)
            self.image.image = self._images[0]
            self.image.visible = True
        # ticks first: the colour axis is drawn anew when its scale changes, and only then
        set_ticks(self._colour_axis, theme.nice_ticks(low, high))
        set_traits(self.colours, colors=theme.heat_colours(16, *colours), min=heat.limits[0], max=heat.limits[1])

    def _render_acquisition(self, frame: PlaneFrame) -> None:
        """The heat of a line as a curve, with an axis of its own beside it."""
        heat = frame.heat
        x, y = (np.zeros(0), np.zeros(0)) if heat is None else heat.curve
        for line in self.acquisition:
            with line.hold_sync():
                line.x, line.y = _float32(x), _float32(y)
        self._value_axis.visible = heat is not None
        if heat is not None:
            ends = heat.scale_beside(frame.y_limits)
            set_traits(self._value_scale, min=ends[0], max=ends[1])
            set_traits(self._value_axis, label=theme.short(heat.title, 30))
            set_ticks(self._value_axis, theme.nice_ticks(*heat.limits, n=2))

    def _render_curves(self, curves: Curves | None) -> None:
        x: Any = []
        y: Any = []
        band: list[Any] = []
        if curves is not None:
            x, y = curves.x_N, curves.y_K_N
            band = [] if curves.lower_N is None else [curves.lower_N, curves.upper_N]
        with self.lines.hold_sync():
            self.lines.x, self.lines.y = _float32(x), _float32(y)
        with self.band.hold_sync():
            self.band.x, self.band.y = _float32(x if len(band) else []), _float32(band)

    def on_ask(self, point: Callable[[int], None], place: Callable[[float, float], None]) -> None:
        """Call ``point(index)`` when a person clicks a point, ``place(x, y)`` for any other place of the picture."""

        def clicked(_: bq.Image, event: dict[str, Any]) -> None:
            data = event.get("data", {})
            if "click_x" in data and "click_y" in data:
                place(float(data["click_x"]), float(data["click_y"]))

        self.points.on_point(point)
        self.image.on_element_click(clicked)

    def summary(self) -> str:
        """What is on the screen, in words; heat values are read back from the picture."""
        over = self._x_axis.label if self._is_line else f"{self._x_axis.label} and {self._y_axis.label}"
        if not self.image.visible:
            heat = f"No heatmap yet over {over}."
        else:
            low, high = self.colours.min, self.colours.max
            values = low + theme.decode_png(self.image.image.value) / 255 * (high - low)
            what = "Below the curves" if self._is_line else "Heatmap"
            heat = (
                f"{what}: {self._title} over {over}, from {theme.number(values.min())} to "
                f"{theme.number(values.max())}, mean {theme.number(values.mean())} ({_by_quarter(values)})."
            )
            if self._is_line:
                heat = f"{heat[:-1]}, highest at {theme.number(self._highest(values))}."
        return f"{heat}\n{self.points.summary(self._n_pool, self._is_line)}"

    def _highest(self, values_H_W: np.ndarray) -> float:
        """Where on the line the heat is highest."""
        left, right = (float(edge) for edge in self.image.x)
        return left + (int(values_H_W[0].argmax()) + 0.5) * (right - left) / values_H_W.shape[1]

    def close(self) -> None:
        close_tree(self.widget, *self._images, self._colour_axis, self._value_axis)


def _by_quarter(values_H_W: np.ndarray) -> str:
    """Where the heat is, in words: the mean of each quarter of the picture (of each half of a strip)."""
    height, width = values_H_W.shape
    rows = {"": slice(None)} if height < 2 else {"upper ": slice(height // 2), "lower ": slice(height // 2, None)}
    columns = {"left": slice(width // 2), "right": slice(width // 2, None)}
    return ", ".join(
        f"{row}{column} {theme.number(values_H_W[r, c].mean())}"
        for row, r in rows.items()
        for column, c in columns.items()
    )


def _float32(values: Any) -> np.ndarray:
    return np.asarray(values).astype(np.float32)  # a fresh array: bqplot sends nothing for one changed in place


def set_traits(widget: w.Widget, **values: Any) -> None:
    """Set traits whose value is another, in one message."""
    with widget.hold_sync():
        for name, value in values.items():
            if getattr(widget, name) != value:
                setattr(widget, name, value)


def set_ticks(axis: bq.Axis, ticks: np.ndarray) -> None:
    """Give an axis its ticks; the format goes first, as bqplot draws new ticks in the format that it has then."""
    if not np.array_equal(axis.tick_values, ticks):
        axis.tick_format = theme.tick_format(ticks)
        axis.tick_values = ticks


def _set_axis(
    axis: bq.Axis, scale: bq.LinearScale, limits: tuple[float, float], label: str, ticks_from: float | None = None
) -> None:
    set_traits(scale, min=limits[0], max=limits[1])
    set_traits(axis, label=theme.short(label))
    set_ticks(axis, theme.nice_ticks(limits[0] if ticks_from is None else ticks_from, limits[1]))
