"""Known answers for classification: what a model is unsure of, and what a label would change."""

import numpy as np

import aljupyter as al
from tests.strategies.known import Says, Situation, known, off_the_middle

# --- classification: what a model is unsure of ------------------------------------------------------------------------

#: The favourite of each score among points of three classes. Eight members say it, all the same but in two places.
FAVOURITES = {
    "entropy": (0.44, 0.28, 0.28),  # 1.07 nats; the next one has 1.06
    "least_confidence": (0.41, 0.39, 0.20),  # its likeliest class is the least likely one
    "margin": (0.43, 0.4245, 0.1455),  # 0.0055 between the first two
    "ratio": (0.5, 0.494, 0.006),  # 0.006 between them, and yet 0.988 : 1 where that is 0.987 : 1
    "bald": None,  # six members are sure of one class, two of another
    "vote": None,  # members vote for all three, and all of them are unsure
}
_SURE = [(0.98, 0.01, 0.01)] * 6 + [(0.01, 0.98, 0.01)] * 2
_TORN = [(0.6, 0.3, 0.1)] * 4 + [(0.3, 0.36, 0.34)] * 2 + [(0.3, 0.34, 0.36)] * 2


def gallery(names):
    """Draws (8, N, 3) for three labelled points, some that are certain enough, and the favourites."""
    plain = [(0.9, 0.06, 0.04), (0.05, 0.92, 0.03), (0.03, 0.05, 0.92)]
    points = [[row] * 8 for row in plain * 10]
    points += [{"bald": _SURE, "vote": _TORN}.get(name) or [FAVOURITES[name]] * 8 for name in names]
    return np.array(points).swapaxes(0, 1)


@known("entropy", "least_confidence", "margin", "ratio", "query_by_committee")
def the_favourite(name):
    draws = gallery(FAVOURITES)
    place = 30 + list(FAVOURITES).index({"query_by_committee": "vote"}.get(name, name))
    return Situation(off_the_middle(place), [0, 1, 2] * 12, [0, 1, 2], [place], Says(draws.mean(0), draws=draws))


@known("bald", "batch_bald")
def copies(name):
    """Members contradict each other about 30 and its copy 31, and not quite as much about 32, in another way.

    About ten more they do so less, and together; and 33 to 35 are as uncertain as any, by agreement.
    """
    draws = gallery(FAVOURITES)
    draws[:4, 20:30], draws[4:, 20:30] = (0.15, 0.8, 0.05), (0.8, 0.15, 0.05)
    draws[:, 30] = draws[:, 31] = _SURE
    draws[:, 32] = [(0.1, 0.8, 0.1), *[(0.9, 0.05, 0.05)] * 6, (0.1, 0.8, 0.1)]
    draws[:, 33:] = (0.34, 0.33, 0.33)
    pairs = [{30, 31}] if name == "bald" else [{30, 32}, {31, 32}]
    x = off_the_middle()
    x[31] = x[30]
    says = Says(draws.mean(0), draws=draws)
    return Situation(x, [0, 1, 2] * 12, [0, 1, 2], lambda q: set(q.indices.tolist()) in pairs, says, n=2)


@known("batch_bald:halves")
def copies_of_halves():
    """As before, but members contradict each other half against half: no evidence for any of them, as 34 is."""
    draws = gallery(FAVOURITES)
    third = np.arange(8)[:, None] // 2 % 2 < 1
    draws[:, 20:30] = np.where(third[..., None], (0.15, 0.8, 0.05), (0.8, 0.15, 0.05))
    draws[:4, 30:32], draws[4:, 30:32] = (0.98, 0.01, 0.01), (0.01, 0.98, 0.01)
    draws[::2, 32], draws[1::2, 32] = (0.97, 0.02, 0.01), (0.02, 0.97, 0.01)
    draws[:6, 34], draws[6:, 34], draws[:, [33, 35]] = (0.8, 0.15, 0.05), (0.15, 0.8, 0.05), (0.34, 0.33, 0.33)
    x = off_the_middle()
    x[31] = x[30]
    pairs = [{30, 32}, {31, 32}]
    says = Says(draws.mean(0), draws=draws)
    return Situation(x, [0, 1, 2] * 12, [0, 1, 2], lambda q: set(q.indices.tolist()) in pairs, says, n=2)


@known("acs_fw")
def evidence_for_most_members():
    """Members contradict each other about 25 to 33, half against half: no label there speaks for any of them.

    About 34 six of them contradict two: its likeliest label is evidence for the six. 35 is uncertain by agreement.
    """
    draws = gallery(FAVOURITES)
    draws[:4, 25:34], draws[4:, 25:34] = (0.94, 0.03, 0.03), (0.03, 0.94, 0.03)
    draws[:6, 34], draws[6:, 34], draws[:, 35] = (0.8, 0.15, 0.05), (0.15, 0.8, 0.05), (0.34, 0.33, 0.33)
    return Situation(off_the_middle(), [0, 1, 2] * 12, [0, 1, 2], [34], Says(draws.mean(0), draws=draws))


@known("epig")
def a_few_against_one():
    """Half of the members contradict the others about 30 alone. Another half does so about the ten before it, together.

    They do most surely about 29, which says most of these ten.
    """
    draws = np.full((8, 31, 2), 0.5)
    draws[:, 20:30, 1] = np.where(np.arange(8) % 4 < 2, 0.15, 0.85)[:, None]
    draws[:, 29, 1] = np.where(np.arange(8) % 4 < 2, 0.06, 0.94)
    draws[:, 30, 1] = np.where(np.arange(8) % 2 < 1, 0.01, 0.99)
    draws[:, :20, 1] = 0.1
    draws[..., 0] = 1 - draws[..., 1]
    x = off_the_middle(29, n_points=31, n_favourites=11)
    return Situation(x, [0, 1] * 15 + [0], [0, 1], [29], Says(draws.mean(0), draws=draws))


def two_halves(many, few, n_asked, between, draws_of):
    """75 points of much information and 75 of less, of which so many are asked of the first half."""
    draws = np.concatenate([np.repeat(draws_of(p), 75, axis=1) for p in (many, few)], axis=1)
    n_classes = draws.shape[2]
    certain = np.tile(np.eye(n_classes)[:, None] * 0.9 + 0.1 / n_classes, (1, len(draws), 1)).swapaxes(0, 1)
    draws = np.concatenate([draws, certain], axis=1)

    def judge(query):
        return between[0] <= (query.indices < 75).sum() <= between[1]

    x = np.random.default_rng(0).normal(size=(draws.shape[1], 2))
    y = np.arange(len(x)) % n_classes
    return Situation(x, y, list(range(150, 150 + n_classes)), judge, Says(draws.mean(0), draws=draws), n=n_asked)


def _bits(p):
    """Half of the members say p, the others 1 - p: ln 2 less the entropy of p is the information."""
    share = np.where(np.arange(8) % 2, p, 1 - p)
    return np.stack([share, 1 - share], 1)[:, None]


def _all_for_another(p):
    """Each of ten members gives another class p, and the others the rest in equal parts."""
    return ((p - (1 - p) / 9) * np.eye(10) + (1 - p) / 9)[:, None]


@known("power_bald")
def in_proportion():
    """0.23 and 0.023 nats: ten to one, so that about 44 of 50 come of the first. exp(0.2) would be 1.2 to one."""
    return two_halves(0.17, 0.393, 50, (40, 49), _bits)


@known("softmax_bald")
def by_the_exponential():
    """2.2 and 0 nats: nine to one, so that about 43 of 50 come of the first; without proportion all would."""
    return two_halves(0.99, 0.1, 50, (40, 48), _all_for_another)


@known("softrank_bald")
def by_the_rank():
    """Of 300 points with almost the same information the first 20 ranks have more than half of the weight.

    At least 3 of 10 are of these; and one at least is not of the first 30.
    """
    p = 0.2 + 1e-4 * np.random.default_rng(0).permutation(302)
    draws = np.concatenate([_bits(value) for value in p], axis=1)
    rank = np.empty(302)
    rank[2 + np.argsort(p[2:])] = np.arange(300)

    def judge(query):
        of_asked = rank[query.indices]
        return (of_asked < 20).sum() >= 3 and of_asked.max() >= 30

    x = np.random.default_rng(0).normal(size=(302, 2))
    return Situation(x, [0, 1] * 151, [0, 1], judge, Says(draws.mean(0), draws=draws), n=10)


# --- classification: what a label would change ------------------------------------------------------------------------


@known("badge")
def two_gradients():
    """Two points of the longest gradient, and nine of another: after one of the two there is nothing left but these."""
    mean = np.tile([0.6, 0.4], (20, 1))
    embedding = np.full((20, 2), 1e-9)
    embedding[8:17], embedding[17:] = (3, 0), (0, 5)
    mean[:2], x = (0.99, 0.01), off_the_middle(n_points=20, n_favourites=12)

    def judge(query):
        first, second = query.indices.tolist()
        return first in (17, 18) and second in range(8, 17)

    return Situation(x, [0, 1] * 10, [*range(8), 19], judge, Says(mean, embedding=embedding), n=2)


@known("bait", "max_det:model")
def what_most_points_depend_on(name):
    """34 points depend on one weight, and 35 on another, with a length of 3: 9 of 44 squared. The label of 34, which is
    the longest of the 34, lowers the variance of most predictions; that of 35 says most by itself."""
    embedding, variance = np.zeros((36, 2)), np.ones(36)
    embedding[1:, 0], embedding[34, 0], embedding[35] = 1.0, 1.5, (0, 3)
    variance[33] = 100.0
    says = Says(np.zeros(36), variance, np.ones(36), embedding=embedding)
    parameters = {} if name == "bait" else {"embedding": "model"}
    answer = [34] if name == "bait" else [35]
    return Situation(off_the_middle(34), np.zeros(36), [0], answer, says, 1, "regression", parameters)


@known("expected_model_change")
def a_surprise_would_change_more():
    """34: (0.6, 0.2, 0.2) at length 1.1 is 0.77 on average, 0.54 if the likeliest is right. 35: (0.5, 0.5, 0) is 0.71
    by either, and 33, of a class unknown, at length 0.9 is 0.73."""
    mean, embedding = np.tile([0.97, 0.02, 0.01], (36, 1)), np.zeros((36, 2))
    mean[33:] = (0.34, 0.33, 0.33), (0.6, 0.2, 0.2), (0.5, 0.5, 0)
    embedding[3:33, 0], embedding[33:] = 1.0, ((0.9, 0), (0, 1.1), (0, 1))
    says = Says(mean, embedding=embedding)
    return Situation(off_the_middle(), [0, 1, 2] * 12, [0, 1, 2], [34], says)


@known("expected_error_reduction")
def a_crowd_without_labels():
    """Labels contradict each other around 0, where a crowd is: one more says little. Around 50 there is none yet, and
    the middle one of nine says most of the others."""
    near, far = np.linspace(-0.02, 0.02, 20), 50 + np.linspace(-0.8, 0.8, 9)
    x = [*np.linspace(-0.03, 0.03, 8), *near, *far, -50]
    y = [0, 1] * 19
    return Situation(x, y, list(range(8)), [32], al.GPClassifier(optimizer=None))


# --- classification: uncertain, and somewhere -------------------------------------------------------------------------


@known("density_weighted")
def the_most_unsure_of_a_crowd():
    """78 and 79 are the most uncertain, and alone. 42 are certain, in one place. Of 36 others 44 is least so."""
    x = np.concatenate([np.linspace(-0.1, 0.1, 42), np.linspace(4.1, 5.9, 36), [-30, 40]])
    p = np.concatenate([np.full(42, 0.97), np.full(36, 0.58), [0.5, 0.501]])
    p[44] = 0.525
    return Situation(x, [0, 1] * 40, [0, 1], [44], Says(np.stack([p, 1 - p], 1)))


@known("ranked_batch")
def unsure_and_far():
    """Ten of twenty are labelled: half of the score is distance. 0.45 + 0.2 for 17, at 9 from a label and with 0.6 for
    its likeliest class; 0.495 + 0.005 for 18, at 98, which is certain; 0.05 + 0.25 for 19, at 0.1."""
    x = [*np.linspace(-1, 0, 10), *np.linspace(-0.9, -0.1, 6), -98.9, 9, -99, 0.1]
    p = np.array([0.99] * 17 + [0.6, 0.99, 0.5])
    says = Says(np.stack([p, 1 - p], 1), embedding=np.ones((20, 1)))
    return Situation(x, [0, 1] * 10, list(range(10)), [17], says)


@known("cluster_margin")
def unsure_in_two_places():
    """The two smallest margins are one place; of that comes one, after the third smallest, which is a cluster alone."""
    x = [0, 3, 7, 7.001, 12, -30, 21, 26, 26.6, 30, 30.6, 40]
    p = np.array([0.9, 0.95, 0.5, 0.5001, 0.9, 0.51, 0.91, 0.92, 0.93, 0.94, 0.95, 0.96])

    def judge(query):
        first, second = query.indices.tolist()
        return first == 5 and second in (2, 3)

    return Situation(x, [0, 1] * 6, [0, 1], judge, Says(np.stack([p, 1 - p], 1)), n=2)


@known("auto")
def unsure_and_now_and_then_at_random():
    """Of 30 points at least 24 are of the 30 smallest margins; one at least, and eight at most, not of the 60 smallest.

    There are 20 labels a class, so it is past its start.
    """
    rng = np.random.default_rng(0)
    p = 0.5 + 0.49 * rng.permutation(340) / 340
    unsure = 40 + np.argsort(p[40:])

    def judge(query):
        asked = set(query.indices.tolist())
        return len(asked & set(unsure[:30])) >= 24 and 1 <= len(asked - set(unsure[:60])) <= 8

    return Situation(
        rng.normal(size=(340, 2)), [0, 1] * 170, list(range(40)), judge, Says(np.stack([p, 1 - p], 1)), n=30
    )
