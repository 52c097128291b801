"""Keeping a screen in step with a learner, or at a round of its past."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from aljupyter.control import Control
from aljupyter.errors import LearnerBusyError, NoLabels, OneClassOnly, RoundCancelled, UnknownRound
from aljupyter.models.base import ModelManager
from aljupyter.records import Scores
from aljupyter.widgets import moments
from aljupyter.widgets.frames import NO_POINTS, Against
from aljupyter.widgets.screen import Look, Screen

if TYPE_CHECKING:
    from aljupyter.learner import ActiveLearner

RANDOM_FIRST = "choose the strategy random and Step, or give labels with learner.label(indices, labels)."


class Follower:
    """Shows the present state of a learner on a screen, or a round of its past, or what would be.

    Parameters
    ----------
    learner : ActiveLearner
    screen : Screen
    batch : int
        How many candidates to mark.

    Attributes
    ----------
    problem : Exception or None
        What kept the last refresh from showing all: a model that cannot be fitted, a strategy that raises.
    at_work : bool
        Whether a refresh is under way. It holds the learner's turn, so events that come meanwhile are of its making.
    stale : bool
        Whether a refresh was asked for and could not be made.
    at : int or None
        The round that is shown as it was; None for the present.
    pinned : int or None
        The round that what is shown is compared with; None for no comparison.
    """

    def __init__(self, learner: ActiveLearner, screen: Screen, batch: int):
        self.learner, self.screen, self.batch = learner, screen, batch
        self.problem: Exception | None = None
        self.at_work = False
        self.stale = False
        self.at: int | None = None
        self.pinned: int | None = None
        self._shown: tuple[Any, ...] = ()
        self._present: Look | None = None
        self._lock = threading.RLock()  # rounds are drawn by the worker, and gone back to by whoever moves the slider

    def show(self, at: int | None) -> None:
        """Show the model before query `at` as it was, or the present again; nothing is fitted, nothing disturbed."""
        with self._lock:
            self.at = at
            if self._present is not None:
                self.screen.look(self.look)

    def pin(self, pinned: bool) -> None:
        """Compare what is shown from now on with the round that is shown now; or no more."""
        with self._lock:
            shown = len(self.learner.history) if self.at is None else self.at
            self.pinned = shown if pinned else None
            self.show(self.at)

    def imagine(self, model: ModelManager, message: str, scores: Scores | None) -> None:
        """Show the moment as it would be by another model, until :meth:`show` or the next round.

        Those whom the strategy would ask next take the place of those whom it asks now.
        """
        with self._lock:
            look = self.look
            candidates = NO_POINTS if scores is None else np.array(scores.best(self.batch), dtype=np.int64)
            imagined = replace(look.moment, model=model, is_current=False, candidates=candidates)
            self.screen.look(replace(look, moment=imagined, message=message, key=None))

    @property
    def look(self) -> Look:
        """What is shown, without anything imagined."""
        present = self._present
        if present is None:
            raise UnknownRound("Nothing has been shown yet.")
        look = present if self.at is None else self._past(self.at, present)
        if self.pinned is None:
            return look
        then = present if self.pinned == len(present.moment.history) else self._past(self.pinned, present)
        return replace(look, against=Against(then.moment, then.key, f"round {self.pinned}"))

    def _past(self, at: int, present: Look) -> Look:
        moment = moments.past(self.learner, at)
        message = "" if moment.model is not None else "No model of this round is stored."
        return Look(moment, message, present.moment, at, moments.key_of(moment.labelled, self.learner.at(at).kind))

    def refresh(self, control: Control | None = None, patience: float = 0.0) -> None:
        """Draw the learner as it is; where a control is given, its model is fitted first.

        Parameters
        ----------
        control : Control, optional
        patience : float
            Seconds to wait for another thread that has the learner's turn.

        Raises
        ------
        LearnerBusyError
            If another thread has the learner's turn. What that thread does is drawn by its own events.
        """
        learner = self.learner
        try:
            with learner.turn.within(patience):
                self.at_work, self.problem = True, None
                try:
                    self._refresh(control)
                finally:
                    self.at_work = False
        except LearnerBusyError:
            self.stale = True
            raise

    def _refresh(self, control: Control | None) -> None:
        learner = self.learner
        model, message = self._model(control)
        # two events of one round, or a fit that another Explorer asked for, need one picture
        shown = (
            learner.history, learner.n_labels, learner.is_current, learner.strategy, learner.kind, self.batch,
            self.screen.plane,
        )  # fmt: skip
        if shown == self._shown and self.problem is None:
            self.stale = False
            return
        moment = moments.present(learner, model, self._candidates())
        with self._lock:
            key = moments.key_of(moment.labelled, learner.kind) if moment.is_current else None
            self._present = Look(moment, message, moment, key=key)
            if self.at is not None and self.at >= len(learner.history):  # that round was taken back
                self.at = None
            if self.pinned is not None and self.pinned > len(learner.history):
                self.pinned = None
            self.screen.look(self.look)
        self._shown, self.stale = shown if self.problem is None else (), False

    def _model(self, control: Control | None) -> tuple[ModelManager | None, str]:
        """The model that the heat shows, and what is to be said beside it."""
        learner = self.learner
        try:
            if control is not None:
                learner.fit(control)
        except NoLabels:
            return None, f"No labels yet: {self._advice()}"
        except OneClassOnly:
            return None, f"Labels of one class only, and a model needs two: {self._advice()}"
        except RoundCancelled:
            pass
        except Exception as error:  # a round that is done stays done, even if its model then cannot be fitted
            self.problem = error
        if learner.is_current:
            return learner.model, ""
        if learner.model.is_fitted:
            return learner.model, "by the model before the last labels; Step fits it anew"
        return None, "No model is fitted on these labels; Step fits it."

    def _advice(self) -> str:
        """How to come to labels that a model can be fitted on."""
        return RANDOM_FIRST if self.learner.asks_model else "Step asks for more, or give some with learner.label(…)."

    def _candidates(self) -> np.ndarray:
        """What the strategy would ask now; none where that takes a fit first."""
        learner = self.learner
        left = len(learner.data.unlabelled)
        if not left or (learner.asks_model and not learner.is_current):
            return NO_POINTS
        try:
            return learner.peek(min(self.batch, left)).indices
        except Exception as error:
            self.problem = error
            return NO_POINTS
