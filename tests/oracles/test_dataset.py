"""The dataset as oracle."""

import numpy as np
import pytest

import aljupyter as al
from aljupyter.errors import OracleError
from aljupyter.oracles import DatasetOracle, ask

X = np.arange(12.0).reshape(6, 2)


def test_it_answers_in_the_labels_own_words():
    data = al.DataManager(X, ["a", "b", "a", "b", "a", "b"], labelled=[0, 1])
    assert DatasetOracle(data)(np.array([3, 2])).tolist() == ["b", "a"]


def test_it_says_which_points_it_does_not_know():
    data = al.DataManager(X, ["a", "b", "a", None, "a", None], labelled=[0, 1])
    with pytest.raises(OracleError, match="1 of 2 queried points \\(first: 3\\)"):
        DatasetOracle(data)(np.array([2, 3]))


@pytest.mark.parametrize("answer", [1, [1], [1, 2, 3], np.array(4), "yes!"])
def test_one_label_for_each_point_or_none_is_taken(answer):
    with pytest.raises(OracleError, match="one label for each"):
        ask(lambda indices: answer, np.array([0, 1]))
