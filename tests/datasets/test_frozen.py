"""Tasks as JSON: the same task elsewhere, and no other."""

import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aljupyter.datasets import Task, from_frame, from_json, load
from aljupyter.errors import (
    DataError,
    IndexOutOfRange,
    InvalidOption,
    MissingLabels,
    OtherData,
    OverlappingViews,
    RepeatedIndices,
    UnknownDataset,
)


def views_of(task):
    return [view.indices.tolist() for view in (task.train, task.validation, task.test, task.labelled)]


def numbers(rows=30, shift=0.0):
    x = np.arange(rows) / 7 + shift
    return pd.DataFrame({"x": x, "z": np.sin(x), "who": [f"p{i % 6}" for i in range(rows)], "y": np.cos(x)})


THEIRS = """
import sys
from aljupyter.datasets import from_json
for line in sys.stdin:
    task = from_json(line)
    views = (task.train, task.validation, task.test, task.labelled)
    assert task.to_json() == line.strip()
    print([view.indices.tolist() for view in views], task.labelled.y.tolist(), task.labelled.x.sum().item())
"""


def in_another_process(tasks):
    """What another process makes of tasks."""
    lines = "\n".join(task.to_json() for task in tasks)
    environment = {**os.environ, "PYTHONHASHSEED": "12"}
    done = subprocess.run([sys.executable, "-c", THEIRS], input=lines, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def told(task):
    return f"{views_of(task)} {task.labelled.y.tolist()} {task.labelled.x.sum().item()}"


def test_a_frozen_task_is_the_same_task_in_another_process():
    tasks = [
        load("breast_cancer").task("warm", 2, seed=3, validation=0.2, draw="stratified"),
        load("breast_cancer", "paper").task("cold", 4),
        load("diabetes").task("cold", 1, folds=7, validation=20),
        load("diabetes", "paper").task("warm"),
        load("digits", images=True).task(initial=2),
        load("synth_class2", seed=5).task("warm", preprocess=None),
        load("gaussian_clouds", seed=1).task("warm", split="canonical", validation=100, initial=5),
        load("checkerboard2x2", generate=True, seed=2).task(split="canonical"),
        load("synth_reg2", "paper", seed=3).task("warm", draw="kmeans", initial=12),
    ]
    assert in_another_process(tasks) == [told(task) for task in tasks]


def test_a_frozen_task_of_a_file_is_the_same_task_in_another_process(data_folder, tmp_path):
    path = tmp_path / "table.csv"
    numbers().to_csv(path, index=False)
    tasks = [
        load("parkinsons").task("warm", 3, split="grouped", validation=0.1),
        load("energy", target="y2").task(),
        load("wine_quality", color="white").task("warm"),
        load("airfoil", "paper", seed=4).task("cold", 2),
        load(path, target="y", group="who").task("warm", split="grouped"),
        load(str(path), target="y", id="who").task(),
    ]
    assert in_another_process(tasks) == [told(task) for task in tasks]


@given(st.sampled_from(["random", "grouped", "contiguous"]), st.integers(0, 2**32 - 1), st.integers(0, 4), st.data())
def test_frozen_and_thawed_is_the_same(split, seed, fold, data):
    dataset = from_frame(numbers(), "y", group="who")
    start = data.draw(st.sampled_from(["cold", "warm"]))
    wish = data.draw(st.sampled_from([None, 4, 0.3])) if start == "warm" else None
    validation = data.draw(st.sampled_from([None, 3, 0.2]))
    task = dataset.task(start, fold, seed=seed, split=split, validation=validation, initial=wish)
    again = from_json(task.to_json(), dataset)
    assert views_of(again) == views_of(task) and again.to_json() == task.to_json() and repr(again) == repr(task)
    assert (again.seed, again.terms, again.dataset) == (task.seed, task.terms, dataset)


def test_a_frozen_task_is_json_with_rows_and_nothing_of_numpy():
    task = load("diabetes").task("warm", np.int64(1), seed=np.int64(2))
    frozen = json.loads(task.to_json())
    assert frozen["dataset"] == "diabetes" and frozen["recipe"]["variant"] == "clean"
    assert [frozen[name] for name in ("train", "validation", "test", "labelled")] == views_of(task)
    assert frozen["fingerprint"] == load("diabetes").fingerprint
    assert Task.from_json(task.to_json()).to_json() == task.to_json()


def test_labels_given_since_are_not_frozen():
    task = load("diabetes").task("warm")
    before, text = task.labelled.indices.tolist(), task.to_json()
    chosen = task.unlabelled.indices[:3]
    task.label(chosen, [1.0, 2.0, 3.0])
    task.unlabel(before[:2])
    assert task.to_json() == text
    assert from_json(text).labelled.indices.tolist() == before


def test_the_order_of_labelling_is_frozen():
    rows = load("diabetes").task().train.indices[[9, 2, 5]].tolist()
    task = load("diabetes").task(initial=rows)
    assert from_json(task.to_json()).labelled.indices.tolist() == rows


def test_rows_that_are_in_no_view_stay_in_none():
    dataset = from_frame(numbers().assign(y=lambda t: t["y"].where(t.index % 4 > 0)), "y", group="who")
    task = dataset.task("warm", split="grouped", validation=1, initial=3)
    assert sum(map(len, views_of(task)[:3])) < 30
    assert views_of(from_json(task.to_json(), dataset)) == views_of(task)


# --- other data -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["breast_cancer", "diabetes", "digits", "synth_reg1"])
def test_a_task_of_one_variant_is_none_of_the_other(name):
    for variant, other in (("clean", "paper"), ("paper", "clean")):
        text = load(name, variant).task("warm").to_json()
        with pytest.raises(OtherData, match=rf"\({other}, .*same variant.*'variant': '{variant}'"):
            from_json(text, load(name, other))


def test_a_task_is_of_its_own_data_only():
    text = load("synth_class1").task().to_json()
    for other in (load("synth_class1", seed=1), load("synth_class2"), load("diabetes")):
        with pytest.raises(OtherData, match="Load the same dataset") as caught:
            from_json(text, other)
        assert load("synth_class1").fingerprint[:12] in str(caught.value) and other.name in str(caught.value)


changes = [
    numbers(29),
    numbers(31),
    numbers(shift=1e-3),
    numbers().sample(frac=1, random_state=0),
    numbers().assign(y=lambda t: t["y"].where(t.index != 3)),
    numbers().assign(y=lambda t: -t["y"]),
    numbers().assign(more=0.0),
    numbers().assign(y=lambda t: np.where(t["y"] > 0, "a", "b")),
]


@pytest.mark.parametrize("changed", changes, ids=range(len(changes)))
def test_changed_tables_are_other_data(changed):
    text = from_frame(numbers(), "y", group="who").task().to_json()
    with pytest.raises(OtherData):
        from_json(text, from_frame(changed, "y", group="who"))


def test_a_changed_file_is_other_data(tmp_path):
    path = tmp_path / "table.csv"
    numbers().to_csv(path, index=False)
    text = load(path, target="y", group="who").task("warm").to_json()
    assert from_json(text).to_json() == text
    numbers(shift=0.5).to_csv(path, index=False)
    with pytest.raises(OtherData):
        from_json(text)
    path.unlink()
    with pytest.raises(DataError, match="There is no file"):
        from_json(text)
    assert from_json(text, from_frame(numbers(), "y", group="who")).to_json() != text  # its recipe is another
    assert views_of(from_json(text, from_frame(numbers(), "y", group="who"))) == [
        json.loads(text)[name] for name in ("train", "validation", "test", "labelled")
    ]


def test_renamed_classes_are_other_data():
    table = pd.DataFrame({"x": range(20), "y": ["a", "b"] * 10})
    text = from_frame(table, "y").task().to_json()
    with pytest.raises(OtherData):
        from_json(text, from_frame(table.replace({"y": {"b": "c"}}), "y"))


def test_the_last_bits_of_numbers_do_not_make_other_data():
    """Mathematical libraries differ there."""
    table = numbers()
    text = from_frame(table, "y", group="who").task().to_json()
    table["z"] = np.where(table["x"] > 2, np.nextafter(table["z"], np.inf), table["z"])
    assert from_json(text, from_frame(table, "y", group="who")).to_json() == text


def test_a_table_that_has_no_name_is_given_along():
    text = from_frame(numbers(), "y", group="who").task().to_json()
    with pytest.raises(DataError, match=r"'table', which cannot be loaded by name; give the data: from_json\(text, da"):
        from_json(text)


# --- changed by hand ------------------------------------------------------------------------------------------------


def changed(**parts):
    """A frozen task of 442 rows, some parts of it replaced; by functions of what is there, too."""
    frozen = json.loads(load("diabetes").task("warm", validation=0.1).to_json())
    for name, part in parts.items():
        frozen[name] = part(frozen) if callable(part) else part
    return json.dumps(frozen)


TAMPERED = [
    ({"test": lambda frozen: frozen["train"][:5]}, OverlappingViews),
    ({"validation": lambda frozen: frozen["test"]}, OverlappingViews),
    ({"labelled": lambda frozen: frozen["test"][:2]}, OverlappingViews),
    ({"train": lambda frozen: [*frozen["train"], 442]}, IndexOutOfRange),
    ({"train": lambda frozen: [*frozen["train"], -1]}, IndexOutOfRange),
    ({"labelled": [10**30]}, DataError),
    ({"labelled": lambda frozen: frozen["labelled"][:1] * 2}, RepeatedIndices),
    ({"train": lambda frozen: frozen["train"][:4] + frozen["train"][:1]}, RepeatedIndices),
    ({"train": []}, DataError),
    ({"train": lambda frozen: [row + 0.5 for row in frozen["train"]]}, DataError),
    ({"train": "all"}, DataError),
    ({"train": None}, DataError),
    ({"test": [[1, 2], [3]]}, DataError),
    ({"recipe": {"name": "diabete"}}, UnknownDataset),
    ({"recipe": []}, DataError),
    ({"recipe": None}, DataError),
    ({"recipe": {"name": "diabetes", "weather": "fine"}}, InvalidOption),
    ({"terms": {}}, DataError),
    ({"terms": None}, DataError),
    ({"terms": lambda frozen: {**frozen["terms"], "preprocess": "scale"}}, DataError),
    ({"fingerprint": None}, DataError),
    ({"fingerprint": "0" * 64}, OtherData),
    ({"version": 2}, DataError),
    ({"version": "1"}, DataError),
    ({"format": "a recipe"}, DataError),
]


@pytest.mark.parametrize(("parts", "error"), TAMPERED)
def test_what_was_changed_by_hand_is_refused_where_it_cannot_be(parts, error):
    with pytest.raises(error):
        from_json(changed(**parts))


@pytest.mark.parametrize("name", ["format", "version", "fingerprint", "terms", "recipe", "train", "labelled", "test"])
def test_a_part_that_is_missing_is_missed(name):
    frozen = json.loads(changed())
    del frozen[name]
    with pytest.raises(DataError, match="not a frozen task of version 1"):
        from_json(json.dumps(frozen))


def test_a_row_without_a_label_that_was_moved_to_test_is_refused():
    dataset = from_frame(numbers().assign(y=lambda t: t["y"].where(t.index != 3)), "y", group="who")
    frozen = json.loads(dataset.task().to_json())
    frozen["train"].remove(3)
    with pytest.raises(MissingLabels):
        from_json(json.dumps({**frozen, "test": [*frozen["test"], 3]}), dataset)
    frozen["train"].append(3)
    with pytest.raises(MissingLabels):
        from_json(json.dumps({**frozen, "labelled": [3]}), dataset)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", "7", '"aljupyter task"', "\x00", "a,b\n1,2"])
def test_a_text_that_is_no_frozen_task_says_so(text):
    with pytest.raises(DataError, match=r"not a frozen task of version 1, as task.to_json\(\) writes it"):
        from_json(text)


@pytest.mark.parametrize("text", [None, 7, {"format": "aljupyter task"}])
def test_something_that_is_no_text_says_so(text):
    with pytest.raises(DataError, match="not a frozen task"):
        from_json(text)


@given(st.text())
def test_no_text_whatever_raises_another_error(text):
    with pytest.raises(DataError):
        from_json(text)
