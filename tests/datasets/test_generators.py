"""Synthetic data: what is stated of them, against their sample moments, and rules written down another way."""

import hashlib
import os
import random
import subprocess
import sys
import warnings

import numpy as np
import pytest
import sklearn.datasets
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import aljupyter as al
from aljupyter.datasets import generators, loading
from aljupyter.datasets.entries import entry_of
from aljupyter.datasets.readers import Request
from aljupyter.errors import DownloadFailed, WrongChecksum

CLOUDS = ("synth_class1", "synth_class2", "synth_class3", "gaussian_clouds")
BOARDS = {"checkerboard2x2": (2, False), "checkerboard4x4": (4, False), "rotated_checkerboard2x2": (2, True)}
DRAWN = {name: {} for name in (*CLOUDS, "synth_reg1", "synth_reg2")} | {name: {"generate": True} for name in BOARDS}
POOLED = 250  # seeds, of which moments are taken together
ERRORS = 5  # standard errors that a moment may be off

ROUND = np.eye(2)
A = np.array([[0.60834549, -0.63667341], [-0.40887718, 0.85253229]])
LONG = np.array([[1.0, 2.0], [2.0, 7.0]])
STATED = {  # class, points, mean, covariance, in the order of the rows: the May 2022 definitions of datasets.md
    "synth_class1": [(1, 250, (3, 3), ROUND), (0, 250, (0, 0), ROUND)],
    "synth_class2": [
        (1, 84, (0, 5), ROUND),
        (1, 83, (-5, 10), ROUND),
        (1, 83, (-5, -10), ROUND),
        (0, 84, (0, -5), ROUND),
        (0, 83, (5, 10), ROUND),
        (0, 83, (5, -10), ROUND),
    ],
    "synth_class3": [(1, 125, (0, 0), A @ A.T), (1, 125, (3, 10), A @ A.T), (0, 250, (3, 3), LONG)],
}


def drawn(name, seed, paper=False, **options):
    """Without what `load` adds, for many seeds."""

    def no_file(i):
        raise AssertionError(f"file {i} of {name} was read")

    return getattr(generators, name)(Request(entry_of(name), paper, seed, no_file), **{**DRAWN[name], **options})


def require_moments(x_N_D, mean_D, cov_D_D):
    """Within standard errors of normal samples: of a mean s/sqrt(n), of a covariance sqrt((s_ii s_jj + s_ij^2)/n)."""
    n, cov = len(x_N_D), np.asarray(cov_D_D)
    spread = np.diag(cov)
    assert (np.abs(x_N_D.mean(axis=0) - mean_D) < ERRORS * np.sqrt(spread / n)).all()
    error = np.sqrt((np.outer(spread, spread) + cov**2) / n)
    assert (np.abs(np.cov(x_N_D.T, bias=True) - cov) < ERRORS * error + ERRORS**2 * np.outer(spread, spread) / n).all()


@pytest.mark.parametrize("paper", [False, True])
@pytest.mark.parametrize("name", STATED)
def test_clouds_have_the_stated_sizes_means_and_covariances(name, paper):
    draws = [drawn(name, seed, paper) for seed in range(POOLED)]
    begin = 0
    for label, size, mean, cov in STATED[name]:
        assert all((draw.y[begin : begin + size] == label).all() for draw in draws)
        require_moments(np.concatenate([draw.x[begin : begin + size] for draw in draws]), mean, cov)
        begin += size
    assert begin == 500 == len(draws[0].x) == len(draws[0].y)
    assert draws[0].splits == {} and (draws[0].y == 1).sum() == 250


@pytest.mark.parametrize("name", STATED)
def test_clouds_are_normal(name):
    draws = [drawn(name, seed) for seed in range(POOLED)]
    _, size, mean, cov = STATED[name][0]
    white = (np.concatenate([draw.x[:size] for draw in draws]) - mean) @ np.linalg.inv(np.linalg.cholesky(cov)).T
    assert stats.kstest(white[:, 0], "norm").pvalue > 1e-3 and stats.kstest(white[:, 1], "norm").pvalue > 1e-3


def test_gaussian_clouds_have_a_share_between_a_tenth_and_nine_tenths():
    draws = [drawn("gaussian_clouds", seed) for seed in range(400)]
    counts = np.array([(draw.y[:1000] == 1).sum() for draw in draws])
    assert counts.min() >= 100 and counts.max() <= 900
    assert stats.kstest(counts / 1000, stats.uniform(0.1, 0.8).cdf).pvalue > 1e-3
    for draw, count in zip(draws, counts, strict=True):
        assert len(draw.y) == 11000 and (draw.y[1000:] == 1).sum() == 10 * count
        assert (np.diff(draw.y[:1000]) <= 0).all() and (np.diff(draw.y[1000:]) <= 0).all()  # sorted: 1, then 0
        assert draw.splits["train"].tolist() == list(range(1000))
        assert draw.splits["test"].tolist() == list(range(1000, 11000))


def test_gaussian_clouds_of_the_paper_have_exactly_four_fifths_of_class_one():
    for seed in range(20):
        draw = drawn("gaussian_clouds", seed, paper=True)
        assert draw.y.sum() == 8800 and draw.y[:1000].sum() == 800 and draw.splits == {}


@pytest.mark.parametrize("paper", [False, True])
def test_gaussian_clouds_lie_in_the_unit_square_and_have_the_covariances_of_lal(paper):
    """Of M M^T with entries of M uniform in (-1/2, 1/2): E = I/6, and the det is a square of one in (-1/2, 1/2)."""
    means, covs = [], []
    for seed in range(300):
        draw = drawn("gaussian_clouds", seed, paper)
        for label in (0, 1):
            train, test = (x[y == label] for x, y in ((draw.x[:1000], draw.y[:1000]), (draw.x[1000:], draw.y[1000:])))
            require_moments(train, test.mean(axis=0), np.cov(test.T))  # one cloud
            means.append(test.mean(axis=0))
            covs.append(np.cov(test.T))
    means, covs = np.array(means), np.array(covs)
    for column in means.T:
        assert stats.kstest(column, "uniform").pvalue > 1e-3
    entries = np.random.default_rng(0).uniform(-0.5, 0.5, (4000, 2, 2))
    simulated = entries @ entries.transpose(0, 2, 1)
    for i, j in ((0, 0), (1, 1), (0, 1)):
        error = simulated[:, i, j].std() / np.sqrt(len(covs))
        assert abs(covs[:, i, j].mean() - (i == j) / 6) < ERRORS * error
        assert stats.ks_2samp(covs[:, i, j], simulated[:, i, j]).pvalue > 1e-3
    assert stats.ks_2samp(np.linalg.det(covs), np.linalg.det(simulated)).pvalue > 1e-3


def test_synth_reg1_is_that_of_scikit_learn_and_a_line():
    data = al.datasets.load("synth_reg1")
    x, y = sklearn.datasets.make_regression(n_samples=1000, n_features=1, random_state=1234)  # the call of the paper
    np.testing.assert_array_equal(data.x.numpy(), x)
    np.testing.assert_array_equal(data.y.numpy(), y)
    for seed in (0, 1, 2):
        draw = drawn("synth_reg1", seed)
        assert abs(stats.pearsonr(draw.x[:, 0], draw.y).statistic) == pytest.approx(1, abs=1e-12)
        assert stats.kstest(draw.x[:, 0], "norm").pvalue > 1e-3


def test_synth_reg2_is_a_spiral_with_noise_of_a_tenth():
    draws = [drawn("synth_reg2", seed) for seed in range(20)]
    z, x = np.concatenate([draw.x for draw in draws]).T
    y = np.concatenate([draw.y for draw in draws])
    assert stats.kstest(z, stats.uniform(0, 15).cdf).pvalue > 1e-3
    noise = np.column_stack([x - np.sin(z), y - np.cos(z)])
    require_moments(noise, (0, 0), 0.01 * np.eye(2))
    assert stats.kstest(noise[:, 0] / 0.1, "norm").pvalue > 1e-3
    assert al.datasets.load("synth_reg2").feature_names == ("z", "x")


# --- checkerboards --------------------------------------------------------------------------------------------------


def field_by_field(x0, x1, k, rotated):
    """Another way to say the rule."""
    if rotated:
        return int(abs(x0 - 0.5) > abs(x1 - 0.5))
    return int((int(k * x0) + int(k * x1)) % 2 == 0)


@pytest.mark.parametrize("name", BOARDS)
def test_all_labels_of_lals_files_follow_the_rule(data_folder, name):
    for half in ("train", "test"):
        with np.load(data_folder / f"checkerboard/{name}_{half}.npz") as arrays:
            labels = arrays["y"].ravel()
            np.testing.assert_array_equal(generators.checkerboard(arrays["x"], *BOARDS[name]), labels)
            assert [field_by_field(*point, *BOARDS[name]) for point in arrays["x"].tolist()] == labels.tolist()


@pytest.mark.parametrize("name", BOARDS)
def test_drawn_points_follow_the_rule_and_fill_the_square(name):
    draw = drawn(name, 3)
    assert [field_by_field(*point, *BOARDS[name]) for point in draw.x.tolist()] == draw.y.tolist()
    assert draw.x.shape == (2000, 2) and draw.splits["test"].tolist() == list(range(1000, 2000))
    for column in draw.x.T:
        assert stats.kstest(column, "uniform").pvalue > 1e-3
    assert stats.binomtest(int(draw.y.sum()), 2000).pvalue > 1e-3


coordinates = st.floats(0, 1, exclude_max=True)


@given(coordinates, coordinates, st.sampled_from([2, 4]))
def test_a_step_to_the_next_field_changes_the_class(x0, x1, k):
    here, beside, across = generators.checkerboard(
        np.array([[x0, x1], [(x0 + 1 / k) % 1, x1], [(x0 + 1 / k) % 1, (x1 + 1 / k) % 1]]), k
    )
    if min(abs(k * v - round(k * v)) for v in (x0, x1)) > 1e-9:
        assert here != beside and here == across


@given(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
def test_the_turned_board_swaps_its_classes_when_turned_by_a_right_angle(u, v):
    if abs(abs(u) - abs(v)) > 1e-9:
        here, turned = generators.checkerboard(np.array([[u, v], [-v, u]]) + 0.5, 2, rotated=True)
        assert here != turned


@pytest.mark.parametrize("name", BOARDS)
def test_a_board_whose_files_cannot_be_had_is_drawn_with_a_warning(monkeypatch, name):
    def offline(file, cache):
        raise DownloadFailed("no network")

    monkeypatch.setattr(loading, "read_file", offline)
    with pytest.warns(UserWarning, match=f"files of {name} cannot be had.*seed 5.*no network"):
        made = al.datasets.load(name, seed=5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asked = al.datasets.load(name, seed=5, generate=True)
    assert torch.equal(made.x, asked.x) and torch.equal(made.y, asked.y)
    for data in (made, asked):
        assert "drawn anew by the rule, from seed 5" in " ".join(data.description.split())


def test_a_board_whose_file_is_damaged_is_not_replaced(monkeypatch):
    def damaged(file, cache):
        raise WrongChecksum("another file")

    monkeypatch.setattr(loading, "read_file", damaged)
    with pytest.raises(WrongChecksum, match="another file"):
        al.datasets.load("checkerboard2x2")


# --- seeds ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", ["clean", "paper"])
@pytest.mark.parametrize("name", DRAWN)
def test_a_seed_gives_the_same_data_again_and_another_seed_others(name, variant):
    first, again, other = (al.datasets.load(name, variant, seed=seed, **DRAWN[name]) for seed in (1, 1, 2))
    assert torch.equal(first.x, again.x) and torch.equal(first.y, again.y)
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert not set(map(tuple, first.x.tolist())) & set(map(tuple, other.x.tolist()))
    if variant == "paper":
        assert first.x.dtype == torch.float32 and first.y.dtype in (torch.float32, torch.int64)


@pytest.mark.parametrize("name", DRAWN)
def test_drawing_leaves_every_global_generator_alone(name):
    np.random.seed(3)
    before = (np.random.get_state(), torch.get_rng_state(), random.getstate())
    al.datasets.load(name, seed=8, **DRAWN[name])
    name_before, keys, *rest = before[0]
    name_after, keys_after, *rest_after = np.random.get_state()
    assert (name_before, rest) == (name_after, rest_after) and (keys == keys_after).all()
    assert torch.equal(before[1], torch.get_rng_state()) and before[2] == random.getstate()


def test_a_seed_gives_the_same_data_in_every_process():
    """Nothing hangs on the order of a set: other values of PYTHONHASHSEED, the same data to the last bit."""
    code = (
        "import hashlib, aljupyter as al\n"
        f"for name, options in {DRAWN!r}.items():\n"
        "    for variant in ('clean', 'paper'):\n"
        "        d = al.datasets.load(name, variant, seed=11, **options)\n"
        "        print(name, hashlib.sha256(d.x.numpy().tobytes() + d.y.numpy().tobytes()).hexdigest(), d.fingerprint)"
    )
    here = []
    for name, options in DRAWN.items():
        for variant in ("clean", "paper"):
            d = al.datasets.load(name, variant, seed=11, **options)
            content = hashlib.sha256(d.x.numpy().tobytes() + d.y.numpy().tobytes()).hexdigest()
            here.append(f"{name} {content} {d.fingerprint}")
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": value}, stdout=subprocess.PIPE, text=True
        )
        for value in ("0", "1")
    ]
    printed = [process.communicate(timeout=120)[0].splitlines() for process in started]
    assert printed == [here, here]
