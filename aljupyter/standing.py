"""Where a learner stands: all that can be read of it. Nothing here changes a label or the model."""

from __future__ import annotations

import numpy as np

from aljupyter.control import Control
from aljupyter.data.manager import DataManager
from aljupyter.errors import NoLabels, OneClassOnly, UnknownRound
from aljupyter.explain import Explanation, explain
from aljupyter.models.base import ModelManager
from aljupyter.past import Past
from aljupyter.performance import Measurer
from aljupyter.records import Event, Fitted, History
from aljupyter.strategies import Measure, measures_to_show
from aljupyter.turns import Observer, Observers, Turn


class Standing:
    """The part of :class:`aljupyter.learner.ActiveLearner` that views and tables look at.

    Attributes
    ----------
    data : DataManager
    turn : Turn
        A context manager: who looks at several things at once takes a turn, so that they are of one moment.
    """

    def __init__(self, data: DataManager, model: ModelManager, measure: Measurer):
        self.data = data
        self._model, self._kind = model, model.clone()
        self.turn = Turn()
        self._measure = measure
        self._history = History((), measure.names)
        self._events: tuple[Event, ...] = ()
        self._fitted: Fitted | None = None
        self._fitted_on: tuple[bytes, bytes] | None = None
        self._observers = Observers()
        self._ceiling: dict[str, float] | None = None

    @property
    def model(self) -> ModelManager:
        """The model that is fitted."""
        return self._model

    @property
    def kind(self) -> ModelManager:
        """The model without what it learned; another object once another model was put in its place."""
        return self._kind

    @property
    def history(self) -> History:
        """The rounds played."""
        return self._history

    @property
    def events(self) -> tuple[Event, ...]:
        """Everything that changed the labels, undone rounds included."""
        return self._events

    @property
    def round(self) -> int:
        """Number of the round to come; as many have been played."""
        return len(self._history)

    @property
    def n_labels(self) -> int:
        return len(self.data.labelled)

    @property
    def pool_is_empty(self) -> bool:
        return len(self.data.unlabelled) == 0

    @property
    def busy(self) -> bool:
        """Whether a call is under way."""
        return self.turn.taken

    @property
    def is_current(self) -> bool:
        """Whether the model is fitted on the labels there are now."""
        return self._fitted is not None and self._fitted_on == self._labels_key()

    @property
    def metrics(self) -> dict[str, float]:
        """Metrics of the model on the labels there are now; empty before :meth:`fit`."""
        return dict(self._fitted.metrics) if self._fitted is not None and self.is_current else {}

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Metrics that rounds of this task have."""
        return self._measure.names

    @property
    def top(self) -> float:
        """The share of the training view that counts as the best, for ``hit_ratio``."""
        return self._measure.top

    def at(self, k: int) -> Past:
        """Round k as it was: its model, scores and labelled set. Reads, never fits.

        Raises
        ------
        UnknownRound
            If round k has not been played; -1 is the last one.
        """
        rounds = len(self._history)
        if isinstance(k, bool) or not isinstance(k, int | np.integer) or not -rounds <= k < rounds:
            played = f"0 to {rounds - 1} have" if rounds else "None has"
            raise UnknownRound(f"Round {k!r} has not been played. {played} been played; `learner.step()` plays one.")
        return Past(self._history[int(k)], self.data, self.model)

    def measures(self) -> dict[str, Measure]:
        """Measures of this task by name, for looking at what the model knows."""
        return measures_to_show(self.data.classes)

    def full_data_performance(self, control: Control | None = None) -> dict[str, float] | None:
        """Metrics of the same model fitted on the whole training view: the ceiling of a learning curve.

        None where the dataset lacks the label of some training point. The learner's own model is left alone.
        """
        if self._ceiling is None:
            self._ceiling = self._measure.ceiling(self.model.clone(), control)
        return None if self._ceiling is None else dict(self._ceiling)

    def floor_performance(self) -> dict[str, float] | None:
        """Metrics of always predicting the majority class, or the mean: the floor of a learning curve."""
        return self._measure.floor()

    def explain(self) -> Explanation:
        """How the loop is doing, in words: is it better than random, what stands in the way, what to try.

        It rests on what the model said of the queries before their labels came. Nothing is fitted.
        """
        return explain(self)

    def observe(self, observer: Observer) -> None:
        """Call ``observer(event)`` after each "fit", "label" (a round ended), "undo" and "strategy"."""
        self._observers.add(observer)

    def unobserve(self, observer: Observer) -> None:
        self._observers.remove(observer)

    def _labels_key(self) -> tuple[bytes, bytes]:
        """Equal exactly when the same points have the same labels in the same order."""
        labelled = self.data.labelled
        return labelled.indices.tobytes(), labelled.y.numpy().tobytes()

    @property
    def can_fit(self) -> bool:
        """Whether there are labels to fit a model to: of two classes, in classification."""
        labelled = self.data.labelled
        if self.data.task == "classification":
            return len(labelled) > 0 and len(labelled.y.unique()) > 1
        return len(labelled) > 0

    def _check_fittable(self) -> None:
        """Raise NoLabels or OneClassOnly where there is nothing that a model could be fitted to."""
        if self.n_labels == 0:
            raise NoLabels(
                "No point is labelled yet, so there is nothing to fit. Start with labels "
                "(`DataManager(..., labelled=10)`), give some (`learner.label(indices, labels)`), or let a "
                "model-free strategy ask for the first ones: `learner.strategy = al.strategies.Random()`."
            )
        if not self.can_fit:
            (only,) = self.data.decode(self.data.labelled.y[:1]).tolist()
            raise OneClassOnly(
                f"Labels of two classes at least are needed to fit, got one class only: all {self.n_labels} are "
                f"{only!r}. Label a point of another class, or start from points of every class."
            )
