"""Real files, as the sources give them."""

import numpy as np
import pandas as pd
import pytest

from aljupyter.data import DataManager
from aljupyter.errors import DataError, MixedColumn


def test_parkinsons_has_its_names_left_out(data_folder):
    data = DataManager(data_folder / "parkinsons" / "parkinsons.data", target="status", test=0.2)
    assert len(data) == 195 and data.task == "classification" and data.classes.tolist() == [0, 1]
    assert data.n_features == 22 and "status" not in data.feature_names
    assert data.ids[0] == "phon_R01_S01_1"
    assert data.display(0)["name"] == "phon_R01_S01_1" and "status" not in data.display(0)
    assert len(data.test) == 39
    np.testing.assert_allclose(data.test.y.double().mean(), data.truth(range(195)).double().mean(), atol=0.02)


def test_wine_is_read_with_its_separator_first(data_folder):
    path = data_folder / "wine" / "winequality-red.csv"
    with pytest.raises(DataError, match="sep="):
        DataManager(path, target="quality")
    table = pd.read_csv(path, sep=";")
    data = DataManager(table, target="quality", task="regression", test=0.1)
    assert data.n_features == 11 and data.train.y.min() == 3.0 and data.train.y.is_floating_point()
    assert DataManager(table, target="quality").classes.tolist() == [3, 4, 5, 6, 7, 8]


def test_a_lab_that_has_measured_few_of_its_rows(data_folder, tmp_path):
    table = pd.read_csv(data_folder / "_derived_csv" / "concrete.csv")
    target = table.columns[-1]
    table.loc[table.index >= 12, target] = np.nan
    table.insert(0, "mix", [f"M-{i}" for i in range(len(table))])
    table.to_csv(tmp_path / "mixes.csv", index=False)
    data = DataManager(tmp_path / "mixes.csv", target=target)
    assert data.task == "regression" and data.ids[3] == "M-3"
    assert data.labelled.indices.tolist() == list(range(12))
    assert data.n_features == 8


def test_glass_with_its_row_numbers(data_folder):
    names = ["Id", "RI", "Na", "Mg", "Al", "Si", "K", "Ca", "Ba", "Fe", "Type"]
    table = pd.read_csv(data_folder / "glass" / "glass.data", names=names)
    data = DataManager(table, target="Type")
    assert data.classes.tolist() == [1, 2, 3, 5, 6, 7] and data.n_features == 9
    spoiled = table.astype({"Na": object})
    spoiled.loc[7, "Na"] = "trace"
    with pytest.raises(MixedColumn, match="Na"):
        DataManager(spoiled, target="Type")
