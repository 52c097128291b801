"""A process that plays rounds with a journal and says which were acknowledged, until it is killed.

``python stepper.py PATH``
"""

import os
import sys

import numpy as np

import aljupyter as al


def begun(path):
    """The learner of this test, on a journal."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1500, 3))
    data = al.DataManager(x, (x[:, 0] > 0).astype(int), test=100, labelled=10, seed=0)
    model = al.GPClassifier("rbf", optimizer=None)  # whose fits do not depend on those before
    return al.ActiveLearner(data, model, al.strategies.Entropy(), seed=0, journal=path)


if __name__ == "__main__":
    learner = begun(sys.argv[1])
    learner.peek(1)  # what is slow the first time
    os.write(1, b"ready\n")
    while not learner.pool_is_empty:
        record = learner.step(1 + learner.round % 3)
        os.write(1, f"{record.round} {' '.join(map(str, record.indices.tolist()))}\n".encode())
