"""Many rounds in a row, and when they end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from aljupyter.control import Control
from aljupyter.records import RoundRecord, in_number
from aljupyter.sizes import BatchSizes, schedule
from aljupyter.stopping import StopRule

if TYPE_CHECKING:
    from aljupyter.learner import ActiveLearner


class Played(list[RoundRecord]):
    """The records of the rounds that a run played.

    Attributes
    ----------
    stopped : str
        Why a stop rule ended it, in words; empty where none did.
    """

    def __init__(self, records: Iterable[RoundRecord] = (), stopped: str = ""):
        super().__init__(records)
        self.stopped = stopped


def play(
    learner: ActiveLearner,
    rounds: int | None,
    n: BatchSizes,
    rules: tuple[StopRule, ...],
    control: Control,
    progress: bool,
) -> Played:
    """See :meth:`ActiveLearner.run`."""
    from tqdm.auto import tqdm

    rounds, size_of = schedule(rounds, n, len(learner.data.unlabelled))
    played = Played()
    with learner.turn, tqdm(total=rounds, unit="round", delay=1, disable=not progress) as bar:
        # a run that its rules may end asks them once more after its last round: the model is fitted by then
        for k in range(rounds + bool(rules)):
            left = len(learner.data.unlabelled)
            if left == 0:
                break
            control.check()
            part = control.part(min(k, rounds - 1), rounds) if rounds else control
            played.stopped = _reason(learner, rules, part)
            if played.stopped or k == rounds:
                break
            room = [bound for rule in rules if (bound := rule.room(learner)) is not None]
            played.append(learner.step(min(size_of(k, learner.round), left, *room), part))
            bar.update()
        control.progress(1.0, f"{in_number(len(played), 'round')} done")
    return played


def _reason(learner: ActiveLearner, rules: tuple[StopRule, ...], control: Control) -> str:
    """Why to end before the next query; the model is fitted where a rule asks it."""
    for rule in rules:
        if rule.needs_model:
            if not learner.can_fit:
                continue
            learner.fit(control)
        if reason := rule.reason(learner):
            return reason
    return ""
