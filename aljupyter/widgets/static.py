"""The Explorer as one still picture, for notebooks read without a kernel.

matplotlib's object API only: pyplot keeps figures in a state of its own, and is not for threads.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from aljupyter.models.metrics import LOWER_IS_BETTER
from aljupyter.widgets import theme
from aljupyter.widgets.curves import CurveFrame
from aljupyter.widgets.diagnostics import Calibration, Confusion, DiagnosticFrame, Parity
from aljupyter.widgets.frames import CLASSES, PlaneFrame

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKERS = {"square": "s", "circle": "o", "triangle-up": "^", "diamond": "D", "triangle-down": "v"}


def picture(
    plane: PlaneFrame, right: CurveFrame | DiagnosticFrame, classes: Sequence[Any] | None, status: str = ""
) -> bytes:
    """A PNG of both pictures side by side, with the status line above them."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.6), dpi=80, layout="constrained")
    FigureCanvasAgg(figure)
    left_axes, right_axes = figure.subplots(1, 2)
    # a dollar sign in a label or a feature name is not mathematics
    figure.suptitle(status, fontsize=10, parse_math=False)
    _draw_plane(figure, left_axes, plane, classes)
    if isinstance(right, CurveFrame):
        _draw_curve(right_axes, right)
    else:
        _draw_diagnostic(right_axes, right)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _draw_plane(figure: Figure, axes: Axes, frame: PlaneFrame, classes: Sequence[Any] | None) -> None:
    from matplotlib.colors import ListedColormap

    if frame.heat is not None:
        heat = frame.heat
        low, high = heat.limits
        palette = theme.heat_palette(*theme.palette_of(heat.palette, 0 if classes is None else len(classes)))
        colours = ListedColormap(palette / 255)
        image = axes.imshow(
            heat.values_H_W, origin="lower", extent=(*heat.x_extent, *heat.y_extent), aspect="auto",
            cmap=colours, vmin=low, vmax=high,
        )  # fmt: skip
        if frame.curves is not None:
            _draw_acquisition(axes, frame)
        elif heat.palette != CLASSES:  # these are named in the legend
            figure.colorbar(image, ax=axes).set_label(heat.title, parse_math=False)
    if frame.curves is not None:
        for code, y in enumerate(frame.curves.y_K_N):
            axes.plot(frame.curves.x_N, y, color=theme.CURVE_COLOUR if classes is None else theme.class_colour(code))
        if frame.curves.lower_N is not None and frame.curves.upper_N is not None:
            axes.fill_between(
                frame.curves.x_N, frame.curves.lower_N, frame.curves.upper_N, color=theme.CURVE_COLOUR, alpha=0.2, lw=0
            )

    def scatter(points: np.ndarray, size: float, colour: str, **style: Any) -> None:
        axes.scatter(points[:, 0], points[:, 1], s=size, c=colour, **{"edgecolors": theme.OUTLINE, **style})

    scatter(frame.pool.xy, 6, theme.POOL_COLOUR, linewidths=0.4, label=f"pool ({frame.n_pool})")
    if classes is None:
        scatter(frame.labelled.xy, 36, theme.VALUE_COLOUR, label="labelled")
    for code, name in enumerate(classes if classes is not None else ()):
        marker, colour = _MARKERS[theme.class_shape(code)], theme.class_colour(code)
        scatter(frame.labelled.xy[frame.labels == code], 36, colour, marker=marker, label=_plain(name))
    scatter(frame.asked.xy, 130, "none", edgecolors=theme.ASKED_COLOUR, linewidths=2, label="just asked")
    scatter(frame.candidates.xy, 70, "white", marker="P", label="next")
    axes.set(xlim=frame.x_limits, ylim=frame.y_limits)
    if frame.curves is not None and frame.heat is not None:  # what lies below has an axis of its own
        axes.set_yticks(theme.nice_ticks(frame.heat.y_extent[1], frame.y_limits[1]))
    axes.set_xlabel(theme.short(frame.x_label), parse_math=False)
    axes.set_ylabel(theme.short(frame.y_label), parse_math=False)
    axes.set_title(frame.message, fontsize=9, parse_math=False)
    axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=4, frameon=False)


def _draw_acquisition(axes: Axes, frame: PlaneFrame) -> None:
    """The heat of a line as a curve, with an axis of its own."""
    heat = frame.heat
    assert heat is not None
    for colour, width in ((theme.OUTLINE, 3), ("white", 1.5)):
        axes.plot(*heat.curve, color=colour, lw=width)
    (low, high), (bottom, top) = heat.limits, heat.y_extent
    slope = (high - low) / (top - bottom)

    def value(y: Any) -> Any:
        return low + (y - bottom) * slope

    def place(v: Any) -> Any:
        return bottom + (v - low) / slope

    beside = axes.secondary_yaxis("right", functions=(value, place))
    beside.set_yticks(theme.nice_ticks(low, high, n=2))
    beside.set_ylabel(heat.title, parse_math=False)


def _plain(name: Any) -> str:
    """A class name as legend text: matplotlib leaves out labels that begin with an underscore, and reads $ as maths."""
    return f" {theme.short(name)}".replace("$", r"\$")


def _draw_curve(axes: Axes, frame: CurveFrame) -> None:
    from matplotlib.ticker import MaxNLocator

    known = np.isfinite(frame.values)
    for k, band in enumerate(frame.bands):
        lower, upper, colour = band.mean_N - band.spread_N, band.mean_N + band.spread_N, theme.band_colour(k)
        axes.fill_between(band.x_N, lower, upper, color=colour, alpha=0.2, lw=0)
        axes.plot(band.x_N, band.mean_N, "-.", color=colour, label=f"{_plain(band.name)}, {band.n_loops} loops")
    axes.plot(frame.x_N[known], frame.values[known], color=theme.CURVE_COLOUR, marker="o", ms=3)
    axes.plot(*frame.marked, "o", color=theme.ASKED_COLOUR, mec=theme.OUTLINE)
    for value, colour, words in (
        (frame.ceiling, theme.CEILING_COLOUR, f"all {frame.n_train} labelled"),
        (frame.floor, theme.FLOOR_COLOUR, "without a model"),
    ):
        if value is not None and np.isfinite(value):
            axes.axhline(value, color=colour, ls="--", label=f"{words}: {theme.number(value)}")
    name = frame.metric.replace("_", " ")
    axes.set(xlabel=frame.over, ylabel=f"{name} (lower is better)" if frame.metric in LOWER_IS_BETTER else name)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if frame.ceiling is not None or frame.floor is not None or frame.bands:
        axes.legend(fontsize=8, frameon=False)


def _draw_diagnostic(axes: Axes, frame: DiagnosticFrame) -> None:
    shown = frame.shown
    axes.set_title(f"{frame.view}: {frame.message}", fontsize=9, parse_math=False)
    if isinstance(shown, Calibration):
        axes.axline((0, 0), (1, 1), color=theme.FLOOR_COLOUR, ls="--")
        axes.plot(shown.said_B, shown.true_B, color=theme.CURVE_COLOUR, marker="o", ms=3)
        words = ("held", "is held") if shown.is_interval else ("probability of the predicted class", "share right")
        axes.set(xlabel=words[0], ylabel=words[1], xlim=(0, 1), ylim=(0, 1))
    elif isinstance(shown, Parity):
        axes.axline((shown.measured_N[0],) * 2, slope=1, color=theme.FLOOR_COLOUR, ls="--")
        axes.scatter(shown.measured_N, shown.predicted_N, s=12, c=theme.CURVE_COLOUR)
        axes.set(xlabel="measured", ylabel="predicted")
    elif isinstance(shown, Confusion):
        counts = shown.counts_C_C
        axes.imshow(counts / np.maximum(1, counts.sum(1, keepdims=True)), cmap="Blues", vmin=0, vmax=1.3)
        if len(counts) <= 12:
            for (row, column), count in np.ndenumerate(counts):
                axes.text(column, row, str(count), ha="center", va="center", fontsize=8)
            names = [_plain(name) for name in shown.classes]
            axes.set_xticks(range(len(names)), names, rotation=30, ha="right", fontsize=8)
            axes.set_yticks(range(len(names)), names, fontsize=8)
        axes.set(xlabel="predicted", ylabel="true")
    elif shown is not None and shown.edges is not None:
        axes.stairs(shown.counts_B, shown.edges, fill=True, color=theme.CURVE_COLOUR)
        axes.set(xlabel="label", ylabel="labels")
    elif shown is not None:
        colours = [theme.class_colour(code) for code in range(len(shown.counts_B))]
        axes.barh([_plain(name) for name in shown.classes], shown.counts_B, color=colours)
        axes.set_xlabel("labels")
