"""Stop rules: when a run ends, and what it says of it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import aljupyter as al
from aljupyter.errors import InvalidParameter, NotFitted
from aljupyter.stopping import Budget, Plateau, PredictionsSettled, StopRule, UncertaintyBelow
from tests.managers import Mean, NearestMean


def make_learner(n=80, labelled=6, model=None, strategy=None, apart=2.0):
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2
    data = al.DataManager(rng.normal(size=(n, 2)) + apart * y[:, None], y, test=0.25, labelled=labelled, seed=0)
    return al.ActiveLearner(data, model or NearestMean(), strategy or al.strategies.Entropy(), seed=0)


def make_regression(n=60):
    x = np.linspace(0, 3, n)[:, None]
    data = al.DataManager(x, np.sin(x[:, 0]) * 100 + 200, task="regression", test=0.25, labelled=5, seed=0)
    return al.ActiveLearner(data, Mean(), al.strategies.Variance(), seed=0)


# --- budget ---------------------------------------------------------------------------------------------------------


def test_a_budget_is_spent_to_the_last_label_and_not_overdrawn():
    learner = make_learner()
    played = learner.run(n=5, until=Budget(23), progress=False)
    assert [len(record.indices) for record in played] == [5, 5, 5, 2]
    assert learner.n_labels == 23
    assert played.stopped == "the budget of 23 labels is spent"


def test_a_budget_that_is_spent_already_asks_nothing():
    learner = make_learner()
    played = learner.run(5, until=Budget(6), progress=False)
    assert (list(played), learner.n_labels) == ([], 6)


def test_without_rules_nothing_is_said_and_nothing_fitted_after_the_last_round():
    learner = make_learner()
    played = learner.run(3, progress=False)
    assert (len(played), played.stopped, learner.model.fits) == (3, "", 3)


def test_a_run_to_its_end_says_that_no_rule_ended_it():
    played = make_learner().run(2, until=Budget(50), progress=False)
    assert (len(played), played.stopped) == (2, "")


def test_rounds_are_those_of_a_run_without_rules():
    alone, ruled = make_learner(), make_learner()
    alone.run(6, progress=False)
    ruled.run(until=[Plateau(50), Budget(12)], progress=False)
    assert [r.indices.tolist() for r in alone.history] == [r.indices.tolist() for r in ruled.history]


# --- plateau --------------------------------------------------------------------------------------------------------


class Told(StopRule):
    """What a rule says of a made-up curve."""

    @staticmethod
    def of(rule, values, metric="accuracy", task="classification"):
        class Record:
            def __init__(self, value):
                self.metrics = {metric: value}

        class Learner:
            history = [Record(value) for value in values[:-1]]
            metrics = {metric: values[-1]}
            metric_names = (metric,)

            class data:  # noqa: N801
                pass

        Learner.data.task = task
        return rule.reason(Learner)

    def reason(self, learner):
        return ""


def test_a_plateau_is_no_gain_of_the_best_in_the_last_rounds():
    rule = Plateau(rounds=3, by=0.01, metric="accuracy")
    assert Told.of(rule, [0.5, 0.8, 0.9, 0.905, 0.88, 0.909]) == "accuracy has not risen by more than 0.01 in 3 rounds"
    assert Told.of(rule, [0.5, 0.8, 0.9, 0.905, 0.88, 0.92]) == ""
    assert Told.of(rule, [0.9, 0.9, 0.9]) == ""  # too few rounds to say


def test_errors_are_to_fall():
    rule = Plateau(rounds=2, by=0.1, metric="rmse")
    assert Told.of(rule, [3.0, 2.0, 1.0], "rmse", "regression") == ""
    assert "has not fallen" in Told.of(rule, [1.0, 2.0, 3.0], "rmse", "regression")


@given(st.lists(st.floats(0, 1), min_size=2, max_size=30), st.integers(1, 6), st.floats(0, 0.2))
def test_a_plateau_follows_its_definition(values, rounds, by):
    stops = bool(Told.of(Plateau(rounds, by, "accuracy"), values))
    before, last = values[:-rounds], values[-rounds:]
    assert stops == (len(before) > 0 and max(last) <= max(before) + by)


def test_a_plateau_ends_a_run_at_the_model_that_shows_it():
    learner = make_learner()
    played = learner.run(until=Plateau(4, 0.0), progress=False)
    assert played.stopped.startswith("balanced accuracy has not risen")
    curve = learner.curve()["balanced_accuracy"].to_numpy()
    assert max(curve[-4:]) <= max(curve[:-4])
    for k in range(5, len(curve)):  # and not later than it could
        assert max(curve[k - 4 : k]) > max(curve[: k - 4])


# --- uncertainty ----------------------------------------------------------------------------------------------------


def test_a_sure_model_ends_the_run():
    learner = make_learner(apart=20.0)
    played = learner.run(until=UncertaintyBelow(0.05), progress=False)
    assert played.stopped.startswith("least confidence is below 0.05 in the whole pool")
    probs = learner.model.posterior(learner.data.unlabelled).mean_N_C
    assert float(1 - probs.max(1).values.min()) < 0.05


def test_an_unsure_one_does_not():
    assert make_learner(apart=0.0).run(3, until=UncertaintyBelow(1e-6), progress=False).stopped == ""


def test_regression_has_a_deviation():
    learner = make_regression()
    played = learner.run(until=UncertaintyBelow(0.3), progress=False)
    assert played.stopped.startswith("standard deviation is below 0.3")
    assert float(learner.model.posterior(learner.data.unlabelled).std_N.max()) < 0.3


# --- predictions ----------------------------------------------------------------------------------------------------


def test_settled_predictions_end_the_run():
    learner = make_learner()
    played = learner.run(until=PredictionsSettled(0.02, 3), progress=False)
    assert played.stopped.startswith("predictions have settled")
    said = [learner.at(k).model.posterior(learner.data.train).mean_N_C.argmax(1) for k in range(len(played))]
    said.append(learner.model.posterior(learner.data.train).mean_N_C.argmax(1))
    changes = [float((a != b).double().mean()) for a, b in zip(said[:-1], said[1:], strict=True)]
    assert max(changes[-3:]) <= 0.02
    assert all(max(changes[k - 3 : k]) > 0.02 for k in range(3, len(changes)))


def test_regression_settles_in_deviations_of_the_labels():
    learner = make_regression()
    played = learner.run(until=PredictionsSettled(0.05, 2), progress=False)
    assert played.stopped.startswith("predictions have settled")
    means = [float(learner.at(k).model.means[0]) for k in range(len(played))] + [float(learner.model.means[0])]
    changes = np.abs(np.diff(means)) / float(learner.data.labelled.y.std())
    assert max(changes[-2:]) <= 0.05


def test_models_that_cannot_be_stored_are_compared_by_who_watched_them():
    class Stateless(NearestMean):
        def state(self):
            return None

        def clone(self):
            return Stateless()

    stored, stateless = make_learner(), make_learner(model=Stateless())
    said = [learner.run(until=PredictionsSettled(0.02, 3), progress=False).stopped for learner in (stored, stateless)]
    assert said[0] == said[1] != ""
    assert len(stored.history) == len(stateless.history)
    assert PredictionsSettled(1.0, 2).reason(stateless) == ""  # it came too late to see them
    with pytest.raises(NotFitted):
        _ = stateless.at(0).model


def test_a_rule_asked_after_an_undo_looks_at_the_rounds_there_are():
    learner, rule = make_learner(), PredictionsSettled(0.0, 2)
    learner.run(3, progress=False)
    learner.fit()
    rule.reason(learner)
    learner.undo()
    learner.label([int(learner.data.unlabelled.indices[0])], [1])
    learner.fit()
    assert rule.reason(learner) == PredictionsSettled(0.0, 2).reason(learner)


# --- any rule -------------------------------------------------------------------------------------------------------


def test_a_function_is_a_rule():
    learner = make_learner()
    played = learner.run(until=lambda learner: learner.n_labels >= 9, progress=False)
    assert (learner.n_labels, played.stopped) == (9, "the condition given holds")
    assert learner.run(until=lambda _: "enough", progress=False).stopped == "enough"


def test_the_first_rule_that_holds_ends_it():
    played = make_learner().run(until=[Budget(8), lambda _: "enough"], progress=False)
    assert played.stopped == "enough"


def test_a_start_without_labels_waits_for_a_model():
    learner = make_learner(labelled=0, strategy=al.strategies.Random())
    played = learner.run(12, until=[Plateau(3), UncertaintyBelow(0.0), PredictionsSettled()], progress=False)
    assert len(played) >= 3


def test_rules_ask_the_model_of_the_labels_there_are():
    learner = make_learner()
    seen = []
    learner.run(3, until=lambda learner: seen.append((learner.n_labels, learner.is_current)) or False, progress=False)
    assert seen == [(6, True), (7, True), (8, True), (9, True)]
    assert learner.model.fits == 4  # one a model: none was fitted for the rule alone but the last


@pytest.mark.parametrize(
    "make",
    [
        lambda: Budget(0), lambda: Budget(2.5), lambda: Budget(True), lambda: Plateau(0), lambda: Plateau(3, -1.0),
        lambda: Plateau(3, float("nan")), lambda: UncertaintyBelow("low"), lambda: UncertaintyBelow(torch.zeros(2)),
        lambda: PredictionsSettled(0.1, 1.5), lambda: PredictionsSettled(None),
    ],
)  # fmt: skip
def test_what_is_no_number_is_refused(make):
    with pytest.raises(InvalidParameter, match="at least"):
        make()


@pytest.mark.parametrize("until", ["60", 60, Budget, [Budget(5), 3]])
def test_what_is_no_rule_is_refused_before_any_round(until):
    learner = make_learner()
    with pytest.raises(InvalidParameter, match=r"stopping\.Budget\(60\)"):
        learner.run(3, until=until)
    assert len(learner.history) == 0


@pytest.mark.parametrize("rule", [Plateau(metric="rmse"), UncertaintyBelow(0.1, "variance")])
def test_a_metric_or_measure_of_another_task_is_refused_before_any_round(rule):
    learner = make_learner()
    with pytest.raises(InvalidParameter, match="for this task"):
        learner.run(3, until=rule)
    assert len(learner.history) == 0


def test_a_rule_reads_like_its_definition():
    assert repr(Plateau(3, 0.01)) == "Plateau(rounds=3, by=0.01, metric=None)"
    assert repr(PredictionsSettled()) == "PredictionsSettled(share=0.01, rounds=3)"


def test_a_rule_that_raises_leaves_the_finished_rounds():
    learner = make_learner()

    def fails(learner):
        if len(learner.history) == 2:
            raise RuntimeError("no idea")

    with pytest.raises(RuntimeError, match="no idea"):
        learner.run(5, until=fails)
    assert len(learner.history) == 2 and not learner.busy
