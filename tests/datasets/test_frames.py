"""Tables and files of one's own as datasets, against pandas and what a DataManager makes of the same table."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import aljupyter as al
from aljupyter.datasets import from_frame, load
from aljupyter.datasets.frames import from_file
from aljupyter.errors import (
    AlJupyterError,
    DataError,
    InvalidLabel,
    InvalidOption,
    MissingLibrary,
    MixedColumn,
    NonFiniteFeatures,
    UnknownColumn,
    UnknownTask,
    WrongShape,
)

matrices = hnp.arrays(
    st.sampled_from([np.float64, np.float32]),
    st.tuples(st.integers(4, 20), st.integers(1, 5)),
    elements=st.floats(-1e6, 1e6, width=32),
)


def molecules():
    """Numbers, a category, a text and names of rows."""
    return pd.DataFrame(
        {
            "code": [f"m{i}" for i in range(8)],
            "weight": [18.0, 46.1, 44.0, 78.1, 32.0, 60.1, 58.1, 92.1],
            "atoms": [3, 9, 3, 12, 6, 12, 10, 15],
            "phase": ["liquid", "liquid", "gas", "liquid", "liquid", "liquid", "gas", "liquid"],
            "note": ["a b", "b c", "c d", "d e", "e f", "f g", "g h", "h a"],
            "polar": ["yes", "yes", "no", "no", "yes", "yes", "no", "no"],
        }
    )


# --- features -------------------------------------------------------------------------------------------------------


@given(matrices, st.data())
def test_features_of_a_table_of_numbers_are_those_of_a_data_manager_without_preprocessing(x, data):
    table = pd.DataFrame(x, columns=[f"c{j}" for j in range(x.shape[1])])
    table["y"] = data.draw(st.lists(st.sampled_from(["u", "v"]), min_size=len(x), max_size=len(x)))
    dataset = from_frame(table, "y")
    manager = al.DataManager(table, target="y", preprocess=None)
    assert torch.equal(dataset.x, manager.train.x) and dataset.x.dtype == manager.train.x.dtype
    assert np.array_equal(dataset.x.numpy(), x)
    assert dataset.feature_names == manager.feature_names
    assert dataset.target_names == tuple(manager.classes.tolist())


def test_categories_and_text_become_columns_of_0_and_1_and_names_of_rows_none():
    table = molecules()
    dataset = from_frame(table, "polar")
    words = [f"note: {word}" for word in "abcdefgh"]
    assert dataset.feature_names == ("weight", "atoms", "phase=gas", "phase=liquid", *words)
    x = dataset.x.numpy()
    assert np.array_equal(x[:, :2], table[["weight", "atoms"]])
    assert np.array_equal(x[:, 2:4], pd.get_dummies(table["phase"])[["gas", "liquid"]])
    assert np.array_equal(x[:, 4:], [[word in note.split() for word in "abcdefgh"] for note in table["note"]])


def test_a_task_is_the_data_manager_of_the_table_with_its_views():
    table = molecules()
    task = from_frame(table, "polar", "code").task("warm", folds=2, initial=2)
    views = {"train": task.train.indices, "test": task.test.indices, "labelled": task.labelled.indices}
    manager = al.DataManager(table, target="polar", id="code", **views)
    assert task.feature_names == manager.feature_names
    assert torch.equal(task.train.x, manager.train.x) and torch.equal(task.test.x, manager.test.x)
    assert task.classes.tolist() == manager.classes.tolist() == ["no", "yes"]
    assert task.ids.tolist() == manager.ids.tolist() == table["code"].tolist()
    assert task.display(3) == manager.display(3)


def test_an_index_that_names_rows_stays_their_name():
    table = molecules().set_index("code")
    assert from_frame(table, "polar").task(folds=2).ids.tolist() == table.index.tolist()


@pytest.mark.parametrize("index", [range(8)[::-1], range(100, 108), [1] * 8, list("hgfedcba"), None])
def test_rows_go_by_position_whatever_the_index(index):
    table, plain = molecules(), from_frame(molecules(), "polar")
    table.index = pd.MultiIndex.from_product([[0, 1], range(4)]) if index is None else index
    dataset = from_frame(table, "polar", group="phase")
    assert torch.equal(dataset.y, plain.y) and dataset.groups.tolist() == table["phase"].tolist()
    task, like = dataset.task(folds=2), from_frame(molecules(), "polar", group="phase").task(folds=2)
    assert task.train.indices.tolist() == like.train.indices.tolist()
    assert torch.equal(task.train.x, like.train.x) and torch.equal(task.truth(range(8)), plain.y)
    assert dataset.to_frame()["weight"].tolist() == table["weight"].tolist()


def test_the_table_that_was_given_stays_as_it_was_and_is_not_looked_at_again():
    table = molecules()
    dataset = from_frame(table, "polar", group="phase")
    pd.testing.assert_frame_equal(table, molecules())
    before = dataset.x.clone(), dataset.y.clone()
    table.loc[:, "weight"] = 0.0
    table.loc[:, "polar"] = "yes"
    assert torch.equal(dataset.x, before[0]) and torch.equal(dataset.y, before[1])
    assert dataset.to_frame()["weight"].tolist() == molecules()["weight"].tolist()
    assert torch.equal(dataset.task("warm", folds=2, preprocess="auto").truth(range(8)), before[1])


def test_a_group_column_is_no_feature_and_keeps_rows_together():
    dataset = from_frame(molecules(), "polar", group="phase")
    assert not any(name.startswith("phase") for name in dataset.feature_names)
    task = dataset.task("warm", folds=2, split="grouped", initial=1)
    assert sorted([len(task.train), len(task.test)]) == [2, 6]


def test_names_of_rows_may_be_the_groups():
    table = molecules().assign(code=list("aabbccdd"))
    dataset = from_frame(table, "polar", id="code", group="code")
    assert dataset.groups.tolist() == dataset.task("warm", folds=2).ids.tolist() == list("aabbccdd")
    assert not any("code" in name for name in dataset.feature_names)


# --- labels ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "classes", "codes"),
    [
        (["b", "a", "b", "a"], ("a", "b"), [1, 0, 1, 0]),
        (["b", None, "a", np.nan], ("a", "b"), [1, -1, 0, -1]),
        ([True, False, False, True], (False, True), [1, 0, 0, 1]),
        ([1, 2, 3, 1], (1, 2, 3), [0, 1, 2, 0]),
        ([1.0, np.nan, 2.0, 1.0], (1, 2), [0, -1, 1, 0]),
        (["a", "a", "a", "a"], ("a",), [0, 0, 0, 0]),
        (pd.Categorical(["lo", "hi", "lo", "hi"], ["lo", "mid", "hi"], ordered=True), ("lo", "hi"), [0, 1, 0, 1]),
        (
            pd.Categorical(["lo", "hi", "lo", None], ["lo", "mid", "hi"], ordered=True),
            ("lo", "mid", "hi"),
            [0, 2, 0, -1],
        ),
        (pd.Categorical(["lo", "hi", "lo", "hi"]), ("hi", "lo"), [1, 0, 1, 0]),
        (pd.array([0, 1, None, 1], dtype="Int64"), (0, 1), [0, 1, -1, 1]),
        (pd.array(["b", "a", None, "a"], dtype="string"), ("a", "b"), [1, 0, -1, 0]),
    ],
)
def test_labels_of_classes_become_codes_and_missing_ones_minus_one(labels, classes, codes):
    dataset = from_frame(pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0], "y": labels}), "y")
    assert dataset.target_names == classes and dataset.n_classes == len(classes)
    assert dataset.y.tolist() == codes and dataset.y.dtype == torch.int64
    assert dataset.known.tolist() == [code >= 0 for code in codes]
    task = dataset.task("warm", folds=2, initial=1)
    assert task.classes.tolist() == list(classes)
    assert task.pool(range(4)).y.tolist() == codes


def test_labels_that_are_numbers_make_a_regression():
    dataset = from_frame(pd.DataFrame({"x": range(5), "y": [0.5, np.nan, 2.25, -1.0, np.nan]}), "y")
    assert dataset.task_type == "regression" and dataset.n_classes is None and dataset.target_names == ("y",)
    assert dataset.y[[0, 2, 3]].tolist() == [0.5, 2.25, -1.0] and dataset.y.isnan().tolist() == [0, 1, 0, 0, 1]
    assert dataset.known.tolist() == [True, False, True, True, False]
    assert dataset.task("warm", folds=2, initial=1).n_classes is None


def test_the_task_can_be_said():
    table = pd.DataFrame({"x": range(6), "y": [1, 2, 3, 1, 2, 3]})
    assert from_frame(table, "y").n_classes == 3
    said = from_frame(table, "y", task="regression")
    assert said.n_classes is None and said.y.tolist() == [1, 2, 3, 1, 2, 3]
    assert said.task(folds=2).task == "regression"


def test_a_class_that_no_label_shows_is_a_class_of_the_task_too():
    table = pd.DataFrame({"x": range(8), "y": ["a", "c"] * 4})
    dataset = from_frame(table, "y", classes=["c", "b", "a"])
    task = dataset.task("warm", initial=4)
    assert dataset.target_names == tuple(task.classes.tolist()) == ("a", "b", "c") and task.n_classes == 3
    assert dataset.y.tolist() == task.truth(range(8)).tolist() == [0, 2] * 4


@given(st.lists(st.sampled_from(["a", "b", "c", None]), min_size=6, max_size=12), st.booleans())
def test_codes_of_a_task_are_those_of_its_dataset(labels, said):
    if not said and not any(labels):
        return
    table = pd.DataFrame({"x": np.arange(len(labels)) / 3, "y": pd.Series(labels, dtype=object)})
    dataset = from_frame(table, "y", classes=["a", "b", "c", "d"] if said else None)
    if dataset.known.sum() < 2:
        return
    task = dataset.task("warm", folds=2, initial=0)
    assert task.pool(range(len(labels))).y.tolist() == dataset.y.tolist()
    assert task.classes.tolist() == list(dataset.target_names)
    assert [None if code < 0 else dataset.target_names[code] for code in dataset.y] == labels


# --- what cannot be -------------------------------------------------------------------------------------------------


def numbers(**columns):
    return pd.DataFrame({"dose": [0.1, 0.2, 0.3, 0.4], "age": [1, 2, 3, 4], "active": list("abab"), **columns})


BAD = [
    (numbers(), "activ", {}, UnknownColumn, "no column 'activ'.*Did you mean 'active'"),
    (numbers(), None, {}, DataError, "Say target=..., one of .*'active'"),
    (numbers(), "active", {"id": "cod"}, UnknownColumn, "no column 'cod'"),
    (numbers(), "active", {"id": "active"}, DataError, "as target and as id"),
    (numbers(), "active", {"group": "who"}, UnknownColumn, "group='who'"),
    (numbers(), "active", {"group": "active"}, UnknownColumn, "group='active'"),
    (numbers(who=["p", None, "q", None]), "active", {"group": "who"}, DataError, "'who' does not say for 2 rows"),
    (numbers(dose=[0.1, np.nan, 0.3, 0.4]), "active", {}, NonFiniteFeatures, "'dose' in 1 rows, row 1 first.*dropna"),
    (numbers(dose=[0.1, np.inf, 0.3, 0.4]), "active", {}, NonFiniteFeatures, "'dose'"),
    (numbers(age=[None] * 4), "active", {}, NonFiniteFeatures, "'age' in 4 rows"),
    (numbers(age=pd.to_datetime(["2020-01-01"] * 4)), "active", {}, MixedColumn, "dates"),
    (numbers(age=[1, "two", 3, 4]), "active", {}, MixedColumn, "'age'"),
    (numbers(active=[None] * 4), "active", {}, UnknownTask, "No label is known"),
    (numbers(active=[1, "two", 3, 4]), "active", {}, InvalidLabel, "more than one kind"),
    (numbers(), "active", {"task": "clustering"}, UnknownTask, "neither"),
    (numbers(), "active", {"task": "regression"}, InvalidLabel, "not a label of a regression"),
    (numbers(), "active", {"classes": ["a", "c"]}, InvalidLabel, "'b'"),
    (numbers()[["active"]].assign(code=list("wxyz")), "active", {}, DataError, "No feature is left"),
    (numbers().iloc[:0], "active", {}, WrongShape, "no rows"),
    (
        pd.concat([numbers(), numbers()[["dose"]]], axis=1),
        "active",
        {"group": "dose"},
        DataError,
        "more than one column",
    ),
    ([[1.0], [2.0]], "active", {}, DataError, "al.DataManager"),
]


@pytest.mark.parametrize(("table", "target", "options", "error", "says"), BAD)
def test_what_cannot_be_is_a_named_error_that_says_what_to_do(table, target, options, error, says):
    with pytest.raises(error, match=says) as caught:
        from_frame(table, target, **options)
    assert isinstance(caught.value, AlJupyterError)


# --- files ----------------------------------------------------------------------------------------------------------


def assert_same(one, other):
    assert torch.equal(one.x, other.x) and torch.equal(one.y, other.y)
    assert (one.feature_names, one.target_names) == (other.feature_names, other.target_names)
    assert one.fingerprint == other.fingerprint
    assert one.task("warm", folds=2).labelled.indices.tolist() == other.task("warm", folds=2).labelled.indices.tolist()


@pytest.mark.parametrize("suffix", [".csv", ".CSV", ".txt", ".parquet", ".pq"])
@pytest.mark.parametrize("as_text", [True, False])
def test_a_file_is_the_dataset_of_its_table(tmp_path, suffix, as_text):
    path = tmp_path / f"molecules{suffix}"
    table = molecules()
    table.to_parquet(path) if suffix in (".parquet", ".pq") else table.to_csv(path, index=False)
    dataset = load(str(path) if as_text else path, target="polar", id="code", group="phase")
    frame = from_frame(table, "polar", "code", group="phase")
    assert_same(dataset, frame)
    assert dataset.groups.tolist() == frame.groups.tolist() and dataset.name == path.name
    assert dataset.task(folds=2).ids.tolist() == table["code"].tolist()


def test_parquet_keeps_the_order_of_categories(tmp_path):
    table = molecules().assign(polar=pd.Categorical(list("babababa"), ["b", "a"], ordered=True))
    table.to_parquet(tmp_path / "t.parquet")
    dataset = load(tmp_path / "t.parquet", target="polar")
    assert dataset.target_names == ("b", "a") and dataset.y.tolist() == [0, 1] * 4
    assert_same(dataset, from_frame(table, "polar"))


def test_a_file_with_missing_features_says_so(tmp_path):
    table = molecules().assign(weight=[np.nan, *range(7)])
    table.to_csv(tmp_path / "t.csv")
    with pytest.raises(NonFiniteFeatures, match="'weight' in 1 rows, row 0 first"):
        load(tmp_path / "t.csv", target="polar")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_file_that_is_not_there_or_not_one_says_so(tmp_path, suffix):
    path = tmp_path / f"t.{suffix}"
    with pytest.raises(DataError, match=f"There is no file .*t.{suffix}"):
        load(path, target="y")
    path.write_bytes(b"\xff\xfe\x00broken")
    with pytest.raises(DataError, match=f"t.{suffix}.* cannot be read as a (CSV|Parquet) file"):
        load(path, target="y")


def test_a_file_needs_a_target(tmp_path):
    molecules().to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match="Say target=..., one of .*'weight'"):
        load(tmp_path / "t.csv")
    with pytest.raises(UnknownColumn, match="Did you mean 'polar'"):
        load(tmp_path / "t.csv", target="polr")


def test_parquet_without_pyarrow_names_what_to_install(tmp_path, monkeypatch):
    def without(*_args, **_kwargs):
        raise ImportError("Unable to find a usable engine; tried using: 'pyarrow', 'fastparquet'.")

    path = tmp_path / "t.parquet"
    molecules().to_parquet(path)
    monkeypatch.setattr(pd, "read_parquet", without)
    with pytest.raises(MissingLibrary, match=r"pip install 'aljupyter\[parquet\]'") as caught:
        from_file(path, "polar")
    assert isinstance(caught.value, ImportError)


def test_the_paper_knows_no_files(tmp_path):
    molecules().to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(InvalidOption, match="not in the paper"):
        load(tmp_path / "t.csv", variant="paper", target="polar")


def test_a_frame_made_of_a_dataset_has_the_column_of_the_groups_under_its_own_name():
    table = pd.DataFrame({"group": [1.0, 2.0, 3.0, 4.0], "site": ["a", "a", "b", "b"], "y": [0.1, 0.2, 0.3, 0.45]})
    frame = al.datasets.from_frame(table, target="y", group="site").to_frame()
    assert frame["group"].tolist() == [1.0, 2.0, 3.0, 4.0] and frame["site"].tolist() == ["a", "a", "b", "b"]
