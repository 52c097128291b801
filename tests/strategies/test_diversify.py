"""High scores that do not lie on top of each other, against slow ways that look at all of them again."""

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cdist
from sklearn.cluster import DBSCAN, AgglomerativeClustering, KMeans
from sklearn.metrics.pairwise import rbf_kernel

import aljupyter as al
from aljupyter.errors import InvalidParameter, InvalidScores, ModelError, QuerySizeError, UnsupportedModel, WrongTask
from aljupyter.strategies import (
    AtMost,
    KCenter,
    MaxHerding,
    OneGroup,
    Pool,
    Random,
    Strategy,
    TopK,
    TypiClust,
    asking,
    diversify,
)
from aljupyter.strategies.diversify import (
    Clustered,
    DeterminantalBatch,
    Prefilter,
    distances_to_centres,
    pick_by_cluster,
    pick_determinantal,
    shortlist,
)
from aljupyter.strategies.selection import Softmax
from aljupyter.strategies.typical import clusters_of
from tests.managers import NearestMean
from tests.rooms import Room, ample

seeds = st.integers(0, 2**32 - 1)
EVERY = [Prefilter(), Prefilter(3, Softmax()), Prefilter(3, Random()), Clustered(), Clustered(per="centre"),
         Clustered(per="centre", weighted=True), Clustered(n_clusters=2), Clustered(clusterer=KMeans(n_init=2)),
         DeterminantalBatch()]  # fmt: skip
every = pytest.mark.parametrize("selection", EVERY, ids=repr)


def rng(seed=0):
    return np.random.default_rng(seed)


def pool_of(x, labelled=0, seed=0, model=None):
    data = al.DataManager(x, np.arange(len(x)) % 2, labelled=list(range(labelled)), preprocess=None, seed=seed)
    return Pool(data.unlabelled, data.labelled, model, seed)


class Given(Strategy):
    """Scores as they are given, by the dataset's own indices."""

    def __init__(self, scores, select):
        self.scores, self.selection, self.needs, self.task = np.asarray(scores, dtype=float), select, (), None

    def score(self, pool):
        return self.scores[pool.unlabelled.indices]

    def __repr__(self):
        return f"Given({self.selection!r})"


def ask(selection, x, scores, n, seed=0, labelled=0, model=None, **restrictions):
    """Indices of the dataset, by the way of the learner; and why."""
    strategy = Given(scores, selection)
    if restrictions:
        strategy = strategy.within(**restrictions)
    query = asking.choose(strategy, pool_of(x, labelled, seed, model), n)
    return query.indices, query.why


def crowds(seed=0):
    """Three crowds of 20 points, and scores: high in the first, middling in the second, low in the third."""
    x = np.repeat([[0.0, 0.0], [30.0, 0.0], [0.0, 30.0]], 20, axis=0) + rng(seed).normal(size=(60, 2))
    return x, np.repeat([3.0, 2.0, 1.0], 20) + 0.5 * rng(seed + 1).random(60)


# --- all of them ----------------------------------------------------------------------------------------------------


@every
@given(seed=st.integers(0, 999), n_points=st.integers(1, 25), grid=st.booleans(), data=st.data())
@settings(max_examples=15, deadline=None)
def test_as_many_are_chosen_as_are_asked_and_those_of_minus_infinity_last(selection, seed, n_points, grid, data):
    x = rng(seed).integers(0, 3, (n_points, 2)).astype(float) if grid else rng(seed).normal(size=(n_points, 2))
    scores = rng(seed).choice([0.0, 0.5, 1.0, 2.0, -np.inf], n_points)
    n = data.draw(st.integers(1, n_points))
    picks, why = ask(selection, x, scores, n, seed)
    assert picks.shape == (n,) and len(set(picks)) == n
    assert np.isneginf(scores[picks]).sum() == max(0, n - np.isfinite(scores).sum())
    np.testing.assert_array_equal(ask(selection, x, scores, n, seed)[0], picks)
    assert ("cluster" in why) == isinstance(selection, Clustered)


@every
@given(seed=st.integers(0, 999), n_points=st.integers(4, 25))
@settings(max_examples=15, deadline=None)
def test_all_keep_a_quota_and_one_that_does_not_bind_changes_nothing(selection, seed, n_points):
    x, groups = rng(seed).normal(size=(n_points, 2)), rng(seed).integers(0, 3, n_points)
    scores = rng(seed).choice([0.0, 1.0, 2.0, 5.0, 5.0, -np.inf], n_points)
    n = int(np.minimum(np.bincount(groups), 2).sum())
    picks, _ = ask(selection, x, scores, n, seed, quota=AtMost(2, groups))
    assert len(set(picks)) == n and np.bincount(groups[picks]).max() <= 2
    free, _ = ask(selection, x, scores, n, seed)
    np.testing.assert_array_equal(ask(selection, x, scores, n, seed, quota=AtMost(n, groups))[0], free)
    largest = np.bincount(groups).max()
    picks, _ = ask(selection, x, scores, largest, seed, quota=OneGroup(groups))
    assert len(set(groups[picks])) == 1


@every
@pytest.mark.parametrize("n_points", [1, 2, 12])
def test_equal_points_with_equal_scores_are_chosen_by_the_seed(selection, n_points):
    for score in (0.0, 1.0):
        picks = [
            ask(selection, np.full((n_points, 3), 5.0), np.full(n_points, score), n_points, s)[0] for s in range(6)
        ]
        assert all(sorted(p) == list(range(n_points)) for p in picks)
        assert n_points < 12 or len({p[0] for p in picks}) > 2


@every
def test_more_than_there_are_is_refused(selection):
    with pytest.raises(QuerySizeError):
        selection(pool_of(np.zeros((3, 1))), 4, np.zeros(3), None)


@every
def test_a_definition_reads_like_one(selection):
    names = {kind.__name__: kind for kind in (Prefilter, Clustered, DeterminantalBatch, Softmax, KCenter, Random)}
    again = eval(repr(selection), {**names, "KMeans": KMeans})
    assert repr(again) == repr(selection)
    for name in inspect.signature(type(selection)).parameters:
        assert repr(getattr(again, name)) == repr(getattr(selection, name))


def test_definitions():
    assert repr(Prefilter()) == "Prefilter(then=KCenter())"
    assert repr(Prefilter(20, Softmax(0.5))) == "Prefilter(factor=20, then=Softmax(temperature=0.5))"
    assert repr(Clustered(50, per="centre")) == "Clustered(factor=50, per='centre')"
    assert repr(DeterminantalBatch(bandwidth=2.0)) == "DeterminantalBatch(bandwidth=2.0)"
    assert repr(Strategy(Random(), Clustered())) == "Strategy(Random(), Clustered())"


@pytest.mark.parametrize("kind", [Prefilter, Clustered, DeterminantalBatch])
@pytest.mark.parametrize("factor", [0, 0.5, -3, np.nan, np.inf, True, "many", None])
def test_a_factor_below_one_is_refused(kind, factor):
    with pytest.raises(InvalidParameter, match="factor is a number of at least 1"):
        kind(factor)


def test_each_is_itself():
    """Copies of the best point, a crowd of the middling, an outlier with the lowest score."""
    x = np.concatenate([np.zeros((5, 1)), 10 + 0.1 * np.arange(5)[:, None], [[500.0]]])
    scores = np.concatenate([np.full(5, 9.0), np.full(5, 8.0), [0.1]])
    copies, crowd, outlier = set(range(5)), set(range(5, 10)), 10
    assert set(ask(TopK(), x, scores, 2)[0]) < copies
    for selection in (Prefilter(5), Clustered(5), DeterminantalBatch(5)):
        first, second = ask(selection, x, scores, 2)[0]
        assert {first in copies, second in copies} == {True, False} and {first, second} < copies | crowd
    assert outlier in asking.choose(KCenter(), pool_of(x), 2).indices


# --- the shortlist --------------------------------------------------------------------------------------------------


@given(seeds, st.integers(1, 40), st.sampled_from([1, 1.5, 3, 100]), st.data())
def test_the_shortlist_is_the_best_by_score(seed, n_points, factor, data):
    scores = rng(seed).choice([*range(9), -np.inf], n_points)
    n = data.draw(st.integers(1, n_points))
    rows = shortlist(pool_of(np.zeros((n_points, 1))), n, scores, factor)
    size = min(max(n, int(np.isfinite(scores).sum())), int(np.ceil(factor * n)))
    assert len(rows) == size and (np.diff(rows) > 0).all()
    np.testing.assert_array_equal(np.sort(scores[rows]), np.sort(scores)[n_points - size :])


def test_in_the_shortlist_a_quota_can_be_kept_and_nobody_is_who_may_not_come():
    scores, groups = np.arange(30.0)[::-1], np.repeat([0, 1, 2], 10)
    pool = pool_of(np.zeros((30, 1)))
    pool.quota = AtMost({0: 0, 1: 1}, groups)
    np.testing.assert_array_equal(shortlist(pool, 3, scores, 2), [10, 11, 12, 13, 20, 21])
    pool.quota = OneGroup(groups)
    np.testing.assert_array_equal(shortlist(pool, 8, scores, 1), range(8))


# --- a strategy or a selection after a prefilter ----------------------------------------------------------------------


@pytest.mark.parametrize("then", [KCenter("cityblock"), MaxHerding(), TypiClust()], ids=repr)
def test_after_a_prefilter_a_strategy_is_as_on_the_best_points_alone(then):
    x, scores = rng().normal(size=(80, 2)), rng(1).random(80)
    picks, why = ask(Prefilter(4, then), x, scores, 5, labelled=3)
    best = 3 + np.sort(np.argsort(-scores[3:])[:20])
    query = asking.choose(then.within(candidates=best), pool_of(x, 3), 5)
    np.testing.assert_array_equal(picks, query.indices)
    np.testing.assert_array_equal(why["gain"], query.why["gain"])
    assert ("cluster" in why) == isinstance(then, TypiClust)


def test_after_a_prefilter_a_selection_sees_the_same_scores():
    x, scores = rng().normal(size=(80, 2)), rng(1).random(80)
    np.testing.assert_array_equal(ask(Prefilter(4, TopK()), x, scores, 5)[0], np.argsort(-scores)[:5])
    drawn = [ask(Prefilter(2, Softmax(1e6)), x, scores, 5, seed)[0] for seed in range(30)]
    assert set(np.concatenate(drawn)) == set(np.argsort(-scores)[:10])

    def of_own(pool, n, scores_N, rescore):
        assert len(pool) == 20 and rescore(pool_of(x)).shape == (80,)
        return np.arange(n)  # positions alone will do

    picks, _ = ask(Prefilter(4, of_own), x, scores, 5)
    np.testing.assert_array_equal(picks, np.sort(np.argsort(-scores)[:20])[:5])


def test_k_center_after_entropy_asks_near_the_border_and_spread_along_it():
    x = np.stack(np.meshgrid(np.linspace(-1, 1, 21), np.linspace(-1, 1, 21)), axis=-1).reshape(-1, 2)
    scores = -np.abs(x[:, 0])  # the border is the line of 0
    picks, _ = ask(Prefilter(8, KCenter()), x, scores, 5)
    near, spread = np.abs(x[picks, 0]), cdist(x[picks], x[picks])[np.triu_indices(5, 1)]
    assert near.max() <= 0.1 + 1e-9 and spread.min() >= 0.45
    assert np.abs(x[asking.choose(KCenter(), pool_of(x), 5).indices, 0]).max() == 1  # alone it asks corners


def test_what_comes_after_is_checked():
    assert Prefilter(then=KCenter(embedding="model")).needs == ("model", "embedding")
    assert Prefilter().needs == () and Prefilter(then=Softmax()).needs == () and Prefilter().task is None
    assert Prefilter(then=al.strategies.Margin()).task == "classification"
    with pytest.raises(WrongTask, match="KCenter"):
        Prefilter(then="k_center")
    with pytest.raises(WrongTask, match="KCenter"):
        Prefilter(then=Softmax)
    for restriction in ({"candidates": [1]}, {"forbidden": [1]}, {"quota": AtMost(1, "plate")}):
        with pytest.raises(InvalidParameter, match="restricted itself"):
            Prefilter(then=KCenter().within(**restriction))
    Prefilter(then=al.strategies.ProbCover())  # which looks at 20,000 points by its default


# --- clusters -------------------------------------------------------------------------------------------------------


def clusters_in_turn(scores, clusters, n, far=None, still=None):
    """Turn by turn, the clusters by their highest scores, and of each the best that may come."""
    picks, far = [], -scores if far is None else far
    given_by = {c: 0 for c in clusters}
    while len(picks) < n:
        may = [i for i in (still(picks) if still else range(len(scores))) if i not in picks]
        turn = min(given_by[clusters[i]] for i in may)
        may = [i for i in may if given_by[clusters[i]] == turn]
        cluster = clusters[max(may, key=lambda i: scores[i])]
        picks.append(min((i for i in may if clusters[i] == cluster), key=lambda i: far[i]))
        given_by[cluster] += 1
    return picks


@given(seeds, st.integers(1, 30), st.integers(1, 6), st.booleans(), st.booleans(), st.data())
def test_each_cluster_gives_one_in_turn(seed, n_points, n_clusters, by_distance, with_quota, data):
    scores, clusters = rng(seed).normal(size=n_points), rng(seed).integers(0, n_clusters, n_points)
    far, room = (rng(seed + 1).random(n_points) if by_distance else None), Room(seed, n_points)
    n = room.most if with_quota else data.draw(st.integers(1, n_points))
    batch, still = (room.batch(), room.still) if with_quota else (None, None)
    picks, gains = pick_by_cluster(scores, clusters, n, rng(), far_N=far, batch=batch)
    np.testing.assert_array_equal(picks, clusters_in_turn(scores, clusters, n, far, still))
    np.testing.assert_array_equal(gains, scores[picks])


def test_points_of_no_cluster_come_last_by_score():
    scores, clusters = np.array([9.0, 8.0, 1.0, 2.0, 3.0]), np.array([-1, -1, 0, 0, 1])
    np.testing.assert_array_equal(pick_by_cluster(scores, clusters, 5, rng())[0], [4, 3, 2, 0, 1])


def test_the_best_of_each_crowd_is_asked_in_the_order_of_scores():
    x, scores = crowds()
    best = [20 * crowd + scores[20 * crowd : 20 * crowd + 20].argmax() for crowd in range(3)]
    picks, why = ask(Clustered(20), x, scores, 3)
    np.testing.assert_array_equal(picks, best)
    assert len(set(why["cluster"])) == 3
    np.testing.assert_array_equal(why["gain"], scores[best])
    picks, why = ask(Clustered(20, n_clusters=3), x, scores, 6)
    np.testing.assert_array_equal(picks // 20, [0, 1, 2, 0, 1, 2])
    np.testing.assert_array_equal(why["cluster"][:3], why["cluster"][3:])
    assert max(ask(Clustered(6), x, scores, 3)[0]) < 20  # 18 points are looked at: all of the first crowd
    for clusterer in (AgglomerativeClustering(), DBSCAN(eps=5), KMeans(random_state=3)):
        np.testing.assert_array_equal(ask(Clustered(20, clusterer=clusterer), x, scores, 3)[0], best)


def test_the_middle_of_each_crowd_is_asked_and_leans_towards_high_scores():
    x, scores = crowds()
    middle = [20 * c + cdist(x[20 * c : 20 * c + 20], [x[20 * c : 20 * c + 20].mean(0)]).argmin() for c in range(3)]
    np.testing.assert_array_equal(ask(Clustered(20, per="centre"), x, scores, 3)[0], middle)
    x, scores = np.arange(9.0)[:, None], np.array([0, 0, 0, 0, 0, 1, 0, 1.0, 0])
    assert ask(Clustered(100, per="centre"), x, scores, 1)[0] == 4
    assert ask(Clustered(100, per="centre", weighted=True), x, scores, 1)[0] == 6
    assert ask(Clustered(100, per="centre", weighted=True), x, np.zeros(9), 1)[0] == 4  # all weights 0 are all equal


def test_weights_move_the_clusters_of_k_means(monkeypatch):
    x = np.array([[0.0], [1.0], [2.0]])
    left, right = (clusters_of(x, 2, rng(), np.array(w)) for w in ([9.0, 1.0, 0.1], [0.1, 1.0, 9.0]))
    assert left[0] != left[1] == left[2] and right[0] == right[1] != right[2]
    weights = []

    def watched(x, n_clusters, generator, weights_N=None):
        weights.append(weights_N)
        return clusters_of(x, n_clusters, generator, weights_N)

    monkeypatch.setattr(diversify, "clusters_of", watched)
    scores = np.array([9.0, 1.0, 0.1])
    ask(Clustered(1, weighted=True), x, scores, 2)
    ask(Clustered(1), x, scores, 2)
    np.testing.assert_array_equal(weights[0], [9, 1])
    assert weights[1] is None


def test_distances_to_centres_by_hand():
    x = np.array([[0.0], [2.0], [10.0], [7.0]])
    far = distances_to_centres(x, np.array([0, 0, 1, -1]), np.array([3.0, 1.0, 0.0, 1.0]))
    np.testing.assert_allclose(far, [0.5, 1.5, 0, 0])


def test_what_clusters_cannot_do_is_refused():
    with pytest.raises(InvalidParameter, match="score, centre"):
        Clustered(per="point")
    with pytest.raises(InvalidParameter, match="n_clusters"):
        Clustered(n_clusters=0)
    with pytest.raises(InvalidParameter, match="True or False"):
        Clustered(weighted=1)
    with pytest.raises(InvalidParameter, match="leave the clusterer out"):
        Clustered(weighted=True, clusterer=KMeans())
    with pytest.raises(UnsupportedModel, match="clusterer"):
        ask(Clustered(clusterer="k-means"), np.zeros((4, 1)), np.zeros(4), 2)
    x = np.zeros((3, 1))
    for selection in (Clustered(weighted=True), DeterminantalBatch()):
        with pytest.raises(InvalidScores, match="-2"):
            ask(selection, x, [1.0, -2.0, 0.0], 1)
        with pytest.raises(InvalidScores, match="1 are infinite"):
            ask(selection, x, [1.0, np.inf, 0.0], 1)


# --- determinants ---------------------------------------------------------------------------------------------------


def check_greedy(x, scores, bandwidth, picks, gains, still=None):
    """Each pick makes det L as large as any other would have, by numpy's determinant."""
    kernel = rbf_kernel(x, x, 0.5 / bandwidth**2)
    matrix = scores[:, None] * kernel * scores
    for k, (pick, gain) in enumerate(zip(picks, gains, strict=True)):
        before = list(picks[:k])
        may = still(before) if still else [i for i in range(len(x)) if i not in before]
        base = np.linalg.det(matrix[np.ix_(before, before)]) if before else 1.0
        if base < 1e-6:
            return k
        worth = {i: np.linalg.det(matrix[np.ix_([*before, i], [*before, i])]) / base for i in may}
        assert worth[pick] == pytest.approx(max(worth.values()), rel=1e-6, abs=1e-9)
        assert gain**2 == pytest.approx(worth[pick], rel=1e-6, abs=1e-9)
    return len(picks)


@given(seeds, st.integers(1, 20), st.floats(0.1, 2), st.booleans())
def test_picks_are_those_of_the_slow_greedy_way(seed, n_points, bandwidth, with_quota):
    x, scores, room = rng(seed).normal(size=(n_points, 2)), 0.5 + rng(seed).random(n_points), Room(seed, n_points)
    n, batch, still = (room.most, room.batch(), room.still) if with_quota else (min(8, n_points), None, None)
    picks, gains = pick_determinantal(x, scores, n, rng(), bandwidth=bandwidth, batch=batch)
    assert len(set(picks)) == n and (gains <= scores[picks] + 1e-12).all()
    check_greedy(x, scores, bandwidth, picks, gains, still)
    again = pick_determinantal(x, scores, n, rng(), bandwidth=bandwidth, batch=ample(seed, n_points))
    if not with_quota:
        np.testing.assert_array_equal(again, (picks, gains))


def test_the_slow_way_looks_at_most_picks():
    x, scores = rng(3).normal(size=(20, 2)), 0.5 + rng(3).random(20)
    assert check_greedy(x, scores, 0.3, *pick_determinantal(x, scores, 8, rng(), bandwidth=0.3)) == 8


@given(arrays(np.float64, (12, 2), elements=st.integers(0, 2)), st.integers(1, 12))
def test_copies_come_when_all_else_is_in_the_highest_score_first(x, n):
    scores = np.round(rng(1).random(12), 1)
    picks, gains = pick_determinantal(x, scores, n, rng(), bandwidth=0.3)
    assert len(set(picks)) == n
    places = len(np.unique(x[scores > 0], axis=0))
    assert (gains[:places] > 0).all() and (gains[places:] == 0).all()
    assert (np.diff(scores[picks[places:]]) <= 0).all()


def test_one_determinant_by_hand():
    """Scores 2, 1.9 and 1 at 0, 0.1 and 5: the second is nearly a copy, so the third, half as good, comes before it."""
    x, scores = np.array([[0.0], [0.1], [5.0]]), np.array([2.0, 1.9, 1.0])
    picks, gains = pick_determinantal(x, scores, 3, rng(), bandwidth=1.0)
    np.testing.assert_array_equal(picks, [0, 2, 1])
    np.testing.assert_allclose(gains, [2, np.sqrt(1 - np.exp(-25)), 1.9 * np.sqrt(1 - np.exp(-0.01))], rtol=1e-4)
    np.testing.assert_array_equal(pick_determinantal(x, scores, 3, rng(), bandwidth=1e-3)[0], [0, 1, 2])  # by score
    with pytest.raises(QuerySizeError, match="from 1 to 3"):
        pick_determinantal(x, scores, 4, rng(), bandwidth=1.0)


def test_the_bandwidth_is_the_median_distance_of_all_points_and_stays():
    x, scores = rng().normal(size=(50, 2)), rng(1).random(50)
    median = float(np.median(cdist(x, x)[np.triu_indices(50, 1)]))
    by_hand, why = ask(DeterminantalBatch(3, bandwidth=median), x, scores, 6, labelled=4)
    picks, same = ask(DeterminantalBatch(3), x, scores, 6, labelled=4)
    np.testing.assert_array_equal(picks, by_hand)
    np.testing.assert_allclose(same["gain"], why["gain"], rtol=1e-9)
    for value in (0, -1.0, np.nan, "mean", True):
        with pytest.raises(InvalidParameter, match="bandwidth"):
            DeterminantalBatch(bandwidth=value)


class Squashing(NearestMean):
    """Embeds points as their first feature."""

    def embed(self, x):
        return super().embed(x)[:, :1]


@pytest.mark.parametrize("kind", [Clustered, DeterminantalBatch])
def test_distances_may_be_those_that_the_model_sees(kind):
    x, scores = rng().normal(size=(60, 2)) * [1, 100], 1 + 0.1 * rng(1).random(60)
    seen = ask(kind(embedding="model"), x, scores, 6, model=Squashing())[0]
    np.testing.assert_array_equal(seen, ask(kind(), x[:, :1], scores, 6)[0])
    assert not np.array_equal(seen, ask(kind(), x, scores, 6)[0])
    with pytest.raises(ModelError, match="no model is fitted"):
        ask(kind(embedding="model"), x, scores, 6)
    with pytest.raises(InvalidParameter, match="embedding"):
        kind(embedding="umap")
