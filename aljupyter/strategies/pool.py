"""What a strategy may look at when it chooses a query."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from aljupyter.data.subset import Subset
from aljupyter.errors import ModelError
from aljupyter.models.base import ModelManager
from aljupyter.posterior import Posterior
from aljupyter.randomness import numpy_generator
from aljupyter.strategies.greedy import Batch
from aljupyter.strategies.quotas import Quota


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
    raw : object, optional
        The data as they were given, for quotas by a column.
    quota : Quota, optional
        Of the batch to be chosen.
    n : int
        How many points will be chosen, as far as is known.
    believed : int
        How many labels of `labelled` are believed only, because their points are in the batch already.

    Attributes
    ----------
    terms : dict
        Values of the parts of a composed score, shape (N,), by their definitions; filled while scoring.
    parts : dict
        Parts of this pool that were looked at, so that their posteriors are computed once.
    memo : dict
        For what a strategy computes when it scores and needs again when it selects.
    whole : Pool
        The pool of which this is a part: all unlabelled points.
    before : Pool
        The pool as it was before labels were believed.
    """

    unlabelled: Subset
    labelled: Subset
    model: ModelManager | None
    seed: int = 0
    round: int = 0
    raw: Any = field(default=None, repr=False)
    quota: Quota | None = None
    n: int = 1
    believed: int = 0

    def __post_init__(self) -> None:
        self.terms: dict[str, Tensor] = {}
        self.parts: dict[Any, Pool] = {}
        self.memo: dict[Any, Any] = {}
        self.whole: Pool = self
        self.before: Pool = self

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
        """The generator for one purpose in this round (and for each place of a batch that believes its labels)."""
        return numpy_generator(self.seed, self.round, purpose, *([self.believed] if self.believed else []))

    def batch(self, n: int | None = None) -> Batch:
        """An empty batch, which keeps the quota.

        Parameters
        ----------
        n : int, optional
            How many points will be chosen; `self.n` where not given.

        Raises
        ------
        QuotaError
            If no n points keep it.
        """
        return Batch(len(self)) if self.quota is None else self.quota.batch(self, self.n if n is None else n)

    def restricted(self, positions: NDArray[np.int64]) -> Pool:
        """The pool of some of the unlabelled points, given by their positions."""
        part = replace(self, unlabelled=self.unlabelled.part(positions))
        part.whole = self.whole
        return part

    def believing(self, posterior: Posterior | None, model: ModelManager | None, picks: Subset, y_n: Tensor) -> Pool:
        """The pool as if some points had the labels `y_n`, and the posterior or the model that goes with these.

        The points stay where they are among the unlabelled, so that positions keep their meaning.
        """
        after = replace(self.before, labelled=self.before.labelled.joined(picks, y_n), model=model, believed=len(picks))
        if posterior is not None:
            after.__dict__["posterior"] = posterior
        after.whole, after.before = self.whole, self.before
        return after
