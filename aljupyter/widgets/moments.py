"""Moments of a loop: the present, and any round before it. Reading a past one fits nothing."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

import numpy as np

from aljupyter.data.subset import Subset
from aljupyter.errors import ModelError, NotFitted
from aljupyter.models.base import ModelManager
from aljupyter.widgets.frames import NO_POINTS, Moment

if TYPE_CHECKING:
    from aljupyter.learner import ActiveLearner


def present(learner: ActiveLearner, model: ModelManager | None, candidates: np.ndarray) -> Moment:
    """The loop as it is."""
    history, data = learner.history, learner.data
    return Moment(
        labelled=data.labelled,
        unlabelled=data.unlabelled.indices,
        asked=history[-1].indices if len(history) else NO_POINTS,
        candidates=candidates,
        model=model,
        is_current=learner.is_current,
        history=history,
        metrics=learner.metrics,
    )


def past(learner: ActiveLearner, k: int) -> Moment:
    """The loop before query k was answered: its model, its labels, and that query as what would be asked next.

    The history is whole, for the learning curve shows all of it.
    """
    then = learner.at(k)
    try:
        model = then.model
    except (ModelError, NotFitted):  # it had none, or its kind cannot be stored
        model = None
    return Moment(
        labelled=then.labelled,
        unlabelled=then.unlabelled.indices,
        asked=learner.history[k - 1].indices if k else NO_POINTS,
        candidates=then.record.indices,
        model=model,
        is_current=bool(then.metrics),
        history=learner.history[:k],
        metrics=then.metrics,
    )


def key_of(labelled: Subset, kind: ModelManager) -> Hashable:
    """What a model of this kind (one object for one choice of its parameters) and these labels is remembered by."""
    return labelled.indices.tobytes(), labelled.y.numpy().tobytes(), kind
