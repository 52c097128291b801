"""Data of OpenML, by a stand-in for scikit-learn's download, and of Hugging Face, by a stand-in and by the library."""

import sys
import warnings
from urllib.error import HTTPError, URLError

import numpy as np
import pandas as pd
import pytest
import sklearn.datasets
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils import Bunch

from aljupyter.datasets import from_frame, from_huggingface, from_json, load
from aljupyter.errors import (
    CacheNotWritable,
    DataError,
    DownloadFailed,
    InvalidOption,
    MixedColumn,
    NonFiniteFeatures,
    UnknownColumn,
    UnknownDataset,
)

# --- OpenML ---------------------------------------------------------------------------------------------------------


def blood():
    """A few rows as those of OpenML 1464, with its categories."""
    return pd.DataFrame({"V1": [2.0, 0.0, 1.0, 4.0], "V2": [50, 13, 16, 20], "Class": pd.Categorical(list("2212"))})


@pytest.fixture
def openml(monkeypatch):
    """What fetch_openml was asked for; and what it answers: a table, or an error."""
    asked = []
    answer = {"frame": blood(), "targets": ["Class"]}

    def fetch_openml(**options):
        asked.append(options)
        if "error" in answer:
            raise answer["error"]
        frame, targets = answer["frame"], answer["targets"]
        return Bunch(
            data=frame.drop(columns=targets),
            target={0: None, 1: frame[targets[:1]].squeeze(axis=1)}.get(len(targets), frame[targets]),
            frame=frame,
            categories=None,
            feature_names=[name for name in frame.columns if name not in targets],
            target_names=targets,
            DESCR="**Author**: Prof. I-Cheng Yeh",
            details={"id": "1464", "name": "blood-transfusion", "licence": "Public"},
            url="https://www.openml.org/d/1464",
        )

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch_openml)
    return Bunch(asked=asked, answer=answer)


@pytest.mark.parametrize("name", ["openml:1464", "OpenML:1464"])
def test_an_openml_number_is_the_table_of_it(openml, name, tmp_path):
    dataset = load(name, cache=tmp_path)
    assert openml.asked == [
        {"data_id": 1464, "as_frame": True, "parser": "auto", "data_home": str(tmp_path / "openml")}
    ]
    frame = from_frame(blood(), "Class")
    assert torch.equal(dataset.x, frame.x) and torch.equal(dataset.y, frame.y)
    assert dataset.target_names == ("1", "2") and dataset.name == "openml:1464"
    assert "blood-transfusion" in dataset.description and "Yeh" in dataset.description
    assert dataset.about == {"source": "https://www.openml.org/d/1464", "licence": "Public"}


def test_a_task_of_openml_is_thawed_by_its_number(openml):
    task = load("openml:1464").task("warm", folds=2)
    again = from_json(task.to_json())
    assert len(openml.asked) == 2 and again.to_json() == task.to_json()
    openml.answer["frame"] = blood().assign(V1=0.5)
    with pytest.raises(DataError, match="frozen with other data"):
        from_json(task.to_json())


def test_another_column_of_openml_may_be_the_target(openml):
    dataset = load("openml:1464", target="V1")
    assert dataset.task_type == "regression" and dataset.y.tolist() == [2.0, 0.0, 1.0, 4.0]
    assert dataset.feature_names == ("V2", "Class=1", "Class=2")
    assert from_json(dataset.task(folds=2).to_json()).dataset.target == "V1"
    with pytest.raises(UnknownColumn, match="no column 'Clas'.*Did you mean 'Class'"):
        load("openml:1464", target="Clas")


@pytest.mark.parametrize("targets", [[], ["V2", "Class"]])
def test_of_no_target_or_several_one_must_be_said(openml, targets):
    openml.answer["targets"] = targets
    with pytest.raises(DataError, match=f"names {len(targets)} targets.*say which: target="):
        load("openml:1464")
    assert load("openml:1464", target="Class").target == "Class"


def test_missing_values_of_openml_are_named(openml):
    openml.answer["frame"] = blood().assign(V2=[1.0, np.nan, 3.0, 4.0])
    with pytest.raises(NonFiniteFeatures, match="'V2' in 1 rows, row 1 first"):
        load("openml:1464")


def test_missing_labels_of_openml_are_missing(openml):
    openml.answer["frame"] = blood().assign(Class=pd.Categorical(["2", None, "1", "2"]))
    assert load("openml:1464").y.tolist() == [1, -1, 0, 1]


def http_error(code):
    return HTTPError("https://api.openml.org/api/v1/json/data/1464", code, "what the server says", None, None)


OpenMLError = type("OpenMLError", (ValueError,), {})  # scikit-learn's is private
ERRORS = [
    (URLError("[Errno -2] Name or service not known"), DownloadFailed, "Is this machine offline"),
    (TimeoutError("timed out"), DownloadFailed, "timed out.*Is this machine offline"),
    (http_error(404), UnknownDataset, "OpenML has no dataset 1464"),
    (http_error(412), UnknownDataset, "OpenML has no dataset 1464"),
    (http_error(503), DownloadFailed, "what the server says"),
    (OpenMLError("Dataset with data_id 1464 not found."), UnknownDataset, "no dataset 1464.*not found"),
    (ValueError("Sparse ARFF datasets cannot be loaded with as_frame=True."), DataError, "cannot be used: Sparse"),
    (PermissionError(13, "Permission denied"), CacheNotWritable, "cache=folder"),
]


@pytest.mark.parametrize(("error", "ours", "says"), ERRORS, ids=[type(error).__name__ for error, *_ in ERRORS])
def test_what_goes_wrong_at_openml_is_a_named_error(openml, error, ours, says):
    openml.answer["error"] = error
    with pytest.raises(ours, match=says):
        load("openml:1464")


def test_what_scikit_learn_says_while_it_tries_again_is_not_put_out(monkeypatch):
    def fetch(**how):
        warnings.warn("A network error occurred while downloading https://www.openml.org. Retrying...", stacklevel=2)
        warnings.warn("Invalid cache, redownloading file to 1464.gz", RuntimeWarning, stacklevel=2)
        raise URLError("no network")

    monkeypatch.setattr("sklearn.datasets.fetch_openml", fetch)
    with warnings.catch_warnings(record=True) as seen, pytest.raises(DownloadFailed):
        warnings.simplefilter("always")
        load("openml:1464")
    assert seen == []


def test_scikit_learn_still_says_not_found_by_this_name():
    from sklearn.datasets import _openml

    assert issubclass(_openml.OpenMLError, ValueError) and _openml.OpenMLError.__name__ == OpenMLError.__name__


@pytest.mark.parametrize("name", ["openml:", "openml:blood", "openml:-1", "openml:14 64", "openml:1.5"])
def test_an_openml_name_without_a_number_says_how_one_looks(openml, name):
    with pytest.raises(UnknownDataset, match="'openml:1464', say"):
        load(name)
    assert openml.asked == []


def test_openml_has_its_options_only(openml):
    with pytest.raises(InvalidOption, match="its options are target"):
        load("openml:1464", group="V1")
    with pytest.raises(InvalidOption, match="not in the paper"):
        load("openml:1464", variant="paper")
    assert openml.asked == []


# --- Hugging Face: a stand-in ---------------------------------------------------------------------------------------


class Held:
    """A dataset as the library holds one: a table, and the names of classes."""

    def __init__(self, table, **names):
        self.table = pd.DataFrame(table)
        self.features = {column: Bunch(dtype="float64") for column in self.table.columns}
        self.features.update({column: Bunch(names=list(classes)) for column, classes in names.items()})

    def to_pandas(self):
        return self.table.copy()

    def __len__(self):
        return len(self.table)


class Streamed:
    features = None

    def to_pandas(self):
        raise AssertionError("a stream may have no end")


def test_columns_and_class_names_are_taken_over():
    data = Held({"x": [1.0, 2.0, 3.0], "label": [1, 0, 1]}, label=["neg", "pos"])
    dataset = from_huggingface(data, "label")
    assert dataset.y.tolist() == [1, 0, 1] and dataset.target_names == ("neg", "pos")
    assert dataset.x.tolist() == [[1.0], [2.0], [3.0]] and dataset.splits == {}


def test_the_order_of_class_names_is_kept():
    data = Held({"x": [1.0, 2.0, 3.0], "label": [0, 1, 2]}, label=["worse", "same", "better"])
    task = from_huggingface(data, "label").task("warm", folds=2, initial=1)
    assert task.classes.tolist() == ["worse", "same", "better"] and task.truth([0, 1, 2]).tolist() == [0, 1, 2]


def test_minus_one_and_none_are_no_label():
    for unknown in (-1, None):
        data = Held({"x": [1.0, 2.0, 3.0], "label": [1, unknown, 0]}, label=["b", "a"])
        dataset = from_huggingface(data, "label")
        assert dataset.y.tolist() == [1, -1, 0] and dataset.target_names == ("b", "a")


def test_a_class_without_rows_is_one_where_labels_are_missing_only():
    names = ["c", "b", "a"]
    all_known = from_huggingface(Held({"x": [1.0, 2.0], "label": [0, 2]}, label=names), "label")
    assert all_known.target_names == ("c", "a") and all_known.y.tolist() == [0, 1]
    partly = from_huggingface(Held({"x": [1.0, 2.0, 3.0], "label": [0, 2, -1]}, label=names), "label")
    assert partly.target_names == ("c", "b", "a") and partly.y.tolist() == [0, 2, -1]


@given(st.lists(st.integers(-1, 3), min_size=6, max_size=15), st.permutations(list("abcd")))
def test_every_row_keeps_its_class_by_name(codes, names):
    if max(codes) < 0:
        return
    dataset = from_huggingface(Held({"x": range(len(codes)), "label": codes}, label=names), "label")
    assert [None if c < 0 else dataset.target_names[c] for c in dataset.y] == [
        None if code < 0 else names[code] for code in codes
    ]
    task = dataset.task("warm", folds=2, initial=0) if dataset.known.sum() > 1 else None
    assert task is None or task.classes.tolist() == list(dataset.target_names)


@pytest.mark.parametrize("kind", [list, tuple, np.array])
def test_a_column_of_vectors_is_one_feature_a_number(kind):
    vectors = [[0.5, 1.0, 2.0], [1.5, 0.0, -2.0], [2.5, 3.0, 4.0]]
    table = pd.DataFrame(
        {"x": [7.0, 8.0, 9.0], "e": pd.Series([kind(v) for v in vectors], dtype=object), "y": list("aba")}
    )
    dataset = from_huggingface(Held(table), "y")
    assert dataset.feature_names == ("x", "e_0", "e_1", "e_2")
    assert np.array_equal(dataset.x[:, 1:], vectors) and dataset.x[:, 0].tolist() == [7.0, 8.0, 9.0]


def test_parts_are_stacked_and_become_the_canonical_split():
    parts = {
        "train": Held({"x": [1.0, 2.0, 3.0, 4.0], "label": [0, 1, 1, 0]}, label=["n", "p"]),
        "validation": Held({"x": [5.0], "label": [1]}, label=["n", "p"]),
        "unsupervised": Held({"x": [6.0, 7.0], "label": [-1, -1]}, label=["n", "p"]),
        "test": Held({"x": [8.0, 9.0], "label": [0, 1]}, label=["n", "p"]),
    }
    dataset = from_huggingface(parts, "label")
    assert {name: rows.tolist() for name, rows in dataset.splits.items()} == {
        "train": [0, 1, 2, 3],
        "validation": [4],
        "unsupervised": [5, 6],
        "test": [7, 8],
    }
    task = dataset.task("warm", split="canonical", preprocess=None, initial=1)
    assert task.train.x.flatten().tolist() == [1.0, 2.0, 3.0, 4.0]
    assert task.validation.x.tolist() == [[5.0]] and task.test.x.tolist() == [[8.0], [9.0]]
    again = from_json(task.to_json(), dataset)
    assert again.to_json() == task.to_json()


def test_one_part_alone_is_no_split():
    assert from_huggingface({"train": Held({"x": [1.0, 2.0], "y": list("ab")})}, "y").splits == {}


UNUSABLE = [
    (pd.DataFrame({"x": [1.0], "y": [1]}), DataError, "not a DataFrame"),
    ({}, DataError, "not a dict"),
    ({"train": [1, 2]}, DataError, "Dataset or DatasetDict"),
    (Streamed(), DataError, "not a Streamed. A streamed one is cut and read first: datasets.Dataset.from_list"),
    ({"train": Streamed()}, DataError, "A streamed one is cut"),
    (Held({"x": [[1.0, 2.0], [1.0]], "y": list("ab")}), DataError, "'x' holds vectors of unequal length"),
    (Held({"x": [[[1.0]], [[2.0]]], "y": list("ab")}), DataError, "'x' holds vectors of unequal length, or arrays"),
    (Held({"x": [["u"], ["v"]], "y": list("ab")}), DataError, "vectors of numbers are expected"),
    (Held({"x": [None, [2.0]], "y": list("ab")}), NonFiniteFeatures, "'x' holds no vector in 1 rows.*filter"),
    (Held({"x": [[np.nan], [2.0]], "y": list("ab")}), NonFiniteFeatures, "'x_0'"),
    (Held({"x": [{"u": 1}, {"u": 2}], "y": list("ab")}), MixedColumn, "'x'"),
    (
        Held({"x": [1.0, 2.0], "label": [0, 1]}, label=["n", "p"]),
        UnknownColumn,
        "no column 'y'; its columns are .*label",
    ),
]


@pytest.mark.parametrize(("data", "error", "says"), UNUSABLE, ids=range(len(UNUSABLE)))
def test_what_cannot_be_used_is_a_named_error(data, error, says):
    with pytest.raises(error, match=says):
        from_huggingface(data, "y")


def test_the_library_itself_is_not_imported():
    before = "datasets" in sys.modules
    from_huggingface(Held({"x": [1.0, 2.0], "y": list("ab")}), "y")
    assert ("datasets" in sys.modules) == before


# --- Hugging Face: the library --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hf():
    return pytest.importorskip("datasets")


def of_library(hf, labels):
    features = {
        "x": hf.Value("float32"),
        "e": hf.Sequence(hf.Value("float32"), length=2),
        "label": hf.ClassLabel(names=["neutral", "good", "bad"]),
    }
    rows = {"x": np.arange(len(labels)), "e": [[i, -i] for i in range(len(labels))], "label": labels}
    return hf.Dataset.from_dict(rows, features=hf.Features(features))


def test_a_dataset_of_the_library_is_a_dataset(hf):
    dataset = from_huggingface(of_library(hf, [0, 1, 2, 1]), "label")
    assert dataset.target_names == ("neutral", "good", "bad") and dataset.y.tolist() == [0, 1, 2, 1]
    assert dataset.feature_names == ("x", "e_0", "e_1")
    assert dataset.x.tolist() == [[i, i, -i] for i in range(4)] and dataset.x.dtype == torch.float32


def test_a_dataset_of_the_library_in_parts_has_a_canonical_split(hf):
    parts = {"train": of_library(hf, [0, 1, 2, -1]), "test": of_library(hf, [2, 0])}
    dataset = from_huggingface(hf.DatasetDict(parts), "label")
    task = dataset.task("warm", split="canonical", initial=2)
    assert task.train.indices.tolist() == [0, 1, 2, 3] and task.test.y.tolist() == [2, 0]
    assert dataset.y.tolist() == [0, 1, 2, -1, 2, 0]


def test_a_stream_of_the_library_is_refused(hf):
    stream = of_library(hf, [0, 1]).to_iterable_dataset()
    for data in (stream, hf.IterableDatasetDict({"train": stream})):
        with pytest.raises(DataError, match=r"Dataset.from_list\(list\(stream.take\(1000\)\)\)"):
            from_huggingface(data, "label")
    read = hf.Dataset.from_list(list(stream.take(1000)), features=stream.features)
    assert from_huggingface(read, "label").y.tolist() == [0, 1]
