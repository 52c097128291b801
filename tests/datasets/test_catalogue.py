"""The catalogue, against the manifest of the verified copies, the paper, and what `load` gives."""

import csv
import hashlib
import re
import tomllib
from importlib import resources
from pathlib import PurePosixPath
from urllib.parse import urlparse

import numpy as np
import pandas as pd
import pytest

import aljupyter as al
from aljupyter.datasets.entries import entries, entry_of, is_name, normalised
from aljupyter.errors import UnknownDataset

COLUMNS = [
    "name",
    "title",
    "task",
    "rows",
    "features",
    "classes",
    "kind",
    "source",
    "doi",
    "licence",
    "citation",
    "sha256",
    "size",
    "used_in",
]
WITHOUT_A_COPY = ("credit_card", "striatum_mini", "mnist", "fashion_mnist")
BOARDS = ("checkerboard2x2", "checkerboard4x4", "rotated_checkerboard2x2")

# Table 4 of the paper: name, task, kind, licence
TABLE_4 = """
CreditCard       classification real      DbCL 1.0
StriatumMini     classification real      GPLv3
Breast           classification real      CC BY 4.0
Glass            classification real      CC BY 4.0
Parkinsons       classification real      CC BY 4.0
SynthClass1      classification synthetic Apache 2.0
SynthClass2      classification synthetic Apache 2.0
GaussianClouds   classification synthetic Apache 2.0
Checkerboard2x2  classification synthetic Apache 2.0
Checkerboard4x4  classification synthetic Apache 2.0
Diabetes         regression     real      CC BY 4.0
Concrete         regression     real      CC BY 4.0
Energy           regression     real      CC BY 4.0
Power            regression     real      CC BY 4.0
Airfoil          regression     real      CC BY 4.0
WineQuality      regression     real      CC BY 4.0
Yacht            regression     real      CC BY 4.0
"""
TABLES_5_AND_6 = (
    "BreastCancer Checkerboard2x2 Checkerboard4x4 GaussianClouds StriatumMini SynthClass1 SynthClass2 UCIGlass "
    "UCIParkinsons UCISeeds"
)
TABLES_7_AND_8 = "Diabetes SynthReg1 SynthReg2 UCIAirfoil UCIConcrete UCIEnergy UCIPower UCIYacht WineQuality"

# Published: rows, features, classes (UCI's pages, scikit-learn's, LAL's, Kaggle's, LeCun's, Zalando's)
PUBLISHED = {
    "credit_card": (284807, 30, 2),
    "striatum_mini": (20000, 272, 2),
    "breast_cancer": (569, 30, 2),
    "glass": (214, 9, 6),
    "parkinsons": (195, 22, 2),
    "seeds": (210, 7, 3),
    "checkerboard2x2": (2000, 2, 2),
    "checkerboard4x4": (2000, 2, 2),
    "rotated_checkerboard2x2": (2000, 2, 2),
    "diabetes": (442, 10, None),
    "concrete": (1030, 8, None),
    "energy": (768, 8, None),
    "power": (9568, 4, None),
    "airfoil": (1503, 5, None),
    "wine_quality": (1599, 11, None),
    "wine_quality_white": (4898, 11, None),
    "yacht": (308, 6, None),
    "digits": (1797, 64, 10),
    "mnist": (70000, 784, 10),
    "fashion_mnist": (70000, 784, 10),
}
NOT_FEATURES = {"glass": 2, "parkinsons": 2, "energy": 2}  # columns of a file: Id or name, and targets


@pytest.fixture(scope="module")
def table():
    return al.datasets.catalogue()


@pytest.fixture(scope="module")
def manifest(data_folder):
    with open(data_folder / "MANIFEST.tsv", newline="") as stream:
        return {row["file"]: row for row in csv.DictReader(stream, delimiter="\t")}


@pytest.fixture(params=[name for name in entries() if name not in WITHOUT_A_COPY])
def loadable(request):
    """Name of a dataset that can be loaded without a network."""
    files = entry_of(request.param).files
    if files and not files[0].path.startswith("sklearn:"):
        request.getfixturevalue("data_folder")
    return request.param


# --- the table ------------------------------------------------------------------------------------------------------


def test_there_is_one_row_a_dataset_with_all_that_is_asked_for(table):
    assert isinstance(table, pd.DataFrame) and list(table.columns) == COLUMNS
    raw = tomllib.loads(resources.files("aljupyter.datasets").joinpath("catalogue.toml").read_text(encoding="utf-8"))
    assert table["name"].tolist() == list(raw) and table["name"].is_unique
    for name, row in table.set_index("name").iterrows():
        assert (row["rows"], row["features"]) == (raw[name]["rows"], raw[name]["features"])
        assert (row["source"], row["licence"]) == (raw[name]["url"], raw[name]["licence"])
        assert row["sha256"].split() == [file["sha256"] for file in raw[name].get("files", []) if file["sha256"]]
        assert row["size"] == sum(file["bytes"] for file in raw[name].get("files", []))


def test_a_change_to_the_table_does_not_change_the_catalogue(table):
    changed = al.datasets.catalogue()
    changed.loc[:, "rows"] = 0
    pd.testing.assert_frame_equal(al.datasets.catalogue(), table)


def test_every_dataset_has_a_licence_a_citation_and_a_page(table):
    for row in table.itertuples():
        for text in (row.title, row.licence, row.citation, row.source, entry_of(row.name).about):
            assert text.strip(), row.name
        assert re.search(r"\((19|20)\d\d\)", row.citation), row.name  # a year
        address = urlparse(row.source)
        assert address.scheme in ("http", "https") and "." in address.netloc and address.path, row.name
        assert row.doi == "" or re.fullmatch(r"10\.\d{4,}/\S+", row.doi), row.name
        assert row.task in ("classification", "regression") and row.kind in ("real", "synthetic")
        assert pd.isna(row.classes) == (row.task == "regression")


def test_sources_of_files_are_addresses_and_paths_stay_in_their_folder():
    for entry in entries().values():
        for file in entry.files:
            path = PurePosixPath(file.path)
            assert not path.is_absolute() and ".." not in path.parts and "\\" not in file.path
            assert bool(file.sources) != file.path.startswith("sklearn:")
            assert file.sha256 == "" or re.fullmatch("[0-9a-f]{64}", file.sha256)
            assert bool(file.sha256) == bool(file.bytes)
            for source in file.sources:
                address = urlparse(source)
                assert address.scheme in ("http", "https") and address.netloc and not address.query
                member = address.fragment or address.path
                assert member.rsplit("/", 1)[-1] == file.name
                assert bool(address.fragment) == address.path.endswith(".zip")
    paths = [file.path for entry in entries().values() for file in entry.files]
    assert len(set(paths)) == len(paths)


def test_names_are_unique_in_every_spelling():
    spellings = [
        spelling for e in entries().values() for spelling in {normalised(name) for name in (e.name, *e.aliases)}
    ]
    assert len(set(spellings)) == len(spellings)


def test_names_of_features_and_targets_are_as_many_as_there_are():
    for entry in entries().values():
        if entry.feature_names:
            assert len(entry.feature_names) == entry.features == len(set(entry.feature_names)), entry.name
        wanted = 1 if entry.classes is None else entry.classes
        assert len(entry.target_names) == wanted == len(set(entry.target_names)), entry.name


# --- against others -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", TABLE_4.strip().splitlines())
def test_table_4_of_the_paper_is_in_it_with_its_task_kind_and_licence(line):
    name, task, kind, licence = line.split(maxsplit=3)
    entry = entry_of(name)
    assert (entry.task, entry.kind, entry.licence.replace("-", " ")) == (task, kind, licence)
    assert "PyRelationAL Table 4" in entry.used_in


def test_what_is_said_to_be_in_table_4_is():
    named = {entry_of(line.split()[0]).name for line in TABLE_4.strip().splitlines()}
    assert {e.name for e in entries().values() if "PyRelationAL Table 4" in e.used_in} == named and len(named) == 17


@pytest.mark.parametrize(
    ("names", "task", "used"),
    [
        (TABLES_5_AND_6, "classification", "PyRelationAL Tables 5-6"),
        (TABLES_7_AND_8, "regression", "PyRelationAL Tables 7-8"),
    ],
)
def test_all_datasets_of_the_papers_results_are_in_it(names, task, used):
    found = {entry_of(name).name for name in names.split()}
    assert len(found) == len(names.split())
    assert all(entry_of(name).task == task for name in found)
    assert {e.name for e in entries().values() if used in e.used_in} == found


@pytest.mark.parametrize("name", ["Digits", "rotated checkerboard", "MNIST", "Fashion-MNIST"])
def test_so_are_those_of_its_library(name):
    assert is_name(name)


@pytest.mark.parametrize("name", PUBLISHED)
def test_sizes_are_the_published_ones(table, name):
    row = table.set_index("name").loc[name]
    rows, features, classes = PUBLISHED[name]
    assert (row["rows"], row["features"]) == (rows, features)
    assert row["classes"] == classes if classes else pd.isna(row["classes"])


def test_files_are_those_of_the_manifest(manifest):
    checked = 0
    for entry in entries().values():
        for file in entry.files:
            if entry.name in WITHOUT_A_COPY or file.path.startswith("sklearn:"):
                continue
            row = manifest[file.path]
            assert (file.bytes, file.sha256) == (int(row["bytes"]), row["sha256"])
            assert any(row["original_url"].split()[0] in source for source in file.sources) or entry.name in BOARDS
            if entry.name not in BOARDS:
                assert entry.rows == int(row["rows"])
                assert entry.features == int(row["columns"]) - NOT_FEATURES.get(entry.name, 1)
                assert entry.licence in row["licence"] and f"doi {entry.doi})" in row["licence"]
            else:
                assert entry.rows == 2 * int(row["rows"]) and row["licence"].startswith(entry.licence)
            checked += 1
    assert checked == 10 + 6  # of UCI, of LAL


@pytest.mark.parametrize(
    ("name", "path", "separator"),
    [
        ("wine_quality", "wine/winequality-red.csv", ";"),
        ("wine_quality_white", "wine/winequality-white.csv", ";"),
        ("concrete", "_derived_csv/concrete.csv", ","),
        ("power", "_derived_csv/power.csv", ","),
    ],
)
def test_names_of_features_are_those_of_the_header(data_folder, name, path, separator):
    with open(data_folder / path, newline="") as stream:
        *header, _ = next(csv.reader(stream, delimiter=separator))
    plain = tuple("_".join(column.split("(")[0].split()).lower() for column in header)
    assert plain == tuple(feature.lower() for feature in entry_of(name).feature_names)


def test_names_of_files_without_a_header_fit_their_values(data_folder):
    """By what is known of the quantities."""
    seeds = columns("seeds")
    compact = 4 * np.pi * seeds["area"] / seeds["perimeter"] ** 2
    np.testing.assert_allclose(seeds["compactness"], compact, atol=2e-3)
    for low, high in (("kernel_width", "groove_length"), ("groove_length", "kernel_length"), ("kernel_length", "area")):
        assert seeds[low].mean() < seeds[high].mean()
    variety = al.datasets.load("seeds").labels()
    areas = {name: seeds["area"][(variety == name).to_numpy()].mean() for name in ("Kama", "Rosa", "Canadian")}
    assert areas["Rosa"] > areas["Kama"] > areas["Canadian"]  # Charytanowicz et al. 2010
    glass = columns("glass")
    np.testing.assert_allclose(sum(v for name, v in glass.items() if name != "RI"), 100, atol=1)  # per cent
    assert glass["RI"].min() > 1.51 and glass["Si"].min() > 69 and glass["Na"].min() > 10 and glass["Ca"].min() > 5
    kinds = al.datasets.load("glass").labels().to_numpy()
    assert glass["Ba"][kinds == "headlamps"].mean() > 5 * glass["Ba"][kinds != "headlamps"].mean()
    airfoil = columns("airfoil")
    assert (airfoil["frequency"].min(), airfoil["frequency"].max()) == (200, 20000)  # UCI's page and the NASA report
    assert set(airfoil["chord_length"]) == {0.0254, 0.0508, 0.1016, 0.1524, 0.2286, 0.3048}
    assert set(airfoil["free_stream_velocity"]) == {31.7, 39.6, 55.5, 71.3}
    assert (airfoil["angle_of_attack"].min(), airfoil["angle_of_attack"].max()) == (0, 22.2)
    yacht = columns("yacht")
    spans = [(-5, 0), (0.53, 0.6), (4.34, 5.14), (2.81, 5.35), (2.73, 3.64), (0.125, 0.45)]  # of the Delft series
    assert [(values.min(), values.max()) for values in yacht.values()] == spans
    energy = columns("energy")
    np.testing.assert_array_equal(energy["surface_area"], energy["wall_area"] + 2 * energy["roof_area"])
    assert set(energy["overall_height"]) == {3.5, 7} and set(energy["orientation"]) == {2, 3, 4, 5}
    assert set(energy["glazing_area"]) == {0, 0.1, 0.25, 0.4} and energy["relative_compactness"].max() < 1


def columns(name):
    data = al.datasets.load(name)
    return dict(zip(data.feature_names, data.x.numpy().T, strict=True))


def test_files_of_the_manifest_have_their_checksums(data_folder, manifest):
    for path, row in manifest.items():
        content = (data_folder / path).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (int(row["bytes"]), row["sha256"])


def test_files_that_scikit_learn_ships_have_the_checksums_of_the_catalogue():
    found = [file for entry in entries().values() for file in entry.files if file.path.startswith("sklearn:")]
    assert len(found) == 4
    for file in found:
        content = resources.files("sklearn.datasets.data").joinpath(file.name.removeprefix("sklearn:")).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file.bytes, file.sha256)


def test_rows_of_the_table_are_what_load_gives(table, loadable):
    name = loadable
    row = table.set_index("name").loc[name]
    data = al.datasets.load(name)
    assert tuple(data.x.shape) == (row["rows"], row["features"]) and len(data) == len(data.y) == row["rows"]
    assert (data.name, data.task_type, data.kind, data.variant) == (name, row["task"], row["kind"], "clean")
    assert data.n_classes == (None if pd.isna(row["classes"]) else row["classes"])
    assert data.about == {key: row[key] for key in ("source", "doi", "licence", "citation")}
    assert len(data.feature_names) == row["features"]
    if data.n_classes:
        assert data.y.unique().tolist() == list(range(data.n_classes))
    description = " ".join(data.description.split())
    for part in (row["title"], row["licence"], row["citation"], row["source"], row["doi"]):
        assert part in description
    assert " ".join(entry_of(name).about.split()) in description


def test_the_papers_variant_says_how_it_differs(loadable):
    name = loadable
    data = al.datasets.load(name, "paper")
    description = " ".join(data.description.split())
    assert "The paper's variant differs." in description and "folds are contiguous" in description
    assert "The paper's variant" not in al.datasets.load(name).description
    if len(data) != entry_of(name).rows:
        assert f"{len(data):,} rows" in description
    must = {
        "glass": ("kept the Id", "213 rows of 10 features", "permuted"),
        "energy": ("heating load in as a ninth feature", "permuted"),
        "parkinsons": ("order", "permuted"),
        "gaussian_clouds": ("0.8", "stacked"),
        **{board: ("stacked",) for board in BOARDS},
        **dict.fromkeys(("seeds", "airfoil", "yacht", "wine_quality", "concrete"), ("permuted",)),
    }
    assert all(part in description for part in must.get(name, ()))
    assert ("permuted" in description) == ("permuted" in "".join(must.get(name, ())) or name == "wine_quality_white")


# --- names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["glass", "GLASS", "UCIGlass", "uci-glass", "uci_glass", " Uci Glass ", "glass_identification"]
)
def test_case_blanks_and_a_leading_uci_do_not_count(name):
    assert entry_of(name).name == "glass" and is_name(name)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("galss", "glass"),
        ("UCIYahct", "yacht"),
        ("brest cancer", "breast_cancer"),
        ("fashion", "fashion_mnist"),
        ("checkerboard", "checkerboard2x2"),
        ("Synth-Class-4", "synth_class1"),
        ("wine_qualty", "wine_quality"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(name, meant):
    with pytest.raises(UnknownDataset, match=f"no dataset '{name}'.* Did you mean .*'{meant}'"):
        al.datasets.load(name)
    assert not is_name(name)


@pytest.mark.parametrize("name", ["", "uci", "---", "qqqqqq"])
def test_a_name_like_none_is_answered_with_all(name):
    with pytest.raises(UnknownDataset) as caught:
        al.datasets.load(name)
    assert all(known in str(caught.value) for known in entries()) and isinstance(caught.value, KeyError)
