"""Which rows judge a model: folds, groups and canonical splits, against counting and scikit-learn."""

import random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import pairwise_distances
from sklearn.model_selection import KFold, StratifiedKFold

from aljupyter.datasets import from_frame, load
from aljupyter.datasets.folds import test_rows as rows_of_test
from aljupyter.errors import AlJupyterError, FoldOutOfRange, InvalidOption, MissingLabels, OverlappingViews

seeds = st.integers(0, 2**32 - 1)
# of each row: its class, or None where that is not known, and its group
labelled_rows = st.lists(st.tuples(st.sampled_from(["a", "b", "c", None]), st.integers(0, 5)), min_size=8, max_size=50)
IN_ORDER = ("breast_cancer", "diabetes", "synth_class3", "synth_reg2", "digits")
FILES = ("glass", "seeds", "parkinsons", "airfoil", "concrete", "energy", "power", "yacht", "wine_quality")
BOARDS = ("checkerboard2x2", "checkerboard4x4", "rotated_checkerboard2x2")


def dataset_of(rows, task=None):
    labels, groups = zip(*rows, strict=True)
    table = pd.DataFrame({"x": np.arange(len(rows)) / 7, "who": [f"p{g}" for g in groups], "y": labels})
    if task == "regression":
        table["y"] = [None if label is None else ord(label) + i / 9 for i, label in enumerate(labels)]
        table["y"] = table["y"].astype(float)
    return from_frame(table, "y", group="who", task=task, classes=None if task else ["a", "b", "c"])


def all_folds(dataset, split, folds, seed=0):
    return [rows_of_test(dataset, split, fold, folds, seed) for fold in range(folds)]


@given(labelled_rows, st.data(), seeds)
def test_folds_part_the_rows_that_have_a_label(rows, data, seed):
    task = data.draw(st.sampled_from([None, "regression"]))
    dataset = dataset_of(rows, task)
    known = np.flatnonzero([label is not None for label, _ in rows])
    split = data.draw(st.sampled_from(["random", "contiguous", "grouped"] + ["stratified"] * (task is None)))
    most = len({rows[i][1] for i in known}) if split == "grouped" else len(known)
    if most < 2:
        with pytest.raises(InvalidOption, match="folds=2"):
            rows_of_test(dataset, split, 0, 2, seed)
        return
    folds = all_folds(dataset, split, data.draw(st.integers(2, most)), seed)
    assert np.array_equal(np.sort(np.concatenate(folds)), known)
    assert all(len(fold) for fold in folds)
    assert all(np.array_equal(fold, np.sort(fold)) for fold in folds)


@given(labelled_rows, st.integers(2, 6), seeds)
def test_random_folds_differ_in_size_by_one_at_most(rows, folds, seed):
    dataset = dataset_of(rows)
    if dataset.known.sum() < folds:
        return
    sizes = [len(fold) for fold in all_folds(dataset, "random", folds, seed)]
    assert max(sizes) - min(sizes) <= 1


@given(labelled_rows, st.integers(2, 6), seeds)
def test_stratified_folds_have_each_class_in_proportion(rows, folds, seed):
    dataset = dataset_of(rows)
    y = dataset.y.numpy()
    if np.bincount(y[y >= 0], minlength=1).max() < folds:
        return
    for code in set(y[y >= 0].tolist()):
        counts = [int((y[fold] == code).sum()) for fold in all_folds(dataset, "stratified", folds, seed)]
        assert max(counts) - min(counts) <= 1


@given(labelled_rows, st.data(), seeds, st.sampled_from([None, "regression"]))
def test_no_group_is_on_both_sides(rows, data, seed, task):
    dataset = dataset_of(rows, task)
    n_groups = len(np.unique(dataset.groups[dataset.known]))
    if n_groups < 3:
        return
    folds = data.draw(st.integers(3, n_groups))
    validation = data.draw(st.sampled_from([None, 0, 1, 0.1]))
    made = dataset.task("warm", folds=folds, seed=seed, split="grouped", validation=validation, initial=[])
    sides = [set(dataset.groups[view.indices]) for view in (made.train, made.validation, made.test)]
    assert not sides[0] & sides[1] and not sides[0] & sides[2] and not sides[1] & sides[2]
    assert (len(made.validation) > 0) == (validation in (1, 0.1))
    views = np.concatenate([view.indices for view in (made.train, made.validation, made.test)])
    assert set(np.flatnonzero(dataset.known)) <= set(views)  # only rows without a label may be left out


def test_a_row_without_a_label_is_left_out_with_its_group_only():
    rows = [("a", 0), (None, 0), ("b", 1), (None, 1), ("a", 2), (None, 3)]
    made = dataset_of(rows).task("warm", split="grouped", folds=3, initial=[])
    here = rows[made.test.indices[0]][1]
    assert made.train.indices.tolist() == [i for i, (_, group) in enumerate(rows) if group != here]


def test_a_grouped_classification_has_the_classes_about_in_proportion():
    random_state = np.random.default_rng(0)
    rows = [("a" if group % 2 else "b", group) for group in range(40) for _ in range(int(random_state.integers(3, 6)))]
    dataset = dataset_of(rows)
    share = (dataset.y == 0).double().mean()
    for fold in all_folds(dataset, "grouped", 4):
        assert abs((dataset.y[fold] == 0).double().mean() - share) < 0.1


@given(labelled_rows, seeds, st.sampled_from(["random", "stratified", "contiguous"]))
def test_rows_without_a_label_are_always_in_train_and_never_labelled(rows, seed, split):
    dataset = dataset_of(rows)
    if dataset.known.sum() < 8:
        return
    blind = np.flatnonzero([label is None for label, _ in rows])
    for fold in range(2):
        made = dataset.task("warm", fold, 2, seed, split=split, validation=1, initial=2)
        assert np.isin(blind, made.train.indices).all()
        assert not np.isin(blind, made.labelled.indices).any()


@pytest.mark.parametrize("name", IN_ORDER)
def test_contiguous_folds_are_those_of_scikit_learn_without_shuffling(name):
    dataset = load(name)
    theirs = StratifiedKFold(5) if dataset.n_classes else KFold(5)
    for fold, (train, test) in enumerate(theirs.split(dataset.x, dataset.y)):
        made = dataset.task("warm", fold, split="contiguous")
        assert np.array_equal(made.test.indices, test) and np.array_equal(made.train.indices, train)


def test_folds_of_two_seeds_differ_and_those_of_one_do_not():
    dataset = load("diabetes")
    first, again, other = (rows_of_test(dataset, "random", 0, 5, seed) for seed in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_the_folds_do_not_depend_on_the_start():
    dataset = load("breast_cancer")
    cold, warm = dataset.task("cold", 3), dataset.task("warm", 3, validation=0.2)
    assert np.array_equal(cold.test.indices, warm.test.indices)


def test_more_folds_than_a_class_has_rows_say_nothing():
    table = pd.DataFrame({"x": range(9), "y": ["a"] * 7 + ["b"] * 2})
    folds = all_folds(from_frame(table, "y"), "stratified", 3)  # a warning would be an error here
    assert sorted(int((fold >= 7).sum()) for fold in folds) == [0, 1, 1]


# --- canonical ------------------------------------------------------------------------------------------------------


def with_splits(**splits):
    dataset = from_frame(pd.DataFrame({"x": range(12), "y": ["a", "b"] * 6}), "y")
    dataset.splits = {name: np.array(rows) for name, rows in splits.items()}
    return dataset


def test_a_canonical_split_is_that_of_the_data():
    dataset = load("gaussian_clouds")
    made = dataset.task("warm", split="canonical")
    assert np.array_equal(made.train.indices, np.arange(1000)) and len(made.test) == 10000
    assert np.array_equal(made.train.indices, dataset.splits["train"])
    assert np.array_equal(made.test.indices, dataset.splits["test"])


@pytest.mark.parametrize("name", BOARDS)
def test_a_checkerboard_is_tested_on_its_own_test_points(name):
    made = load(name, generate=True).task(split="canonical")
    assert np.array_equal(made.train.indices, np.arange(1000))
    assert np.array_equal(made.test.indices, np.arange(1000, 2000))


def test_a_canonical_split_has_its_own_validation_and_no_other_parts():
    dataset = with_splits(train=[0, 1, 2, 3], test=[4, 5], validation=[6, 7], rest=[8, 9, 10, 11])
    made = dataset.task(split="canonical")
    assert made.train.indices.tolist() == [0, 1, 2, 3]
    assert made.test.indices.tolist() == [4, 5] and made.validation.indices.tolist() == [6, 7]


def test_a_validation_view_that_is_drawn_comes_out_of_the_canonical_train():
    dataset = with_splits(train=[0, 1, 2, 3, 10, 11], test=[4, 5], rest=[6, 7, 8, 9])
    made = dataset.task("warm", split="canonical", validation=2, initial=1)
    both = np.union1d(made.train.indices, made.validation.indices)
    assert both.tolist() == [0, 1, 2, 3, 10, 11] and len(made.validation) == 2


def test_a_canonical_split_is_one_fold():
    dataset = with_splits(train=range(8), test=range(8, 12))
    with pytest.raises(FoldOutOfRange, match="from 0 to 0"):
        dataset.task(split="canonical", fold=1)
    assert "fold" not in repr(dataset.task(split="canonical")).split("\n")[0]


def test_data_without_a_canonical_split_say_so():
    with pytest.raises(InvalidOption, match="'diabetes' .* comes without a split.*split='random'"):
        load("diabetes").task(split="canonical")
    with pytest.raises(InvalidOption, match="comes without a split"):  # the paper's loader forgot it
        load("gaussian_clouds", "paper").task(split="canonical")


# --- groups of a real file -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 1])
def test_no_subject_of_parkinsons_is_on_both_sides(data_folder, seed):
    names = pd.read_csv(next((data_folder / "parkinsons").glob("*.data")))["name"]
    subjects = names.str.split("_").str[2].to_numpy()
    dataset, seen = load("parkinsons"), []
    for fold in range(5):
        made = dataset.task("warm", fold, seed=seed, split="grouped", validation=0.2)
        sides = [set(subjects[view.indices]) for view in (made.train, made.validation, made.test)]
        assert len(set.union(*sides)) == sum(map(len, sides)) == 32
        assert len(made.train) + len(made.validation) + len(made.test) == 195
        assert len(made.validation) >= 39
        seen.extend(made.test.indices)
    assert sorted(seen) == list(range(195))


def test_a_stratified_split_of_parkinsons_does_share_subjects(data_folder):
    dataset = load("parkinsons")
    made = dataset.task()
    assert set(dataset.groups[made.train.indices]) & set(dataset.groups[made.test.indices])


# --- the paper's ----------------------------------------------------------------------------------------------------


def assert_as_the_paper_did(dataset, fold):
    """The recipe in plain Python and scikit-learn, and what the tasks are."""
    x, y = dataset.x.reshape(len(dataset), -1).numpy(), dataset.y.numpy()
    train, test = list((StratifiedKFold(5) if dataset.n_classes else KFold(5)).split(x, y))[fold]
    state = random.getstate()
    random.seed(1234)
    warm = set(random.sample([int(i) for i in train], int(0.1 * len(train))))
    random.setstate(state)

    task = dataset.task("warm", fold)
    assert np.array_equal(task.train.indices, train) and np.array_equal(task.test.indices, test)
    assert set(task.labelled.indices.tolist()) == warm
    cold = dataset.task("cold", fold)
    assert np.array_equal(cold.train.indices, train) and np.array_equal(cold.test.indices, test)
    if dataset.n_classes:  # one of each, unseeded there, in the order in which the classes come
        assert cold.labelled.y.tolist() == list(dict.fromkeys(y[train].tolist()))
        return
    distances = pairwise_distances(x[train].astype(np.float64))
    pair = np.unravel_index(np.argmax(distances), distances.shape)
    assert set(cold.labelled.indices.tolist()) == {int(train[i]) for i in pair}
    # The recipe rounds distances to single precision: of airfoil's fold 1 two pairs are then one farthest.
    distances = pairwise_distances(x[train])
    assert distances[tuple(np.searchsorted(train, cold.labelled.indices))] == distances.max()


@pytest.mark.parametrize("name", IN_ORDER)
def test_tasks_of_the_paper_variant_are_those_of_the_recipe(name):
    dataset = load(name, "paper")
    for fold in range(5):
        assert_as_the_paper_did(dataset, fold)


@pytest.mark.parametrize("name", [*FILES, *BOARDS])
def test_tasks_of_the_paper_variant_of_files_are_those_of_the_recipe(data_folder, name):
    dataset = load(name, "paper")
    for fold in range(5 if len(dataset) < 5000 else 1):  # all distances are in memory
        assert_as_the_paper_did(dataset, fold)


def test_the_paper_variant_sees_raw_features_in_single_precision():
    dataset = load("breast_cancer", "paper")
    task = dataset.task()
    assert np.array_equal(task.train.x.numpy(), dataset.x.numpy()[task.train.indices])
    assert task.train.x.numpy().dtype == np.float32


# --- what cannot be -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fold", [-1, 5, 1.0, "0", None, True])
def test_a_fold_out_of_range_says_which_there_are(fold):
    with pytest.raises(FoldOutOfRange, match="from 0 to 4"):
        load("diabetes").task(fold=fold)


def test_a_fold_out_of_range_is_an_index_error():
    with pytest.raises(IndexError) as caught:
        load("diabetes").task(fold=5)
    assert isinstance(caught.value, AlJupyterError)


@pytest.mark.parametrize("folds", [0, 1, 443, 5.0, "5", True, None])
def test_a_number_of_folds_that_cannot_be_says_what_can(folds):
    with pytest.raises(InvalidOption, match="from 2 to 442, the number of labelled rows"):
        load("diabetes").task(folds=folds)


def test_folds_of_numpy_integers_are_folds():
    task = load("diabetes").task(fold=np.int64(4), folds=np.int32(5), seed=np.int64(0))
    assert task.to_json() == load("diabetes").task(fold=4).to_json()


def test_more_folds_than_groups_are_too_many():
    with pytest.raises(InvalidOption, match="from 2 to 2, the number of groups"):
        dataset_of([("a", 0), ("b", 1), ("a", 0), ("b", 1)]).task(split="grouped", folds=3)


def test_splits_that_these_data_do_not_have_say_what_to_do():
    with pytest.raises(InvalidOption, match="split='leave one out' is not a split: 'stratified'"):
        load("diabetes").task(split="leave one out")
    with pytest.raises(InvalidOption, match="a regression has none: split='random'"):
        load("diabetes").task(split="stratified")
    with pytest.raises(InvalidOption, match="'diabetes' has no groups.*from_frame"):
        load("diabetes").task(split="grouped")


def test_validation_rows_are_not_test_rows_and_have_a_label():
    dataset = dataset_of([("a", 0), ("b", 1), (None, 2), ("a", 3), ("b", 4)])
    test = rows_of_test(dataset, "random", 0, 2, 0)
    with pytest.raises(OverlappingViews):
        dataset.task("warm", folds=2, split="random", validation=test[:1])
    with pytest.raises(MissingLabels):
        dataset.task("warm", folds=2, split="random", validation=[2])
