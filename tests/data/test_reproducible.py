"""A seed is enough to come back to the same views, in another process too."""

import os
import subprocess
import sys

PROGRAM = """
import numpy as np, pandas as pd
from aljupyter.data import DataManager
n = 60
table = pd.DataFrame({
    "colour": np.array(["red", "green", "blue"])[np.arange(n) % 3],
    "note": [f"word{i % 7} and {i} more" for i in range(n)],
    "size": np.sin(np.arange(n)),
})
data = DataManager(table, np.array(["yes", "no"])[np.arange(n) % 2], test=0.2, validation=5, labelled=7, seed=3)
print([view.indices.tolist() for view in (data.train, data.validation, data.test, data.labelled)])
print(data.classes, data.feature_names, data.train.x.sum(1).tolist())
"""


def test_the_same_seed_gives_the_same_views_whatever_the_hash_seed():
    def run(hash_seed):
        environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        return subprocess.run([sys.executable, "-c", PROGRAM], env=environment, check=True, capture_output=True).stdout

    first = run("1")
    assert first == run("2")
    assert b"colour=blue" in first
