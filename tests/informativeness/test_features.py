"""Measures of features against brute force, scipy and scikit-learn."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.cluster import DBSCAN, AffinityPropagation, AgglomerativeClustering, KMeans, MeanShift
from sklearn.metrics import pairwise_distances_argmin_min

from aljupyter.errors import InvalidParameter, NonFiniteFeatures, UnsupportedModel, WrongShape
from aljupyter.informativeness import features, relative_distance, representativeness

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("metric", ["euclidean", "l2", "cityblock", "chebyshev", "sqeuclidean", "canberra", "cosine"])
@pytest.mark.parametrize("n_features", [1, 3, 40])
@pytest.mark.parametrize("blocks", [(1024, 4096), (3, 2)])
def test_it_is_the_distance_to_the_nearest(monkeypatch, metric, n_features, blocks):
    monkeypatch.setattr(features, "_ROWS", blocks[0])
    monkeypatch.setattr(features, "_COLUMNS", blocks[1])
    x, reference = RNG.normal(size=(20, n_features)), RNG.normal(size=(7, n_features))
    expected = cdist(x, reference, "euclidean" if metric == "l2" else metric).min(1)
    np.testing.assert_allclose(relative_distance(x, reference, metric), expected, rtol=1e-12, atol=1e-14)


def test_it_is_scikit_learns_for_tensors_too():
    x, reference = RNG.normal(size=(50, 20)), RNG.normal(size=(9, 20))
    _, expected = pairwise_distances_argmin_min(x, reference)
    np.testing.assert_allclose(relative_distance(torch.from_numpy(x), torch.from_numpy(reference)), expected)


def test_a_function_of_two_points_is_a_metric():
    x, reference = RNG.normal(size=(5, 2)), RNG.normal(size=(3, 2))
    found = relative_distance(x, reference, lambda a, b: 2 * abs(a - b).sum())
    np.testing.assert_allclose(found, 2 * cdist(x, reference, "cityblock").min(1))


def test_metrics_of_booleans_take_numbers():
    x, reference = RNG.integers(0, 2, (9, 6)), RNG.integers(0, 2, (4, 6))
    expected = cdist(x.astype(bool), reference.astype(bool), "jaccard").min(1)
    np.testing.assert_allclose(relative_distance(x, reference, "jaccard"), expected)


@pytest.mark.parametrize("offset", [0.0, 1e8])
@given(st.integers(1, 40), st.sampled_from([0.0, 1e-9, 1e-5, 1.0]), st.integers(0, 2**31))
def test_points_that_almost_coincide_are_told_apart(offset, n_references, step, seed):
    """Where |x|^2 + |l|^2 - 2 x'l is all rounding error, it is the distance all the same."""
    rng = np.random.default_rng(seed)
    reference = offset + rng.normal(size=(n_references, 30))
    x = reference[rng.integers(n_references, size=12)] + step * rng.normal(size=(12, 30))
    np.testing.assert_allclose(relative_distance(x, reference), cdist(x, reference).min(1), rtol=1e-13, atol=0)


def test_a_distant_reference_spoils_nothing():
    """Centring does not help here: one reference is 1e9 away and sets the size of the errors."""
    reference = np.vstack([1e-4 * RNG.normal(size=(30, 50)), np.full(50, 1e9)])
    x = 1e-4 * RNG.normal(size=(20, 50))
    np.testing.assert_allclose(relative_distance(x, reference), cdist(x, reference).min(1), rtol=1e-13)


def test_a_labelled_point_is_at_no_distance():
    x = RNG.normal(size=(6, 100)) + 1000
    assert relative_distance(x, x).tolist() == [0.0] * 6


def test_without_a_reference_all_points_are_alike():
    assert relative_distance(np.ones((3, 2)), np.empty((0, 2))).tolist() == [0.0, 0.0, 0.0]
    assert relative_distance(np.empty((0, 2)), np.ones((3, 2))).shape == (0,)


def test_images_are_rows_of_their_values():
    images = RNG.normal(size=(5, 2, 3))
    np.testing.assert_allclose(
        relative_distance(images, images[:2]), relative_distance(images.reshape(5, 6), images[:2].reshape(2, 6))
    )


@pytest.mark.parametrize("metric", ["euclidian", "mahalanobis", "seuclidean", "precomputed", "haversine"])
def test_a_metric_that_cannot_be_used_is_refused(metric):
    with pytest.raises(InvalidParameter, match=metric):
        relative_distance(np.ones((3, 5)), np.ones((2, 5)), metric)


def test_a_metric_that_gives_nan_is_refused():
    with pytest.raises(InvalidParameter, match="NaN for 3 of 3"):
        relative_distance(np.ones((3, 5)), np.eye(5)[:2], lambda a, b: math.nan)


def test_features_that_cannot_be_are_refused():
    with pytest.raises(WrongShape, match="5 features have no distance to points of 4"):
        relative_distance(np.ones((3, 5)), np.ones((2, 4)))
    with pytest.raises(WrongShape, match="one row a point"):
        relative_distance(np.ones(3), np.ones((2, 1)))
    with pytest.raises(NonFiniteFeatures, match="reference"):
        relative_distance(np.ones((3, 1)), [[math.nan]])


def three_groups(sizes=(20, 15, 10), seed=0):
    rng = np.random.default_rng(seed)
    centres = np.array([[0.0, 0.0], [20.0, 0.0], [0.0, 20.0]])
    return np.vstack([c + rng.normal(size=(n, 2)) for c, n in zip(centres, sizes, strict=True)]), np.repeat(
        range(3), sizes
    )


def top(scores, n):
    return scores.argsort(descending=True)[:n].numpy()


CLUSTERERS = [
    None,
    KMeans(n_init=3),
    AgglomerativeClustering(),
    AgglomerativeClustering(n_clusters=None, distance_threshold=15.0),
    MeanShift(bandwidth=6.0),
    DBSCAN(eps=3.0),
    AffinityPropagation(preference=-500, damping=0.9, random_state=0),
]


@pytest.mark.parametrize("clusterer", CLUSTERERS, ids=repr)
def test_the_best_are_one_of_each_cluster_and_nearest_its_centre(clusterer):
    x, group = three_groups()
    scores = representativeness(x, 3, clusterer)
    chosen = top(scores, 3)
    assert group[chosen].tolist() == [0, 1, 2]  # the largest first
    if not isinstance(clusterer, AffinityPropagation):  # whose centres are its exemplars
        for g in range(3):
            distance = np.linalg.norm(x[group == g] - x[group == g].mean(0), axis=1)
            assert np.flatnonzero(group == g)[distance.argmin()] == chosen[g]


@pytest.mark.parametrize("clusterer", CLUSTERERS, ids=repr)
def test_after_them_come_the_second_of_each_and_so_on(clusterer):
    x, group = three_groups()
    scores = representativeness(x, 3, clusterer)
    assert np.bincount(group[top(scores, 30)]).tolist() == [10, 10, 10]
    assert len(set(scores.tolist())) == len(x)  # never fewer than asked


def test_affinity_propagation_gives_its_exemplars():
    x, _ = three_groups()
    clusterer = AffinityPropagation(preference=-500, damping=0.9, random_state=0)
    assert set(top(representativeness(x, 3, clusterer), 3)) == set(clusterer.fit(x).cluster_centers_indices_)


def test_noise_comes_last():
    """DBSCAN finds two groups and an outlier; PyRelationAL takes the noise for a cluster, and gives too few."""
    x = np.array([[0.0], [0.1], [0.2], [5.0], [5.1], [5.2], [99.0]])
    scores = representativeness(x, 5, DBSCAN(eps=0.5, min_samples=2))
    assert set(top(scores, 2)) == {1, 4}
    assert top(scores, 7)[-1] == 6


def test_one_cluster_is_about_the_mean():
    """What the paper ran: the point of the pool nearest the pool's mean."""
    x = RNG.normal(size=(40, 3))
    scores = representativeness(x, 1)
    distances = np.linalg.norm(x - x.mean(0), axis=1)
    np.testing.assert_array_equal(top(scores, 40), distances.argsort())


@given(st.integers(1, 12), st.integers(1, 6), st.integers(1, 8))
def test_any_number_of_clusters_and_repeated_points(n_points, n_different, k):
    x = np.arange(n_points).reshape(-1, 1) % n_different * 1.0
    scores = representativeness(x, k)
    expected = min(k, n_points, n_different)
    assert (scores > 0).sum() == expected
    assert len(set(x[top(scores, expected), 0])) == expected


def test_a_seed_repeats_it_and_the_clusterer_stays_as_it_is():
    x = RNG.normal(size=(200, 2))
    clusterer = KMeans(n_clusters=3, n_init=1)
    first = representativeness(x, 9, clusterer, seed=4)
    torch.testing.assert_close(representativeness(x, 9, clusterer, seed=4), first, rtol=0, atol=0)
    assert not torch.equal(representativeness(x, 9, clusterer, seed=5), first)
    assert clusterer.n_clusters == 3 and not hasattr(clusterer, "labels_")


def test_what_cannot_be_used_is_refused():
    with pytest.raises(InvalidParameter, match="number of clusters"):
        representativeness(np.ones((3, 1)), 0)
    for clusterer in (KMeans, "KMeans"):
        with pytest.raises(UnsupportedModel, match="sklearn.cluster.KMeans"):
            representativeness(np.ones((3, 1)), 2, clusterer)
    with pytest.raises(NonFiniteFeatures):
        representativeness([[math.inf]], 1)
    assert representativeness(np.empty((0, 2)), 3).shape == (0,)
