"""Quotas for tests of batches, and who may still come by them: counted anew for each pick."""

import numpy as np

from aljupyter.strategies.greedy import Batch


class Room:
    """So many of each of three groups may come: 0 to 4, drawn by a seed, and at least one point in all."""

    def __init__(self, seed, n_points):
        generator = np.random.default_rng([seed, 5])
        self.groups = generator.integers(0, 3, n_points)
        self.room = generator.integers(0, 5, 3)
        self.room[self.groups[0]] += 1
        self.most = int(np.minimum(np.bincount(self.groups, minlength=3), self.room).sum())

    def batch(self):
        return Batch(len(self.groups), self.groups, self.room)

    def still(self, picks):
        """Positions of the points that may come after some picks."""
        came = [int(self.groups[i]) for i in picks]
        return [i for i, g in enumerate(self.groups) if i not in set(picks) and came.count(int(g)) < self.room[g]]


def ample(seed, n_points):
    """A batch with groups that have room for all."""
    return Batch(n_points, np.random.default_rng(seed).integers(0, 3, n_points), np.full(3, n_points))
