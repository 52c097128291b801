"""The oracle of experiments: the dataset knows the labels and gives them when asked."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from aljupyter.data.manager import DataManager
from aljupyter.errors import OracleError


class Oracle(Protocol):
    """Called with indices of the dataset, answers with one label each, in the labels' original form."""

    def __call__(self, indices: np.ndarray) -> Any: ...


class DatasetOracle:
    """Answers with the dataset's own labels.

    Parameters
    ----------
    data : DataManager
    """

    name = "dataset"

    def __init__(self, data: DataManager):
        self.data = data

    def __call__(self, indices: np.ndarray) -> np.ndarray:
        """Labels of these points, in their original form.

        Raises
        ------
        OracleError
            Where the dataset has no label for a point.
        """
        known = self.data.has_truth(indices)
        if not known.all():
            unknown = np.asarray(indices)[~known]
            raise OracleError(
                f"The dataset has no label for {len(unknown)} of {len(known)} queried points (first: {unknown[0]}). "
                f"Measure them and give the answers: `learner.label(indices, labels)`."
            )
        return self.data.decode(self.data.truth(indices))


def ask(oracle: Oracle, indices: np.ndarray) -> Any:
    """The oracle's labels of these points.

    Raises
    ------
    OracleError
        If it does not answer with one label for each.
    """
    labels = oracle(indices)
    try:
        given = -1 if isinstance(labels, str) else len(labels)
    except TypeError:  # a bare number, None, a tensor of no dimension
        given = -1
    if given != len(indices):
        answer = repr(labels) if given < 0 else f"{given} labels"
        raise OracleError(
            f"The oracle was asked about {len(indices)} points and gave {answer}. It is called with an array of "
            f"indices and answers with one label for each, in a list or an array."
        )
    return labels
