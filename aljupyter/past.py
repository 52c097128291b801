"""A round as it was. Reading it never fits and never disturbs the present."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from aljupyter.data.manager import DataManager
from aljupyter.data.subset import Subset
from aljupyter.errors import NotFitted
from aljupyter.models.base import ModelManager
from aljupyter.records import RoundRecord, Scores


class Past:
    """What :meth:`ActiveLearner.at` gives.

    Attributes
    ----------
    record : RoundRecord
    kind : ModelManager
        The model of that round without what it learned. The learner may have another by now.
    """

    def __init__(self, record: RoundRecord, data: DataManager, model: ModelManager):
        self.record = record
        self._data = data
        self.kind = record.model or model

    @property
    def metrics(self) -> dict[str, float]:
        return dict(self.record.metrics)

    @property
    def scores(self) -> Scores | None:
        """Scores of the pool of that round; None where labels were given without a query."""
        return self.record.pool

    @property
    def labelled(self) -> Subset:
        """The labelled view before the query of that round."""
        return self._data.subset(self.record.labelled_before, self.record.labelled_y)

    @property
    def unlabelled(self) -> Subset:
        """The pool of that round."""
        return self._data.pool(np.setdiff1d(self._data.train.indices, self.record.labelled_before))

    @cached_property
    def model(self) -> ModelManager:
        """The model of that round, from its stored state.

        Raises
        ------
        NotFitted
            If no model was fitted in that round, or its kind of model cannot be stored.
        """
        state = self.record.model_state
        if state is None:
            raise NotFitted(
                f"No model is stored for round {self.record.round}: it had none (labels given before the first fit), "
                f"or its kind cannot be stored. Scores, labels and metrics of the round are still here."
            )
        model = self.kind.clone()
        model.load(state, self.labelled)
        return model

    def __repr__(self) -> str:
        return repr(self.record)
