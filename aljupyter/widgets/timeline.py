"""The timeline at the foot: which round is shown."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import ipywidgets as w

from aljupyter.widgets.cleanup import close_tree

INTERVAL = 700  # ms between two rounds of Play


class Timeline:
    """A slider over the models of a loop: one before each query, and the present one last.

    Parameters
    ----------
    on_round : callable
        Called with the position that a person chose: k for the model before query k, None for the present.
    on_pin : callable
        Called with whether what is shown is to be compared with the round that is shown now.
    """

    def __init__(self, on_round: Callable[[int | None], None], on_pin: Callable[[bool], None]):
        self._on_round, self._on_pin = on_round, on_pin
        self._setting: int | None = None  # the thread that moves the slider without a person
        self.slider = w.IntSlider(
            min=0, max=0, description="round", readout=False, disabled=True, tooltip="The round shown (arrow keys)",
            style={"description_width": "initial"}, layout=w.Layout(flex="1 1 200px", min_width="120px"),
        )  # fmt: skip
        self.slider.add_class("al-round")
        self.play = w.Play(min=0, max=0, interval=INTERVAL, show_repeat=False, disabled=True)
        self.play.tooltip = "Play the rounds as a film"
        self.play.add_class("al-play")
        self.where = w.HTML(layout=w.Layout(min_width="86px"))
        self.where.add_class("al-where")
        self.now = w.Button(description="Now", tooltip="Back to the present", disabled=True)
        self.now.layout.width = "64px"
        self.now.add_class("al-now")
        self.now.on_click(lambda _: self._go(self.slider.max))
        # not linked in the browser: there a link echoes old values back when the kernel moves both ends
        self.pin = w.ToggleButton(
            description="Compare", tooltip="Pin the round shown: the heatmap then shows what changed since it",
            disabled=True, layout=w.Layout(width="auto"),
        )  # fmt: skip
        self.pin.add_class("al-pin")
        self.pin.observe(self._pinned, "value")
        self.slider.observe(self._moved, "value")
        self.play.observe(self._moved, "value")
        self.widget = w.HBox(
            [self.play, self.slider, self.where, self.now, self.pin],
            layout=w.Layout(align_items="center", width="100%"),
        )
        self.show(0, None)

    @property
    def at(self) -> int | None:
        """The round shown; None for the present."""
        return None if self.slider.value >= self.slider.max else self.slider.value

    def show(self, rounds: int, at: int | None, pinned: int | None = None) -> None:
        """Say how many rounds there are, which is shown and which it is compared with, without calling anybody."""
        position = rounds if at is None else at
        self._setting = threading.get_ident()
        try:
            self.pin.value, self.pin.disabled = pinned is not None, rounds == 0 and pinned is None
            self.pin.description = "Compare" if pinned is None else f"against {pinned}"
            for control in (self.slider, self.play):
                # One message each, the longer range first: a slider in the browser that is given a new range answers
                # with the value it had, and would take back one that came in the same message.
                if rounds > control.max:
                    control.max = rounds
                if control.value != position:
                    control.value = position
                control.max = rounds
                control.disabled = rounds == 0
        finally:
            self._setting = None
        self._say()

    def _say(self) -> None:
        rounds, at = self.slider.max, self.at
        self.where.value = "no round yet" if not rounds else f"{rounds if at is None else at} of {rounds}"
        self.now.disabled = at is None

    def _go(self, position: int) -> None:
        self.play.playing = False
        self.slider.value = position

    def _moved(self, change: dict[str, Any]) -> None:
        """A person moved the slider, or a film goes on: the other follows."""
        if self._setting == threading.get_ident():
            return
        before, moved = self.at, change["owner"]
        self._setting = threading.get_ident()
        try:
            other = self.play if moved is self.slider else self.slider
            other.value = moved.value
        finally:
            self._setting = None
        self._say()
        if moved is self.slider or self.at != before:
            self._on_round(self.at)

    def _pinned(self, change: dict[str, Any]) -> None:
        if self._setting != threading.get_ident():
            self._on_pin(change["new"])

    def summary(self) -> str:
        """What is on the screen, in words."""
        return f"Timeline: {self.where.value}{', the present' if self.slider.max and self.at is None else ''}."

    def close(self) -> None:
        close_tree(self.widget)
