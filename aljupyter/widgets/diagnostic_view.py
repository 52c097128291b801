"""The views beside the learning curve: calibration, confusion matrix, predicted against measured, labels so far."""

from __future__ import annotations

from html import escape
from typing import Any

import bqplot as bq
import ipywidgets as w
import numpy as np

from aljupyter.widgets import theme
from aljupyter.widgets.cleanup import close_tree
from aljupyter.widgets.diagnostics import Calibration, Confusion, DiagnosticFrame, LabelCounts, Parity
from aljupyter.widgets.heatmap import set_ticks

_MARGIN = {"top": 8, "bottom": 46, "left": 62, "right": 16}
MOST_CLASSES = 30  # of a confusion matrix; the rest is counted


class DiagnosticView:
    """A figure, or a table where that says more."""

    def __init__(self) -> None:
        self._x = bq.LinearScale(min=0, max=1, allow_padding=False)
        self._y = bq.LinearScale(min=0, max=1, allow_padding=False)
        scales = {"x": self._x, "y": self._y}
        none = np.zeros(0, np.float32)
        self.diagonal = bq.Lines(
            x=none, y=none, scales=scales, colors=[theme.FLOOR_COLOUR], line_style="dashed", stroke_width=1.5
        )
        self.line = bq.Lines(x=none, y=none, scales=scales, colors=[theme.CURVE_COLOUR], stroke_width=2)
        self._tip = bq.Tooltip(fields=["x", "y"], labels=["", ""], formats=[".4g", ".4g"])
        self.dots = bq.Scatter(
            x=none, y=none, scales=scales, colors=[theme.CURVE_COLOUR], default_size=36, tooltip=self._tip
        )
        self.bars = bq.Bars(x=none, y=none, scales=scales, colors=[theme.CURVE_COLOUR], padding=0.05)
        style = {"label_color": theme.TEXT, "grid_lines": "none"}
        self._x_axis = bq.Axis(scale=self._x, label_offset="34px", **style)
        self._y_axis = bq.Axis(scale=self._y, side="left", label_offset="46px", **style)
        self.figure = bq.Figure(
            marks=[self.bars, self.diagonal, self.line, self.dots], axes=[self._x_axis, self._y_axis],
            fig_margin=dict(_MARGIN), padding_x=0, padding_y=0, display_toolbar=False,
            layout=w.Layout(width="100%", height="420px", min_width="0"),
        )  # fmt: skip
        self.figure.add_class("al-diagnostic")
        self.table = w.HTML(layout=w.Layout(max_height="420px", overflow="auto"))
        self.table.add_class("al-diagnostic-table")
        self._caption = w.HTML()
        self.widget = w.VBox([self.figure, self.table, self._caption], layout=w.Layout(width="100%"))
        self._said = ""

    def render(self, frame: DiagnosticFrame) -> None:
        shown = frame.shown
        drawn = isinstance(shown, Calibration | Parity) or (isinstance(shown, LabelCounts) and not shown.classes)
        self.figure.layout.display = None if drawn else "none"
        self.table.layout.display = "none" if drawn else None
        self._caption.value = f'<span style="color:{theme.FAINT_TEXT}">{escape(frame.message)}</span>'
        if shown is None:
            self.table.value, self._said = "", frame.message
        elif isinstance(shown, Calibration):
            self._calibration(shown)
        elif isinstance(shown, Confusion):
            self.table.value, self._said = _confusion_table(shown), _confusion_words(shown)
        elif isinstance(shown, Parity):
            self._parity(shown)
        else:
            self._labels(shown)

    def _calibration(self, shown: Calibration) -> None:
        words = (
            ("share of labels that an interval should hold", "share that it holds")
            if shown.is_interval
            else ("probability of the predicted class", "share of right predictions")
        )
        start = 0.0 if shown.is_interval else float(min(0.5, *shown.said_B, *shown.true_B))
        ends = (start, 1.0), (0.0 if shown.is_interval else start, 1.0)
        self._draw(ends, words, line=(shown.said_B, shown.true_B), diagonal=True)
        self._said = _calibration_words(shown)

    def _parity(self, shown: Parity) -> None:
        both = np.concatenate([shown.measured_N, shown.predicted_N])
        pad = 0.05 * float(np.ptp(both)) or 0.5
        ends = float(both.min()) - pad, float(both.max()) + pad
        words = "measured", "predicted"
        self._draw((ends, ends), words, dots=(shown.measured_N, shown.predicted_N), diagonal=True)
        self._said = _parity_words(shown)

    def _labels(self, shown: LabelCounts) -> None:
        self._said = _counts_words(shown)
        if shown.edges is None:
            self.table.value = _counts_table(shown)
            return
        middle, most = (shown.edges[1:] + shown.edges[:-1]) / 2, float(shown.counts_B.max())
        ends = (float(shown.edges[0]), float(shown.edges[-1])), (0.0, 1.05 * most)
        self._draw(ends, ("label", "labels"), bars=(middle, shown.counts_B.astype(float)))

    def _draw(
        self,
        ends: tuple[tuple[float, float], tuple[float, float]],
        words: tuple[str, str],
        line: Any = ((), ()),
        dots: Any = ((), ()),
        bars: Any = ((), ()),
        diagonal: bool = False,
    ) -> None:
        for axis, scale, (low, high), word in zip(
            (self._x_axis, self._y_axis), (self._x, self._y), ends, words, strict=True
        ):
            with scale.hold_sync():
                scale.min, scale.max = low, high
            axis.label = word
            set_ticks(axis, theme.nice_ticks(low, high, integer=word == "labels"))
        low, high = max(e[0] for e in ends), min(e[1] for e in ends)
        across = ([low, high], [low, high]) if diagonal else ((), ())
        for mark, (x, y) in (
            (self.diagonal, across),
            (self.line, line),
            (self.dots, dots if len(dots[0]) else line),
            (self.bars, bars),
        ):
            with mark.hold_sync():
                mark.x, mark.y = np.array(x, np.float32), np.array(y, np.float32)
        if self._tip.labels != list(words):
            self._tip.labels = list(words)

    def summary(self) -> str:
        """What is on the screen, in words."""
        return self._said

    def close(self) -> None:
        close_tree(self.widget)


def _calibration_words(shown: Calibration) -> str:
    if shown.is_interval:
        held = float(np.interp(0.95, shown.said_B, shown.true_B))
        return f"Calibration: 95% intervals hold {held:.0%} of the labels."
    gap = float(np.average(np.abs(shown.said_B - shown.true_B), weights=shown.count_B))
    pairs = ", ".join(f"{t:.2f} where it says {s:.2f}" for s, t in zip(shown.said_B, shown.true_B, strict=True))
    return f"Calibration: right in {pairs}; mean gap {theme.number(gap)}."


def _parity_words(shown: Parity) -> str:
    rmse = float(np.sqrt(np.mean((shown.measured_N - shown.predicted_N) ** 2)))
    out = int((np.abs(shown.measured_N - shown.predicted_N) > 2 * shown.std_N).sum())
    return (
        f"Predicted against measured: {len(shown.measured_N)} points, rmse {theme.number(rmse)}, "
        f"{out} further off than two deviations."
    )


def _confusion_words(shown: Confusion) -> str:
    counts, names = shown.counts_C_C, shown.classes
    right = int(np.trace(counts))
    wrong = counts - np.diag(np.diag(counts))
    order = [k for k in np.argsort(-wrong, axis=None, kind="stable")[:3] if wrong.flat[k]]
    pairs = (divmod(int(k), len(counts)) for k in order)
    most = ", ".join(f"{wrong[i, j]} {names[i]} taken for {names[j]}" for i, j in pairs)
    return f"Confusion matrix: {right} of {int(counts.sum())} right{f'; {most}' if most else ''}."


def _counts_words(shown: LabelCounts) -> str:
    if shown.edges is None:
        said = ", ".join(f"{n} {name}" for n, name in zip(shown.counts_B, shown.classes, strict=True))
        return f"Labels so far: {said}."
    low, high = theme.number(float(shown.edges[0])), theme.number(float(shown.edges[-1]))
    return f"Labels so far: {int(shown.counts_B.sum())} from {low} to {high}."


def _confusion_table(shown: Confusion) -> str:
    """Counts, shaded by the share of their row; true classes down, predicted ones across."""
    names = [escape(theme.short(name, 16)) for name in shown.classes[:MOST_CLASSES]]
    cell = "padding:3px 8px;text-align:right"
    head = "".join(f'<th scope="col" style="{cell}">{name}</th>' for name in names)
    rows = []
    for k, name in enumerate(names):
        row = shown.counts_C_C[k, : len(names)]
        shares = row / max(1, shown.counts_C_C[k].sum())
        cells = "".join(
            f'<td style="{cell};background:rgba(33,134,196,{0.75 * share:.2f});'
            f'{"font-weight:bold" if j == k else ""}">{count}</td>'
            for j, (count, share) in enumerate(zip(row, shares, strict=True))
        )
        rows.append(f'<tr><th scope="row" style="{cell}">{name}</th>{cells}</tr>')
    more = len(shown.classes) - len(names)
    rest = f"<div>and {more} more classes</div>" if more > 0 else ""
    return (
        f'<table style="border-collapse:collapse;line-height:1.5;margin:8px"><caption>true class down, predicted '
        f"across</caption><tr><td></td>{head}</tr>{''.join(rows)}</table>{rest}"
    )


def _counts_table(shown: LabelCounts) -> str:
    """A bar a class."""
    most = max(1, int(shown.counts_B.max()))
    rows = "".join(
        f'<tr><th scope="row" style="padding:2px 8px;text-align:right">{escape(theme.short(name, 24))}</th>'
        f'<td style="text-align:right">{count}</td><td style="padding-left:8px"><div style="height:12px;'
        f'width:{round(220 * count / most)}px;background:{theme.class_colour(code)}"></div></td></tr>'
        for code, (count, name) in enumerate(zip(shown.counts_B, shown.classes, strict=True))
    )
    return f'<table style="line-height:1.4;margin:8px">{rows}</table>'
