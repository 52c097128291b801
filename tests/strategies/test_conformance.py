"""What holds for every strategy that is registered, by its being registered; the tables are in conformance.py."""

import inspect
import json
import os
import random
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.utils import all_estimators

import aljupyter as al
from aljupyter import strategies as s
from aljupyter.errors import InvalidParameter, ModelError, ModelLacks, QuerySizeError, WrongTask
from aljupyter.strategies import named
from tests.strategies.conformance import (
    CASES,
    DRAWS,
    FIRST_ELSEWHERE,
    LATE,
    LIGHT,
    MODELS,
    NAMES,
    OTHER_ERRORS,
    PARAMETERS,
    SPARED,
    TASKS,
    TIES_BY_PLACE,
    ask,
    data_of,
    draws,
    image_of,
    indices,
    labels,
    lacking,
    light,
    parameters_of,
    points,
    situation,
    values_of,
)

every = pytest.mark.parametrize(("name", "task"), CASES)
every_name = pytest.mark.parametrize("name", NAMES)
MODEL_FREE = [(name, task) for name, task in CASES if not s.get(name).needs]
#: What a definition is read back with.
NAMESPACE = vars(np) | dict(all_estimators()) | vars(s)
N = 20  # unlabelled points of a shared situation

pytestmark = pytest.mark.filterwarnings("ignore::aljupyter.errors.RedundantBatch")


# --- the tables -------------------------------------------------------------------------------------------------------


def test_the_tables_speak_of_strategies_that_there_are():
    parameters = {(name, parameter) for name in NAMES for parameter in parameters_of(name)}
    known = {*NAMES, *CASES, *parameters, *(parameter for _, parameter in parameters)}
    for table in (DRAWS, FIRST_ELSEWHERE, TIES_BY_PLACE, LIGHT, SPARED, LATE, OTHER_ERRORS, PARAMETERS):
        assert set(table) <= known, set(table) - known


def test_the_catalogue_says_what_each_costs_and_who_made_it():
    rows = s.catalogue().set_index("name")
    assert tuple(rows.index) == NAMES
    for name in NAMES:
        row = rows.loc[name]
        assert len(row["cost"]) > 3 and len(row["reference"]) > 5
        assert row["definition"] == repr(s.get(name))
        assert set(row["needs"].split(", ")) == (set(s.get(name).needs) or {"nothing"})


# --- what is asked ----------------------------------------------------------------------------------------------------


@every
@pytest.mark.parametrize("n", [1, 4, N, N + 5])
def test_k_different_unlabelled_points_are_asked(name, task, n):
    data, _ = situation(task)
    query = ask(name, task, n)
    assert len(query) == min(n, N)
    assert len(set(query.indices.tolist())) == len(query)
    assert set(query.indices) <= set(data.unlabelled.indices)


@every
def test_what_is_known_of_a_choice_is_told_for_each_point(name, task):
    data, _ = situation(task)
    query = ask(name, task, 3)
    unlabelled = data.unlabelled.indices
    np.testing.assert_array_equal(query.pool.indices, unlabelled)
    assert query.pool.values.shape == (N,) and query.pool.values.dtype == np.float64
    assert not np.isnan(query.pool.values).any() and query.pool.values.max() > -np.inf
    np.testing.assert_array_equal(query.scores, query.pool.values[np.searchsorted(unlabelled, query.indices)])
    for key, values in query.why.items():
        for of_each in values.values() if key == "terms" else [values]:
            assert of_each.shape == (3,) and not of_each.flags.writeable
            assert of_each.dtype.kind != "f" or not np.isnan(of_each).any()
    x_M_D, x_3_D = data.labelled.x.numpy(), data.subset(query.indices).x.numpy()
    away = np.linalg.norm(x_3_D[:, None] - x_M_D[None], axis=-1)
    np.testing.assert_array_equal(query.why["nearest_labelled"], data.labelled.indices[away.argmin(1)])
    np.testing.assert_allclose(query.why["distance"], away.min(1))
    assert query.strategy == s.get(name).doing(s.Pool(data.unlabelled, data.labelled, None))
    assert s.get(name).restrictions.max_candidates is not None or np.isfinite(query.scores).all()


@every
def test_the_first_to_be_asked_is_of_the_highest_score(name, task):
    for n in (1, 3):
        if name not in FIRST_ELSEWHERE or n < FIRST_ELSEWHERE[name][0]:
            query = ask(name, task, n)
            assert query.scores[0] == pytest.approx(query.pool.values.max(), rel=1e-9, abs=1e-12)


@every
def test_composed_scores_are_told_by_term(name, task):
    strategy = s.get(name)
    if strategy.measure is None or " + " not in repr(strategy.measure):
        return
    terms = ask(name, task, 2).why["terms"]
    assert len(terms) >= 2 and all(term in repr(strategy) for term in terms)


# --- what it depends on -----------------------------------------------------------------------------------------------


@every
def test_a_seed_repeats_a_query_and_no_other_random_state_is_asked_or_moved(name, task):
    query = ask(name, task, 4, seed=3)
    random.seed(9), np.random.seed(9), torch.manual_seed(9)
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    again = ask(name, task, 4, seed=3)
    assert (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()) == before
    np.testing.assert_array_equal(query.indices, again.indices)
    np.testing.assert_array_equal(query.pool.values, again.pool.values)
    for key in ("gain", "cluster"):
        np.testing.assert_array_equal(query.why.get(key, ()), again.why.get(key, ()))


@every
def test_a_generator_is_as_good_as_a_seed(name, task):
    data, model = situation(task)
    first, second = (s.get(name).query(model, data, 2, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first.indices, second.indices)


@every
def test_what_is_said_to_draw_at_random_does(name, task):
    if draws(name, task) and (name, task) != ("auto", "regression"):  # it draws in its start
        assert len({tuple(indices(name, task, 4, seed)) for seed in range(8)}) > 1


@every
@pytest.mark.parametrize("n", [1, 4])
def test_the_order_of_the_rows_does_not_matter(name, task, n):
    if draws(name, task):
        return
    x = points(26)
    y, order = labels(x, task), np.random.default_rng(1).permutation(26)
    data, model = data_of(x[order], y[order], task, np.argsort(order)[:6]), MODELS["gp"][task]()
    model.fit(data.labelled)
    moved = s.get(name).query(model, data, n, 0)
    expected = ask(name, task, n)
    assert order[moved.indices].tolist() == expected.indices.tolist()
    np.testing.assert_allclose(moved.scores, expected.scores, rtol=1e-6, atol=1e-9)


def test_the_seed_of_hashes_does_not_matter():
    """Sets and dicts of strings come in another order in each process."""
    script = (
        "import json, warnings; warnings.simplefilter('ignore')\n"
        "from tests.strategies.conformance import CASES, indices\n"
        "print(json.dumps([indices(name, task, 3) for name, task in CASES]))\n"
    )
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": "."}
        done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == [indices(name, task, 3) for name, task in CASES]


@every
def test_the_model_and_the_data_are_left_alone(name, task):
    data, model = situation(task, n_points=18)
    *before, said = image_of(data, model)
    s.get(name).query(model, data, 5, 0)
    *after, says = image_of(data, model)
    assert after == before
    means = [p.mean_N_C if task == "classification" else p.mean_N for p in (said, says)]
    torch.testing.assert_close(*means, rtol=0, atol=0)


# --- forms of data ----------------------------------------------------------------------------------------------------


@every
def test_a_pool_of_one_is_that_one(name, task):
    assert indices(name, task, 1, n_points=7) == [6] == indices(name, task, 9, n_points=7)


@every
@pytest.mark.parametrize("kind", ["gp", "members"])
def test_points_that_are_all_the_same_are_asked_all_the_same(name, task, kind):
    if lacking(name, task, kind):
        return
    asked = [indices(light(name), task, 3, seed, kind, form="equal") for seed in range(4)]
    assert all(len(set(found)) == 3 for found in asked)
    assert name in TIES_BY_PLACE or len(set(map(tuple, asked))) > 1
    assert sorted(indices(light(name), task, N, 0, kind, form="equal")) == list(range(6, 26))


@pytest.mark.parametrize("name", s.names("classification"))
@pytest.mark.parametrize("kind", ["gp", "members"])
def test_ten_classes_are_as_good_as_two(name, kind):
    if not lacking(name, "classification", kind):
        asked = indices(light(name), "classification", 4, 0, kind, n_points=32, n_labelled=12, n_classes=10)
        assert len(set(asked)) == 4


@every
def test_numpy_and_torch_are_alike(name, task):
    assert indices(name, task, 4, form="torch") == indices(name, task, 4, form="numpy")


@every
def test_single_precision_will_do(name, task):
    """The same points where the numbers are the same: those of single precision, held in either."""
    x = points(26).astype("float32")
    data, model = data_of(x.astype("float64"), labels(x, task), task, list(range(6))), MODELS["gp"][task]()
    model.fit(data.labelled)
    single = indices(name, task, 3, dtype="float32")
    assert len(set(single)) == 3
    assert single == s.get(name).query(model, data, 3, 0).indices.tolist()


@pytest.mark.parametrize(("name", "task"), MODEL_FREE)
def test_what_needs_no_model_begins_with_no_label(name, task):
    x = points(20)
    query = s.get(name).query(None, data_of(x, labels(x, task), task, []), 5, 0)
    assert len(set(query.indices.tolist())) == 5


# --- models -----------------------------------------------------------------------------------------------------------


@every
@pytest.mark.parametrize("kind", ["members", "plain"])
def test_a_model_that_lacks_something_is_told_what_and_who_has_it(name, task, kind):
    lacks = lacking(name, task, kind)
    if not lacks:
        assert len(set(indices(name, task, 3, 0, kind))) == 3
        return
    _, model = situation(task, kind)
    with pytest.raises(ModelLacks) as error:
        ask(name, task, 2, 0, kind)
    message, strategy = str(error.value), s.get(name)
    assert re.search("GPClassifier|GPRegressor|GP classifiers", message)
    asks = strategy if strategy.measure is None else strategy.measure
    assert type(asks).__name__.lower() in message.lower()


@every
def test_without_a_model_it_works_or_says_that_it_needs_one(name, task):
    data, _ = situation(task)
    if (name, task) in MODEL_FREE:
        assert len(s.get(name).query(None, data, 2, 0)) == 2
    elif s.get(name).asks_model(s.Pool(data.unlabelled, data.labelled, None)):
        with pytest.raises(ModelError, match="no model is fitted yet"):
            s.get(name).query(None, data, 2, 0)


@every_name
def test_the_other_task_is_refused(name):
    for task in TASKS:
        if s.get(name).task in (None, task):
            continue
        data, model = situation(task)
        with pytest.raises(WrongTask, match=f"the data are for {task}"):
            s.get(name).query(model, data)
        with pytest.raises(WrongTask):
            al.ActiveLearner(data, MODELS["gp"][task](), s.get(name))


# --- refusals ---------------------------------------------------------------------------------------------------------


@every
def test_a_batch_is_a_whole_number_of_points(name, task):
    data, model = situation(task)
    learner = al.ActiveLearner(data, MODELS["gp"][task](), s.get(name))
    for n in (0, -1, 1.5, True, "3", None):
        with pytest.raises(QuerySizeError):
            s.get(name).query(model, data, n)
        with pytest.raises(QuerySizeError):
            learner.query(n)
    assert len(s.get(name).query(model, data, np.int32(2))) == 2


@every_name
def test_every_parameter_is_tried(name):
    for parameter in parameters_of(name):
        good, bad = values_of(name, parameter)
        assert good and (bad or (name, parameter) in LATE or all(isinstance(value, bool) for value in good))
        for value in bad:
            with pytest.raises(OTHER_ERRORS.get(parameter, InvalidParameter), match=parameter):
                strategy = s.get(name, **{parameter: value})
                if (name, parameter) in LATE:
                    ask(strategy, strategy.task or TASKS[0], 2)
    with pytest.raises(InvalidParameter, match="has no parameter 'colour'"):
        s.get(name, colour=1)


@every_name
def test_every_value_of_a_parameter_may_be_used(name):
    for parameter in parameters_of(name):
        for value in values_of(name, parameter)[0]:
            strategy, tried = s.get(name, **{parameter: value}), 0
            for task in (task for named_, task in CASES if named_ == name):
                try:
                    assert len(set(ask(strategy, task, 3).indices.tolist())) == 3
                    tried += 1
                except WrongTask:  # the value is for one task
                    continue
            assert tried


@every_name
def test_a_definition_can_be_read_back(name):
    variants = [{}, *({p: value} for p in parameters_of(name) for value in values_of(name, p)[0])]
    for parameters in variants:
        strategy = s.get(name, **parameters)
        if any(isinstance(value, np.ndarray) for value in parameters.values()):
            assert "<array of shape" in repr(strategy)  # its numbers are too many to show
            continue
        again = s.as_strategy(eval(repr(strategy), NAMESPACE))
        assert repr(again) == repr(strategy)
        assert (again.task, again.needs) == (strategy.task, strategy.needs)
        for parameter, value in parameters.items():
            default = inspect.signature(named._NAMED[name].make).parameters[parameter].default
            assert repr(value) == repr(default) or repr(strategy) != repr(s.get(name)), f"{parameter} does not show"


# --- restrictions -----------------------------------------------------------------------------------------------------


@every
def test_candidates_alone_are_asked_and_what_is_forbidden_is_not(name, task):
    some = list(range(3, 26, 3))  # labelled ones among them, which are passed by
    for restriction in ({"candidates": some}, {"forbidden": sorted(set(range(26)) - set(some))}):
        strategy = s.get(name, **restriction)
        query = ask(strategy, task, 4)
        assert set(query.indices) <= set(some) - set(range(6)) and len(set(query.indices)) == 4
        scored = query.pool.indices[np.isfinite(query.pool.values)]
        assert set(scored) <= set(some)
        assert sorted(ask(strategy, task, 20).indices) == sorted(set(some) - set(range(6)))
        assert "indices>" in repr(strategy)


@every
def test_of_many_candidates_some_are_looked_at(name, task):
    strategy = s.get(name, max_candidates=8)
    query = ask(strategy, task, 3)
    scored = query.pool.indices[np.isfinite(query.pool.values)]
    assert 3 <= len(scored) <= 8 and set(query.indices) <= set(scored) and len(set(query.indices)) == 3
    assert len(set(ask(strategy, task, 12).indices)) == 12
    assert ask(strategy, task, 3).indices.tolist() == query.indices.tolist()
    others = ask(strategy, task, 3, seed=1).pool
    assert set(others.indices[np.isfinite(others.values)]) != set(scored)


@every
def test_quotas_are_kept(name, task):
    groups = np.array(list("abcd"))[np.random.default_rng(3).integers(0, 4, 26)]
    pool = groups[6:]
    most = {group: int((pool == group).sum()) for group in "abcd"}
    for n in (3, 4, 8):
        asked = ask(light(name, quota=s.AtMost(2, groups)), task, n).indices
        assert len(set(asked)) == n and max(np.unique(groups[asked], return_counts=True)[1]) <= 2
    uneven = ask(light(name, quota=s.AtMost({"a": 0, "b": 1}, groups)), task, N - most["a"] - most["b"] + 1).indices
    assert "a" not in groups[uneven] and (groups[uneven] == "b").sum() == 1
    for n in (1, max(most.values())):
        asked = ask(light(name, quota=s.OneGroup(groups)), task, n).indices
        assert len(set(asked)) == n and len(set(groups[asked])) == 1


@every
def test_a_quota_that_does_not_bind_changes_nothing(name, task):
    groups = np.arange(26) % 3
    assert indices(light(name, quota=s.AtMost(20, groups)), task, 4) == indices(light(name), task, 4)


# --- in the loop ------------------------------------------------------------------------------------------------------


@every
def test_a_learner_asks_the_same_and_plays_on(name, task):
    x = points(26)
    data = data_of(x, labels(x, task), task, list(range(6)))
    learner = al.ActiveLearner(data, MODELS["gp"][task](), s.get(name), seed=2)
    learner.fit()
    query = learner.query(3)
    np.testing.assert_array_equal(query.indices, learner.query(3).indices)
    np.testing.assert_array_equal(query.indices, s.get(name).query(learner.model, data, 3, 2).indices)
    records = learner.run(rounds=3, n=3, progress=False)
    np.testing.assert_array_equal(records[0].indices, query.indices)
    asked = [index for record in records for index in record.indices.tolist()]
    assert len(set(asked)) == 9 and learner.n_labels == 15
    learner.undo()
    np.testing.assert_array_equal(learner.query(3).indices, records[2].indices)
