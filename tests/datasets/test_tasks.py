"""Tasks: who is labelled at the start, that a seed says all, and that a frozen task is the same task elsewhere."""

import os
import random
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import pdist, squareform
from sklearn.cluster import KMeans
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.metrics import pairwise_distances_argmin

import aljupyter as al
from aljupyter.datasets import Task, from_frame, from_json, load
from aljupyter.errors import (
    AlJupyterError,
    DataError,
    IndexOutOfRange,
    InvalidOption,
    MissingLabels,
    OverlappingViews,
    RepeatedIndices,
    UnknownStart,
)

FILES_OF_NUMBERS = ("airfoil", "concrete", "energy", "wine_quality", "yacht")


def views_of(task):
    return [view.indices.tolist() for view in (task.train, task.validation, task.test, task.labelled)]


def partly_labelled():
    """A classification of two classes and a regression; of each the rows 0, 7, 14, ... have no label."""
    x = np.random.default_rng(0).normal(size=(70, 3))
    table = pd.DataFrame(x, columns=["u", "v", "w"])
    blind = np.arange(70) % 7 == 0
    classes = pd.Series(np.where(x[:, 0] > 0, "high", "low"), dtype=object).mask(blind, None)
    numbers = pd.Series(x @ [1.0, -2.0, 0.5]).mask(blind)
    return from_frame(table.assign(y=classes), "y"), from_frame(table.assign(y=numbers), "y")


# --- a cold start ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["breast_cancer", "digits", "synth_class2"])
@pytest.mark.parametrize("count", [None, 1, 3])
def test_a_cold_start_of_a_classification_has_so_many_of_each_class(name, count):
    dataset = load(name)
    task = dataset.task(initial=count)
    assert np.bincount(task.labelled.y).tolist() == [count or 1] * dataset.n_classes
    assert np.isin(task.labelled.indices, task.train.indices).all()


def test_a_cold_start_is_drawn_evenly_from_the_points_of_a_class():
    dataset = from_frame(pd.DataFrame({"x": range(10), "y": ["a"] * 5 + ["b"] * 5}), "y")
    dataset.splits = {"train": np.arange(10), "test": np.arange(0)}
    drawn = [dataset.task(seed=seed, split="canonical").labelled.indices for seed in range(200)]
    counts = np.bincount(np.concatenate(drawn), minlength=10)
    assert ((counts - 40) ** 2 / 40).sum() < 26.1  # chi-squared, 8 degrees of freedom: one in a thousand is above


def assert_farthest(task):
    """In the features that the model sees; of pairs equally far, but for rounding, any."""
    distances = squareform(pdist(task.train.x.double().numpy()))
    i, j = np.searchsorted(task.train.indices, task.labelled.indices)
    far = np.argwhere(np.triu(distances) >= distances.max() * (1 - 1e-12))
    assert [i, j] in far.tolist()
    if len(far) == 1:
        assert [i, j] == list(np.unravel_index(distances.argmax(), distances.shape))


@pytest.mark.parametrize("name", ["diabetes", "synth_reg1", "synth_reg2"])
@pytest.mark.parametrize("variant", ["clean", "paper"])
def test_a_cold_start_of_a_regression_is_the_farthest_pair_of_train(name, variant):
    dataset = load(name, variant)
    for fold in range(5):
        task = dataset.task(fold=fold)
        assert len(task.labelled) == 2
        assert_farthest(task)


@pytest.mark.parametrize("name", FILES_OF_NUMBERS)
def test_a_cold_start_of_a_regression_from_a_file_is_the_farthest_pair(data_folder, name):
    assert_farthest(load(name).task(fold=2))


def test_the_farthest_pair_is_that_of_standardised_features():
    # deviations: sqrt(4 500^2 / 6) = 408 and sqrt(2 / 6) = 0.58; so 1000 is 2.4 of them, and 2 is 3.5
    large, small = [0.0, 1000.0, 0.0, 1000.0, 500.0, 500.0, 500.0], [0.0, 0.0, 0.0, 0.0, -1.0, 1.0, 0.0]
    dataset = from_frame(pd.DataFrame({"large": large, "small": small, "y": np.arange(7) / 3}), "y")
    dataset.splits = {"train": np.arange(6), "test": np.array([6])}
    assert dataset.task(split="canonical").labelled.indices.tolist() == [4, 5]
    assert dataset.task(split="canonical", preprocess=None).labelled.indices.tolist() == [0, 1]


def test_a_cold_start_leaves_rows_without_a_label_alone():
    for dataset in partly_labelled():
        task = dataset.task()
        assert (task.labelled.indices % 7 != 0).all() and len(task.labelled) == 2
        known = task.train.indices[task.train.indices % 7 != 0]
        if task.n_classes is None:
            x = task.subset(known).x.numpy()
            i, j = np.unravel_index(squareform(pdist(x)).argmax(), (len(x), len(x)))
            assert task.labelled.indices.tolist() == sorted([known[i], known[j]])


# --- a warm start ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["breast_cancer", "diabetes", "digits", "synth_class1", "synth_reg2"])
def test_a_warm_start_is_a_tenth_of_train(name):
    for fold in range(5):
        task = load(name).task("warm", fold)
        assert len(task.labelled) == round(Fraction(len(task.train), 10))
        assert np.isin(task.labelled.indices, task.train.indices).all()


def test_a_tenth_is_one_of_the_rows_of_train_with_a_label():
    for dataset in partly_labelled():
        task = dataset.task("warm")
        assert len(task.train) == 58 and len(task.labelled) == 5  # of 48 labels
        assert (task.labelled.indices % 7 != 0).all()


@pytest.mark.parametrize("draw", ["random", "stratified", "kmeans"])
@pytest.mark.parametrize(("initial", "size"), [(0, 0), (1, 1), (50, 50), (0.5, 228), (0.001, 1), (455, 455)])
def test_a_warm_start_has_as_many_points_as_were_asked_for(draw, initial, size):
    task = load("breast_cancer").task("warm", 1, initial=initial, draw=draw)
    assert len(task.labelled) == size and len(set(task.labelled.indices.tolist())) == size
    assert np.isin(task.labelled.indices, task.train.indices).all()


@pytest.mark.parametrize("variant", ["clean", "paper"])
@pytest.mark.parametrize("start", ["cold", "warm"])
def test_given_rows_are_labelled_in_the_order_given(variant, start):
    dataset = load("diabetes", variant)
    rows = dataset.task("warm").train.indices[[7, 3, 200]]
    assert dataset.task(start, initial=rows.tolist()).labelled.indices.tolist() == rows.tolist()
    mask = np.isin(np.arange(len(dataset)), rows)
    assert dataset.task(start, initial=mask).labelled.indices.tolist() == sorted(rows.tolist())
    assert len(dataset.task(start, initial=[]).labelled) == 0


@given(st.integers(0, 2**32 - 1), st.integers(3, 100))
def test_a_stratified_start_has_the_classes_in_proportion_and_each_once(seed, size):
    task = SYNTH.task("warm", seed=seed, initial=size, draw="stratified")
    share = np.bincount(SYNTH.y.numpy()[task.train.indices]) / len(task.train)
    counts = np.bincount(task.labelled.y, minlength=3)
    assert (counts >= 1).all() and np.abs(counts - share * size).max() <= 1.5


SYNTH = from_frame(pd.DataFrame({"x": np.arange(150.0), "y": ["a"] * 100 + ["b"] * 45 + ["c"] * 5}), "y")


@pytest.mark.parametrize("name", ["diabetes", "breast_cancer"])
def test_a_start_by_k_means_is_nearest_the_centres_in_the_features_of_the_model(name):
    task = load(name).task("warm", seed=3, initial=8, draw="kmeans")
    x = task.train.x.numpy()
    centres = KMeans(8, n_init=1, random_state=3).fit(x).cluster_centers_
    nearest = task.train.indices[pairwise_distances_argmin(centres, x)]
    assert len(set(nearest.tolist())) == 8  # or the next nearest would count
    assert task.labelled.indices.tolist() == sorted(nearest.tolist())


def test_images_have_starts_too():
    flat, images = load("digits"), load("digits", images=True)
    for options in ({}, {"start": "warm"}, {"start": "warm", "draw": "stratified"}):
        assert views_of(flat.task(**options)) == views_of(images.task(**options))
    kmeans = images.task("warm", draw="kmeans", initial=5)
    assert kmeans.labelled.x.shape == (5, 1, 8, 8)


@pytest.mark.parametrize(("validation", "size"), [(None, 0), (0, 0), (30, 30), (0.1, 44), (range(10), 10)])
def test_a_validation_view_is_drawn_or_given_outside_of_test(validation, size):
    rows = load("diabetes").task("warm").train.indices
    wish = rows[list(validation)] if isinstance(validation, range) else validation
    task = load("diabetes").task("warm", validation=wish)
    train, validation, test, labelled = map(set, views_of(task))
    assert len(validation) == size and not validation & test and not validation & train
    assert train | validation == set(rows.tolist()) and labelled <= train
    assert len(labelled) == round(Fraction(len(train), 10))


# --- what cannot be -------------------------------------------------------------------------------------------------

BAD = [
    ({"start": "hot"}, UnknownStart, "'cold' and 'warm'"),
    ({"start": None}, UnknownStart, "'cold' and 'warm'"),
    ({"start": ["cold"]}, UnknownStart, "'cold' and 'warm'"),
    ({"start": "warm", "draw": "best"}, InvalidOption, "'random', 'stratified', 'kmeans'"),
    ({"start": "warm", "draw": "stratified"}, InvalidOption, "a regression has none"),
    ({"start": "cold", "initial": 5}, InvalidOption, "start='warm', initial=5"),
    ({"start": "warm", "initial": 500}, DataError, "there are 353"),
    ({"start": "warm", "initial": -1}, DataError, "there are 353"),
    ({"start": "warm", "initial": 1.5}, DataError, "not a fraction"),
    ({"start": "warm", "initial": True}, DataError, "neither"),
    ({"start": "warm", "initial": [442]}, IndexOutOfRange, "0 to 441"),
    ({"start": "warm", "initial": range(442)}, OverlappingViews, "not in the train view"),
    ({"start": "warm", "initial": [1, 1]}, RepeatedIndices, "once"),
    ({"validation": 400}, DataError, "to draw from"),
    ({"validation": [500]}, IndexOutOfRange, "0 to 441"),
    ({"preprocess": "scale"}, DataError, "preprocess"),
    ({"seed": -1}, InvalidOption, "seed"),
    ({"seed": 1.5}, InvalidOption, "seed"),
    ({"seed": "0"}, InvalidOption, "seed"),
    ({"seed": 2**32}, InvalidOption, "seed"),
]


@pytest.mark.parametrize(("options", "error", "says"), BAD)
def test_what_cannot_be_is_a_named_error_that_says_what_can(options, error, says):
    dataset = load("diabetes")
    before = dataset.fingerprint, dataset.x.clone()
    with pytest.raises(error, match=says) as caught:
        dataset.task(**options)
    assert isinstance(caught.value, AlJupyterError) and isinstance(caught.value, ValueError | IndexError)
    assert dataset.fingerprint == before[0] and torch.equal(dataset.x, before[1])


@pytest.mark.parametrize("initial", [0, -1, 0.5, True])
def test_a_cold_start_counts_points_of_each_class(initial):
    with pytest.raises(InvalidOption, match="number of observations of each class"):
        load("digits").task(initial=initial)


def test_a_cold_start_of_more_points_than_a_class_has_says_how_many_there_are():
    with pytest.raises(DataError, match="Ask for [45] at most"):
        SYNTH.task(initial=5)


def test_one_class_has_no_cold_start_but_a_warm_one():
    dataset = from_frame(pd.DataFrame({"x": range(10), "y": ["a"] * 10}), "y")
    with pytest.raises(UnknownStart, match="start='warm'"):
        dataset.task()
    assert len(dataset.task("warm", initial=3).labelled) == 3


def test_one_label_has_no_farthest_pair():
    dataset = from_frame(pd.DataFrame({"x": range(10), "y": [0.5, 1.5] + [np.nan] * 8}), "y")
    with pytest.raises(UnknownStart, match="train has 1 labels, and two are needed"):
        dataset.task(folds=2)


def test_a_row_without_a_label_cannot_be_labelled_at_the_start():
    with pytest.raises(MissingLabels, match="Point 7 "):
        partly_labelled()[0].task("warm", initial=[7])


# --- seeds ----------------------------------------------------------------------------------------------------------

SCRIPT = """
import hashlib
from aljupyter.datasets import load
texts = []
for name in ("breast_cancer", "diabetes", "synth_class3", "synth_reg2"):
    for variant in ("clean", "paper"):
        dataset = load(name, variant)
        texts += [dataset.task(start, 1, 4, 7, validation=0.1).to_json() for start in ("cold", "warm")]
        texts += [dataset.task("warm", seed=5, draw="kmeans", initial=9).to_json()]
digest = hashlib.sha256(chr(10).join(texts).encode()).hexdigest()
"""


def test_a_seed_says_all_in_every_process_and_with_every_hash_seed():
    here = {}  # where the hash seed is random, as a rule
    exec(SCRIPT, here)
    command = [sys.executable, "-c", SCRIPT + "print(digest)"]
    started = [
        subprocess.Popen(command, env={**os.environ, "PYTHONHASHSEED": hash_seed}, stdout=subprocess.PIPE, text=True)
        for hash_seed in ("0", "1")
    ]
    assert [process.communicate()[0].strip() for process in started] == [here["digest"]] * 2


@pytest.mark.parametrize("variant", ["clean", "paper"])
@pytest.mark.parametrize("options", [{"start": "cold"}, {"start": "warm"}, {"start": "warm", "draw": "kmeans"}])
def test_another_seed_is_another_task(variant, options):
    dataset = load("breast_cancer", variant)
    tasks = [dataset.task(seed=seed, **options) for seed in (0, 0, 1)]
    assert tasks[0].to_json() == tasks[1].to_json()
    assert views_of(tasks[0])[3] != views_of(tasks[2])[3]


def test_no_global_generator_is_touched():
    before = random.getstate(), np.random.get_state()[1].tolist(), np.random.get_state()[2], torch.get_rng_state()
    for variant in ("clean", "paper"):
        for name in ("breast_cancer", "diabetes", "synth_class2", "synth_reg1"):
            dataset = load(name, variant)
            frozen = [dataset.task(start, validation=0.1).to_json() for start in ("cold", "warm")]
            dataset.task("warm", draw="kmeans")
            from_json(frozen[0])
    after = random.getstate(), np.random.get_state()[1].tolist(), np.random.get_state()[2], torch.get_rng_state()
    assert before[:3] == after[:3] and torch.equal(before[3], after[3])


# --- a task is a data manager -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["synth_class1", "synth_reg2"])
@pytest.mark.parametrize("variant", ["clean", "paper"])
def test_a_learner_runs_on_a_task(name, variant):
    task = load(name, variant).task("warm")
    assert isinstance(task, al.DataManager)
    before = task.labelled.indices.tolist()
    al.ActiveLearner(task, seed=0).run(rounds=2)
    assert task.labelled.indices.tolist()[:-2] == before
    assert torch.equal(task.labelled.y, task.truth(task.labelled.indices))


def test_classes_are_in_the_order_of_their_codes():
    theirs = load_breast_cancer()
    task = load("breast_cancer").task("warm", initial=0.5)
    assert task.classes.tolist() == theirs.target_names.tolist() == ["malignant", "benign"]
    assert task.labelled.y.tolist() == theirs.target[task.labelled.indices].tolist()
    assert task.decode([0, 1]).tolist() == ["malignant", "benign"]
    assert task.encode(["malignant"]).tolist() == [0]


@pytest.mark.parametrize("variant", ["clean", "paper"])
@pytest.mark.parametrize("name", ["breast_cancer", "digits", "synth_class1", "diabetes", "synth_reg1"])
def test_labels_of_a_task_are_those_of_the_dataset(name, variant):
    dataset = load(name, variant)
    task = dataset.task("warm")
    if dataset.n_classes:
        assert task.classes.tolist() == list(dataset.target_names) and task.n_classes == dataset.n_classes
    for view in (task.labelled, task.unlabelled, task.test):
        assert torch.equal(view.y.to(dataset.y.dtype), dataset.y[view.indices.copy()])


def test_features_of_the_clean_variant_are_standardised_by_train():
    task, x = load("diabetes").task(fold=2), load_diabetes().data
    train = x[task.train.indices]
    expected = (x - train.mean(axis=0)) / train.std(axis=0)
    for view in (task.train, task.test, task.labelled):
        assert view.x.numpy() == pytest.approx(expected[view.indices], abs=1e-9)


def test_a_repr_says_what_kind_of_task_it_is():
    text = repr(load("diabetes").task("warm", 2, seed=4))
    assert text.startswith(
        "Task: diabetes (clean), warm start, random split, fold 2 of 5, seed 4\nDataManager: 442 rows"
    )
    assert Task.from_json(load("diabetes").task().to_json()).terms["start"] == "cold"


def test_a_cold_start_refuses_a_way_to_draw_a_warm_one():
    with pytest.raises(InvalidOption, match="warm start"):
        al.datasets.load("breast_cancer").task(start="cold", draw="kmeans")
