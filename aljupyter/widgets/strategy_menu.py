"""The menu of strategies: it follows the learner, and the learner it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from aljupyter import strategies
from aljupyter.errors import LearnerBusyError
from aljupyter.strategies.base import Strategy
from aljupyter.widgets.player import give_strategy
from aljupyter.widgets.region import Region
from aljupyter.widgets.voice import Voice

if TYPE_CHECKING:
    from aljupyter.learner import ActiveLearner


class StrategyMenu:
    """Named strategies, and those without a name that the learner had meanwhile.

    Parameters
    ----------
    learner : ActiveLearner
    menu : ipywidgets.Dropdown
        Offers the named ones of the task.
    region : Region
        What a person restricts candidates to; not part of a strategy's name.
    voice : Voice
    """

    def __init__(self, learner: ActiveLearner, menu: Any, region: Region, voice: Voice):
        self.learner, self.menu, self._region, self._voice = learner, menu, region, voice
        self._named = {name: strategies.get(name) for name in menu.options}
        self._tuned = ""  # a strategy whose parameters a person is trying
        self._setting: int | None = None  # the thread that does
        menu.observe(lambda _: voice.attempt(self._change), "value")

    def tune(self, strategy: Strategy) -> None:
        """Give the learner its strategy with other parameters: in the menu it takes the place of the last trial.

        Raises
        ------
        LearnerBusyError
        """
        give_strategy(self.learner, strategy)
        before, name = self._tuned, self.menu.value  # which has followed the learner
        if before not in ("", name) and before in self._named:
            del self._named[before]
            self._offer([option for option in self.menu.options if option != before], name)
        self._tuned = "" if name in strategies.names() else name

    def show(self) -> None:
        """Let the menu say which strategy the learner has, also one that has no name."""
        current = self._region.lifted(self.learner.strategy)
        name = next((name for name, known in self._named.items() if repr(known) == repr(current)), repr(current))
        self._named[name] = current
        offered = list(self.menu.options)
        self._offer(offered if name in offered else [*offered, name], name)

    def _offer(self, names: list[str], value: str) -> None:
        with self._voice.lock:
            self._setting = threading.get_ident()
            try:
                if names != list(self.menu.options):
                    self.menu.options = names
                self.menu.value = value
            finally:
                self._setting = None

    def _change(self) -> None:
        if self._setting == threading.get_ident():
            return  # the menu follows the learner, not the other way round
        try:
            give_strategy(self.learner, self._region.restricted(self._named[self.menu.value]))
        except LearnerBusyError:
            self.show()
            raise
