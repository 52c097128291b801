"""What a person wants to see of a dataset first: its target, the ranges of its features, a map of its rows.

matplotlib's object API only: pyplot keeps figures in a state of its own.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

import matplotlib
import matplotlib.style
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Affine2D
from torch import Tensor

from aljupyter.randomness import numpy_generator

#: Okabe & Ito's colours (2008) and the shapes, in the order in which the Explorer gives them to classes.
COLOURS = ("#56B4E9", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#F0E442", "#0072B2", "#000000")
SHAPES = ("s", "o", "^", "D", "v")
GREY, LINE, OUTLINE, HEAT_MAP = "#b0b0b0", "#2186c4", "#1a1a1a", "cividis"
EDGE: dict[str, Any] = {"edgecolors": OUTLINE, "linewidths": 0.3}

MOST_CLASSES, MOST_FEATURES, MOST_BINS, MOST_POINTS = 15, 20, 60, 2000
#: Principal components are computed on so many rows, on fewer where that would be more than so many numbers.
MOST_ROWS, MOST_NUMBERS = 5000, 5_000_000


class Portrait(Figure):
    """A dataset on one picture: its target, the ranges of its features, a map of its rows. See :func:`portrait`.

    A matplotlib figure on opaque white, whatever the notebook's theme; ``savefig`` and the rest work as always. Its
    panels are ``target_axes``, ``range_axes`` and ``map_axes``; ``heading`` is the name and the size of the dataset.
    """

    def __init__(self, heading: str, height: float = 4.4):
        layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08)
        super().__init__(figsize=(13.5, height), dpi=80, facecolor="white", layout=layout)
        FigureCanvasAgg(self)
        self.heading = heading
        self.suptitle(heading, fontsize=12, parse_math=False)  # a dollar sign in a name is not mathematics
        # a figure for each panel, so that the long names of one take no room from its neighbours
        panels = self.subfigures(1, 3, squeeze=False, width_ratios=(1, 1.15, 1.3), wspace=0.02)[0]
        self.target_axes, self.range_axes, self.map_axes = (panel.subplots() for panel in panels)

    def __repr__(self) -> str:
        return f"<Portrait of {self.heading}>"

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        with _own_style():
            self.savefig(buffer, format="png", metadata={"Software": None})
        return buffer.getvalue()

    def summary(self) -> str:
        """The picture in words: read from its marks, one line a panel, for screen readers and tests."""
        words = (self._target_words(), self._range_words(), self._map_words())
        titles = [a.get_title().replace("\n", ", ") for a in (self.target_axes, self.range_axes, self.map_axes)]
        lines = [": ".join(filter(None, line)) for line in zip(titles, words, strict=True)]
        return "\n".join(f"{line}." for line in (self.heading, *lines))

    def _target_words(self) -> str:
        bars = [bar for bar in self.target_axes.patches if isinstance(bar, Rectangle)]
        if self.target_axes.yaxis_inverted():  # classes, from the top
            return ", ".join(f"{bar.get_label()} {bar.get_width():,.0f}" for bar in bars)
        if not bars:
            return ""
        top = max(bars, key=lambda bar: bar.get_height())
        low, start = (_short(bar.get_bbox().x0) for bar in (bars[0], top))
        high, end = (_short(bar.get_bbox().x1) for bar in (bars[-1], top))
        return f"{low} to {high} in {_count(len(bars), 'bin')}, most ({top.get_height():,.0f}) from {start} to {end}"

    def _range_words(self) -> str:
        words = []
        for line in self.range_axes.lines:
            low, *quartiles, high = [_short(x) for x in np.asarray(line.get_xdata(), float)] or [""] * 2
            between = f"{low} [{', '.join(quartiles)}] {high}"
            words.append(f"{line.get_label()} {between if low != high else f'constant {low}' if low else 'no values'}")
        return "; ".join(words)

    def _map_words(self) -> str:
        axes = self.map_axes
        drawn = [f"{mark.get_label()} {len(np.asarray(mark.get_offsets())):,}" for mark in axes.collections]
        upwards = f", {axes.get_ylabel()} upwards" if axes.get_ylabel() else ""
        return f"{axes.get_xlabel()} across{upwards}; {', '.join(drawn)}"


def portrait(dataset: Any) -> Portrait:
    """A first look at a dataset.

    Left, how many rows each class has, or the histogram of a regression's target. In the middle, each feature from its
    minimum to its maximum, with a box from the first quartile to the third and a tick at the median. Right, the rows:
    one feature against the target, two features, or the two first principal components of standardised features.
    Where there are many rows, the map shows a draw, always the same, with some of each class; its title says so.

    Parameters
    ----------
    dataset : Dataset
        Its `name`, `x`, `y`, `task_type`, `feature_names`, `target_names` and `kind` are read.

    Returns
    -------
    Portrait
        Shows itself in a notebook; `summary()` says the same in words.
    """
    x_N_D = dataset.x.detach().reshape(len(dataset.x), -1).cpu()
    y_N = dataset.y.detach().cpu().numpy()
    n, n_features = x_N_D.shape
    features = [_plain(name) for name in dataset.feature_names] or [f"pixel {i}" for i in range(n_features)]
    names = [_plain(name) for name in dataset.target_names]
    sizes = [_count(n, "row"), _count(n_features, "feature")]
    classes = dataset.task_type == "classification"
    known_N = y_N >= 0 if classes else np.isfinite(y_N)
    if classes:
        names += [str(code) for code in range(len(names), y_N.max(initial=-1) + 1)]
        groups = _class_groups(y_N, names)
        sizes.append(_count(len(names), "class"))
    else:
        groups = [_Group("labelled", np.flatnonzero(known_N))]
    if not known_N.all():
        groups.append(_Group("no label", np.flatnonzero(~known_N), GREY, known=False))
    target = " ".join(names) or "target"
    heading = f"{_plain(dataset.name)}{f' ({dataset.kind} data)' if dataset.kind else ''}: {', '.join(sizes)}"
    with _own_style():
        figure = Portrait(heading, max(4.4, 1.2 + 0.25 * max(len(groups), min(n_features, MOST_FEATURES))))
        if classes:
            _draw_classes(figure.target_axes, groups, n)
        else:
            _draw_histogram(figure.target_axes, y_N[known_N], n, target)
        _draw_ranges(figure.range_axes, x_N_D, features)
        _draw_map(figure.map_axes, groups, x_N_D, None if classes else y_N, features, target)
    return figure


def _own_style() -> AbstractContextManager[None]:
    """matplotlib's defaults: a style of dark notebooks would write in white on this white."""
    return matplotlib.style.context("default", after_reset=True)


def _plain(name: object) -> str:
    return " ".join(str(name).split())


def _cut(names: Sequence[str], most: int) -> list[str]:
    """Names cut to what fits: at the end, or in the middle where they would then look alike."""
    for kept in (most - 1, most // 2):
        cut = [n if len(n) <= most else f"{n[:kept].rstrip()}…{n[len(n) - most + kept + 1 :]}" for n in names]
        if len(set(cut)) == len(set(names)):
            break
    return cut


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 'es' if what.endswith('s') else 's'}"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _short(value: float) -> str:
    """Whole numbers as they are, others with four digits."""
    if abs(value) < 1e6 and value == int(value):
        return str(int(value))
    mantissa, *exponent = f"{value:.4g}".split("e")
    return f"{mantissa}e{int(exponent[0])}" if exponent else mantissa


def _title(axes: Axes, *parts: str) -> None:
    axes.set_title("\n".join(part for part in parts if part), fontsize=10, parse_math=False)


@dataclass(frozen=True)
class _Group:
    """Rows that are drawn alike, as indices."""

    name: str
    rows: np.ndarray
    colour: str = LINE
    shape: str = "o"
    known: bool = True


def _class_groups(y_N: np.ndarray, names: Sequence[str]) -> list[_Group]:
    """The largest classes in the order of their codes, the others as one."""
    sizes_C = np.bincount(y_N[y_N >= 0], minlength=len(names))
    shown = np.sort(np.argsort(-sizes_C, kind="stable")[:MOST_CLASSES])
    palette = matplotlib.colormaps["tab10" if len(shown) <= 10 else "tab20"]
    colours = COLOURS if len(shown) <= len(COLOURS) else [to_hex(colour) for colour in palette(range(20))]
    groups = [
        _Group(names[code], np.flatnonzero(y_N == code), colours[k], SHAPES[k % len(SHAPES)])
        for k, code in enumerate(shown)
    ]
    if len(names) > len(shown):
        others = np.flatnonzero((y_N >= 0) & ~np.isin(y_N, shown))
        groups.append(_Group(f"{len(names) - len(shown)} others", others, "#707070", "X"))
    return groups


def _thinned(groups: Sequence[_Group]) -> tuple[list[_Group], bool]:
    """At most MOST_POINTS rows, a few of each group in any case; and whether some group got more than its share."""
    sizes = np.array([len(group.rows) for group in groups])
    if sizes.sum() <= MOST_POINTS:
        return list(groups), False
    quotas = np.minimum(sizes, MOST_POINTS // (4 * len(groups)))
    rest = sizes - quotas
    share = (MOST_POINTS - quotas.sum()) * rest / rest.sum()
    quotas += np.diff(np.round(np.cumsum(share)), prepend=0).astype(int)
    rng = numpy_generator(0, "portrait", "points")
    drawn = [replace(g, rows=rng.choice(g.rows, quota, replace=False)) for g, quota in zip(groups, quotas, strict=True)]
    return drawn, bool((quotas > 1.5 * MOST_POINTS * sizes / sizes.sum() + 1).any())


def _bare(axes: Axes, n_rows: int) -> None:
    """Rows from the top, no frame: their numbers are written beside them."""
    spare = max(8 - n_rows, 0) / 2
    axes.set_ylim(n_rows - 0.4 + spare, -0.6 - spare)
    axes.set_xticks([])
    axes.tick_params(axis="y", length=0, labelsize=8)
    axes.spines[:].set_visible(False)


def _ticks(axes: Axes, x_label: str, y_label: str) -> None:
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    for axis, label in ((axes.xaxis, x_label), (axes.yaxis, y_label)):
        axis.set_label_text(label, fontsize=9, parse_math=False)
        axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))


def _draw_classes(axes: Axes, groups: Sequence[_Group], n: int) -> None:
    sizes, places = [len(group.rows) for group in groups], range(len(groups))
    bars = axes.barh(places, sizes, height=0.7, label=[group.name for group in groups])
    beside = axes.get_yaxis_transform()
    for place, (group, bar) in enumerate(zip(groups, bars, strict=True)):
        bar.set(facecolor=group.colour, edgecolor=group.colour, linewidth=min(sizes[place], 1))  # seen if tiny
        axes.text(sizes[place], place, f" {sizes[place]:,} ({_percent(sizes[place] / n)})", va="center", fontsize=8)
        axes.scatter(-0.04, place, s=30, c=group.colour, marker=group.shape, transform=beside, clip_on=False, **EDGE)
    axes.set_yticks(places, _cut([group.name for group in groups], 24), parse_math=False)
    _bare(axes, len(groups))
    axes.tick_params(axis="y", pad=14)
    axes.set_xlim(0, 1.8 * max(sizes))
    _title(axes, "Rows of each class")


def _draw_histogram(axes: Axes, values: np.ndarray, n: int, target: str) -> None:
    unknown = f", {n - len(values):,} without" if len(values) < n else ""
    _title(axes, _cut([f"Target: {target}"], 44)[0], _count(len(values), "label") + unknown)
    if not len(values):
        axes.set_axis_off()
        return
    try:
        n_bins = len(np.histogram_bin_edges(values, "auto")) - 1
    except ValueError:  # NumPy: too narrow for so many bins
        n_bins = 1
    axes.hist(values, bins=min(n_bins, MOST_BINS), color=LINE, ec="white", lw=0.5)
    _ticks(axes, "", "rows")


def _draw_ranges(axes: Axes, x_N_D: Tensor, names: Sequence[str]) -> None:
    n_features = x_N_D.shape[1]
    n_constant = int(torch.eq(*torch.aminmax(x_N_D, dim=0)).sum())
    shown = np.linspace(0, n_features - 1, min(n_features, MOST_FEATURES)).round().astype(int)
    labels = _cut([names[i] for i in shown], 28)
    for place, i in enumerate(shown):
        values = x_N_D[:, i].double().numpy()
        finite = values[np.isfinite(values)]
        labels[place] += f" ({len(values) - len(finite):,} missing)" if len(finite) < len(values) else ""
        five = np.quantile(finite, [0, 0.25, 0.5, 0.75, 1]) if len(finite) else np.zeros(0)
        if not len(finite) or five[0] == five[-1]:
            words = f"constant {_short(five[0])}" if len(finite) else "no values"
            axes.text(0.5, place, words, va="center", ha="center", fontsize=8, color="#606060")
            axes.plot(five, [place] * len(five), ls="", label=names[i])
            continue
        # marks keep their numbers: each row is drawn in a scale of its own, from 0 to 1
        scale = Affine2D().translate(-five[0], 0).scale(1 / (five[-1] - five[0]), 1) + axes.transData
        median: dict[str, Any] = {"marker": "|", "ms": 11, "mew": 2, "markevery": [2]}
        axes.plot(five, [place] * 5, color=OUTLINE, lw=1, label=names[i], transform=scale, zorder=3, **median)
        box = Rectangle((five[1], place - 0.25), five[3] - five[1], 0.5, fc=LINE, ec=LINE, alpha=0.5, transform=scale)
        axes.add_patch(box)
        for x, value, side in ((-0.04, five[0], "right"), (1.04, five[-1], "left")):
            axes.text(x, place, _short(value), va="center", ha=side, fontsize=8)
    axes.set_yticks(range(len(shown)), labels, parse_math=False)
    axes.set_xlim(-0.5, 1.5)
    _bare(axes, len(shown))
    parts = [f"{len(shown)} of {n_features:,} features"] * (len(shown) < n_features)
    parts += [f"{n_constant:,} constant"] * (n_constant > 0)
    _title(axes, "Minimum, quartiles and maximum", ", ".join(parts))


def _draw_map(
    axes: Axes, groups: Sequence[_Group], x_N_D: Tensor, y_N: np.ndarray | None, features: Sequence[str], target: str
) -> None:
    """The rows as points; `y_N` holds the numbers of a regression."""
    n, narrow = len(x_N_D), len(features) == 1
    drawn, unequal = _thinned(groups)
    drawn = [replace(g, rows=g.rows[torch.isfinite(x_N_D[g.rows]).all(1).numpy()]) for g in drawn]
    n_drawn = sum(len(group.rows) for group in drawn)
    how_many = f"{n_drawn:,} of {_count(n, 'row')}" if n_drawn < n else f"All {n:,} rows" if n > 1 else "1 row"
    words = "principal components of standardised features" if len(features) > 2 else ""
    _title(axes, how_many, words, "more of small groups than their share" if unequal else "")
    x_label, y_label, xy_of = _plane(x_N_D, y_N, features, target)
    marks = {}
    present = [k for k, group in enumerate(drawn) if len(group.rows)]
    for k in sorted(present, key=lambda k: (drawn[k].known, -len(groups[k].rows))):  # rare ones on top
        group = drawn[k]
        x, y = xy_of(group.rows, k).T
        style: dict[str, Any] = {"c": group.colour, "marker": group.shape, **EDGE}
        if y_N is not None and narrow and not group.known:  # there is no height to draw them at
            y, style = np.zeros(len(x)), {"c": GREY, "marker": "|", "transform": axes.get_xaxis_transform()}
        elif y_N is not None and not narrow and group.known:
            low, high = np.quantile(y_N[np.isfinite(y_N)], [0.01, 0.99])  # extremes shall not take all colours
            style |= {"c": y_N[group.rows], "cmap": HEAT_MAP, "vmin": low, "vmax": high}
        marks[k] = axes.scatter(x, y, s=12 if n_drawn > 500 else 22, alpha=0.85, label=group.name, **style)
        if "cmap" in style:
            bar = axes.figure.colorbar(marks[k], ax=axes, extend="both")
            bar.set_label(_cut([target], 44)[0], fontsize=9, parse_math=False)
            bar.ax.tick_params(labelsize=8)
    _ticks(axes, x_label, y_label)
    names = _cut([group.name for group in drawn], 24)
    if y_N is None and narrow:
        axes.set_yticks(range(len(names)), names, parse_math=False)
        axes.set_ylim(len(names) - 0.5, -0.5)
    elif len(marks) > 1 and sum(group.known for group in drawn) <= len(COLOURS):  # of more, the bars are the key
        _draw_key(axes, [marks[k] for k in present], [names[k] for k in present])


def _draw_key(axes: Axes, marks: Sequence[Any], names: Sequence[str]) -> None:
    columns = max(1, min(4, 64 // (max(map(len, names)) + 5)))
    place: dict[str, Any] = {"loc": "upper center", "bbox_to_anchor": (0.5, 0), "borderaxespad": 4.5}
    names = [f" {name}" for name in names]  # matplotlib leaves out labels that begin with an underscore
    legend = axes.legend(marks, names, ncols=columns, fontsize=8, frameon=False, handletextpad=0.1, **place)
    for text in legend.get_texts():
        text.set_parse_math(False)


def _plane(
    x_N_D: Tensor, y_N: np.ndarray | None, features: Sequence[str], target: str
) -> tuple[str, str, Callable[[np.ndarray, int], np.ndarray]]:
    """What stands on the two axes, and where the given rows of the k-th group stand."""
    n, n_features = x_N_D.shape
    first, second = [*_cut(features[:2], 32), ""][:2]  # beside them stands the power of ten

    def values(rows: np.ndarray, k: int = 0) -> np.ndarray:
        return x_N_D[rows].double().numpy()

    if n_features == 1 and y_N is not None:
        return first, _cut([target], 44)[0], lambda rows, k: np.column_stack([values(rows), y_N[rows]])
    if n_features == 1:
        rng = numpy_generator(0, "portrait", "strips")
        return first, "", lambda rows, k: np.column_stack([values(rows), k + rng.uniform(-0.3, 0.3, len(rows))])
    if n_features == 2:
        return first, second, values
    most = min(MOST_ROWS, max(100, MOST_NUMBERS // n_features))
    draw = numpy_generator(0, "portrait", "components").choice
    sample = values(np.arange(n) if n <= most else draw(n, most, replace=False))
    mean, scale, axes_D_2, shares = _principal_plane(sample[np.isfinite(sample).all(1)])

    def projected(rows: np.ndarray, k: int) -> np.ndarray:
        blocks = np.array_split(rows, 1 + len(rows) * n_features // MOST_NUMBERS)  # memory
        return np.concatenate([(values(block) - mean) / scale @ axes_D_2 for block in blocks])

    first, second = (f"{k} component ({_percent(s)} of variance)" for k, s in zip(("1st", "2nd"), shares, strict=True))
    return first, second, projected


def _principal_plane(x_N_D: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Mean and scale of each feature, the two first principal components (D, 2) and their shares of the variance.

    The largest loading is positive; components are zeros where the rows do not span so many directions.
    """
    n, n_features = x_N_D.shape
    axes_D_2, shares = np.zeros((n_features, 2)), np.zeros(2)
    if not n:
        return np.zeros(n_features), np.ones(n_features), axes_D_2, shares
    mean, scale = x_N_D.mean(0), x_N_D.std(0)
    scale[(np.ptp(x_N_D, axis=0) == 0) | (scale == 0)] = np.inf  # a constant feature stands at 0
    z_N_D = (x_N_D - mean) / scale
    wide = n_features > n  # the smaller of the two Gram matrices has the same eigenvalues
    values, vectors = np.linalg.eigh(z_N_D @ z_N_D.T if wide else z_N_D.T @ z_N_D)
    for k, value in enumerate(values[:-3:-1]):
        if value > 1e-12 * values.sum():
            axis = z_N_D.T @ vectors[:, -1 - k] if wide else vectors[:, -1 - k]
            largest = np.argmax(np.abs(axis) >= (1 - 1e-6) * np.abs(axis).max())  # the first of equals
            axes_D_2[:, k] = axis * np.sign(axis[largest]) / np.linalg.norm(axis)
            shares[k] = value / values.sum()
    return mean, scale, axes_D_2, shares
