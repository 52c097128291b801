"""The panel below the pictures: what is known of the point that was asked about, and what a label would change."""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Callable, Sequence
from html import escape, unescape
from typing import Any

import ipywidgets as w

from aljupyter.inspection import PointReport
from aljupyter.posterior import ClassPosterior, RegressionPosterior
from aljupyter.records import in_number
from aljupyter.widgets import theme
from aljupyter.widgets.cleanup import close_tree
from aljupyter.widgets.show import Shown

EMPTY = "Click a point, or any place of the heatmap, to ask about it."
MOST_BUTTONS = 8  # classes; more are in a menu
MOST_FEATURES = 10  # shown at once; the rest can be unfolded
BAND = 1.96


class PointView:
    """A report on the left, hypothetical labels on the right.

    Parameters
    ----------
    classes : sequence or None
        Original labels of the classes; None for regression.
    on_what_if : callable
        Called with a hypothetical label, in its original form; with None to take it back.
    on_label : callable
        Called with the label that a person gives to the point.
    """

    def __init__(
        self,
        classes: Sequence[Any] | None,
        on_what_if: Callable[[Any], None],
        on_label: Callable[[Any], None],
    ):
        self.classes = None if classes is None else list(classes)
        self._on_what_if, self._on_label = on_what_if, on_label
        self.about = w.HTML(layout=w.Layout(flex="1 1 300px", min_width="240px"))
        self.about.add_class("al-point")
        self.shown = w.Box(layout=w.Layout(flex="0 1 auto", max_width="100%"))
        self.sentence = w.HTML()
        self.sentence.add_class("al-whatif-sentence")
        self.choice, buttons = self._choice()
        self.reset = _button("reset", "Show the model as it is again", "al-whatif-reset")
        self.reset.on_click(lambda _: on_what_if(None))
        self.label = _button(
            "Label it myself", "Give the point the label chosen on the left: it ends the round", "al-label"
        )
        self.label.layout.width = "130px"
        self.label.on_click(lambda _: on_label(self._chosen()))
        self._buttons = buttons
        row = w.Layout(flex_flow="row wrap", align_items="center")
        title = w.HTML("<b>What if it were</b>")
        self.what_if = w.VBox(
            [
                w.HBox([title, *([self.choice] if self.choice is not None else []), *buttons, self.reset], layout=row),
                self.sentence,
                w.HBox([*([self._mine] if self._mine is not None else []), self.label], layout=row),
            ],
            layout=w.Layout(flex="1 1 300px", min_width="240px"),
        )
        self.what_if.add_class("al-whatif")
        self.widget = w.HBox(
            [self.about, self.shown, self.what_if], layout=w.Layout(flex_flow="row wrap", width="100%")
        )
        self.clear()

    def _choice(self) -> tuple[Any, list[w.Button]]:
        """A button a class; a menu for many of them, a number in regression, with one button beside it."""
        self._mine: Any = None
        if self.classes is None:
            field = w.FloatText(value=0.0, tooltip="A hypothetical value", layout=w.Layout(width="110px"))
        elif len(self.classes) > MOST_BUTTONS:
            field = w.Dropdown(options=[(theme.short(c), i) for i, c in enumerate(self.classes)], tooltip="A class")
        else:
            buttons = []
            for code, name in enumerate(self.classes):
                button = _button(theme.short(name, 18), f"As if its label were {name}", f"al-whatif-{code}")
                button.layout.border_bottom = f"3px solid {theme.class_colour(code)}"
                button.on_click(lambda _, name=name: self._on_what_if(name))
                buttons.append(button)
            options = [(theme.short(c), i) for i, c in enumerate(self.classes)]
            self._mine = w.Dropdown(options=options, tooltip="The label to give", layout=w.Layout(width="150px"))
            self._mine.add_class("al-label-choice")
            return None, buttons
        field.add_class("al-whatif-choice")
        button = _button("imagine", "As if it had this label", "al-whatif-0")
        button.on_click(lambda _: self._on_what_if(self._chosen()))
        return field, [button]

    def _chosen(self) -> Any:
        field = self._mine if self._mine is not None else self.choice
        return field.value if self.classes is None else self.classes[field.value]

    def clear(self) -> None:
        """Ask about nothing."""
        self.about.value = f'<span style="color:{theme.FAINT_TEXT}">{EMPTY}</span>'
        self._show(Shown())
        self.say("")
        self._allow(False, False)

    def render(self, report: PointReport, moment: str = "", shown: Shown | None = None, can_label: bool = True) -> None:
        """Show a report.

        Parameters
        ----------
        report : PointReport
        moment : str
            Said beside it where it is not of the present.
        shown : Shown, optional
            What the user's own function made of the point.
        can_label : bool
            Whether a person may label it now.
        """
        self.about.value = _about(report, self.classes, moment)
        self._show(shown or Shown())
        self.say("")
        if self.choice is not None and self.classes is None and isinstance(report.posterior, RegressionPosterior):
            self.choice.value = float(f"{float(report.posterior.mean_N[0]):.4g}")
        is_open = report.can_be_labelled
        self._allow(is_open and report.posterior is not None, is_open and report.index is not None and can_label)

    def say(self, sentence: str, error: bool = False) -> None:
        """The sentence of a hypothetical label; read aloud by screen readers."""
        colour = theme.ERROR_TEXT if error else theme.TEXT
        self.sentence.value = f'<div role="status" aria-live="polite" style="color:{colour}">{escape(sentence)}</div>'
        self.reset.disabled = not sentence

    @property
    def imagines(self) -> bool:
        """Whether a hypothetical label is shown."""
        return not self.reset.disabled

    def _allow(self, imagine: bool, label: bool) -> None:
        for button in self._buttons:
            button.disabled = not imagine
        self.label.disabled = not label

    def _show(self, shown: Shown) -> None:
        before = self.shown.children
        self.shown.children = [] if shown.nothing else [shown.widget()]
        close_tree(*before) if before else None

    def summary(self) -> str:
        """What is on the screen, in words."""
        text = re.sub(r"</(div|tr|summary|b|p)>|<br>", " · ", self.about.value + self.sentence.value)
        text = unescape(re.sub(r"<[^>]*>", " ", text))
        text = " ".join(text.split())
        return "Point: " + re.sub(r"( ·)+", " ·", text).strip(" ·")

    def close(self) -> None:
        close_tree(self.widget, self.reset, self.label, *self._buttons)


def _button(text: str, tip: str, cls: str) -> w.Button:
    made = w.Button(description=text, tooltip=tip, layout=w.Layout(width="auto", min_width="64px"))
    made.add_class(cls)
    return made


def _about(report: PointReport, classes: Sequence[Any] | None, moment: str) -> str:
    title = "This place" if report.index is None else f"Point {report.index}"
    faint = f'style="color:{theme.FAINT_TEXT}"'
    lines = [f"<div><b>{title}</b> <span {faint}>{escape(_standing(report))}{escape(moment)}</span></div>"]
    lines.append(_prediction(report, classes))
    if report.score is not None and report.score > -math.inf:
        parts = ", ".join(f"{escape(name)} {theme.number(value)}" for name, value in report.parts.items())
        more = f" ({parts})" if parts else ""
        lines.append(f"<div>{escape(report.strategy)}: {theme.number(report.score)}{more}</div>")
    if report.nearest:
        near = "; ".join(
            f"point {n.index} ({escape(_plain(n.label))}), distance {theme.number(n.distance)}" for n in report.nearest
        )
        lines.append(f"<div>Nearest labels: {near}</div>")
    lines.append(_features(report))
    return f'<div style="line-height:1.5">{"".join(lines)}</div>'


def _standing(report: PointReport) -> str:
    if report.label is not None:
        when = "" if report.labelled_in is None else f" in round {report.labelled_in}"
        by = "at the start" if report.labelled_by == "the start" else f"by {report.labelled_by}{when}"
        return f"labelled {_plain(report.label)} {by}"
    if report.held_out:
        return f"of the {report.held_out}: held out to measure the model, never asked"
    if report.rank is None:
        why = f": {report.unscored.rstrip('.')}" if report.unscored else ""
        return f"not scored{why}" if report.index is not None else ""
    if report.score == -math.inf:
        return "in the pool, but not among the candidates"
    tied = f", with {in_number(report.tied, 'other')} of the same score" if report.tied else ""
    would = "would be " if report.index is None else ""
    return f"{would}rank {report.rank} of {report.n_pool}{tied}"


def _prediction(report: PointReport, classes: Sequence[Any] | None) -> str:
    posterior = report.posterior
    if posterior is None:
        return "<div>No model yet.</div>"
    older = "" if report.is_current else " (by the model before the last labels)"
    if isinstance(posterior, ClassPosterior):
        p_C = posterior.mean_N_C[0].tolist()
        codes = sorted(range(len(p_C)), key=lambda c: -p_C[c])[:MOST_BUTTONS]
        names = classes if classes is not None else range(len(p_C))
        rows = "".join(
            f"<tr><td>p({escape(theme.short(names[c], 24))})</td><td style='padding:0 6px'>{p_C[c]:.3f}</td>"
            f"<td><div style='background:{theme.class_colour(c)};height:9px;width:{100 * p_C[c]:.0f}px'></div></td>"
            "</tr>"
            for c in sorted(codes)
        )
        return f"<table style='line-height:1.4'>{rows}</table>{escape(older)}"
    mean, std = float(posterior.mean_N[0]), float(posterior.std_N[0])
    noise = 0.0 if posterior.noise_N is None else float(posterior.noise_N[0])
    total = (std**2 + noise) ** 0.5
    low, high = theme.number(mean - BAND * total), theme.number(mean + BAND * total)
    return (
        f"<div>predicted {theme.number(mean)}, deviation {theme.number(std)}; "
        f"95% of labels from {low} to {high}{escape(older)}</div>"
    )


def _features(report: PointReport) -> str:
    """Names and values, in as many columns as there is room for."""
    cells = [
        f'<div style="display:flex;justify-content:space-between;gap:8px"><span>{escape(theme.short(name))}</span> '
        f"<span>{escape(_plain(value))}</span></div>"
        for name, value in report.features.items()
    ]
    grid = (
        '<div style="display:grid;grid-template-columns:repeat(auto-fill,minmax(170px,1fr));column-gap:20px;'
        'line-height:1.35">{}</div>'
    ).format
    if len(cells) <= MOST_FEATURES:
        return grid("".join(cells))
    rest = "".join(cells[MOST_FEATURES:])
    more = f"<details><summary>all {len(cells)} features</summary>{grid(rest)}</details>"
    return grid("".join(cells[:MOST_FEATURES])) + more


def _plain(value: Any) -> str:
    """A value of a table in a few characters."""
    if isinstance(value, numbers.Real) and not isinstance(value, bool | numbers.Integral):
        return theme.number(float(value))
    return theme.short(value, 60)
