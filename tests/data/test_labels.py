"""What labels mean, and which of them are missing."""

import decimal

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aljupyter.data import DataManager
from aljupyter.data.labels import read_labels
from aljupyter.errors import DataError, InvalidLabel, UnknownTask, WrongShape

nan = float("nan")


def repeated(*values):
    return list(values) * 10


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (repeated("b", "a", None), ["a", "b"]),
        (np.array(repeated("b", "a")), ["a", "b"]),
        (np.array(repeated("b", "a", None, nan), dtype=object), ["a", "b"]),
        (pd.Series(repeated("b", "a", None), dtype="string"), ["a", "b"]),
        (pd.Series(repeated("b", "a", None), dtype="str"), ["a", "b"]),
        (repeated("0", "1"), ["0", "1"]),
        (repeated(True, False), [False, True]),
        (repeated(True, None, False), [False, True]),
        (pd.array(repeated(True, None, False), dtype="boolean"), [False, True]),
        (torch.tensor(repeated(True, False)), [False, True]),
        (repeated(3, 1, 2), [1, 2, 3]),
        (torch.tensor(repeated(0, 1, 2)), [0, 1, 2]),
        (np.array(repeated(0, 1), dtype=np.uint8), [0, 1]),
        (pd.array(repeated(5, None, 9), dtype="Int64"), [5, 9]),
        (repeated(-1, 1), [-1, 1]),
        (repeated(0.0, 1.0), [0, 1]),
        (repeated(0.0, 2.0, 1.0, nan), [0, 1, 2]),
        (torch.tensor(repeated(0.0, 1.0, nan)), [0, 1]),
        ([0.0, 1.0, 2.0, nan, nan], [0, 1, 2]),
        (pd.Categorical(repeated("b", "a"), categories=["c", "b", "a"]), ["a", "b"]),
        (pd.Categorical(repeated("b", "a", None), categories=["c", "b", "a"]), ["a", "b", "c"]),
        (pd.Categorical(repeated(None), categories=["b", "a"]), ["a", "b"]),
        (pd.Categorical(repeated(7, 3)), [3, 7]),
    ],
)
def test_labels_that_are_classes(labels, classes):
    target, y = read_labels(labels, len(labels))
    assert target.task == "classification" and target.classes.tolist() == classes
    assert y.dtype == torch.int64
    given = pd.Series(labels if not isinstance(labels, torch.Tensor) else labels.numpy())
    assert (y < 0).tolist() == given.isna().tolist()
    known = np.flatnonzero(~given.isna())
    assert target.decode(y[known]).tolist() == [given[i] for i in known]


@pytest.mark.parametrize(
    "labels",
    [
        repeated(0.5, 1.5),
        repeated(1.0, 2.0, 3.0),
        np.arange(25),
        [12, 40, 33, 71],
        [12.0, 40.0, 33.0, nan, nan, nan],
        torch.tensor([0.5, nan]),
        np.linspace(0, 1, 9, dtype=np.float32),
        pd.array([1.5, None, 2.5], dtype="Float64"),
        [decimal.Decimal("1.5"), decimal.Decimal("2.5"), None],
    ],
)
def test_labels_that_are_numbers(labels):
    target, y = read_labels(labels, len(labels))
    assert target.task == "regression" and target.classes is None and target.n_classes is None
    assert y.dtype == torch.float64
    expected = [nan if pd.isna(v) else float(v) for v in pd.Series(np.asarray(labels)).tolist()]
    np.testing.assert_array_equal(y, expected)


def test_the_task_can_be_said():
    assert read_labels([0, 1, 0], 3, task="regression")[1].tolist() == [0.0, 1.0, 0.0]
    assert read_labels([12.0, 40.0, 33.0], 3, task="classification")[0].classes.tolist() == [12, 33, 40]
    assert read_labels([True, False], 2, task="regression")[1].tolist() == [1.0, 0.0]
    assert read_labels(["1.5", "low"], 2, task="classification")[0].classes.tolist() == ["1.5", "low"]
    assert read_labels(None, 2, task="regression")[1].isnan().all()


def test_classes_can_be_named():
    target, y = read_labels(["b", None, "a"], 3, classes=["c", "b", "a"])
    assert target.classes.tolist() == ["a", "b", "c"] and y.tolist() == [1, -1, 0]
    assert read_labels(None, 2, classes=[2, 1])[1].tolist() == [-1, -1]
    assert read_labels([2.0, nan], 2, classes=[1, 2])[1].tolist() == [1, -1]


@pytest.mark.parametrize("labels", [None, [nan, nan], [None, None], pd.array([None, None], dtype="Int64")])
@pytest.mark.parametrize("task", [None, "classification"])
def test_no_label_and_no_word_is_no_task(labels, task):
    with pytest.raises(UnknownTask, match=r"classes=\['a', 'b'\].*task='regression'"):
        read_labels(labels, 2, task=task)


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ([1.0, np.inf], InvalidLabel, "inf is not a label"),
        (["a", 1], InvalidLabel, "more than one kind"),
        (["a", 1.5], InvalidLabel, "more than one kind"),
        ([1j, 2j], InvalidLabel, "not understood"),
        (pd.to_datetime(["2020-01-01", "2020-01-02"]), InvalidLabel, "Timestamp"),
        (["1.5", "2.5"], InvalidLabel, r"'1.5'.*to_numeric"),
        (["1.5", "2.5", "pending"], InvalidLabel, r"'1.5' and 'pending'.*to_numeric"),
        ([[1], [0]], WrongShape, "ravel"),
        ([[1], [0, 2]], WrongShape, "unequal length"),
        (np.eye(3), WrongShape, "argmax"),
        (pd.DataFrame({"y": [1, 0]}), WrongShape, "ravel"),
        (3, WrongShape, "one label a row"),
    ],
)
def test_labels_that_cannot_be_are_refused(labels, error, message):
    with pytest.raises(error, match=message):
        read_labels(labels, 2 if isinstance(labels, int) else len(labels))


def test_one_label_a_row():
    with pytest.raises(WrongShape, match="y has 2 labels, the dataset has 3 rows"):
        read_labels([0, 1], 3)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"y": ["a", "b"], "task": "regression"}, InvalidLabel, "'a' is not a label of a regression.*finite number"),
        ({"y": ["1.5", "2"], "task": "regression"}, InvalidLabel, "to_numeric"),
        ({"y": [0.5, 1.5], "task": "classification"}, InvalidLabel, "0.5 is not a class.*task='regression'"),
        ({"y": ["a", "b"], "task": "ranking"}, UnknownTask, "neither"),
        ({"y": ["a", "b"], "classes": ["a", "c"]}, InvalidLabel, "'b' is not one of the classes 'a', 'c'"),
        ({"y": None, "classes": ["a", "a"]}, InvalidLabel, "twice"),
        ({"y": None, "classes": ["a", 1]}, InvalidLabel, "kinds"),
        ({"y": None, "classes": ["a", None]}, InvalidLabel, "kinds"),
        ({"y": None, "classes": [1.5, 2]}, InvalidLabel, "1.5"),
        ({"y": None, "classes": 3}, InvalidLabel, "list of labels"),
        ({"y": None, "classes": "ab"}, InvalidLabel, "list of labels"),
        ({"y": [1.0, 2.0], "classes": [1, 2], "task": "regression"}, DataError, "give one"),
    ],
)
def test_what_is_said_must_fit(arguments, error, message):
    with pytest.raises(error, match=message):
        read_labels(n_rows=2, **arguments)


@pytest.mark.parametrize("wrong", ["1", 1.5, None, nan, [1], 4])
def test_classes_that_are_numbers_take_those_numbers_only(wrong):
    target, _ = read_labels(repeated(1, 2, 3), 30)
    assert target.encode([3, 1.0, np.int64(2)]).tolist() == [2, 0, 1]
    with pytest.raises((InvalidLabel, WrongShape)):
        target.encode([wrong])


@pytest.mark.parametrize("wrong", ["1.5", None, nan, np.inf, "a", [1.0]])
def test_a_regression_takes_finite_numbers_only(wrong):
    target, _ = read_labels([0.5, 1.5], 2)
    assert target.encode(torch.tensor([2.5, 1.0])).tolist() == [2.5, 1.0]
    with pytest.raises((InvalidLabel, WrongShape)):
        target.encode([wrong])


@pytest.mark.parametrize("code", [-1, 2])
def test_a_code_without_a_class_cannot_be_decoded(code):
    with pytest.raises(InvalidLabel, match="from 0 to 1"):
        read_labels(["a", "b"], 2)[0].decode([0, code])


@given(st.lists(st.one_of(st.none(), st.text(min_size=1, alphabet="xyz")), min_size=1, max_size=30))
def test_decoding_undoes_encoding(labels):
    known = [label for label in labels if label is not None]
    if known:
        target, y = read_labels(labels, len(labels))
        assert target.decode(y[y >= 0]).tolist() == known
        assert target.decode(target.encode(known)).tolist() == known


def test_numbers_decode_to_themselves_in_an_array_of_their_own():
    target, y = read_labels([0.5, 1.5], 2)
    target.decode(y)[0] = 9.0
    assert y.tolist() == [0.5, 1.5]


def test_a_series_of_another_index_is_paired_by_position_with_an_array():
    y = pd.Series([0.5, 1.5, 2.5], index=[12, 10, 11])
    assert DataManager(np.eye(3), y).train.y.tolist() == [0.5, 1.5, 2.5]


def test_one_known_class_is_said_in_the_repr():
    assert "one class only: 'a' 2" in repr(DataManager(np.eye(3), ["a", "a", None]))


def test_ordered_categories_keep_their_order_and_others_are_sorted():
    sizes = pd.Categorical(["small", "large", "medium", "small"], categories=["small", "medium", "large"], ordered=True)
    target, y = read_labels(sizes, 4)
    assert target.classes.tolist() == ["small", "medium", "large"] and y.tolist() == [0, 2, 1, 0]
    target, y = read_labels(pd.Categorical(["small", "large", "small", "large"], categories=["small", "large"]), 4)
    assert target.classes.tolist() == ["large", "small"] and y.tolist() == [1, 0, 1, 0]


def test_numbers_of_a_reversed_table_are_read():
    table = pd.DataFrame({"y": [0.5, 1.5, 2.5, 7.25]})
    assert read_labels(table.iloc[::-1]["y"], 4)[1].tolist() == [7.25, 2.5, 1.5, 0.5]
