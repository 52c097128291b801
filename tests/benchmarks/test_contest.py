"""The arithmetic of the tables about the default strategy, and that what they compare is comparable."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import aljupyter as al
from tests.benchmarks import contest, fresh
from tests.benchmarks.contest import TASKS, gains, label_ratio, play, section, t_of, won_and_lost


def runs_of(curves, task="classification"):
    """Rows as `play` gives them, from a curve for each (set, draw, strategy)."""
    return pd.DataFrame(
        {
            "task": task, "set": name, "draw": draw, "batch": 1, "strategy": strategy, "curve": np.array(curve),
            "area": np.trapezoid(curve) / (len(curve) - 1), "seconds": 1.0,
        }
        for (name, draw, strategy), curve in curves.items()
    )  # fmt: skip


def test_differences_are_taken_within_draws():
    curves = {("a", 0, "random"): [0.5, 0.7], ("a", 0, "Auto"): [0.5, 0.8],
              ("a", 1, "random"): [0.1, 0.1], ("a", 1, "Auto"): [0.1, 0.3]}  # fmt: skip
    found = gains(runs_of(curves), TASKS["classification"])["Auto"]
    np.testing.assert_allclose(found, [5, 10])  # areas 0.6, 0.65; 0.1, 0.2: in hundredths
    errors = gains(runs_of(curves), TASKS["regression"])["Auto"]
    np.testing.assert_allclose(errors, [-5 / 0.35, -10 / 0.35])  # random's mean area is 0.35; more error is worse


def test_t_is_students_and_of_sure_differences_sets_are_won_and_lost():
    rng = np.random.default_rng(0)
    values = rng.normal(0.3, 1, 12)
    assert t_of(values) == pytest.approx(stats.ttest_1samp(values, 0).statistic)
    assert t_of(np.ones(5)) == 0 and t_of([3.0]) == 0
    index = pd.MultiIndex.from_product([["a", "b", "c"], range(4)], names=["set", "draw"])
    found = pd.Series([1.0, 1.1, 0.9, 1.0, -1.0, -1.1, -0.9, -1.0, 1.0, -1.0, 1.0, -1.0], index)
    assert won_and_lost(found) == (1, 1)


def test_the_label_ratio_counts_rounds_until_randoms_last_quality():
    rising = {"random": [0, 1, 2, 3, 4], "quick": [0, 4, 4, 4, 4], "slow": [0, 0, 1, 1, 2]}
    falling = {"random": [4, 3, 2, 1, 1], "quick": [4, 1, 1, 1, 1], "slow": [4, 4, 4, 4, 4]}
    curves = {(name, 0, who): curve for name, of in (("a", rising), ("b", falling)) for who, curve in of.items()}
    runs = runs_of(curves)
    assert label_ratio(runs[runs["set"] == "a"], TASKS["classification"]).iloc[0].to_dict() == {
        "quick": 0.25, "random": 1.0, "slow": np.inf,
    }  # fmt: skip
    of_errors = label_ratio(runs[runs["set"] == "b"], TASKS["regression"]).iloc[0]
    assert of_errors["quick"] == pytest.approx(1 / 3) and of_errors["slow"] == np.inf


def test_the_last_lines_say_where_the_default_loses():
    rng = np.random.default_rng(0)
    curves = {}
    for name, gain in (("good", 0.1), ("bad", -0.1)):
        for draw in range(6):
            base = rng.uniform(0.4, 0.6)
            for entry in contest.ENTRIES["classification"]:
                own = gain if entry.name == "Auto" else 0.0
                curves[name, draw, entry.name] = [base, base + own + (entry.name != "random") * rng.normal(0, 0.01)]
    table, (said,) = section(runs_of(curves), "classification", 1)
    assert "Auto loses to random on bad (t = " in said and "won, lost: 1, 1 of 2" in said
    assert table.rows[0]["data"] == "good"
    assert float(table.rows[0]["Auto"].split()[0]) == pytest.approx(5, abs=0.5)


@pytest.mark.parametrize("sets", [fresh.classification_sets, fresh.regression_sets])
def test_a_seed_draws_the_same_points_and_another_one_others(sets):
    for name, source in sets().items():
        (x, y), (x_again, y_again), (x_other, _) = source(1), source(1), source(2)
        assert np.isfinite(x).all() and len(x) == len(y) == fresh.TRAIN + fresh.TEST, name
        np.testing.assert_array_equal(x, x_again)
        np.testing.assert_array_equal(y, y_again)
        assert not np.array_equal(x, x_other), name
        if sets is fresh.classification_sets:
            assert np.bincount(np.unique(y, return_inverse=True)[1]).min() > 20, name


def test_all_strategies_start_from_the_same_labels():
    rows = pd.DataFrame(play("goal", "steps", fresh.regression_sets()["steps"], 0, 5, 3))
    assert rows["curve"].map(lambda curve: curve[0]).nunique() == 1
    assert rows.loc[rows["batch"] == 5, "curve"].map(len).unique().tolist() == [2]
    assert rows.loc[rows["batch"] == 1, "curve"].map(len).unique().tolist() == [6]


def test_a_file_of_ones_own_can_be_played(tmp_path):
    pd.DataFrame({"kind": ["a", "b"] * 15, "size": range(30), "grade": ["x", "y", "y"] * 10}).to_csv(
        tmp_path / "own.csv", index=False
    )
    name, source = fresh.own_set(f"{tmp_path / 'own.csv'}:grade")
    x, y = source(0)
    assert name == "own" and x.shape == (30, 3) and set(y) == {"x", "y"}
    assert al.DataManager(x, y).task == "classification"
    assert fresh.own_set(str(tmp_path / "own.csv"))[1](0)[1].tolist() == y.tolist()
