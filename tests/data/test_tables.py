"""DataFrames and CSV files: numbers, categories, text, ids, and what is refused."""

import decimal

import numpy as np
import pandas as pd
import pytest
import torch

from aljupyter.data import DataManager
from aljupyter.data.columns import kind_of
from aljupyter.errors import DataError, MixedColumn, NonFiniteFeatures, UnknownColumn, UnknownTask, WrongShape

N = 60
rng = np.random.default_rng(2)
NUMBERS = rng.normal(size=N)
NOTES = [" ".join(rng.choice(["warm", "cold", "dry", "wet", "old", "new"], 4)) + f" {i}" for i in range(N)]
LABELS = [["safe", "toxic"][i % 2] if i < 9 else None for i in range(N)]


def library():
    return pd.DataFrame(
        {
            "compound": [f"C-{i:03d}" for i in range(N)],
            "mass": NUMBERS,
            "rings": np.arange(N) % 5,
            "solvent": np.array(["water", "ethanol", "ether"])[np.arange(N) % 3],
            "note": NOTES,
            "soluble": np.arange(N) % 2 == 0,
            "toxicity": LABELS,
        }
    )


def column_of(values, **arguments):
    """The table of one number column and this one."""
    return DataManager(pd.DataFrame({"mass": NUMBERS, "c": values}), np.arange(N) % 2, **arguments)


def test_a_csv_with_ids_a_text_column_and_mostly_missing_targets(tmp_path):
    path = tmp_path / "library.csv"
    library().to_csv(path, index=False)
    for given in (path, str(path)):
        data = DataManager(given, target="toxicity")
        assert len(data) == N and data.classes.tolist() == ["safe", "toxic"]
        assert data.labelled.indices.tolist() == list(range(9)) and len(data.unlabelled) == N - 9
        assert data.ids.tolist() == [f"C-{i:03d}" for i in range(N)]
        assert data.feature_names[:5] == ("mass", "rings", "solvent=ethanol", "solvent=ether", "solvent=water")
        assert "note: warm" in data.feature_names and data.feature_names[-1] == "soluble"
        assert not any("compound" in name or "toxic" in name for name in data.feature_names)
        data.label([30], ["toxic"])
    text = repr(data)
    for part in ("3 numbers, standardised", "'solvent': 3 categories", "'note':", "naming rows only: 'compound'"):
        assert part in text
    assert data.display(1) == {
        "compound": "C-001",
        "mass": pytest.approx(NUMBERS[1]),
        "rings": 1,
        "solvent": "ethanol",
        "note": NOTES[1],
        "soluble": False,
    }


@pytest.mark.parametrize("backend", [None, "numpy_nullable"])
def test_types_of_pandas_make_no_difference(tmp_path, backend):
    path = tmp_path / "library.csv"
    library().to_csv(path, index=False)
    table = pd.read_csv(path) if backend is None else pd.read_csv(path, dtype_backend=backend)
    np.testing.assert_allclose(
        DataManager(table, target="toxicity").train.x, DataManager(library(), "toxicity").train.x, atol=1e-12
    )
    assert DataManager(table, target="soluble").classes.tolist() == [False, True]


def test_categories_and_words_are_zeros_and_ones():
    data = DataManager(library(), target="toxicity")
    binary = [j for j, name in enumerate(data.feature_names) if "=" in name or ": " in name]
    assert set(data.train.x[:, binary].flatten().tolist()) == {0.0, 1.0}
    j = data.feature_names.index("note: warm")
    assert data.train.x[:, j].tolist() == [float("warm" in note) for note in NOTES]


def test_what_train_does_not_show_is_all_zeros():
    values = ["a", "b"] * (N // 2 - 1) + ["a", "rare"]
    data = column_of(values, test=[N - 1])
    assert data.feature_names == ("mass", "c=a", "c=b")
    assert data.test.x[0, 1:].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("dtype", [object, "str", "category"])
def test_a_missing_category_is_one_of_its_own(dtype):
    data = column_of(pd.Series(["a", None, "b"] * 20, dtype=dtype))
    assert data.feature_names == ("mass", "c=a", "c=b", "c missing")
    assert data.train.x[:3, 1:].tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0]]


def test_a_missing_text_has_no_words():
    data = column_of([*NOTES[:-1], None])
    assert data.train.x[-1, 1:].sum() == 0


def test_categories_may_be_of_several_kinds():
    data = column_of(pd.Categorical([1, "a"] * 30))
    assert data.feature_names == ("mass", "c=1", "c=a")


def test_many_categories_keep_the_most_frequent():
    values = [f"v{i}" for i in range(200)] + ["often"] * 100
    table = pd.DataFrame({"mass": np.arange(300.0), "c": values})
    data = DataManager(table, np.arange(300) * 0.5)
    assert "c=often" in data.feature_names and data.n_features == 51
    assert "50 of 201 (the most frequent)" in repr(data)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (NUMBERS.astype(np.float32), "number"),
        (pd.array([1, 2, 3] * 20, dtype="Int64"), "number"),
        (pd.array([True, False] * 30, dtype="boolean"), "number"),
        (pd.Series([1, 2.5, 3] * 20, dtype=object), "number"),
        (pd.Series([True, False] * 30, dtype=object), "number"),
        ([decimal.Decimal("1.5")] * N, "number"),
        (["red", "green"] * 30, "category"),
        (["New York", "Los Angeles"] * 30, "category"),
        (pd.Categorical([1, 2] * 30), "category"),
        (pd.cut(NUMBERS, 3), "category"),
        ([str(i % 5) for i in range(N)], "category"),
        (["3", "4", "5more", "more"] * 15, "category"),
        (NOTES, "text"),
        ([f"K{i}" for i in range(N)], "id"),
        ([str(i) for i in range(N)], "id"),
    ],
)
def test_what_a_column_holds(values, kind):
    assert kind_of(pd.Series(values, name="c")) == kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [("id", "id"), ("ID", "id"), ("sample_id", "id"), ("PassengerId", "id"), ("index", "id"), ("Unnamed: 0", "id")]
    + [("paid", "number"), ("mass", "number"), ("width", "number")],
)
def test_numbers_that_all_differ_are_ids_by_their_name(name, kind):
    assert kind_of(pd.Series(range(N), name=name)) == kind
    assert kind_of(pd.Series([0, 1] * 30, name=name)) == "number"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, "a"] * 30, r"1 \(int\)"),
        ([1.5, "a", None] * 20, r"'a' \(str\)"),
        (["1.2", "3", "?"] * 20, r"'1.2' and '\?'.*to_numeric"),
        (["1.25", "3.5"] * 30, "numbers written as text"),
        ([str(i / 7) for i in range(N)], "numbers written as text"),
        (pd.date_range("2020-01-01", periods=N), "dates or times.*2020-01-01.*days"),
        (pd.to_timedelta(range(N), unit="D"), "dates or times"),
        ([[1]] * N, r"\[1\] \(list\)"),
        ([{"a": 1}] * N, "dict"),
        ([np.zeros(2)] * N, "ndarray"),
        ([b"a"] * N, "bytes"),
        ([1j] * N, "complex"),
        ([f"{'-' * i} -" for i in range(N)], "no words"),
    ],
)
def test_mixed_columns_are_refused_by_name(values, message):
    with pytest.raises(MixedColumn, match=f"(?s)Column 'c'.*{message}"):
        column_of(values)


def test_a_mixed_column_of_a_csv_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("a,b,y\n1,2,0\n2,3,1\nthree,4,0\n4,5,1\n")
    with pytest.raises(MixedColumn, match="'a'.*'1' and 'three'"):
        DataManager(tmp_path / "t.csv", target="y")


@pytest.mark.parametrize(
    "values",
    [
        [np.nan, *NUMBERS[1:]],
        [np.inf, *NUMBERS[1:]],
        pd.array([None, *range(N - 1)], dtype="Int64"),
        pd.Series([None, *range(N - 1)], dtype=object),
        [None] * N,
        pd.array([None] * N, dtype="string"),
    ],
)
def test_missing_numbers_are_refused_by_column_and_row(values):
    with pytest.raises(NonFiniteFeatures, match="'c' in .* row 0 first.*dropna.*fillna"):
        column_of(values)


def test_numbers_keep_float32_only_where_all_are():
    assert DataManager(pd.DataFrame({"a": NUMBERS.astype("f4")}), NUMBERS).train.x.dtype == torch.float32
    assert column_of(NUMBERS.astype("f4")).train.x.dtype == torch.float64


def test_without_preprocessing_numbers_stay_and_nothing_is_guessed():
    table = pd.DataFrame({"id": range(N), "mass": NUMBERS})
    data = DataManager(table, NUMBERS, preprocess=None)
    np.testing.assert_array_equal(data.train.x, table)
    assert data.ids is None
    assert DataManager(table, NUMBERS, id="id", preprocess=None).feature_names == ("mass",)
    with pytest.raises(MixedColumn, match="preprocess=None takes numbers only"):
        DataManager(library(), "toxicity", preprocess=None)


def test_the_id_column_can_be_named_and_an_index_of_names_is_one():
    table = library().rename(columns={"rings": "batch"})
    data = DataManager(table, target="toxicity", id="batch")
    assert data.ids.tolist() == (np.arange(N) % 5).tolist() and "batch" not in data.feature_names
    assert DataManager(table.set_index("compound"), target="toxicity").ids[2] == "C-002"
    assert DataManager(table[["mass"]], NUMBERS).ids is None


def test_names_of_columns_may_be_numbers():
    data = DataManager(pd.DataFrame(np.c_[NUMBERS, NUMBERS**2, np.arange(N) % 2 == 0]), target=2)
    assert data.feature_names == ("0", "1") and data.classes.tolist() == [0, 1]


def test_later_changes_to_the_table_do_not_reach_the_views():
    table = library()
    data = DataManager(table, target="toxicity")
    table["mass"] = 0.0
    assert data.display(0)["mass"] == NUMBERS[0]


@pytest.mark.parametrize(
    ("index", "right"),
    [(range(N), True), (range(100, 100 + N), True), (range(N - 1, -1, -1), False)],
)
def test_labels_of_another_index(index, right):
    y = pd.Series(NUMBERS, index=index)
    if right:
        np.testing.assert_array_equal(DataManager(library()[["mass"]], y).train.y, NUMBERS)
    else:
        with pytest.raises(DataError, match=r"y\.loc\[table\.index\].*y\.to_numpy\(\)"):
            DataManager(library()[["mass"]], y)


def test_labels_of_an_index_that_shares_nothing_with_the_tables_are_refused():
    table = library()[["mass"]].set_index(np.arange(5, 5 + N))
    with pytest.raises(DataError, match="whose index is not the table's"):
        DataManager(table, pd.Series(NUMBERS, index=range(100, 100 + N)))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"target": "Toxicity"}, UnknownColumn, "no column 'Toxicity'.*Did you mean 'toxicity'"),
        ({"target": "toxicity", "id": "name"}, UnknownColumn, "no column 'name'"),
        ({"y": "nothing"}, UnknownColumn, "no column 'nothing'"),
        ({"y": "toxicity", "target": "toxicity"}, DataError, "twice"),
        ({"y": NUMBERS, "target": "toxicity"}, DataError, "twice"),
        ({"target": "toxicity", "id": "toxicity"}, DataError, "one of them"),
        ({}, UnknownTask, "target=.*'toxicity'"),
        ({"y": NUMBERS, "feature_names": ["a"]}, DataError, "rename"),
    ],
)
def test_names_that_cannot_be_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        DataManager(library(), **arguments)


def test_tables_without_rows_features_or_distinct_names_are_refused():
    with pytest.raises(WrongShape, match="no rows"):
        DataManager(library()[:0], target="toxicity")
    with pytest.raises(DataError, match="No feature is left"):
        DataManager(library()[["compound", "toxicity"]], target="toxicity")
    with pytest.raises(DataError, match="more than one column 'a'"):
        DataManager(pd.DataFrame(np.ones((3, 2)), columns=["a", "a"]), [1, 2, 3])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read"),
        ("a;b\n1;2\n", "sep="),
        ("a\tb\n1\t2\n", "sep="),
        ("a,b\n1,2\n1,2,3\n", "cannot be read"),
    ],
)
def test_files_that_are_no_csv_are_refused_with_a_way_out(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DataError, match=f"{message}.*" if message == "sep=" else f"{message}.*pandas.read_csv"):
        DataManager(tmp_path / "t.csv", target="b")


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError, match="There is no file"):
        DataManager(tmp_path / "none.csv", target="y")
