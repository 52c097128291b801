"""Known answers of strategies that look at where points lie, and of chance."""

import numpy as np

from aljupyter.randomness import numpy_generator
from tests.strategies.known import Situation, known


@known("k_center", "gsx")
def the_middle_and_then_the_ends(name):
    """Nothing is labelled. The mean is 4.6, next to 5; then the farthest from that, and the farthest from both."""
    return Situation([0, 1, 4, 5, 6, 9, 7.5], [0, 1] * 3 + [0], [], [3, 0, 5], n=3)


@known("relative_distance", "lcmd")
def the_farthest(name):
    """0 and 4 are labelled. 9 is farthest, by 5, and then -3, by 3. Around 0 there are four others near -3, whose
    squared distances sum up to more: there it begins by clusters."""
    x = [0, -3, -2.9, -2.8, -2.7, 4, 9, 4.1]
    return Situation(x, [0, 1] * 4, [0, 5], [6, 1] if name == "relative_distance" else [1, 6], n=2)


@known("max_det")
def another_direction():
    """(10, 0) is labelled: a linear model knows (30, 0) then, which is far, and nothing of (0, 3)."""
    x = [(10, 0), (30, 0), (0, 3), (0, 2), *[(t, 0.01 * t) for t in range(1, 9)]]
    return Situation(x, [0, 1] * 6, [0], [2])


_CROWD = [0, 4.5, 6, 9, 9.1, 9.2, 9.3, 9.4]
#: Two crowds whose mean is near 6, and whose dense part is around 9.2.
_LOPSIDED = [3, *_CROWD, *[100 + x for x in _CROWD]]


@known("representative")
def the_nearest_to_the_mean_of_each_crowd():
    """The means are 6.6 and 107.1; the larger crowd comes first."""
    return Situation(_LOPSIDED, [0, 1] * 8 + [0], [], [3, 11], n=2)


@known("typiclust")
def the_densest_place_of_each_crowd():
    """The four nearest neighbours (half of a cluster) are at 0.1, 0.1, 0.2 and 0.2."""
    return Situation(_LOPSIDED, [0, 1] * 8 + [0], [], [6, 14], n=2)


def _star(x, degrees):
    """A point and others at 0.99 from it, more than 1 from each other."""
    angles = np.deg2rad(degrees)
    return [(x, 0), *zip(x + 0.99 * np.cos(angles), 0.99 * np.sin(angles), strict=True)]


@known("prob_cover")
def the_middles_of_stars():
    """Balls of radius 1 cover six points there and then four; three that lie close together are fewer."""
    x = [*_star(0, [0, 62, 124, 186, 248]), *_star(50, [0, 90, 180]), (20, 0), (20.1, 0), (20.1, 0.1)]
    return Situation(x, [0, 1] * 6 + [0], [], [0, 6], n=2, parameters={"delta": 1.0})


@known("max_herding")
def the_middle_of_a_clump():
    """A Gaussian of width 0.5 weighs the arms of a star by exp(-1.96) = 0.14: 1.7 in all. In the clump that is nearest
    to its mean, (50, 0.14), is worth 3.9."""
    x = [*_star(0, [0, 72, 144, 216, 288]), (50, 0), (50, 0.05), (50, 0.2), (50, 0.3)]
    return Situation(x, [0, 1] * 5, [], [8], parameters={"bandwidth": 0.5})


@known("random")
def a_draw():
    """The three highest of numbers from the generator of the seed, the round and the purpose."""
    x = np.random.default_rng(0).normal(size=(30, 2))
    drawn = numpy_generator(0, 0, "random score").random(28)
    return Situation(x, [0, 1] * 15, [0, 1], (2 + np.argsort(-drawn)[:3]).tolist(), n=3)
