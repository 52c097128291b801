"""The paper's Listing 5: a share of the batch at random, the rest greedily."""

import numpy as np

import aljupyter as al


class EpsilonGreedy(al.strategies.Strategy):
    task = "regression"

    def __init__(self, eps=0.05):
        self.eps = eps

    def score(self, pool):
        return pool.posterior.mean_N

    def select(self, pool, n, scores):
        greedy = np.argsort(-scores)[: int((1 - self.eps) * n)]
        rest = np.setdiff1d(np.arange(len(pool)), greedy)
        return np.append(greedy, pool.generator("explore").choice(rest, n - len(greedy), replace=False))
