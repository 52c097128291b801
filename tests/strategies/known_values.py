"""Known answers for regression: values, how unsure they are, and what goes together."""

import numpy as np

from tests.strategies.known import Says, Situation, known, off_the_middle


@known("variance", "upper_confidence_bound", "expected_improvement", "bald:values", "thompson")
def values(name):
    """The best label so far is 1."""
    rows = {  # mean, standard deviation, noise
        "high": (1.05, 0.01, 2.0),
        "variance": (-9.0, 2.5, 2.0),
        "upper_confidence_bound": (0.9, 0.5, 2.0),  # 1.4; expected improvement 0.15
        "expected_improvement": (-1.0, 2.2, 2.0),  # 1.2; expected improvement 0.22
        "bald:values": (-9.0, 1.0, 0.1),  # the least noise: ten times more signal than noise
        "thompson": (-9.0, 0.1, 2.0),
    }
    mean, std, noise = np.array([(1.0, 0.01, 2.0), (0.0, 0.01, 2.0), *[(-9.0, 0.01, 2.0)] * 28, *rows.values()]).T
    place = 30 + list(rows).index(name)
    draws = None
    if name == "thompson":  # the only function there is to draw is highest where nobody else looks
        draws = np.where(np.arange(36) == place, 5.0, -np.arange(36.0))[None]
    embedding = np.ones((36, 1))
    embedding[7] = 1000.0  # where a label would change a linear model most
    model = Says(mean, std**2, noise, draws=draws, embedding=embedding)
    answer = [place, 31] if name == "bald:values" else [place]  # 1.2 nats, and then 0.7
    return Situation(off_the_middle(place), mean, [0, 1], answer, model, n=len(answer), task="regression")


@known("greedy")
def the_highest():
    """In their order, however uncertain they are."""
    rng = np.random.default_rng(0)
    mean, variance = rng.permutation(np.arange(300.0)), 30 * rng.random(300)
    answer = 2 + np.argsort(-mean[2:])[:25]
    model = Says(mean, cov=np.diag(variance), noise=np.ones(300))
    return Situation(rng.normal(size=(300, 2)), mean, [0, 1], answer.tolist(), model, n=25, task="regression")


@known("epsilon_greedy")
def high_and_now_and_then_at_random():
    """Of 40 points with a share of 0.15 at random: at least 26 of the 40 highest, and 1 to 12 not of the 80 highest."""
    rng = np.random.default_rng(0)
    mean = rng.permutation(np.arange(300.0))
    high = np.argsort(-mean[2:]) + 2

    def judge(query):
        asked = set(query.indices.tolist())
        return len(asked & set(high[:40])) >= 26 and 1 <= len(asked - set(high[:80])) <= 12

    says = Says(mean, cov=np.diag(30 * rng.random(300)), noise=np.ones(300))
    return Situation(rng.normal(size=(300, 2)), mean, [0, 1], judge, says, 40, "regression", {"eps": 0.15})


@known("expected_model_change:values")
def a_long_embedding():
    """Deviation times length: 1 x 5, where the largest deviation is 2 and the largest length 6."""
    std, embedding = np.full(36, 0.01), np.ones((36, 1))
    std[34], std[35], embedding[34], embedding[33] = 1.0, 2.0, 5.0, 6.0
    says = Says(np.zeros(36), std**2, np.ones(36), embedding=embedding)
    return Situation(off_the_middle(), np.zeros(36), [0, 1], [34], says, task="regression")


@known("ivr", "epig:values", "d_optimal")
def what_goes_together(name):
    """Latent values, all with noise 1 but for one. By variance: 30 has 150 and 31 has 120, under noise 1000.

    32 has 100 and 33 goes with it: their sum falls by 198, that of 30 by 149. 34 to 43 have 1 and go together, 34 most
    of all: it says most of most points, though they hardly vary. Information alone: 30 first, then 32.
    """
    loads = np.zeros((44, 44))
    loads[30, 0], loads[31, 1], loads[32, 2], loads[33, 2] = 150**0.5, 120**0.5, 10.0, 9.9
    loads[34:, 3] = 1.0
    loads[35:, 35:] = 0.2 * np.eye(9)
    loads[:30, :30] += 0.01 * np.eye(30)
    noise = np.ones(44)
    noise[31], noise[34:] = 1000.0, 0.1
    answer = {"ivr": [32, 30], "epig:values": [34], "d_optimal": [30, 32]}[name]
    says = Says(np.zeros(44), cov=loads @ loads.T, noise=noise)
    x = off_the_middle(n_points=44, n_favourites=14)
    return Situation(x, np.zeros(44), [0, 1], answer, says, n=len(answer), task="regression")


@known("gsy", "igs")
def outputs(name):
    """Labels are 0 at 0 and 1 at 1. Predictions far from both are made next to them: -10, then -5. At 5 it is -3: 5 x 3
    and 4 x 4 from the labels, the largest product. At 9 it is one of the labels, almost."""
    x = [0, 1, *np.linspace(0.2, 0.8, 9), 0.01, 0.02, 0.99, 5, 9]
    mean = [0, 1, *np.linspace(0.2, 0.8, 9), -10, -9.9, -5, -3, 1.05]
    answer = [11, 13] if name == "gsy" else [14]
    model = Says(mean, np.ones(16), np.ones(16))
    return Situation(x, mean, [0, 1], answer, model, n=len(answer), task="regression")
