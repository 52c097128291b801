"""Points of the dataset as marks over the heatmap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import bqplot as bq
import numpy as np

from aljupyter.widgets import theme
from aljupyter.widgets.frames import PlaneFrame, Points

_SYMBOLS = {
    "square": '<rect x="2" y="2" width="10" height="10"/>',
    "circle": '<circle cx="7" cy="7" r="5.5"/>',
    "triangle-up": '<path d="M7 1.5 L13 12 L1 12 Z"/>',
    "triangle-down": '<path d="M7 12.5 L13 2 L1 2 Z"/>',
    "diamond": '<path d="M7 0.5 L13 7 L7 13.5 L1 7 Z"/>',
    "cross": '<path d="M5 1h4v4h4v4h-4v4h-4v-4h-4v-4h4z"/>',
}


def _symbol(shape: str, fill: str, stroke: str = theme.OUTLINE, width: float = 1.0) -> str:
    return (
        f'<svg width="14" height="14" viewBox="0 0 14 14" style="vertical-align:-2px" aria-hidden="true" '
        f'fill="{fill}" stroke="{stroke}" stroke-width="{width}">{_SYMBOLS[shape]}</svg>'
    )


class PoolMarks:
    """Labelled points by class (colour and shape), the pool, the last query and the next one.

    Parameters
    ----------
    scales : dict
        The figure's ``x`` and ``y``.
    classes : sequence or None
        Original labels of the classes; None for regression.
    """

    def __init__(self, scales: dict[str, Any], classes: Sequence[Any] | None):
        self.classes = None if classes is None else [str(name) for name in classes]

        def scatter(**style: Any) -> bq.Scatter:
            return bq.Scatter(x=_empty(), y=_empty(), scales=scales, enable_hover=False, **style)

        def labelled(shape: str, colour: str) -> bq.Scatter:
            return scatter(marker=shape, colors=[colour], stroke=theme.OUTLINE, stroke_width=1.2, default_size=90)

        self.pool = scatter(
            colors=[theme.POOL_COLOUR], opacities=[0.85], stroke=theme.OUTLINE, stroke_width=0.5, default_size=9
        )
        if self.classes is None:
            self.labelled = [labelled("circle", theme.VALUE_COLOUR)]
        else:
            self.labelled = [labelled(theme.class_shape(c), theme.class_colour(c)) for c in range(len(self.classes))]
        self.asked = scatter(colors=[theme.ASKED_COLOUR], fill=False, stroke_width=2.5, default_size=330)
        self.candidates = scatter(
            marker="cross", colors=["#ffffff"], stroke=theme.OUTLINE, stroke_width=1.4, default_size=110
        )
        # the point that a person asks about: a ring, as a click on a point must still reach what lies below
        self.chosen = scatter(marker="circle", colors=["#ffffff"], fill=False, stroke_width=2, default_size=520)
        self.marks = [self.chosen, self.pool, *self.labelled, self.asked, self.candidates]
        self._indices: dict[str, np.ndarray] = {}
        self._covered = 0  # points of the pool mark that lie under a labelled one

    def on_point(self, ask: Callable[[int], None]) -> None:
        """Call ``ask(index)`` when a person clicks a point."""

        def clicked(mark: bq.Scatter, event: dict[str, Any]) -> None:
            known = self._indices.get(mark.model_id, ())
            position = event.get("data", {}).get("index")
            if position is not None and 0 <= int(position) < len(known):
                ask(int(known[int(position)]))

        for mark in self.marks:
            mark.on_element_click(clicked)

    def choose(self, xy: tuple[float, float] | None) -> None:
        """Ring a place; None takes the ring away."""
        x, y = (np.zeros(0), np.zeros(0)) if xy is None else np.array(xy, float)[:, None]
        with self.chosen.hold_sync():
            self.chosen.x, self.chosen.y = x.astype(np.float32), y.astype(np.float32)

    def render(self, frame: PlaneFrame) -> None:
        ground = frame.pool if frame.ground is None else frame.ground
        self._covered = len(ground) - len(frame.pool)
        self._place(self.pool, ground)
        for code, mark in enumerate(self.labelled):
            mine = np.ones(len(frame.labels), bool) if self.classes is None else frame.labels == code
            self._place(mark, Points(frame.labelled.indices[mine], frame.labelled.xy[mine]))
        self._place(self.asked, frame.asked)
        self._place(self.candidates, frame.candidates)

    def _place(self, mark: bq.Scatter, points: Points) -> None:
        self._indices[mark.model_id] = points.indices
        _place(mark, points)

    def legend(self, frame: PlaneFrame) -> str:
        """What the marks mean, as HTML."""
        entries = []
        if self.classes is None:
            entries.append(f"{_symbol('circle', theme.VALUE_COLOUR)} labelled")
        for code, name in enumerate(self.classes or []):
            entries.append(f"{_symbol(theme.class_shape(code), theme.class_colour(code))} {escape(theme.short(name))}")
        entries.append(f"{_symbol('circle', 'none', theme.ASKED_COLOUR, 2)} just asked")
        entries.append(f"{_symbol('cross', '#ffffff')} next")
        drawn, all_ = len(frame.pool), frame.n_pool
        count = f"{all_}" if drawn == all_ else f"{drawn} of {all_} drawn"
        entries.append(f"{_symbol('circle', theme.POOL_COLOUR).replace('5.5', '3')} pool ({count})")
        return "".join(f'<span style="white-space:nowrap;margin-right:10px">{entry}</span>' for entry in entries)

    def summary(self, n_pool: int, is_line: bool = False) -> str:
        """How many points of which kind are drawn, and where the next ones lie: on a line, at which input."""
        if self.classes is None:
            labelled = f"{len(self.labelled[0].x)} labelled"
        else:
            counts = ", ".join(f"{len(m.x)} {name}" for m, name in zip(self.labelled, self.classes, strict=True))
            labelled = f"{sum(len(mark.x) for mark in self.labelled)} labelled ({counts})"
        drawn = len(self.pool.x) - self._covered
        pool = f"{drawn} of {n_pool} pool points drawn" if drawn != n_pool else f"{drawn} in the pool"
        return (
            f"Points: {labelled}, {pool}; last asked {_places(self.asked)}; next {_places(self.candidates, is_line)}."
        )


def _empty() -> np.ndarray:
    return np.zeros(0, np.float32)


def _place(mark: bq.Scatter, points: Points) -> None:
    # Fresh arrays: bqplot sends nothing for an array that was changed in place. Unchanged ones are not sent again.
    x, y = points.xy.astype(np.float32).T.copy()
    if not (np.array_equal(mark.x, x) and np.array_equal(mark.y, y)):
        with mark.hold_sync():
            mark.x, mark.y = x, y


def _places(mark: bq.Scatter, is_line: bool = False) -> str:
    shown = [
        theme.number(x) if is_line else f"({theme.number(x)}, {theme.number(y)})"
        for x, y in zip(mark.x[:3], mark.y[:3], strict=True)
    ]
    if not shown:
        return "none"
    more = f" and {len(mark.x) - 3} more" if len(mark.x) > 3 else ""
    return f"{len(mark.x)} at " + ", ".join(shown) + more
