"""What a selection gives: positions in the pool, and what it knows of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Chosen:
    """A batch.

    Parameters
    ----------
    positions : array of int, shape (n,)
        In the pool, in the order in which they were chosen.
    why : mapping, optional
        Arrays of shape (n,), such as ``"gain"`` and ``"cluster"``.
    """

    positions: NDArray[np.int64]
    why: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.positions)
