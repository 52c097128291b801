"""What a person hands over, read: labels, names of rows, rows as they were given, and later the features."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from torch import Tensor

from aljupyter.data.features import Features


class Source(ABC):
    """A dataset as read.

    Parameters
    ----------
    n_rows : int
    y : labels as given, or None
    raw : what was given
    ids : array of shape (n_rows,), optional
        Names of the rows.
    label_advice : str
        How labels are given for this kind of data; ends the message where there are none.
    """

    def __init__(self, n_rows: int, y: Any, raw: Any, ids: np.ndarray | None = None, label_advice: str = ""):
        self.n_rows = n_rows
        self.y = y
        self.raw = raw
        self.ids = ids
        self.label_advice = label_advice

    @abstractmethod
    def features(self, train: np.ndarray) -> Features:
        """Features of all points; means, categories and words come from the rows `train` only."""

    @abstractmethod
    def display(self, index: int) -> dict[str, Any]:
        """A row as it was given, by name, without its label."""


def plain(value: Any) -> Any:
    """A numpy scalar, or an array or tensor of one number, as a Python value; anything else as it is."""
    one = isinstance(value, (np.generic, np.ndarray, Tensor)) and math.prod(value.shape) == 1
    return value.item() if one else value
