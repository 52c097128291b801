"""Learners to explore, and hands to explore them with."""

import time

import numpy as np

import aljupyter as al
from tests.managers import NearestMean


def make_learner(n=60, n_features=2, labelled=6, model=None, strategy=None, **more):
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2
    x = rng.normal(size=(n, n_features)) + 2 * y[:, None]
    data = al.DataManager(x, np.array(["no", "yes"])[y], test=0.25, labelled=labelled, seed=0, **more)
    return al.ActiveLearner(data, model or NearestMean(), strategy or al.strategies.Entropy(), seed=0)


class Slow(NearestMean):
    """Takes a second or more to fit, and listens."""

    def __init__(self, seconds=1):
        super().__init__()
        self.seconds = seconds

    def fit(self, labelled, control=None):
        if self.fits:  # the first fit, for the picture that a test starts with, is quick
            for _ in range(100 * self.seconds):
                time.sleep(0.01)
                if control is not None:
                    control.check()
        super().fit(labelled, control)


def click(explorer, name):
    getattr(explorer._controls, name).click()


def choose(explorer, name, value):
    owner = explorer._picker if name in ("plane", "first", "second", "others") else explorer._controls
    getattr(owner, name).value = value


def eventually(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.01)
