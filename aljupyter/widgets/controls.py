"""Buttons, menus, progress and the status line: what a person touches. What they do is the Explorer's business."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from html import escape, unescape
from typing import Any

import ipywidgets as w

from aljupyter.widgets import theme
from aljupyter.widgets.cleanup import close_tree
from aljupyter.widgets.menus import menu


class Controls:
    """The widgets above the pictures.

    Parameters
    ----------
    strategies, measures : sequences of str
        What the menus offer.
    planes : sequence of Widget
        Menus that choose the plane.
    """

    def __init__(self, strategies: Sequence[str], measures: Sequence[str], planes: Sequence[w.Widget] = ()):
        def button(text: str, tip: str, style: str = "", cls: str = "") -> w.Button:
            made = w.Button(
                description=text, tooltip=tip, button_style=style, layout=w.Layout(width=f"{28 + 7 * len(text)}px")
            )
            made.add_class(cls)
            return made

        def toggle(text: str, tip: str, cls: str) -> w.ToggleButton:
            made = w.ToggleButton(description=text, tooltip=tip, layout=w.Layout(width=f"{28 + 7 * len(text)}px"))
            made.add_class(cls)
            return made

        def count(text: str, value: int, tip: str, cls: str) -> w.BoundedIntText:
            made = w.BoundedIntText(
                description=text, value=value, min=1, max=10**6, tooltip=tip, style={"description_width": "initial"},
                layout=w.Layout(width="112px"),
            )  # fmt: skip
            made.add_class(cls)
            return made

        self.step = button("Step", "Play one round: fit, score, query, label", "primary", "al-step")
        self.run = button("Run", "Play as many rounds as the field beside it says", cls="al-run")
        self.rounds = count("rounds", 5, "How many rounds Run plays", "al-rounds")
        self.cancel = button("Cancel", "Stop: the round in flight is rolled back", cls="al-cancel")
        self.undo = button("Undo", "Take the last round back: its labels return to the pool", cls="al-undo")
        self.explain = toggle("Explain", "How is it doing: better than random? What stands in the way?", "al-explain")
        self.settings = toggle("Settings", "Parameters of strategy and model, and when Run stops", "al-settings")
        self.in_words = toggle("In words", "All that is on the screen, in words", "al-in-words")
        self.batch = count("batch", 1, "How many points a round asks", "al-batch")
        self.strategy = menu("strategy", strategies, "How the next points are chosen", "al-strategy")
        self.measure = menu("show", measures, "What the heatmap shows", "al-measure")
        self.bar = w.FloatProgress(
            min=0, max=1, bar_style="success", layout=w.Layout(flex="1 1 120px", min_width="80px")
        )
        self.bar.add_class("al-progress")
        self.bar.tooltip = "Progress of what is under way"
        self.words = w.Label(layout=w.Layout(min_width="0"))
        self.said = 0  # how many sentences the status line has shown
        self.status = w.HTML()
        self.status.add_class("al-status")
        row = {"flex_flow": "row wrap", "align_items": "center", "width": "100%"}
        choices = [self.batch, self.strategy, self.measure, *planes]
        self._buttons = w.HBox(
            [
                self.step, self.run, self.rounds, self.cancel, self.undo, self.explain, self.settings, self.in_words,
                self.bar,
                self.words,
            ],
            layout=w.Layout(**row),
        )  # fmt: skip
        self.widget = w.VBox([self._buttons, w.HBox(choices, layout=w.Layout(**row)), self.status])
        self.set_busy(False, can_undo=False)

    def add(self, button: Any) -> None:
        """Put a part's own button beside the others."""
        buttons = self._buttons.children
        place = buttons.index(self.bar)
        self._buttons.children = (*buttons[:place], button, *buttons[place:])

    def set_busy(self, busy: bool, can_undo: bool) -> None:
        """Enable what can be pressed now."""
        for button in (self.step, self.run):
            button.disabled = busy
        self.strategy.disabled = busy
        self.allow_undo(can_undo and not busy)
        self.cancel.disabled = not busy
        self.bar.value = 0.0
        self.words.value = ""

    def allow_undo(self, possible: bool) -> None:
        self.undo.disabled = not possible

    def say(self, text: str, error: BaseException | None = None) -> None:
        """Put a sentence in the status line; what an error says in red, with its traceback to be unfolded."""
        role, colour, more = "status", theme.TEXT, ""
        if error is not None:
            role, colour, more = "alert", theme.ERROR_TEXT, _unfold(error)
        self.said += 1
        # screen readers announce it
        said = f'<div role="{role}" aria-live="polite" style="color:{colour}">{escape(text)}</div>'
        self.status.value = said + more

    def report(self, fraction: float, words: str) -> None:
        """Show progress."""
        self.bar.value = min(max(fraction, 0.0), 1.0)
        self.words.value = words

    def summary(self) -> str:
        """The status line without its markup."""
        text = self.status.value
        return unescape(text[text.find(">") + 1 : text.find("</div>")])

    def close(self) -> None:
        close_tree(self.widget)


def _unfold(error: BaseException) -> str:
    """The traceback of an error, to be opened by who wants it."""
    lines = escape("".join(traceback.format_exception(error)))
    return (
        f'<details style="color:{theme.FAINT_TEXT}"><summary title="Where it happened">Traceback</summary>'
        f'<pre style="max-height:240px;overflow:auto;line-height:1.3">{lines}</pre></details>'
    )
