"""Views and labels: who is labelled, unlabelled, validation and test, whatever happens."""

import copy
import pickle
import time

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from aljupyter.data import DataManager
from aljupyter.errors import (
    AlreadyLabelled,
    DataError,
    IndexOutOfPool,
    IndexOutOfRange,
    InvalidLabel,
    MissingLabels,
    NotLabelled,
    OverlappingViews,
    RepeatedIndices,
    WrongShape,
)

N = 40
X = np.random.default_rng(0).normal(size=(N, 3))
WORDS = np.array(["ash", "elm", "oak"])[np.arange(N) % 3]


def manager(**arguments):
    return DataManager(X, WORDS, **{"test": [0, 3, 6, 9], "validation": [1], "labelled": [30, 10, 20]} | arguments)


def everything(data):
    """All that a user can see of the state."""
    views = (data.train, data.validation, data.test, data.labelled, data.unlabelled)
    return [(view.indices.tolist(), view.y.tolist()) for view in views], data.truth(range(N)).tolist()


def assert_partition(data):
    labelled, unlabelled = data.labelled.indices, data.unlabelled.indices
    assert not set(labelled) & set(unlabelled)
    assert sorted([*labelled, *unlabelled]) == data.train.indices.tolist()
    assert (np.diff(unlabelled) > 0).all()
    assert not set(data.train.indices) & {*data.test.indices, *data.validation.indices}
    assert not set(data.test.indices) & set(data.validation.indices)


# --- views ----------------------------------------------------------------------------------------------------------


def test_given_views_are_the_views():
    data = manager()
    assert data.test.indices.tolist() == [0, 3, 6, 9]
    assert data.validation.indices.tolist() == [1]
    assert data.labelled.indices.tolist() == [30, 10, 20]
    assert len(data.train) == N - 5
    assert_partition(data)


@pytest.mark.parametrize("as_type", [list, tuple, np.array, torch.tensor, pd.Series, pd.Index])
def test_indices_come_in_any_container(as_type):
    assert manager(test=as_type([2, 5])).test.indices.tolist() == [2, 5]


def test_a_mask_is_a_view():
    assert manager(test=np.arange(N) == 7).test.indices.tolist() == [7]


def test_without_views_all_is_train_and_a_tenth_is_labelled():
    data = DataManager(X, WORDS)
    assert len(data.train) == N and not len(data.test) and not len(data.validation)
    assert len(data.labelled) == 4
    assert set(data.labelled.y.tolist()) == {0, 1, 2}


def test_a_warm_start_of_few_points_has_every_class_or_two_numbers():
    assert len(DataManager(X[:6], WORDS[:6]).labelled) == 3
    assert len(DataManager(X[:6], X[:6, 0]).labelled) == 2


@pytest.mark.parametrize("nothing", [0, [], ()])
def test_an_empty_labelled_set_is_legal(nothing):
    data = manager(labelled=nothing)
    assert len(data.labelled) == 0 and data.labelled.x.shape == (0, 3)
    assert_partition(data)


def test_where_labels_are_missing_all_known_ones_of_train_are_the_start():
    data = DataManager(X, [*WORDS[:9], *[None] * (N - 9)], test=[2])
    assert data.labelled.indices.tolist() == [0, 1, 3, 4, 5, 6, 7, 8]


def test_test_and_validation_are_drawn_where_a_label_can_judge():
    data = DataManager(X, [*WORDS[:20], *[None] * (N - 20)], test=0.25, validation=3)
    assert len(data.test) == 5 and len(data.validation) == 3
    assert data.test.indices.max() < 20 and data.validation.indices.max() < 20
    assert_partition(data)


@given(
    n=st.integers(8, 80),
    n_classes=st.integers(1, 4),
    test=st.sampled_from([None, 2, 0.2, 0.5]),
    validation=st.sampled_from([None, 0, 1, 0.1]),
    train=st.sampled_from([None, 4, 0.5]),
    labelled=st.sampled_from([None, 0, 1, 4, 0.3]),
    seed=st.integers(0, 5),
)
def test_draws_partition_and_repeat(n, n_classes, test, validation, train, labelled, seed):
    def draw():
        return DataManager(
            np.arange(n)[:, None] * 1.0,
            np.arange(n) % n_classes,
            test=test,
            validation=validation,
            train=train,
            labelled=labelled,
            task="classification",
            seed=seed,
        )

    try:
        data = draw()
    except DataError as error:  # a train of 0.5, a test of 0.5 and a validation do not fit
        assert "to draw from" in str(error)
        return
    assert_partition(data)
    again = draw()
    for name in ("train", "validation", "test", "labelled"):
        assert getattr(data, name).indices.tolist() == getattr(again, name).indices.tolist()
    if labelled == 4:
        assert len(data.labelled) == 4
        assert set(data.labelled.y.tolist()) == set(data.train.y.tolist())


def test_another_seed_is_another_draw():
    assert (manager(test=8).test.indices != manager(test=8, seed=1).test.indices).any()


def test_no_global_generator_is_touched():
    np.random.seed(0)
    torch.manual_seed(0)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    data = manager(test=0.2, validation=0.1, labelled=0.2)
    list(data.train.loader(batch_size=8))
    list(data.train.loader(batch_size=8, shuffle=True))
    np.testing.assert_array_equal(np.random.get_state()[1], before[0])
    assert torch.equal(torch.get_rng_state(), before[1])


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"test": [-1]}, IndexOutOfRange),
        ({"test": [N]}, IndexOutOfRange),
        ({"test": [2, 2]}, RepeatedIndices),
        ({"test": [1, 2]}, OverlappingViews),
        ({"train": [0, 2, 10, 20, 30]}, OverlappingViews),
        ({"labelled": [0]}, OverlappingViews),
        ({"labelled": [2, 2]}, RepeatedIndices),
        ({"labelled": [N]}, IndexOutOfRange),
        ({"train": [2, 10], "labelled": [30]}, OverlappingViews),
        ({"test": [[2]]}, WrongShape),
        ({"test": [[2], [3, 4]]}, WrongShape),
        ({"test": [True, False]}, WrongShape),
        ({"test": [2.0]}, DataError),
        ({"test": ["2"]}, DataError),
        ({"test": True}, DataError),
        ({"test": 1.0}, DataError),
        ({"test": 0.0}, DataError),
        ({"test": -1}, DataError),
        ({"test": N}, DataError),
        ({"labelled": N - 4}, DataError),
        ({"test": 0.7, "train": 0.5}, DataError),
        ({"train": 0}, DataError),
        ({"test": list(range(1, N)), "validation": [0], "labelled": 0}, DataError),
        ({"preprocess": "scale"}, DataError),
        ({"feature_names": ["one"]}, WrongShape),
        ({"target": "y"}, DataError),
    ],
)
def test_views_that_cannot_be_are_refused(arguments, error):
    with pytest.raises(error):
        manager(**arguments)


def test_points_without_a_label_can_neither_be_labelled_nor_judge():
    some = [*WORDS[:9], *[None] * (N - 9)]
    with pytest.raises(MissingLabels, match="Point 20"):
        DataManager(X, some, labelled=[0, 20])
    with pytest.raises(MissingLabels, match="test view"):
        DataManager(X, some, test=[20])


# --- labels -----------------------------------------------------------------------------------------------------------


def test_labels_move_points_in_the_order_given():
    data = manager()
    data.label([25, 5], ["oak", "ash"])
    assert data.labelled.indices.tolist() == [30, 10, 20, 25, 5]
    assert data.decode(data.labelled.y[-2:]).tolist() == ["oak", "ash"]
    assert_partition(data)


def test_an_oracles_label_leaves_the_truth_alone():
    data = manager()
    wrong = "ash" if WORDS[25] != "ash" else "elm"
    data.label([25], [wrong])
    assert data.decode(data.truth([25])).tolist() == [WORDS[25]]
    assert data.decode(data.subset([25]).y).tolist() == [wrong]
    assert data.decode(data.train.y[data.train.indices == 25]).tolist() == [wrong]
    data.unlabel([25])
    assert data.decode(data.train.y[data.train.indices == 25]).tolist() == [WORDS[25]]


def test_labels_may_come_as_one_or_as_a_series_with_another_index():
    data = manager()
    data.label(25, "oak")
    data.label([5, 4], pd.Series(["ash", "elm"], index=[8, 9]))
    assert data.decode(data.labelled.y[-3:]).tolist() == ["oak", "ash", "elm"]


@pytest.mark.parametrize(
    ("indices", "labels", "error"),
    [
        ([0], ["ash"], IndexOutOfPool),
        ([1], ["ash"], IndexOutOfPool),
        ([10], ["ash"], AlreadyLabelled),
        ([5, 5], ["ash", "ash"], RepeatedIndices),
        ([N], ["ash"], IndexOutOfRange),
        ([-1], ["ash"], IndexOutOfRange),
        ([5, 4], ["ash"], WrongShape),
        ([5], ["ash", "elm"], WrongShape),
        ([5], [["ash"]], WrongShape),
        ([5, 4], ["ash", "fir"], InvalidLabel),
        ([5], [0], InvalidLabel),
        ([5], [None], InvalidLabel),
        ([5], [float("nan")], InvalidLabel),
        ([5, 0], ["ash", "ash"], IndexOutOfPool),
        ([5.5], ["ash"], DataError),
    ],
)
def test_a_label_that_cannot_be_is_refused_and_changes_nothing(indices, labels, error):
    data = manager()
    before = everything(data)
    with pytest.raises(error):
        data.label(indices, labels)
    assert everything(data) == before


def test_a_point_in_no_view_is_not_of_the_pool():
    with pytest.raises(IndexOutOfPool, match="in no view"):
        DataManager(X, WORDS, train=[1, 2, 3, 4], labelled=[1]).label([5], ["ash"])


@pytest.mark.parametrize(
    ("indices", "error"), [([5], NotLabelled), ([30, 0], NotLabelled), ([30, 30], RepeatedIndices)]
)
def test_a_label_that_is_not_there_cannot_be_taken_back(indices, error):
    data = manager()
    before = everything(data)
    with pytest.raises(error):
        data.unlabel(indices)
    assert everything(data) == before


def test_messages_name_the_point_the_label_and_the_way_out():
    data = manager()
    with pytest.raises(InvalidLabel, match=r"'fir' is not one of the classes 'ash', 'elm', 'oak'.*classes="):
        data.label([5], ["fir"])
    with pytest.raises(IndexOutOfPool, match=r"Point 3 is in the test view.*data\.unlabelled\.indices"):
        data.label([3], ["ash"])


def test_restore_undoes_whatever_came_after_the_snapshot():
    data = manager()
    snapshot, before = data.snapshot(), everything(data)
    data.label([5, 25], ["ash", "oak"])
    data.unlabel([30])
    data.restore(snapshot)
    assert everything(data) == before


def test_truth_and_where_there_is_none():
    data = DataManager(X, [*WORDS[:9], *[None] * (N - 9)])
    assert data.has_truth([8, 9]).tolist() == [True, False]
    with pytest.raises(MissingLabels, match="point 9"):
        data.truth([8, 9])
    data.label([9], ["oak"])
    assert data.has_truth([9]).tolist() == [False]  # what an oracle said is not the dataset's own


class Rounds(RuleBasedStateMachine):
    """Labels given and taken back in any order, against a plain dictionary."""

    def __init__(self):
        super().__init__()
        self.data = manager()
        self.expected = dict(zip([30, 10, 20], WORDS[[30, 10, 20]], strict=True))
        self.saved = (self.data.snapshot(), dict(self.expected))

    @rule(choice=st.data())
    def label(self, choice):
        pool = self.data.unlabelled.indices.tolist()
        if pool:
            chosen = choice.draw(st.lists(st.sampled_from(pool), unique=True, max_size=4))
            labels = choice.draw(
                st.lists(st.sampled_from(["ash", "elm", "oak"]), min_size=len(chosen), max_size=len(chosen))
            )
            self.data.label(chosen, labels)
            self.expected |= dict(zip(chosen, labels, strict=True))

    @rule(choice=st.data())
    def unlabel(self, choice):
        if self.expected:
            chosen = choice.draw(st.lists(st.sampled_from(list(self.expected)), unique=True, max_size=3))
            self.data.unlabel(chosen)
            for index in chosen:
                del self.expected[index]

    @rule()
    def save(self):
        self.saved = (self.data.snapshot(), dict(self.expected))

    @rule()
    def restore(self):
        snapshot, expected = self.saved
        self.data.restore(snapshot)
        self.expected = dict(expected)

    @invariant()
    def labels_are_as_expected(self):
        assert self.data.labelled.indices.tolist() == list(self.expected)
        assert self.data.decode(self.data.labelled.y).tolist() == list(self.expected.values())
        assert_partition(self.data)
        assert len(self.data.train) == N - 5


TestRounds = Rounds.TestCase


# --- the rest ---------------------------------------------------------------------------------------------------------


def test_a_subset_keeps_its_order_and_takes_other_labels():
    data = manager()
    view = data.subset([7, 2], torch.tensor([1, 2]))
    assert view.indices.tolist() == [7, 2] and view.y.tolist() == [1, 2]
    assert torch.equal(view.x[1], data.train.x[data.train.indices.tolist().index(2)])
    with pytest.raises(WrongShape):
        data.subset([7, 2], torch.tensor([1]))
    with pytest.raises(IndexOutOfRange):
        data.subset([N])


def test_statistics_come_from_train_only():
    data = DataManager(X, X[:, 0], test=[0, 1, 2])
    np.testing.assert_allclose(data.train.x.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(data.train.x.std(0, correction=0), 1)
    np.testing.assert_allclose(data.test.x, (X[:3] - X[3:].mean(0)) / X[3:].std(0))


def test_features_stay_put_over_rounds():
    data = manager()
    before = data.subset([5]).x.clone()
    data.label([5, 25], ["ash", "oak"])
    assert torch.equal(data.subset([5]).x, before)


def test_later_changes_to_the_array_do_not_reach_the_views():
    mine = X.copy()
    for preprocess in ("auto", None):
        data = DataManager(mine, WORDS, preprocess=preprocess)
        before = data.train.x.clone()
        mine[:] = 7.0
        assert torch.equal(data.train.x, before)


def test_a_manager_can_be_copied_and_pickled():
    data = manager()
    for twin in (copy.deepcopy(data), pickle.loads(pickle.dumps(data))):
        twin.label([5], ["ash"])
        assert len(twin.labelled) == len(data.labelled) + 1
        assert torch.equal(twin.test.x, data.test.x)


def test_display_is_the_row_as_given():
    assert DataManager(X, WORDS, feature_names=["a", "b", "c"]).display(4) == dict(
        zip("abc", X[4].tolist(), strict=True)
    )
    assert manager().raw is X


def test_the_repr_says_what_was_done():
    text = repr(DataManager(X, [*WORDS[:-5], *[None] * 5], test=4, seed=3))
    for part in (
        "40 rows",
        "standardised by the 36 rows",
        "'ash' 12",
        "test 4",
        "31 of train",
        "5 in the pool",
        "5 rows",
    ):
        assert part in text
    assert "seed      3" in text


def test_a_million_rows_take_seconds():
    """A guard against a step of Python for each row, with room for a slow machine."""
    x = np.random.default_rng(0).normal(size=(1_000_000, 8))
    start = time.perf_counter()
    data = DataManager(x, x[:, 0], test=0.2)
    built = time.perf_counter()
    for _ in range(10):
        data.label(data.unlabelled.indices[:5], [0.0] * 5)
    assert built - start < 10
    assert time.perf_counter() - built < 2
