"""Cluster-Margin: clusters against scikit-learn's, the round-robin against the paper's words."""

import inspect
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score

import aljupyter as al
from aljupyter.errors import InvalidParameter, ModelError, QuerySizeError
from aljupyter.strategies import Margin, Pool, as_strategy
from aljupyter.strategies import cluster_margin as module
from aljupyter.strategies.asking import choose
from aljupyter.strategies.cluster_margin import ClusterMargin, linked_clusters, round_robin
from tests.managers import NearestMean
from tests.posteriors import probs
from tests.rooms import Room, ample


def rng(seed=0):
    return np.random.default_rng(seed)


class Told(NearestMean):
    """Says of the pool that class 0 has these probabilities."""

    def __init__(self, *first):
        super().__init__()
        self._posterior, self.means = probs(*([p, 1 - p] for p in first)), 0

    def posterior(self, x):
        return self._posterior


def pool_of(x, labelled=0, model=None, seed=0, round=0):
    x = np.asarray(x, dtype=float)
    data = al.DataManager(x, np.arange(len(x)) % 2, labelled=list(range(labelled)), preprocess=None)
    return Pool(data.unlabelled, data.labelled, model, seed, round)


# --- clusters ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", [{"n_clusters": 1}, {"n_clusters": 7}, {"n_clusters": 60}, {"threshold": 1.3}])
def test_clusters_are_scikit_learns(stop):
    x = rng().normal(size=(60, 3))
    theirs = {"n_clusters": stop.get("n_clusters"), "distance_threshold": stop.get("threshold")}
    expected = AgglomerativeClustering(linkage="average", **theirs).fit_predict(x)
    found = linked_clusters(x, rng(), **stop)
    assert adjusted_rand_score(found, expected) == 1.0 and found.max() == expected.max()


@given(st.integers(1, 20), st.integers(1, 25), st.integers(0, 99))
@settings(deadline=None, max_examples=40)
def test_there_are_as_many_clusters_as_were_asked(n_points, n_clusters, seed):
    x = rng(seed).integers(0, 3, (n_points, 1)).astype(float)  # many duplicates
    found = linked_clusters(x, rng(), n_clusters=n_clusters)
    assert sorted(set(found)) == list(range(min(n_clusters, n_points)))
    by_size = linked_clusters(x, rng())
    assert len(set(by_size)) == max(1, round(n_points / 1.25)) and by_size.shape == (n_points,)


def test_equal_points_are_one_cluster_up_to_any_distance():
    assert set(linked_clusters(np.ones((9, 2)), rng(), threshold=0.0)) == {0}
    assert set(linked_clusters(np.ones((1, 2)), rng())) == {0}


def test_many_points_are_clustered_by_way_of_centres(monkeypatch):
    monkeypatch.setattr(module, "MOST_LINKED", 300)
    monkeypatch.setattr(module, "CENTRES", 100)
    truth = rng().integers(0, 5, 900)
    x = 20 * truth[:, None] + rng(1).normal(size=(900, 2))
    assert adjusted_rand_score(linked_clusters(x, rng(), n_clusters=5), truth) == 1.0
    assert adjusted_rand_score(linked_clusters(x, rng(), threshold=10.0), truth) == 1.0
    np.testing.assert_array_equal(linked_clusters(x, rng()), linked_clusters(x, rng()))
    assert 60 <= len(set(linked_clusters(x, rng()))) <= 80  # 100 centres, 1.25 to a cluster
    assert set(linked_clusters(np.ones((400, 3)), rng())) == {0}


# --- round-robin ------------------------------------------------------------------------------------------------------


def in_words(picks, scores, clusters, n, factor, still):
    """Checks picks against the description: who could have come at each place, in sets."""
    done = 0
    while done < n:
        free = still(picks[:done])
        k = min(int(np.ceil(factor * n)), len(free))
        cut = sorted((scores[i] for i in free), reverse=True)[k - 1]
        above = {i for i in free if scores[i] > cut}
        at = {i for i in free if scores[i] == cut}
        if len(above) + len(at) > k:
            return  # ties at the cut: who the candidates are is the generator's
        candidates = above | at
        size = Counter(clusters[i] for i in candidates)
        while done < n and candidates & set(still(picks[:done])):
            turn, taken = [], set()
            # one turn: each cluster with a candidate that may still come, once, smallest first
            while done < n:
                may = candidates & set(still(picks[:done]))
                waiting = {clusters[i] for i in may} - taken
                past = max(turn, default=0)
                waiting = {c for c in waiting if size[c] >= past}
                if not waiting:
                    break
                pick = picks[done]
                assert pick in may and clusters[pick] in waiting
                assert size[clusters[pick]] == min(size[c] for c in waiting)
                taken.add(clusters[pick])
                turn.append(size[clusters[pick]])
                done += 1


@given(st.integers(1, 25), st.integers(1, 6), st.sampled_from([1.0, 1.25, 3.0, 100.0]), st.integers(0, 99), st.data())
@settings(deadline=None, max_examples=80)
def test_the_batch_is_what_the_paper_describes(n_points, n_clusters, factor, seed, data):
    scores, clusters = rng(seed).random(n_points), rng(seed + 1).integers(0, n_clusters, n_points)
    n = data.draw(st.integers(1, n_points))
    picks = round_robin(scores, clusters, n, rng(seed), factor=factor).tolist()
    assert len(set(picks)) == n
    in_words(picks, scores, clusters, n, factor, lambda taken: [i for i in range(n_points) if i not in set(taken)])


@given(st.integers(2, 25), st.integers(1, 5), st.sampled_from([1.0, 1.25, 3.0]), st.integers(0, 99))
@settings(deadline=None, max_examples=60)
def test_a_quota_is_kept(n_points, n_clusters, factor, seed):
    room = Room(seed, n_points)
    scores, clusters = rng(seed).random(n_points), rng(seed + 1).integers(0, n_clusters, n_points)
    picks = round_robin(scores, clusters, room.most, rng(), factor=factor, batch=room.batch()).tolist()
    for i, pick in enumerate(picks):
        assert pick in room.still(picks[:i])
    in_words(picks, scores, clusters, room.most, factor, room.still)


def test_a_quota_with_room_for_all_changes_nothing():
    scores, clusters = rng(1).random(30), rng(2).integers(0, 5, 30)
    free, bound = (round_robin(scores, clusters, 12, rng(3), batch=batch) for batch in (None, ample(0, 30)))
    np.testing.assert_array_equal(free, bound)


def test_clusters_take_turns_the_smallest_first():
    """Nine candidates: one of cluster 7, two of cluster 3, six of cluster 1; the certain points do not come."""
    clusters = np.array([1] * 6 + [3] * 2 + [7] + [9] * 20)
    scores = np.concatenate([np.linspace(0.8, 0.9, 9), np.full(20, 0.1)])
    picks = round_robin(scores, clusters, 6, rng(), factor=1.5)
    assert clusters[picks].tolist() == [7, 3, 1, 3, 1, 1]
    seen = {tuple(round_robin(scores, clusters, 6, rng(seed), factor=1.5)) for seed in range(20)}
    assert len({picks[2] for picks in seen}) > 3  # anyone of the cluster, not its least certain


def test_ties_are_broken_by_the_generator():
    firsts = Counter(int(round_robin(np.ones(4), np.arange(4), 1, rng(seed))[0]) for seed in range(400))
    assert min(firsts.values()) > 70 and len(firsts) == 4


# --- the strategy -----------------------------------------------------------------------------------------------------

#: three uncertain points beside each other, a less uncertain one far away, and certain ones
X = [[0.0], [10.0], [5.0], [5.1], [5.2], [9.0], [0.2], [0.4], [9.9]]
SAYS = [0.5, 0.5, 0.51, 0.6, 0.9, 0.95, 0.95]


def test_of_uncertain_neighbours_one_is_asked():
    """Margin asks two of the neighbours; here it is one of them, and the lonely point before that."""
    pool = pool_of(X, 2, Told(*SAYS))
    query = choose(ClusterMargin(factor=2, n_clusters=4), pool, 2)
    assert query.indices[0] == 5 and query.indices[1] in {2, 3, 4}
    assert query.why["cluster"][0] != query.why["cluster"][1]
    np.testing.assert_allclose(query.why["gain"], Margin()(pool).numpy()[query.indices - 2])
    assert set(choose(al.strategies.Strategy(Margin(), al.strategies.TopK()), pool, 2).indices) == {2, 3}
    np.testing.assert_array_equal(ClusterMargin().score(pool), Margin()(pool).numpy())


def test_points_are_clustered_once_and_all_rounds_share_it(monkeypatch):
    calls = []
    real = module.linked_clusters
    monkeypatch.setattr(module, "linked_clusters", lambda x, *a, **k: calls.append(len(x)) or real(x, *a, **k))
    x = rng().normal(size=(60, 2))
    data = al.DataManager(x, (x[:, 0] > 0).astype(int), labelled=8, test=10, seed=0)
    learner = al.ActiveLearner(data, al.GPClassifier(optimizer=None), ClusterMargin(n_clusters=6), seed=3)
    learner.run(rounds=3, n=4, progress=False)
    assert calls == [50]  # labelled and unlabelled ones, not the test view
    learner.strategy = ClusterMargin(n_clusters=6, factor=3).within(max_candidates=20)
    learner.query(5)
    assert calls == [50]
    learner.strategy = ClusterMargin(n_clusters=7)
    learner.query(5)
    assert calls == [50, 50]


def test_clusters_are_those_of_the_points(monkeypatch):
    """Whoever is labelled, and whichever part of the pool is looked at."""
    x = rng().permutation(np.concatenate([np.zeros(10), np.full(10, 50.0)]))[:, None] + rng(1).normal(size=(20, 1))
    data = al.DataManager(x, np.arange(20) % 2, labelled=[3, 17, 8], preprocess=None)
    pool = Pool(data.unlabelled, data.labelled, None)
    for part in (pool, pool.restricted(np.array([2, 5, 11]))):
        clusters = ClusterMargin(n_clusters=2)._clusters(part)
        assert adjusted_rand_score(clusters, (x[part.unlabelled.indices, 0] > 25).astype(int)) == 1.0


def test_only_so_many_clusters_of_a_dataset_are_kept(monkeypatch):
    monkeypatch.setattr(module, "MOST_KNOWN", 3)
    x = rng().normal(size=(12, 1))
    data = al.DataManager(x, np.arange(12) % 2, labelled=[0, 1], preprocess=None)
    for seed in range(9):
        ClusterMargin()._clusters(Pool(data.unlabelled, data.labelled, None, seed))
    assert 1 <= len(module._KNOWN[data.unlabelled.features]) <= 3


def test_the_models_embedding_is_clustered_anew():
    class Sign(Told):
        def embed(self, x):
            return super().embed(x).sign()

    x = np.array([[1.0], [-1.0], [5.0], [-1.5], [90.0], [-80.0]])
    pool = pool_of(x, 2, Sign(0.5, 0.5, 0.5, 0.5))
    clusters = ClusterMargin(n_clusters=2, embedding="model")._clusters(pool)
    assert adjusted_rand_score(clusters, [0, 1, 0, 1]) == 1.0
    assert ClusterMargin(embedding="model").needs == ("model", "embedding")


@pytest.mark.parametrize("n_points", [1, 2, 30])
def test_equal_points_are_picked_by_the_seed(n_points):
    x = np.full((n_points + 2, 3), 5.0)
    picks = [
        choose(ClusterMargin(), pool_of(x, 2, Told(*[0.5] * n_points), seed=seed), n_points).indices
        for seed in range(3)
    ]
    assert all(sorted(p) == list(range(2, n_points + 2)) for p in picks)
    assert n_points < 30 or len({p[0] for p in picks}) > 1


def test_parameters_are_checked_and_definitions_read():
    good = {"factor": 3.0, "n_clusters": 5, "threshold": 0.5, "embedding": "model"}
    assert list(good) == list(inspect.signature(ClusterMargin).parameters)
    for name, value in good.items():
        assert repr(ClusterMargin(**{name: value})) == f"ClusterMargin({name}={value!r})"
    assert repr(ClusterMargin()) == "ClusterMargin()"
    for wrong in (
        {"factor": 0.5},
        {"factor": np.inf},
        {"n_clusters": 0},
        {"threshold": -1},
        {"embedding": "umap"},
        {"n_clusters": 3, "threshold": 1.0},
    ):
        with pytest.raises(InvalidParameter):
            ClusterMargin(**wrong)
    with pytest.raises(QuerySizeError):
        round_robin(np.ones(2), np.zeros(2, dtype=int), 3, rng())
    with pytest.raises(ModelError, match="no model is fitted"):
        choose(as_strategy(ClusterMargin()), pool_of(X, 2), 1)
