"""Initial labelled sets, against brute force."""

import os
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans

from aljupyter.datasets import starts
from aljupyter.datasets.starts import farthest_pair, group_draw, nearest_to_centres, one_of_each
from aljupyter.errors import DataError, MissingLabels, NonFiniteFeatures, WrongShape

shapes = st.tuples(st.integers(2, 40), st.integers(1, 12))
grids = hnp.arrays(np.float64, shapes, elements=st.integers(-2, 2).map(float))  # whole numbers: every tie is exact
reals = hnp.arrays(
    np.float64, shapes, elements=st.floats(-1e6, 1e6).map(lambda v: round(v, 9))
)  # squares do not vanish
fine = hnp.arrays(np.float32, shapes, elements=st.floats(-1, 1, width=32))
codes = st.lists(st.integers(-1, 3), min_size=1, max_size=40).map(np.array)


def by_brute_force(x_N_D):
    """Rows of the full matrix, of differences; argmax takes the first of equal ones."""
    best, pair = -1.0, (0, 1)
    x_N_D = np.asarray(x_N_D, dtype=np.float64)
    for i in range(len(x_N_D) - 1):
        squared = ((x_N_D[i + 1 :] - x_N_D[i]) ** 2).sum(axis=1)
        if squared.max() > best:
            best, pair = squared.max(), (i, i + 1 + int(squared.argmax()))
    return pair


def first_by_scipy(x_N_D):
    distances = cdist(x_N_D, x_N_D, "sqeuclidean")
    if not distances.any():
        return 0, 1
    return tuple(int(i) for i in np.unravel_index(distances.argmax(), distances.shape))


def sphere(n, d, seed=0):
    x = np.random.default_rng(seed).normal(size=(n, d))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def two_arcs(n, d=4):
    """Points on arcs in two planes, at sqrt(2) from all of the other arc but for the last bits (Lenz)."""
    angle = np.random.default_rng(0).uniform(0, 1, (n // 2, 1))
    arc, nothing = np.hstack([np.cos(angle), np.sin(angle)]), np.zeros((n // 2, 2))
    return np.vstack([np.hstack([arc, nothing]), np.hstack([nothing, arc])])


def at_most(megabytes, function, *args):
    tracemalloc.start()
    try:
        result = function(*args)
        assert tracemalloc.get_traced_memory()[1] < megabytes * 1e6
    finally:
        tracemalloc.stop()
    return result


@given(grids)
@example(np.zeros((5, 3)))
@example(np.array([[0.0], [-0.0], [0.0]]))
def test_of_tied_pairs_the_first_of_the_full_matrix_is_taken(x):
    assert farthest_pair(x) == first_by_scipy(x) == by_brute_force(x)


@given(st.one_of(reals, fine))
def test_the_pair_is_the_farthest_of_all(x):
    assert farthest_pair(x) == by_brute_force(x)


@given(reals, st.integers(2, 4), st.randoms())
def test_duplicates_change_nothing_but_positions(x, times, random):
    order = np.repeat(np.arange(len(x)), times)
    random.shuffle(order)
    assert farthest_pair(x[order]) == by_brute_force(x[order])


@given(hnp.arrays(np.float64, st.tuples(st.integers(2, 30), st.integers(1, 6)), elements=st.integers(0, 9).map(float)))
@example(np.array([[0.0, 3.0], [0.0, 3.0]]))
def test_scale_and_offset_do_not_matter(x):
    pair = farthest_pair(x)
    for power in (-1000, -300, 300, 1000):
        assert farthest_pair(np.ldexp(x, power)) == pair
    assert farthest_pair(x + 2.0**49) == pair
    assert farthest_pair(np.column_stack([np.full(len(x), 1e300), np.ldexp(x, -1000)])) == pair


def test_the_largest_and_the_smallest_numbers_are_used():
    huge, tiny = np.finfo(np.float64).max, 5e-324
    assert farthest_pair(np.array([[0.0], [huge], [-huge], [1.0]])) == (1, 2)
    assert farthest_pair(np.array([[0.0], [tiny], [-tiny], [tiny]])) == (1, 2)
    assert farthest_pair(np.array([[1e200, 0], [0, 1e200], [1e200, 1.1e200], [1e-200, 0]])) == (2, 3)


def test_small_tiles_and_chunks_give_the_same(monkeypatch):
    monkeypatch.setattr(starts, "TILE", 3)
    monkeypatch.setattr(starts, "CHUNK", 5)
    rng = np.random.default_rng(0)
    for n, d in ((2, 1), (3, 2), (4, 2), (50, 2), (50, 9)):
        for x in (rng.normal(size=(n, d)), rng.integers(0, 3, (n, d)).astype(float), sphere(n, d), np.zeros((n, d))):
            assert farthest_pair(x) == by_brute_force(x)


@pytest.mark.parametrize(
    "x",
    [
        np.random.default_rng(0).normal(size=(1500, 8)),
        np.random.default_rng(1).uniform(size=(1500, 20)),
        np.random.default_rng(2).standard_cauchy(size=(1500, 3)),
        np.random.default_rng(3).normal(size=(1500, 3)) * 1e-6 + 1e3,
        np.random.default_rng(4).integers(0, 2, (1500, 12)).astype(bool),
        np.stack(np.meshgrid(np.arange(40), np.arange(40)), axis=-1).reshape(-1, 2),
        np.eye(600),
        sphere(1500, 3),
        sphere(1500, 20).astype(np.float32),
        sphere(1500, 2),
        two_arcs(1500),
        two_arcs(1500) / 3,
        np.repeat(sphere(2, 5), 700, axis=0)[np.random.default_rng(5).permutation(1400)],
    ],
    ids=["gauss", "uniform", "cauchy", "offset", "bits", "lattice", "one-hot", "sphere", "sphere20", "circle"]
    + ["arcs", "thirds", "two-points"],
)
def test_hard_cases_agree_with_brute_force(x):
    assert farthest_pair(x) == by_brute_force(x)


def test_of_the_corners_of_a_cube_the_first_opposite_two_are_taken():
    corners = (np.arange(2**13)[:, None] >> np.arange(13) & 1).astype(float)
    order = np.random.default_rng(0).permutation(len(corners))
    assert farthest_pair(corners) == (0, 2**13 - 1)
    opposite = int(np.flatnonzero(order == 2**13 - 1 - order[0])[0])
    assert farthest_pair(corners[order]) == (0, opposite)


def test_ten_thousand_points_on_a_sphere_agree_with_brute_force():
    x = sphere(10_000, 3)
    assert farthest_pair(x) == by_brute_force(x)


def test_memory_stays_bounded_where_nothing_can_be_left_out():
    at_most(200, farthest_pair, np.random.default_rng(0).normal(size=(10_000, 8)))
    at_most(200, farthest_pair, sphere(10_000, 8))


def test_memory_stays_bounded_with_millions_of_ties():
    at_most(200, farthest_pair, two_arcs(6000))
    assert at_most(200, farthest_pair, np.repeat([[0.0] * 20, [1.0] * 20], 5000, axis=0)) == (0, 5000)


def test_any_layout_and_type_is_read_and_none_is_changed():
    x = np.random.default_rng(0).integers(-50, 50, (300, 6))
    before, pair = x.copy(), by_brute_force(x)
    for same in (x, x.astype(np.float32), np.asfortranarray(x, dtype=float), x[::-1][::-1], x.T.copy().T, x.tolist()):
        assert farthest_pair(same) == pair
    assert farthest_pair(x[::2, ::3]) == by_brute_force(x[::2, ::3])
    assert (x == before).all() and all(type(i) is int for i in pair)


def test_two_points_are_a_pair_even_without_features():
    assert farthest_pair(np.array([[1.0], [5.0]])) == (0, 1)
    assert farthest_pair(np.empty((4, 0))) == (0, 1)


@pytest.mark.parametrize("x", [np.zeros((1, 3)), np.zeros((0, 3)), np.zeros(5), np.zeros((2, 2, 2))])
def test_what_holds_no_pair_is_refused(x):
    with pytest.raises(WrongShape):
        farthest_pair(x)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_distances_to_nowhere_are_refused(bad):
    x = np.array([[0.0], [bad], [1.0]])
    for ask in (farthest_pair, lambda x: nearest_to_centres(x, 1, 0)):
        with pytest.raises(NonFiniteFeatures):
            ask(x)


@given(codes.filter(lambda c: (c >= 0).any()), st.integers(0, 9))
def test_each_class_comes_in_count_times_and_the_unknown_never(codes_N, seed):
    most = np.unique(codes_N[codes_N >= 0], return_counts=True)[1].min()
    for count in (1, most):
        drawn = one_of_each(codes_N, np.random.default_rng(seed), count)
        assert (np.diff(drawn) > 0).all() and drawn.dtype == np.int64
        assert sorted(codes_N[drawn]) == sorted(np.repeat(np.unique(codes_N[codes_N >= 0]), count))
        assert (drawn == one_of_each(codes_N, np.random.default_rng(seed), count)).all()


def test_every_point_of_a_class_can_start():
    codes_N = np.array([0, 1, 0, -1, 1, 0])
    generator = np.random.default_rng(0)
    times = sum(np.bincount(one_of_each(codes_N, generator), minlength=6) for _ in range(300))
    assert times[3] == 0 and times[[0, 2, 5]].min() > 60 and times[[1, 4]].min() > 100  # 100 and 150 expected


def test_a_class_of_too_few_points_is_named():
    with pytest.raises(DataError, match="code 7 has 1 labelled point"):
        one_of_each(np.array([0, 0, 7, -1]), np.random.default_rng(0), 2)
    with pytest.raises(DataError, match="count=0"):
        one_of_each(np.array([0, 1]), np.random.default_rng(0), 0)
    with pytest.raises(MissingLabels):
        one_of_each(np.array([-1, -1]), np.random.default_rng(0))
    with pytest.raises(WrongShape):
        one_of_each(np.zeros((2, 2), dtype=int), np.random.default_rng(0))


@given(st.one_of(grids, reals, fine), st.data())
def test_as_many_points_as_asked_stand_for_the_clusters(x, data):
    size = data.draw(st.integers(0, len(x)))
    chosen = nearest_to_centres(x, size, 0)
    assert len(chosen) == size and (np.diff(chosen) > 0).all() and chosen.dtype == np.int64


def test_each_cluster_gives_the_point_nearest_its_centre():
    x = np.random.default_rng(0).normal(size=(200, 3)) + 20 * np.repeat(np.eye(4, 3), 50, axis=0)
    centres = KMeans(n_clusters=4, n_init=1, random_state=5).fit(x).cluster_centers_
    assert nearest_to_centres(x, 4, 5).tolist() == sorted(cdist(centres, x).argmin(axis=1))
    assert (nearest_to_centres(x, 4, 5) // 50).tolist() == [0, 1, 2, 3]


def test_centres_share_no_point():
    x = np.array([[0.0], [1.0], [1.0], [10.0]])
    assert nearest_to_centres(x, 4, 0).tolist() == [0, 1, 2, 3]
    assert len(nearest_to_centres(np.random.default_rng(0).normal(size=(30, 2)), 29, 0)) == 29


def test_duplicates_are_taken_last_and_the_lowest_first():
    x = np.array([[1.0], [1.0], [2.0], [1.0], [2.0]])
    assert [nearest_to_centres(x, size, 0).tolist() for size in (2, 3, 4)] == [[0, 2], [0, 1, 2], [0, 1, 2, 3]]


def test_points_of_any_scale_are_clustered():
    x = np.repeat([0.0, 1.0, 5.0], 4)[:, None] + np.tile([0.0, 0.01, 0.02, 0.09], 3)[:, None]
    near = nearest_to_centres(x, 3, 0).tolist()
    assert near == nearest_to_centres(x * 2.0**700, 3, 0).tolist() == nearest_to_centres(x * 2.0**-700, 3, 0).tolist()


@pytest.mark.parametrize("size", [-1, 4])
def test_more_points_than_there_are_is_refused(size):
    with pytest.raises(DataError, match=f"size={size}"):
        nearest_to_centres(np.eye(3), size, 0)
    with pytest.raises(DataError, match=f"size={size}"):
        group_draw(np.arange(3), size, np.arange(3), np.random.default_rng(0))


def test_another_process_with_other_threads_starts_with_the_same():
    script = (
        "import numpy as np; from aljupyter.datasets.starts import farthest_pair, nearest_to_centres;"
        "x = np.random.default_rng(0).normal(size=(3000, 5));"
        "print(farthest_pair(x), nearest_to_centres(x, 40, 7).tolist())"
    )
    x = np.random.default_rng(0).normal(size=(3000, 5))
    env = os.environ | {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2", "PYTHONHASHSEED": "3"}
    there = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True).stdout
    assert there.strip() == f"{farthest_pair(x)} {nearest_to_centres(x, 40, 7).tolist()}"


@given(st.lists(st.integers(0, 5), max_size=40).map(lambda g: np.array(g, dtype=int)), st.data())
def test_groups_come_whole_and_no_more_than_are_needed(groups, data):
    size, seed = data.draw(st.integers(0, len(groups))), data.draw(st.integers(0, 9))
    candidates = np.random.default_rng(1).permutation(len(groups)) * 3
    drawn = group_draw(candidates, size, groups, np.random.default_rng(seed))
    inside = np.isin(candidates, drawn)
    assert len(drawn) == inside.sum() >= size and (np.diff(drawn) > 0).all() and drawn.dtype == np.int64
    assert not set(groups[inside]) & set(groups[~inside])
    if size:
        assert min(len(drawn) - np.sum(groups == group) for group in groups[inside]) < size
    else:
        assert not len(drawn)
    assert (drawn == group_draw(candidates, size, groups, np.random.default_rng(seed))).all()


def test_groups_have_any_names_and_an_equal_chance():
    groups, generator = np.array(["ann", "bob", "ann", "cy"]), np.random.default_rng(0)
    times = sum(np.bincount(group_draw(np.arange(4), 1, groups, generator), minlength=4) for _ in range(300))
    assert times[0] == times[2] and times.min() > 60  # 100 expected


def test_groups_of_other_points_are_refused():
    with pytest.raises(WrongShape, match="one group a candidate"):
        group_draw(np.arange(4), 2, np.arange(5), np.random.default_rng(0))
