"""From a name to a dataset, and what a dataset is."""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

import aljupyter as al
from aljupyter.datasets import Dataset
from aljupyter.datasets.entries import entries, entry_of
from aljupyter.errors import AlJupyterError, DataError, InvalidOption, UnknownDataset

WITHOUT_A_COPY = ("credit_card", "striatum_mini", "mnist", "fashion_mnist")
SMALL = ("breast_cancer", "diabetes", "digits", "synth_class3", "synth_reg2", "gaussian_clouds")


@pytest.fixture(params=[name for name in entries() if name not in WITHOUT_A_COPY])
def loadable(request):
    """Name of a dataset that can be loaded without a network."""
    files = entry_of(request.param).files
    if files and not files[0].path.startswith("sklearn:"):
        request.getfixturevalue("data_folder")
    return request.param


def made(x, y, task="classification", names=("a", "b"), **more):
    """A dataset by hand."""
    x = torch.as_tensor(x)
    y = torch.as_tensor(y)
    features = tuple(f"x{j}" for j in range(x.shape[1]))
    return Dataset(x, y, name="made", task=task, feature_names=features, target_names=names, **more)


# --- names and options ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["breast_cancer", "BreastCancer", "UCI-breast-cancer", "BREAST CANCER", "breast"])
def test_a_dataset_is_found_in_any_spelling(name):
    assert al.datasets.load(name).name == "breast_cancer"


@pytest.mark.parametrize("name", ["UCIGlass", "uci-glass", "GLASS"])
def test_glass_is_found_in_any_spelling(data_folder, name):
    assert al.datasets.load(name).x.shape == (214, 9)


def test_an_unknown_dataset_is_a_named_error_that_names_the_nearest():
    with pytest.raises(UnknownDataset, match="no dataset 'diabtes'.* Did you mean 'diabetes'") as caught:
        al.datasets.load("diabtes")
    assert isinstance(caught.value, (AlJupyterError, KeyError)) and not str(caught.value).startswith('"')


@pytest.mark.parametrize("name", [3, None, b"glass", ["glass"], 1.5])
def test_what_is_not_a_name_is_refused(name):
    with pytest.raises(UnknownDataset, match="name of a dataset or the path of a file is expected"):
        al.datasets.load(name)


def test_a_table_is_sent_to_from_frame():
    with pytest.raises(UnknownDataset, match="from_frame"):
        al.datasets.load(pd.DataFrame({"a": [1.0]}))


@pytest.mark.parametrize("variant", ["Clean", "papers", "", None, 1])
def test_an_unknown_variant_is_refused(variant):
    with pytest.raises(InvalidOption, match="neither 'clean' nor 'paper'"):
        al.datasets.load("diabetes", variant=variant)


@pytest.mark.parametrize("seed", [-1, 1.0, "1", None, True, 2**32, 2**32 - 1, np.float64(2), [1]])
def test_what_is_not_a_seed_is_refused(seed):
    with pytest.raises(InvalidOption, match="is not a seed"):
        al.datasets.load("synth_class1", seed=seed)


@pytest.mark.parametrize("seed", [0, np.int64(7), 2**32 - 2001])
def test_every_seed_that_is_taken_draws(seed):
    for name in ("synth_class1", "synth_reg1", "gaussian_clouds"):
        data = al.datasets.load(name, seed=seed)
        assert data.seed == seed and type(data.recipe["seed"]) is int


@pytest.mark.parametrize(
    ("name", "options", "has"),
    [
        ("diabetes", {"color": "white"}, "color= is not an option of this dataset; it has none"),
        ("synth_class1", {"size": 3}, "size= is not an option of this dataset; it has none"),
        ("digits", {"image": True}, "image= is not an option of this dataset; its options are images"),
        ("energy", {"targets": "y1"}, "its options are target"),
        ("checkerboard2x2", {"seeds": 1}, "its options are generate"),
        ("wine", {"colour": "white"}, "its options are color"),
        ("mnist", {"generate": True}, "its options are images"),
        ("diabetes", {"request": 1}, "it has none"),
        ("mine.csv", {"labels": "y"}, "labels= is not an option of this dataset; its options are target, id, group"),
        ("openml:61", {"id": "a"}, "its options are target"),
    ],
)
def test_an_option_that_a_dataset_has_not_is_refused_with_those_it_has(name, options, has):
    with pytest.raises(InvalidOption, match=has):
        al.datasets.load(name, **options)


@pytest.mark.parametrize(
    ("name", "color"), [("wine", "rosé"), ("wine", "White"), ("wine", 1), ("wine_quality_white", "red")]
)
def test_a_wine_that_there_is_not_is_refused(name, color):
    with pytest.raises(InvalidOption, match="is not a wine of"):
        al.datasets.load(name, color=color)


@pytest.mark.parametrize("name", ["openml:61", "mine.csv", Path("mine.parquet")])
def test_only_the_catalogue_has_a_variant_of_the_paper(name):
    with pytest.raises(InvalidOption, match="is not in the paper"):
        al.datasets.load(name, variant="paper")


def test_an_openml_dataset_without_a_number_is_unknown():
    with pytest.raises(UnknownDataset, match="has no number"):
        al.datasets.load("openml:iris")


# --- files ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def rows():
    random = np.random.default_rng(0)
    return [[*random.normal(size=2).tolist(), label] for label in ("yes", "no", "yes", "no", "no", "yes")]


@pytest.mark.parametrize("how", [str, Path])
def test_the_path_of_a_csv_file_is_a_dataset(tmp_path, rows, how):
    path = tmp_path / "Mine.CSV"
    with open(path, "w", newline="") as stream:
        csv.writer(stream).writerows([["dose", "heat", "active"], *rows])
    data = al.datasets.load(how(path), target="active")
    assert data.x.tolist() == [row[:2] for row in rows]
    assert [data.target_names[code] for code in data.y.tolist()] == [row[2] for row in rows]
    assert data.feature_names == ("dose", "heat") and data.name == "Mine.CSV" and data.kind == ""
    assert al.datasets.load(**data.recipe).fingerprint == data.fingerprint
    assert len(data.task(start="cold", folds=2).labelled) == 2


def test_the_path_of_a_parquet_file_is_a_dataset(tmp_path, rows):
    pytest.importorskip("pyarrow")
    table = pd.DataFrame(rows, columns=["dose", "heat", "active"])
    table.to_parquet(tmp_path / "mine.parquet")
    data = al.datasets.load(tmp_path / "mine.parquet", target="active")
    assert data.x.tolist() == [row[:2] for row in rows] and data.target_names == ("no", "yes")


@pytest.mark.parametrize("name", ["nowhere.csv", "nowhere.parquet"])
def test_a_file_that_there_is_not_is_a_named_error(name):
    with pytest.raises(DataError, match="nowhere"):
        al.datasets.load(name, target="y")


def test_a_file_that_happens_to_be_called_like_a_dataset_does_not_hide_it(tmp_path, monkeypatch, rows):
    monkeypatch.chdir(tmp_path)
    for name in ("diabetes", "measured"):
        with open(name, "w", newline="") as stream:
            csv.writer(stream).writerows([["dose", "heat", "active"], *rows])
    assert len(al.datasets.load("diabetes")) == 442
    assert (
        len(al.datasets.load("./diabetes", target="active")) == len(al.datasets.load("measured", target="active")) == 6
    )


def test_files_in_a_cache_are_read_without_a_network(tmp_path, monkeypatch, data_folder):
    expected = al.datasets.load("glass").fingerprint
    monkeypatch.delenv("ALJUPYTER_DATA")
    (tmp_path / "glass").mkdir()
    shutil.copy(data_folder / "glass/glass.data", tmp_path / "glass")
    assert al.datasets.load("glass", cache=tmp_path).fingerprint == expected
    assert os.listdir(tmp_path / "glass") == ["glass.data"]


# --- what a dataset is ----------------------------------------------------------------------------------------------


def test_a_dataset_is_one_of_pytorch(loadable):
    data = al.datasets.load(loadable)
    assert isinstance(data, TorchDataset) and len(data) == len(data.x) == len(data.y)
    for i in (0, len(data) // 2, -1):
        x, y = data[i]
        assert torch.equal(x, data.x[i]) and torch.equal(y, data.y[i])
    batches = list(DataLoader(data, batch_size=500))
    assert torch.equal(torch.cat([x for x, _ in batches]), data.x)
    assert torch.equal(torch.cat([y for _, y in batches]), data.y)
    assert data.known.all() and np.isfinite(data.x.numpy()).all()


@pytest.mark.parametrize("variant", ["clean", "paper"])
def test_its_repr_is_short_and_says_what_it_is(loadable, variant):
    data = al.datasets.load(loadable, variant)
    text = repr(data)
    assert max(map(len, text.splitlines())) <= 120 and len(text.splitlines()) <= 12
    plain = "Dataset {!r} ({}): {} rows, {} feature".format(loadable, variant, *data.x.shape)
    assert text.startswith(plain) and data.task_type in text and data.kind in text
    assert entry_of(loadable).licence in text and entry_of(loadable).url in text
    if data.n_classes:
        counts = np.bincount(data.y.numpy())
        each = ", ".join(f"{name} {n}" for name, n in zip(data.target_names, counts, strict=True))
        assert f"{data.n_classes} classes: {each}" in " ".join(text.split())


@pytest.mark.parametrize("variant", ["clean", "paper"])
def test_its_frame_makes_the_same_dataset(loadable, variant):
    data = al.datasets.load(loadable, variant)
    frame = data.to_frame()
    assert frame.shape == (len(data), data.x.shape[1] + 1 + (data.groups is not None))
    assert list(frame.columns[: data.x.shape[1]]) == list(data.feature_names)
    group = None if data.groups is None else "group"
    again = al.datasets.from_frame(frame, target=data.target, group=group)
    assert torch.equal(again.x, data.x) and torch.equal(again.y.double(), data.y.double())
    assert (again.task_type, again.feature_names) == (data.task_type, data.feature_names)
    if data.n_classes:
        assert again.target_names == data.target_names
        words = [data.target_names[code] for code in data.y.tolist()]
        assert frame[data.target].tolist() == data.labels().tolist() == words
    if group:
        np.testing.assert_array_equal(again.groups, data.groups)
    if variant == "clean":
        assert again.fingerprint == data.fingerprint


def test_a_change_to_its_frame_does_not_change_it():
    data = al.datasets.load("diabetes")
    before = data.x.clone()
    frame = data.to_frame()
    frame.iloc[:, :] = 0.0
    assert torch.equal(data.x, before)


def test_its_recipe_loads_it_again(loadable):
    for options in ({}, {"variant": "paper", "seed": 3}):
        data = al.datasets.load(loadable, **options)
        assert al.datasets.load(**data.recipe).fingerprint == data.fingerprint


def test_unknown_labels_are_told():
    data = made(np.zeros((4, 2)), [0, -1, 1, -1])
    assert data.known.tolist() == [True, False, True, False] and "2 rows have no label" in repr(data)
    assert data.labels().isna().tolist() == [False, True, False, True]


# --- fingerprints ---------------------------------------------------------------------------------------------------

singles = st.floats(-1e6, 1e6, width=32).map(lambda v: 0.0 if abs(v) < 1e-6 else v)
matrices = st.integers(1, 4).flatmap(
    lambda d: st.lists(st.lists(singles, min_size=d, max_size=d), min_size=1, max_size=6)
)


@given(matrices, st.data())
def test_the_fingerprint_changes_with_any_value_or_label(rows, drawn):
    x = torch.tensor(rows, dtype=torch.float64)
    y = torch.tensor(drawn.draw(st.lists(st.integers(-1, 1), min_size=len(x), max_size=len(x))))
    i = drawn.draw(st.integers(0, len(x) - 1))
    j = drawn.draw(st.integers(0, x.shape[1] - 1))
    other_x, other_y = x.clone(), y.clone()
    other_x[i, j] = float(np.nextafter(np.float32(x[i, j]), np.float32(np.inf)))  # the least change of single precision
    other_y[i] = drawn.draw(st.sampled_from([c for c in (-1, 0, 1) if c != y[i]]))
    marks = [made(x, y), made(other_x, y), made(x, other_y), made(x, y, names=("a", "c")), made(x, y, names=("b", "a"))]
    assert len({data.fingerprint for data in marks}) == len(marks)


@given(matrices)
def test_the_last_bits_of_doubles_do_not_count(rows):
    x = torch.tensor(rows, dtype=torch.float64)
    y = x[:, 0].clone()
    plain = made(x, y, "regression", ("y",))
    for factor in (1 + 1e-12, 1 - 1e-12):
        assert made(x * factor, y * factor, "regression", ("y",)).fingerprint == plain.fingerprint
    assert made(x.float(), y.float(), "regression", ("y",)).fingerprint == plain.fingerprint


def test_the_fingerprint_tells_shapes_tasks_and_variants_apart():
    x = torch.arange(6.0)
    y = torch.tensor([0.0, 1.0])
    marks = [
        made(x.reshape(2, 3), y.long()),
        made(x[:4].reshape(2, 2), y.long()),
        made(x.reshape(2, 3), y, "regression", ("a",)),
        made(x.reshape(2, 3), y.long(), variant="paper"),
    ]
    assert len({data.fingerprint for data in marks}) == len(marks)
    assert made(torch.zeros(2, 1), y.long()).fingerprint == made(-torch.zeros(2, 1), y.long()).fingerprint


def test_the_fingerprint_sees_every_part_of_long_data():
    x = torch.zeros(2**16 + 5, 1)
    y = torch.zeros(len(x), dtype=torch.int64)
    marks = {made(x, y).fingerprint}
    for row in (0, 2**16 - 1, 2**16, len(x) - 1):
        other = x.clone()
        other[row] = 1
        marks.add(made(other, y).fingerprint)
    assert len(marks) == 5


def test_fingerprints_are_the_same_in_another_process():
    names = [*SMALL, *(("glass", "parkinsons", "energy") if os.environ.get("ALJUPYTER_DATA") else ())]
    code = (
        "import aljupyter as al\n"
        f"for name in {names!r}:\n"
        "    for variant in ('clean', 'paper'):\n"
        "        print(name, variant, al.datasets.load(name, variant, seed=1).fingerprint)"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "2"}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    here = [f"{n} {v} {al.datasets.load(n, v, seed=1).fingerprint}" for n in names for v in ("clean", "paper")]
    assert ran.stdout.splitlines() == here, ran.stderr
