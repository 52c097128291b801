"""The strategies over features: what holds for all of them, and on which cases each is itself."""

import inspect

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import aljupyter as al
from aljupyter.errors import InvalidParameter, ModelError, NonFiniteFeatures
from aljupyter.strategies import AtMost, Pool, asking
from aljupyter.strategies.asking import choose
from aljupyter.strategies.features import GSx, KCenter, MaxHerding, ProbCover, TypiClust
from aljupyter.strategies.points import FeatureStrategy
from aljupyter.strategies.spread import spread
from tests.managers import NearestMean

KINDS = [KCenter, GSx, TypiClust, ProbCover, MaxHerding]
WITH_EMBEDDING = [kind for kind in KINDS if kind is not GSx]
#: what each parameter may be, and what it may not
PARAMETERS = {
    "metric": (["cosine", "cityblock"], ["manhattan", None, 2]),
    "embedding": (["model"], ["umap", None]),
    "max_candidates": ([7, np.int64(7)], [0, -1, 2.5, True, "all"]),
    "n_neighbours": ([5], [0, 1.5, None, True]),
    "max_clusters": ([3], [0, None]),
    "delta": ([0.3, 2], [0, -1.0, np.nan, np.inf, "median", None, True]),
    "n_classes": ([4], [1, 2.5, "two"]),
    "purity": ([0.8], [0, 1, 1.5, "high", None]),
    "bandwidth": ([0.3, 2], [0, -1.0, np.nan, np.inf, "auto", None, True]),
    "n_targets": ([10, None], [0, 1.5, True]),
}
every = pytest.mark.parametrize("kind", KINDS)


def rng(seed=0):
    return np.random.default_rng(seed)


def pool_of(x, labelled=0, model=None, seed=0, round=0, classes=2, **options):
    """A pool of points as they are, the first of them labelled."""
    y = np.arange(len(x)) % classes if classes else np.arange(len(x)) / 7
    chosen = list(range(labelled))
    data = al.DataManager(x, y, labelled=chosen, preprocess=None, seed=seed, **options)
    return Pool(data.unlabelled, data.labelled, model, seed, round)


def ask(strategy, pool, n):
    """Positions in the pool, by the way of the learner: restrictions before, checks after."""
    return np.searchsorted(pool.unlabelled.indices, choose(strategy, pool, n).indices)


@every
def test_every_parameter_is_checked_when_it_is_given(kind):
    for name in inspect.signature(kind).parameters:
        good, bad = PARAMETERS[name]
        for value in good:
            assert getattr(kind(**{name: value}), name) == value
            assert repr(kind(**{name: value})) == f"{kind.__name__}({name}={value})".replace(
                f"={value})", f"={getattr(kind(**{name: value}), name)!r})"
            )
        for value in bad:
            with pytest.raises(InvalidParameter, match=name):
                kind(**{name: value})


@every
def test_a_definition_reads_like_one(kind):
    assert repr(kind()) == f"{kind.__name__}()"
    assert repr(KCenter("cosine", max_candidates=5)) == "KCenter(metric='cosine', max_candidates=5)"
    assert repr(ProbCover(delta=0.5, max_candidates=None)) == "ProbCover(delta=0.5, max_candidates=None)"


@every
def test_they_are_for_both_tasks_and_need_no_model(kind):
    assert kind().task is None and not kind().needs_model
    assert al.strategies.as_strategy(kind(), "regression") and al.strategies.as_strategy(kind(), "classification")


@every
@given(
    st.integers(1, 25),
    st.integers(0, 4),
    st.integers(0, 99),
    st.sampled_from([np.float32, np.float64, np.int64]),
    st.sampled_from([2, 3, None]),
    st.data(),
)
@settings(max_examples=25, deadline=None)
def test_as_many_are_picked_as_are_asked_and_the_first_is_of_the_highest_score(
    kind, n_points, labelled, seed, dtype, classes, data
):
    x = (3 * rng(seed).normal(size=(n_points + labelled, 2))).astype(dtype)  # whole numbers: with duplicates
    pool = pool_of(x, labelled, seed=seed, classes=classes)
    scores = kind().score(pool)
    assert scores.shape == (n_points,) and scores.dtype == np.float64 and np.isfinite(scores).all()
    n = data.draw(st.integers(1, n_points))
    picks = kind().select(pool, n, scores).positions
    assert picks.shape == (n,) and len(set(picks.tolist())) == n and set(picks.tolist()) <= set(range(n_points))
    np.testing.assert_array_equal(picks, ask(kind(), pool, n))
    first = picks[0] if kind is not TypiClust else ask(kind(), pool, 1)[0]  # its clusters depend on the batch
    assert scores[first] == pytest.approx(scores.max(), abs=1e-9)


@every
@pytest.mark.parametrize("n_points", [1, 2, 30])
def test_equal_points_are_picked_by_the_seed(kind, n_points):
    x = np.full((n_points, 3), 5.0)
    picks = [ask(kind(), pool_of(x, seed=seed), n_points) for seed in range(3)]
    assert all(sorted(p) == list(range(n_points)) for p in picks)
    assert n_points < 30 or len({p[0] for p in picks}) > 1
    later = ask(kind(), pool_of(x, seed=0, round=1), n_points)
    assert n_points < 30 or not np.array_equal(later, picks[0])


@every
def test_a_learner_begins_with_no_label_and_goes_on(kind):
    x = rng().normal(size=(60, 2))
    data = al.DataManager(x, x[:, 0] > 0, labelled=0)
    learner = al.ActiveLearner(data, NearestMean(), strategy=kind())
    query = learner.query(5)
    assert len(set(query.indices)) == 5 and learner.n_labels == 0 and learner.model.fits == 0
    np.testing.assert_array_equal(query.indices, learner.query(5).indices)
    learner.run(rounds=3, n=5, progress=False)
    assert learner.n_labels == 15


@every
def test_a_regression_begins_with_no_label(kind):
    x = rng().normal(size=(40, 2))
    learner = al.ActiveLearner(al.DataManager(x, x[:, 0] + 0.1, labelled=0), strategy=kind())
    assert len(set(learner.query(5).indices)) == 5


@every
def test_of_a_large_pool_some_candidates_are_looked_at(kind):
    x = rng().normal(size=(200, 2))
    pool = pool_of(x, labelled=2)
    strategy = kind(max_candidates=30)
    scores = asking.score(strategy, pool).values
    candidates = np.flatnonzero(np.isfinite(scores))
    assert len(candidates) == 30 and np.isneginf(np.delete(scores, candidates)).all()
    picks = ask(strategy, pool, 10)
    assert len(set(picks)) == 10 and set(picks) <= set(candidates)
    assert len(set(ask(strategy, pool, 50))) == 50  # more than that are asked: more are looked at
    other = asking.score(strategy, pool_of(x, labelled=2, round=1)).values
    assert not np.array_equal(np.isfinite(other), np.isfinite(scores))
    np.testing.assert_array_equal(asking.score(kind(max_candidates=198), pool).values, kind().score(pool))


@every
def test_the_number_of_candidates_is_a_restriction_and_shows_once(kind):
    strategy = kind(max_candidates=7)
    assert strategy.restrictions.max_candidates == 7
    assert repr(strategy.within(max_candidates=9)) == f"{kind.__name__}(max_candidates=9)"
    assert repr(kind().within(max_candidates=None)) in (f"{kind.__name__}()", f"{kind.__name__}(max_candidates=None)")
    assert repr(kind().within(forbidden=[1])) == f"{kind.__name__}().within(forbidden=<1 indices>)"
    assert strategy.within(forbidden=[1]).max_candidates == 7 == strategy.max_candidates


@every
@given(st.integers(0, 99), st.integers(2, 25), st.integers(0, 3))
@settings(max_examples=20, deadline=None)
def test_quotas_are_kept_and_those_that_do_not_bind_change_nothing(kind, seed, n_points, labelled):
    x = rng(seed).normal(size=(n_points + labelled, 2))
    groups = rng(seed).integers(0, 3, len(x))
    pool = pool_of(x, labelled, seed=seed)
    n = int(np.minimum(np.bincount(groups[labelled:]), 2).sum())
    picks = ask(kind().within(quota=AtMost(2, groups)), pool, n)
    assert len(set(picks)) == n and np.bincount(groups[labelled:][picks]).max() <= 2
    np.testing.assert_array_equal(ask(kind().within(quota=AtMost(n, groups)), pool, n), ask(kind(), pool, n))


@every
def test_what_each_pick_was_worth_is_told(kind):
    query = choose(kind(), pool_of(np.tile(crowds()[:105], (2, 1)), labelled=1), 2)
    assert query.why["gain"].shape == (2,) and ("cluster" in query.why) == (kind is TypiClust)
    if kind is TypiClust:
        twice = choose(TypiClust(max_clusters=3), pool_of(np.tile(crowds()[:105], (2, 1))), 6).why["cluster"]
        assert len(set(twice[:3])) == 3 and twice[:3].tolist() == twice[3:].tolist()
    else:
        assert query.why["gain"][0] == query.scores[0] and (np.diff(query.why["gain"]) <= 0).all()


@every
def test_candidates_alone_are_read_of_features_that_do_not_fit_in_memory(kind):
    x = rng().normal(size=(300, 4))
    pool = pool_of(x, memory_budget=100 * 4 * 8)
    assert len(set(ask(kind(max_candidates=50), pool, 5))) == 5


@every
def test_an_image_is_a_row(kind):
    x = rng().integers(0, 256, size=(30, 2, 3)).astype(np.uint8)
    images = torch.utils.data.TensorDataset(torch.from_numpy(x), torch.arange(30) % 2)
    data = al.DataManager(images, labelled=0)
    np.testing.assert_array_equal(
        ask(kind(), Pool(data.unlabelled, data.labelled, None), 4),
        ask(kind(), pool_of(x.reshape(30, 6).astype(float)), 4),
    )


class Squashing(NearestMean):
    """Embeds points as their first feature, and keeps count."""

    factor = 1.0

    def embed(self, x):
        return super().embed(x)[:, :1] * self.factor


@pytest.mark.parametrize("kind", WITH_EMBEDDING)
def test_distances_may_be_those_that_the_model_sees(kind):
    x = rng().normal(size=(40, 2)) * [1, 100]
    pool = pool_of(x, labelled=3, model=Squashing())
    strategy = kind(embedding="model")
    assert strategy.needs_model
    flat = pool_of(x[:, :1], labelled=3)
    np.testing.assert_array_equal(strategy.score(pool), kind().score(flat))
    np.testing.assert_array_equal(ask(strategy, pool, 5), ask(kind(), flat, 5))
    assert not np.array_equal(ask(strategy, pool, 5), ask(kind(), pool, 5))


def test_where_there_is_no_model_its_embedding_is_missed_by_name():
    with pytest.raises(ModelError, match=r"KCenter\(embedding='model'\).*no model is fitted.*embedding='inputs'"):
        KCenter(embedding="model").score(pool_of(rng().normal(size=(9, 2))))


def test_an_embedding_that_is_not_finite_is_refused():
    model = Squashing()
    model.factor = float("nan")
    with pytest.raises(NonFiniteFeatures, match=r"What NearestMean\(\) makes of the points"):
        KCenter(embedding="model").score(pool_of(rng().normal(size=(9, 2)), labelled=2, model=model))


def test_a_strategy_without_its_two_parts_says_so():
    with pytest.raises(NotImplementedError):
        FeatureStrategy().score(pool_of(np.zeros((3, 1))))
    with pytest.raises(NotImplementedError):
        FeatureStrategy().select(pool_of(np.zeros((3, 1))), 1, np.zeros(3))


def crowds():
    """A crowd of 60, one of 30, one of 15, and three outliers, far from all and from each other."""
    centres = np.repeat([[0.0, 0.0], [30.0, 0.0], [0.0, 30.0]], (60, 30, 15), axis=0)
    outliers = [[150.0, 150.0], [-150.0, 150.0], [0.0, -200.0]]
    return np.concatenate([centres + rng().normal(size=(105, 2)), outliers])


@every
def test_each_is_itself_on_crowds_and_outliers(kind):
    x = crowds()
    picks = ask(kind(n_classes=3) if kind is ProbCover else kind(), pool_of(x), 4)
    outliers = {105, 106, 107}
    if kind in (KCenter, GSx):
        assert outliers <= set(picks)
        centroid = np.linalg.norm(x - x.mean(axis=0), axis=1)
        assert picks[0] == centroid.argmin()
    else:
        assert picks[0] < 60 and not outliers & set(picks[:1])


def test_typiclust_takes_a_point_of_each_crowd_and_no_outlier():
    picks = ask(TypiClust(), pool_of(crowds()), 6)
    assert max(picks) < 105
    assert {0, 1, 2} == set(np.digitize(picks, [60, 90]))


@pytest.mark.parametrize("strategy", [ProbCover(delta=5.0), MaxHerding(bandwidth=3.0)], ids=repr)
def test_coverage_takes_the_crowds_by_size(strategy):
    picks = ask(strategy, pool_of(crowds()), 3)
    np.testing.assert_array_equal(np.digitize(picks, [60, 90]), [0, 1, 2])


def test_maxherding_takes_the_middle_of_a_crowd_where_probcover_takes_any_that_covers_it():
    x = rng().normal(size=(200, 2))
    herded = [np.linalg.norm(x[ask(MaxHerding(bandwidth=1.0), pool_of(x, seed=s), 1)[0]]) for s in range(5)]
    covering = [np.linalg.norm(x[ask(ProbCover(delta=20.0), pool_of(x, seed=s), 1)[0]]) for s in range(5)]
    assert max(herded) < 0.3 < max(covering)


def test_kcenter_scores_are_distances_to_the_labels():
    x = rng().normal(size=(20, 2))
    np.testing.assert_array_equal(KCenter("cityblock").score(pool_of(x, 3)), spread(x[3:], x[:3], metric="cityblock"))


def test_the_radius_and_the_bandwidth_are_the_same_in_every_round():
    x = rng().normal(size=(80, 2))
    before, after = pool_of(x, labelled=2, round=0), pool_of(x, labelled=40, round=7)
    assert ProbCover().radius(before) == ProbCover().radius(after) > 0
    assert MaxHerding().width(before) == MaxHerding().width(after) > 0
    assert ProbCover(delta=0.5).radius(before) == 0.5 and MaxHerding(bandwidth=2).width(before) == 2


def test_they_are_estimated_from_a_sample_of_the_labelled_and_the_unlabelled(monkeypatch):
    monkeypatch.setattr("aljupyter.strategies.features.SAMPLE", 50)
    monkeypatch.setattr("aljupyter.strategies.features.SMALL_SAMPLE", 50)
    x = rng().normal(size=(80, 2))
    pools = [pool_of(x, labelled=k) for k in (0, 10, 75)]
    for of in (ProbCover().radius, MaxHerding().width):
        assert of(pools[0]) == of(pools[1]) == of(pools[2]) != of(pool_of(x, seed=1))


def test_the_number_of_classes_is_the_tasks_unless_it_is_given():
    x = np.concatenate([rng(i).uniform(size=(30, 2)) + 10 * i for i in range(3)])
    assert ProbCover().radius(pool_of(x, classes=3)) == ProbCover(n_classes=3).radius(pool_of(x, classes=None)) > 10
    assert ProbCover().radius(pool_of(x, classes=None)) < 1  # the median ball holds a twentieth


def test_targets_are_some_points_of_a_large_pool():
    x = rng().normal(size=(300, 2))
    exact, some = MaxHerding(n_targets=None).score(pool_of(x)), MaxHerding(n_targets=100).score(pool_of(x))
    assert 0 < np.abs(exact - some).max() < 0.1
    np.testing.assert_array_equal(MaxHerding(n_targets=300).score(pool_of(x)), exact)


@pytest.mark.parametrize("n_targets", [5_000, None])
def test_targets_are_there_whether_they_may_be_asked_or_not(n_targets):
    x = np.concatenate([np.zeros((3, 1)), np.full((30, 1), 10.0), [[10.9]]])
    crowd = list(range(3, 33))
    picks = ask(MaxHerding(bandwidth=1.0, n_targets=n_targets).within(forbidden=crowd), pool_of(x), 2)
    assert picks[0] == 33 and picks[1] < 3  # near the crowd first; of itself it is one against three


def test_a_restriction_does_not_change_the_radius_nor_the_bandwidth():
    pool = pool_of(rng().normal(size=(80, 2)), labelled=3)
    part = pool.restricted(np.arange(20))
    assert ProbCover().radius(part) == ProbCover().radius(pool)
    assert MaxHerding().width(part) == MaxHerding().width(pool)
