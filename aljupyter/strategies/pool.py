"""What a strategy may look at when it chooses a query."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from aljupyter.data.subset import Subset
from aljupyter.errors import ModelError
from aljupyter.models.base import ModelManager
from aljupyter.posterior import Posterior
from aljupyter.randomness import numpy_generator


@dataclass
class Pool:
    """The unlabelled points, the labelled ones, and the model fitted on these.

    Parameters
    ----------
    unlabelled, labelled : Subset
    model : ModelManager or None
        None before the first fit: strategies that need no model work then.
    seed, round : int
        Draws depend on these and on their purpose alone.
    """

    unlabelled: Subset
    labelled: Subset
    model: ModelManager | None
    seed: int = 0
    round: int = 0

    def __len__(self) -> int:
        return len(self.unlabelled)

    @cached_property
    def posterior(self) -> Posterior:
        """The model's posterior over the unlabelled points, computed once.

        Raises
        ------
        ModelError
            If there is no fitted model.
        """
        if self.model is None:
            raise ModelError(
                "This strategy asks the model, and no model is fitted yet. Label some points first "
                "(a model-free strategy such as Random() can choose them)."
            )
        return self.model.posterior(self.unlabelled)

    def generator(self, purpose: str) -> np.random.Generator:
        """The generator for one purpose in this round."""
        return numpy_generator(self.seed, self.round, purpose)
