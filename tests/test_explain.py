"""How a loop is doing, in words: each question on a case made to be answered one way, and on one made for the other."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import aljupyter as al
from aljupyter.explain import BAD, GOOD, UNKNOWN, explain
from aljupyter.records import History
from tests.managers import NearestMean


def classes(noise=0.0, n=160, rounds=45, model=None, strategy=None, seed=0, n_classes=2):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    x = rng.normal(size=(n, 2)) + 4 * y[:, None]
    given = np.where(rng.random(n) < noise, rng.integers(n_classes, size=n), y)
    data = al.DataManager(x, given, test=0.25, labelled=8, seed=0)
    strategy = strategy or al.strategies.Random()
    learner = al.ActiveLearner(data, model or NearestMean(), strategy, seed=0)
    learner.run(rounds, progress=False)
    learner.fit()
    return learner


def values(f, noise=0.1, rounds=30, strategy=None):
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, size=(120, 2))
    y = f(x) + noise * rng.normal(size=120)
    data = al.DataManager(x, y, test=0.25, labelled=8, seed=0)
    learner = al.ActiveLearner(data, strategy=strategy or al.strategies.Random(), seed=0)
    learner.run(rounds, progress=False)
    learner.fit()
    return learner


def test_clear_classes_gain_and_noise_does_not():
    clear, noisy = explain(classes()), explain(classes(noise=1.0))
    assert clear["gain"].verdict == GOOD and clear["gain"].value > 0.9 and not clear["gain"].advice
    assert noisy["gain"].verdict in (BAD, UNKNOWN) and noisy["gain"].value < 0.8
    assert clear["floor"].verdict == GOOD and noisy["floor"].verdict == BAD


@pytest.mark.parametrize(("right", "verdict"), [(0.5, BAD), (0.7, UNKNOWN), (0.9, GOOD)])
def test_the_gain_is_told_by_the_queries_twenty_to_fifty_alone(right, verdict):
    learner = classes(rounds=60)
    records = []
    for k, record in enumerate(learner.history):  # predictions made up: right for a share of queries 20 to 49
        is_right = k % 10 < 10 * right if 20 <= k < 50 else verdict == BAD
        code = int(learner.data.encode(record.labels.tolist())[0])
        p = torch.eye(2, dtype=torch.float64)[[code if is_right else 1 - code]]
        records.append(replace(record, predicted=replace(record.predicted, mean_N_C=p)))
    learner._history = History(records, learner.metric_names)
    found = explain(learner)["gain"]
    assert found.verdict == verdict and found.value == pytest.approx(right)
    assert (verdict == BAD) == bool(found.advice)


def test_too_few_queries_and_many_classes_are_said():
    assert "10 queries so far; it shows after 40" in explain(classes(rounds=10))["gain"].sentence
    assert "two classes only" in explain(classes(n_classes=3))["gain"].sentence
    labels_given = classes(rounds=0)
    labels_given.label([int(labels_given.data.unlabelled.indices[0])], [0])
    assert "0 queries so far" in explain(labels_given)["gain"].sentence


def test_noise_leaves_little_to_learn():
    good, hopeless = explain(values(lambda x: np.sin(2 * x[:, 0]))), explain(values(lambda x: 0 * x[:, 0], noise=1.0))
    assert good["floor"].verdict == GOOD and hopeless["floor"].verdict == BAD
    assert "little is left to learn" in hopeless["floor"].sentence and any("features" in a for a in hopeless.advice)


def test_predictions_that_promise_too_much_are_found_out():
    learner = values(lambda x: np.sin(2 * x[:, 0]))
    assert explain(learner)["confidence"].verdict == GOOD
    tight = [
        replace(r, predicted=replace(r.predicted, variance_N=r.predicted.variance_N / 100, noise_N=None, joint=None))
        for r in learner.history
    ]
    learner._history = History(tight, learner.metric_names)
    found = explain(learner)["confidence"]
    assert found.verdict == BAD and found.value > 10 and "too narrow" in found.sentence


def test_outliers_and_duplicates_are_told():
    rng = np.random.default_rng(1)
    x = np.vstack([rng.normal(size=(100, 2)), 40 * rng.normal(size=(12, 2))])
    y = np.arange(112) % 2
    data = al.DataManager(x, y, labelled=np.arange(10))
    learner = al.ActiveLearner(data, NearestMean(), al.strategies.KCenter(), seed=0)
    learner.run(10, progress=False)
    assert "farther out" in learner.explain()["queries"].sentence and learner.explain()["queries"].verdict == BAD
    twice = np.vstack([x[:40], x[:40]])
    data = al.DataManager(twice, np.arange(80) % 2, labelled=np.arange(40))
    learner = al.ActiveLearner(data, NearestMean(), al.strategies.Random(), seed=0)
    learner.run(10, progress=False)
    found = learner.explain()["queries"]
    assert found.verdict == BAD and found.value == 1.0 and "duplicates" in found.advice
    assert explain(classes())["queries"].verdict == GOOD


def test_a_degenerate_optimum_is_told():
    learner = classes(rounds=3, model=al.GPClassifier())
    assert explain(learner)["likelihood"].verdict == GOOD
    model = learner.model.estimator_.models_[0]
    for scale, words in ((1e4, "no structure"), (1e-5, "an island")):
        with torch.no_grad():
            model.covar_module.base_kernel.raw_lengthscale.fill_(float(np.log(scale)))
        found = explain(learner)["likelihood"]
        assert found.verdict == BAD and words in found.sentence
    assert not [f for f in explain(classes(rounds=3)).findings if f.name == "likelihood"]  # no GP, no such question


def test_classes_that_are_rare_or_missing_are_told():
    rng = np.random.default_rng(0)
    y = np.repeat(["a", "b", "c"], [60, 20, 10])
    data = al.DataManager(rng.normal(size=(90, 2)), y, labelled=[*range(40), 60], seed=0)
    found = explain(al.ActiveLearner(data, seed=0))["classes"]
    assert found.verdict == BAD and "no label yet of c" in found.sentence
    data = al.DataManager(rng.normal(size=(90, 2)), y, labelled=[*range(40), 60, 80], seed=0)
    assert "far from balanced" in explain(al.ActiveLearner(data, seed=0))["classes"].sentence
    assert explain(classes())["classes"].verdict == GOOD


@pytest.mark.parametrize("make", [classes, lambda: values(lambda x: x[:, 0])], ids=["classes", "values"])
def test_nothing_is_fitted_or_drawn_and_it_reads_well(make, monkeypatch):
    learner = make()
    fits, state = [], (torch.random.get_rng_state(), np.random.get_state()[1].copy())
    monkeypatch.setattr(type(learner.model), "fit", lambda *args, **more: fits.append(1))
    said = learner.explain()
    assert not fits and repr(said) == repr(learner.explain())
    assert torch.equal(state[0], torch.random.get_rng_state()) and (state[1] == np.random.get_state()[1]).all()
    lines = repr(said).splitlines()
    assert [line[2 : line.index(":")] for line in lines if not line.startswith("  ")] == [f.name for f in said.findings]
    assert len(said.advice) <= 3
    learner.undo()
    assert learner.explain().findings


def test_before_anything_has_happened():
    data = al.DataManager([[0.0], [1.0], [2.0]], [0, 1, 0], labelled=0)
    said = al.ActiveLearner(data).explain()
    assert said["gain"].verdict == said["floor"].verdict == said["queries"].verdict == UNKNOWN
    with pytest.raises(StopIteration):
        said["no such question"]
