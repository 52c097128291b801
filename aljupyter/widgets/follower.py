"""Keeping a screen in step with a learner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from aljupyter.control import Control
from aljupyter.errors import LearnerBusyError, NoLabels, OneClassOnly, RoundCancelled
from aljupyter.models.base import ModelManager
from aljupyter.widgets.frames import NO_POINTS, Moment
from aljupyter.widgets.screen import Screen

if TYPE_CHECKING:
    from aljupyter.learner import ActiveLearner

RANDOM_FIRST = "choose the strategy random and Step, or give labels with learner.label(indices, labels)."


class Follower:
    """Shows the present state of a learner on a screen.

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
    """

    def __init__(self, learner: ActiveLearner, screen: Screen, batch: int):
        self.learner, self.screen, self.batch = learner, screen, batch
        self.problem: Exception | None = None
        self.at_work = False
        self.stale = False
        self._shown: tuple[Any, ...] = ()

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
        learner, data = self.learner, self.learner.data
        model, message = self._model(control)
        # two events of one round, or a fit that another Explorer asked for, need one picture
        shown = (learner.history, learner.n_labels, learner.is_current, learner.strategy, self.batch, self.screen.plane)
        if shown == self._shown and self.problem is None:
            self.stale = False
            return
        moment = Moment(
            labelled=data.labelled,
            unlabelled=data.unlabelled.indices,
            asked=learner.history[-1].indices if len(learner.history) else NO_POINTS,
            candidates=self._candidates(),
            model=model,
            is_current=learner.is_current,
            history=learner.history,
            metrics=learner.metrics,
        )
        self.screen.look(moment, message)
        self._shown, self.stale = shown if self.problem is None else (), False

    def _model(self, control: Control | None) -> tuple[ModelManager | None, str]:
        """The model that the heat shows, and what is to be said beside it."""
        learner = self.learner
        try:
            if control is not None:
                learner.fit(control)
        except NoLabels:
            return None, f"No labels yet: {RANDOM_FIRST}"
        except OneClassOnly:
            return None, f"Labels of one class only, and a model needs two: {RANDOM_FIRST}"
        except RoundCancelled:
            pass
        except Exception as error:  # a round that is done stays done, even if its model then cannot be fitted
            self.problem = error
        if learner.is_current:
            return learner.model, ""
        if learner.model.is_fitted:
            return learner.model, "by the model before the last labels; Step fits it anew"
        return None, "No model is fitted on these labels; Step fits it."

    def _candidates(self) -> np.ndarray:
        """What the strategy would ask now; none where that takes a fit first."""
        learner = self.learner
        left = len(learner.data.unlabelled)
        if not left or (learner.asks_model and not learner.is_current):
            return NO_POINTS
        try:
            return learner.query(min(self.batch, left)).indices
        except Exception as error:
            self.problem = error
            return NO_POINTS
