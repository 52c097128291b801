"""The loop: four words, transactions, undo, looking back, one seed one result."""

import threading

import numpy as np
import pytest
import torch

import aljupyter as al
from aljupyter import errors
from aljupyter.control import Control
from tests.managers import Mean, NearestMean
from tests.processes import outputs_under_hash_seeds


def blobs(n=60, classes=2, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    return rng.normal(size=(n, 2)) + 3 * np.c_[y, -y], y


@pytest.fixture
def learner():
    x, y = blobs()
    return al.ActiveLearner(
        al.DataManager(x, y, test=0.25, labelled=6, seed=0), NearestMean(), al.strategies.Margin(), seed=0
    )


@pytest.fixture
def regression():
    x, y = blobs()
    data = al.DataManager(x, x[:, 0] + 0.5, test=0.25, labelled=4, seed=0)
    return al.ActiveLearner(data, Mean(), al.strategies.Variance())


def everything(learner):
    """What a failed round must leave as it was."""
    return (
        learner.data.labelled.indices.tolist(),
        learner.data.labelled.y.tolist(),
        learner.data.unlabelled.indices.tolist(),
        [repr(record) for record in learner.history],
        learner.events,
        learner.round,
    )


# --- one round ------------------------------------------------------------------------------------------------------


def test_a_step_is_fit_score_query_label():
    x, y = blobs()
    by_hand, stepped = (
        al.ActiveLearner(al.DataManager(x, y, test=0.25, labelled=6, seed=0), NearestMean()) for _ in range(2)
    )
    for _ in range(3):
        by_hand.fit()
        scores = by_hand.score()
        query = by_hand.query(2)
        record = by_hand.label(query)
        same = stepped.step(2)
        np.testing.assert_array_equal(scores.indices, record.pool.indices)
        np.testing.assert_array_equal(record.indices, same.indices)
        np.testing.assert_array_equal(record.scores, same.scores)
        assert record.metrics == same.metrics
    assert everything(by_hand) == everything(stepped)


def test_the_query_has_the_highest_scores(learner):
    scores, query = learner.score(), learner.query(3)
    np.testing.assert_array_equal(query.scores, np.sort(scores.values)[::-1][:3])
    np.testing.assert_array_equal(scores.indices, learner.data.unlabelled.indices)
    posterior = learner.model.posterior(learner.data.subset(query.indices))
    np.testing.assert_allclose(query.scores, al.informativeness.margin(posterior))


def test_labelling_moves_the_points_with_the_datasets_labels(learner):
    before = learner.data.labelled.indices.tolist()
    record = learner.step(2)
    assert learner.data.labelled.indices.tolist() == before + record.indices.tolist()
    assert record.labels.tolist() == (record.indices % 2).tolist()
    assert record.labelled_before.tolist() == before
    assert record.labelled_by == "dataset"


def test_a_record_describes_the_model_before_its_query(learner):
    metrics = learner.fit().metrics
    record = learner.step()
    assert record.metrics == metrics
    assert record.n_labels == 6
    assert learner.metrics == {}  # the labels have changed, the model has not yet
    learner.fit()
    assert learner.metrics == learner.step().metrics


def test_fit_does_nothing_while_the_labels_are_unchanged(learner):
    learner.fit(), learner.fit(), learner.score(), learner.query(2)
    assert learner.model.fits == 1
    learner.step()
    assert learner.model.fits == 1
    learner.fit()
    assert learner.model.fits == 2


def test_a_query_asks_the_same_until_a_label_is_given(learner):
    learner.strategy = al.strategies.Random()
    first = learner.query(3)
    np.testing.assert_array_equal(first.indices, learner.query(3).indices)
    learner.label(first)
    assert set(first.indices).isdisjoint(learner.query(3).indices)


def test_a_person_states_labels_in_their_own_words():
    x, y = blobs()
    data = al.DataManager(x, np.array(["cat", "dog"])[y], labelled=6, seed=0)
    learner = al.ActiveLearner(data, NearestMean())
    i = data.unlabelled.indices[0]
    record = learner.label([i], ["dog"])
    assert record.labels.tolist() == ["dog"]
    assert record.labelled_by == "person"
    assert learner.label(data.unlabelled.indices[0], "cat").labels.tolist() == ["cat"]


def test_an_oracle_is_anything_that_answers():
    x, y = blobs()
    data = al.DataManager(x, y, labelled=6, seed=0)
    wrong = al.ActiveLearner(data, NearestMean(), oracle=lambda indices: 1 - y[indices])
    record = wrong.step(2)
    assert record.labels.tolist() == (1 - y[record.indices]).tolist()
    np.testing.assert_array_equal(data.truth(record.indices), y[record.indices])  # the truth is not overwritten


def test_strategies_that_need_no_model_start_from_no_label():
    x, y = blobs()
    learner = al.ActiveLearner(al.DataManager(x, y, labelled=0), NearestMean(), al.strategies.Random())
    learner.step(8)
    assert learner.n_labels == 8
    assert learner.history[0].metrics == {}
    learner.step()
    assert learner.history[1].n_labels == 8


# --- many rounds ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "sizes"), [(2, [2, 2, 2]), ([1, 2, 3], [1, 2, 3]), (lambda round: round + 1, [1, 2, 3])])
def test_a_run_asks_as_many_as_told(learner, n, sizes):
    assert [len(record.indices) for record in learner.run(rounds=3, n=n)] == sizes


def test_a_run_ends_when_the_pool_is_empty(learner):
    left = len(learner.data.unlabelled)
    records = learner.run(n=7)
    assert learner.pool_is_empty
    assert [len(record.indices) for record in records] == [7] * (left // 7) + [left % 7] * (left % 7 > 0)
    assert learner.run(rounds=3) == []
    with pytest.raises(errors.EmptyPool, match="nothing left"):
        learner.step()
    with pytest.raises(errors.EmptyPool, match="nothing left"):
        learner.query(1)


def test_the_history_is_a_tidy_table(learner):
    learner.run(rounds=4, n=2)
    frame = learner.history.to_frame()
    assert frame["round"].tolist() == [0, 1, 2, 3]
    assert frame["n_labels"].tolist() == [6, 8, 10, 12]
    assert {"accuracy", "balanced_accuracy", "log_loss", "query", "labels", "strategy"} <= set(frame.columns)
    curve = learner.curve()
    assert curve["n_labels"].tolist() == [6, 8, 10, 12, 14]
    np.testing.assert_array_equal(curve["accuracy"][:4], frame["accuracy"])


def test_an_empty_history_is_a_table_too(learner):
    assert len(learner.history.to_frame()) == 0
    assert len(learner.history) == 0


# --- undo, and looking back -----------------------------------------------------------------------------------------


def test_undo_brings_back_the_round_before(learner):
    learner.fit()
    start, metrics, means = everything(learner), learner.metrics, learner.model.means.clone()
    played = learner.step(2)
    learner.fit()
    taken_back = learner.undo()
    np.testing.assert_array_equal(taken_back.indices, played.indices)
    assert everything(learner)[:4] == start[:4]
    assert learner.metrics == metrics
    assert torch.equal(learner.model.means, means)
    assert [event.kind for event in learner.events] == ["label", "undo"]
    assert repr(learner.step(2)) == repr(played)


def test_undo_to_the_beginning_and_not_further(learner):
    learner.run(rounds=3)
    for _ in range(3):
        learner.undo()
    assert learner.n_labels == 6
    with pytest.raises(errors.NothingToUndo):
        learner.undo()


def test_looking_back_reads_and_never_fits(learner):
    seen = []
    for _ in range(3):
        learner.fit()
        seen.append((learner.metrics, learner.model.means.clone(), learner.data.unlabelled.indices))
        learner.step()
    fits, now = learner.model.fits, everything(learner)
    for k, (metrics, means, pool) in enumerate(seen):
        past = learner.at(k)
        assert past.metrics == metrics
        assert torch.equal(past.model.means, means)
        assert past.model.fits == 0
        np.testing.assert_array_equal(past.unlabelled.indices, pool)
        np.testing.assert_array_equal(past.scores.indices, pool)
        assert len(past.labelled) == 6 + k
    assert learner.model.fits == fits
    assert everything(learner) == now
    assert learner.at(-1).record is learner.history[2]


@pytest.mark.parametrize("k", [3, -4, 1.5, True])
def test_a_round_not_played_is_refused(learner, k):
    learner.run(rounds=3)
    with pytest.raises(errors.UnknownRound, match="0 to 2 have been played"):
        learner.at(k)


# --- all or nothing -------------------------------------------------------------------------------------------------


def test_what_fails_leaves_the_learner_as_it_was(learner):
    learner.run(rounds=2)
    before = everything(learner)
    pool, labelled, test = learner.data.unlabelled.indices, learner.data.labelled.indices, learner.data.test.indices
    refused = [
        (errors.QuerySizeError, lambda: learner.query(0)),
        (errors.QuerySizeError, lambda: learner.step(-1)),
        (errors.QuerySizeError, lambda: learner.step(1.5)),
        (errors.QuerySizeError, lambda: learner.step(True)),
        (errors.QuerySizeError, lambda: learner.query(len(pool) + 1)),
        (errors.QuerySizeError, lambda: learner.run(rounds=2, n=0)),
        (errors.QuerySizeError, lambda: learner.run(rounds=-1)),
        (errors.QuerySizeError, lambda: learner.run(rounds=3, n=[1, 2])),
        (errors.AlreadyLabelled, lambda: learner.label([labelled[0]], [0])),
        (errors.IndexOutOfPool, lambda: learner.label([test[0]], [0])),
        (errors.IndexOutOfRange, lambda: learner.label([10_000], [0])),
        (errors.RepeatedIndices, lambda: learner.label([pool[0], pool[0]], [0, 0])),
        (errors.InvalidLabel, lambda: learner.label([pool[0]], [7])),
        (errors.InvalidLabel, lambda: learner.label([pool[0]], ["cat"])),
        (errors.AlJupyterError, lambda: learner.label(pool[:2], [0])),
    ]
    for error, call in refused:
        with pytest.raises(error):
            call()
        assert everything(learner) == before


@pytest.mark.parametrize(
    "oracle", [lambda i: [0], lambda i: 0, lambda i: [5, 5], lambda i: 1 / 0, lambda i: [np.nan, 0]]
)
def test_an_oracle_that_fails_costs_nothing(learner, oracle):
    learner.oracle = oracle
    before = everything(learner)
    with pytest.raises((errors.AlJupyterError, ZeroDivisionError)):
        learner.step(2)
    assert everything(learner) == before


def test_an_oracle_without_an_answer_says_what_to_do():
    x, y = blobs()
    partly = y.astype(object)
    partly[20:] = None
    learner = al.ActiveLearner(al.DataManager(x, partly), NearestMean())
    with pytest.raises(errors.OracleError, match=r"learner\.label\(indices, labels\)"):
        learner.step()
    learner.label(learner.query(1), [1])
    assert learner.n_labels == 21


def test_nothing_can_be_fitted_without_labels(learner):
    x, y = blobs()
    empty = al.ActiveLearner(al.DataManager(x, y, labelled=0), NearestMean(), al.strategies.Margin())
    for call in (empty.fit, empty.score, empty.step):
        with pytest.raises(errors.NoLabels, match="model-free"):
            call()
    one_class = al.ActiveLearner(al.DataManager(x, y, labelled=[0, 2, 4]), NearestMean())
    with pytest.raises(errors.OneClassOnly):
        one_class.fit()
    assert one_class.n_labels == 3


def test_where_none_is_named_the_default_strategy_starts_from_no_label():
    x, y = blobs()
    learner = al.ActiveLearner(al.DataManager(x, y, test=0.2, labelled=0), NearestMean())
    assert repr(learner.strategy) == "Auto()"
    records = learner.run(rounds=5, n=6)
    assert records[0].metrics == {} and records[-1].metrics
    assert records[0].strategy == "Auto(): TypiClust, to start" and "margin" in records[-1].strategy
    assert learner.n_labels == 30


def test_a_query_says_why(learner):
    learner.strategy = al.strategies.Entropy() + 0.1 * al.strategies.Random()
    query = learner.query(3)
    terms = query.why["terms"]
    assert set(terms) == {"Entropy()", "Random()"}
    np.testing.assert_allclose(terms["Entropy()"] + 0.1 * terms["Random()"], query.scores)
    x, labelled = learner.data.subset(query.indices).x, learner.data.labelled
    distances = np.linalg.norm(x[:, None].numpy() - labelled.x.numpy(), axis=2)
    np.testing.assert_array_equal(query.why["nearest_labelled"], labelled.indices[distances.argmin(1)])
    np.testing.assert_allclose(query.why["distance"], distances.min(1))


def test_a_quota_that_cannot_be_kept_is_refused_before_the_fit(learner):
    learner.strategy = al.strategies.Margin().within(quota=al.strategies.AtMost(1, np.arange(60) % 2))
    with pytest.raises(errors.QuotaError, match="Ask for 2"):
        learner.step(3)
    assert not learner.model.is_fitted and learner.round == 0


def test_cancelling_a_run_keeps_whole_rounds_only(learner):
    control = Control()

    def after_two(event):
        if event == "label" and learner.round == 2:
            control.cancel()

    learner.observe(after_two)
    with pytest.raises(errors.RoundCancelled):
        learner.run(rounds=10, n=2, control=control)
    assert learner.round == 2
    assert learner.n_labels == 6 + 2 * 2
    learner.step()  # and goes on


def test_an_interrupt_in_the_middle_of_labelling_rolls_back(learner, monkeypatch):
    before = everything(learner)
    original = learner.data.label

    def interrupted(*arguments):
        original(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(learner.data, "label", interrupted)
    with pytest.raises(KeyboardInterrupt):
        learner.step()
    assert everything(learner) == before
    assert not learner.busy


def test_an_interrupt_before_a_fit_is_measured_does_not_pass_for_a_fit(learner, monkeypatch):
    learner.step()
    with monkeypatch.context() as patched:
        patched.setattr(learner.model, "evaluate", lambda *arguments: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            learner.fit()
    assert not learner.is_current
    assert learner.metrics == {}
    assert learner.fit().n_labels == 7


def test_undo_after_labels_given_past_the_learner_trusts_no_stored_model(learner):
    learner.step()
    direct = learner.data.unlabelled.indices[:1]
    learner.data.label(direct, [0])
    learner.undo()
    assert not learner.is_current
    assert learner.fit().n_labels == 7


def test_scores_and_queries_read_well(learner):
    scores, query = learner.score(), learner.query(10)
    frame = scores.to_frame()
    assert frame["index"].tolist()[:3] == scores.best(3)
    assert frame["score"].is_monotonic_decreasing
    assert f"Scores of {len(scores)} points by Margin()" in repr(scores)
    assert repr(query).endswith("and 2 more")
    record = learner.label(query)
    assert repr(record).startswith("Round 0: 6 labels; accuracy")
    assert repr(learner.history).startswith("History of 1 round;")
    assert repr(learner.at(0)) == repr(record)


def test_where_nothing_was_fitted_there_is_no_model_to_look_back_at():
    x, y = blobs()
    learner = al.ActiveLearner(al.DataManager(x, y, labelled=0), NearestMean(), al.strategies.Random())
    learner.step(8)
    with pytest.raises(errors.NotFitted, match="No model is stored for round 0"):
        _ = learner.at(0).model
    learner.fit()
    learner.undo()
    assert learner.n_labels == 0
    assert not learner.is_current


def test_an_undo_that_is_interrupted_leaves_no_wrong_model_behind(learner, monkeypatch):
    learner.run(rounds=2, n=2)
    learner.fit()
    before, load = everything(learner), learner.model.load

    def interrupted(*arguments):
        load(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(learner.model, "load", interrupted)
        with pytest.raises(KeyboardInterrupt):
            learner.undo()
    assert everything(learner) == before
    assert not learner.is_current
    learner.fit()
    x = learner.data.labelled.x
    assert torch.equal(learner.model.means[0], x[learner.data.labelled.y == 0].mean(0))


def test_labels_changed_past_the_learner_can_still_be_undone(learner):
    i = learner.data.unlabelled.indices[0]
    learner.label([i], [1])
    learner.data.unlabel([i])
    learner.label([i], [0])
    learner.undo()
    learner.undo()
    assert learner.n_labels == 6
    assert learner.round == 0


def test_an_oracle_is_not_asked_what_cannot_be_labelled(learner):
    asked = []
    learner.oracle = lambda indices: asked.append(indices)
    pool, labelled, test = learner.data.unlabelled.indices, learner.data.labelled.indices, learner.data.test.indices
    for indices in ([labelled[0]], [test[0]], [pool[0], pool[0]], [10_000], []):
        with pytest.raises(errors.AlJupyterError):
            learner.label(indices)
    assert asked == []


def test_indices_come_as_a_mask_too_and_the_oracle_cannot_change_them(learner):
    def rude(indices):
        labels = indices % 2
        indices[:] = 0
        return torch.as_tensor(labels)

    learner.oracle = rude
    chosen = learner.data.unlabelled.indices[:2]
    record = learner.label(np.isin(np.arange(60), chosen))
    assert record.indices.tolist() == chosen.tolist()
    assert record.labels.tolist() == (chosen % 2).tolist()


def test_a_late_answer_is_a_round_of_its_own(learner):
    query = learner.query(3)
    learner.label(learner.data.unlabelled.indices[-1:], [0])
    record = learner.label(query)
    assert record.round == 1
    assert record.pool is None
    assert record.scores.tolist() == query.scores.tolist()


def test_the_pool_of_the_past_does_not_know_the_future():
    x, y = blobs()
    learner = al.ActiveLearner(al.DataManager(x, y, labelled=6, seed=0), NearestMean(), oracle=lambda i: 1 - y[i])
    then = learner.data.unlabelled.y.clone()
    learner.run(rounds=2, n=3)
    assert torch.equal(learner.at(0).unlabelled.y, then)


def test_another_model_is_adapted_and_starts_afresh(learner):
    learner.run(rounds=2)
    learner.fit()
    learner.model = al.GPClassifier()
    assert not learner.is_current
    learner.step()
    learner.undo()
    learner.undo()  # the model of that round is of another kind: it is fitted anew, not taken for this one
    assert not learner.is_current
    learner.fit()
    with pytest.raises(errors.UnsupportedModel):
        learner.model = al.GPRegressor()


def test_rounds_played_with_another_model_keep_theirs(learner):
    learner.run(rounds=2)
    learner.fit()
    before = learner.at(1).model.posterior(learner.data.test).mean_N_C
    kind = learner.kind
    learner.model = al.GPClassifier(optimizer=None)
    assert learner.kind is not kind
    learner.step()
    assert torch.equal(learner.at(1).model.posterior(learner.data.test).mean_N_C, before)
    assert learner.at(2).kind is learner.kind


def test_the_table_has_the_columns_of_the_task_before_any_fit(regression, learner):
    assert {"mse", "rmse", "r2", "hit_ratio"} <= set(regression.history.to_frame().columns)
    x, y = blobs()
    cold = al.ActiveLearner(al.DataManager(x, y, labelled=0), NearestMean(), al.strategies.Random())
    cold.step(3)
    assert cold.history.to_frame()["accuracy"].isna().tolist() == [True]


def test_records_and_queries_can_be_compared_and_hashed(learner):
    query = learner.query(2)
    assert query == query
    assert query != learner.query(2)
    assert len({learner.label(query), query}) == 2


def test_progress_goes_from_nothing_to_all(learner):
    heard = []
    learner.run(rounds=3, control=Control(lambda fraction, words: heard.append(fraction)))
    assert heard == sorted(heard)
    assert heard[0] == 0
    assert heard[-1] == 1


# --- who may, and who hears -----------------------------------------------------------------------------------------


def test_a_second_thread_is_refused_at_once(learner):
    inside, go_on, refused = threading.Event(), threading.Event(), []

    def slow(indices):
        inside.set()
        go_on.wait(10)
        return indices % 2

    learner.oracle = slow
    worker = threading.Thread(target=learner.step)
    worker.start()
    inside.wait(10)
    assert learner.busy
    for call in (learner.step, learner.fit, learner.undo, lambda: learner.query(1)):
        with pytest.raises(errors.LearnerBusyError, match="another thread"):
            call()
        refused.append(call)
    go_on.set()
    worker.join(10)
    assert len(refused) == 4
    assert learner.round == 1
    assert not learner.busy


def test_observers_hear_what_happened_and_may_look(learner):
    heard = []
    learner.observe(lambda event: heard.append((event, learner.round, learner.fit().n_labels)))
    learner.step()
    learner.undo()
    learner.strategy = al.strategies.Random()
    events = [event for event, *_ in heard]
    assert [event for event in events if event != "fit"] == ["label", "undo", "strategy"]
    assert ("label", 1, 7) in heard
    assert ("undo", 0, 6) in heard


def test_an_observer_that_fails_does_not_undo_a_label(learner):
    def broken(event):
        raise RuntimeError("no screen")

    learner.observe(broken)
    with pytest.warns(RuntimeWarning, match="no screen"):
        learner.step()
    assert learner.round == 1
    learner.unobserve(broken)
    learner.step()


# --- how good it is -------------------------------------------------------------------------------------------------


def test_metrics_are_those_of_the_test_view(learner):
    fitted = learner.fit()
    guess = learner.model.posterior(learner.data.test).mean_N_C.argmax(1)
    assert fitted.measured_on == "test view"
    assert fitted.metrics["accuracy"] == (guess == learner.data.test.y).double().mean()


def test_before_label_predictions_are_those_of_the_model_that_asked(learner):
    record = learner.step(4)
    guess = record.predicted.mean_N_C.argmax(1).numpy()
    assert record.before_label["accuracy"] == np.mean(guess == record.labels)
    assert learner.history.to_frame()["before_label_accuracy"][0] == record.before_label["accuracy"]


def test_the_hit_ratio_is_the_share_of_the_best_found(regression):
    regression.strategy = al.strategies.Greedy()
    data = regression.data
    values = data.truth(data.train.indices).numpy()
    best = data.train.indices[np.argsort(-values)[: int(np.ceil(0.1 * len(values)))]]
    for _ in range(3):
        expected = np.mean([i in set(data.labelled.indices) for i in best])
        assert regression.fit().metrics["hit_ratio"] == pytest.approx(expected)
        regression.step(5)
    regression.run()
    assert regression.fit().metrics["hit_ratio"] == 1


def test_without_the_truth_there_is_no_hit_ratio():
    x, _ = blobs()
    y = np.where(np.arange(60) < 20, x[:, 0] + 0.5, np.nan)
    learner = al.ActiveLearner(al.DataManager(x, y), Mean())
    assert "hit_ratio" not in learner.metric_names
    assert learner.full_data_performance() is None
    assert learner.floor_performance() is not None


def test_the_ceiling_is_the_same_model_with_every_label(learner):
    ceiling = learner.full_data_performance()
    assert learner.n_labels == 6
    learner.run(n=9)
    assert learner.fit().metrics == pytest.approx(ceiling)


def test_the_floor_is_the_majority_class_and_the_mean(learner, regression):
    y = learner.data.test.y
    train = learner.data.truth(learner.data.train.indices)
    assert learner.floor_performance()["accuracy"] == pytest.approx(float((y == train.mode().values).double().mean()))
    assert learner.floor_performance()["balanced_accuracy"] == pytest.approx(0.5)
    truth = regression.data.truth(regression.data.train.indices)
    expected = ((regression.data.test.y - truth.mean()) ** 2).mean()
    assert regression.floor_performance()["mse"] == pytest.approx(float(expected))


def test_only_metrics_and_strategies_of_the_task_are_taken(learner):
    with pytest.raises(errors.ModelError, match="no metric 'rmse'"):
        al.ActiveLearner(learner.data, NearestMean(), metrics=["rmse"])
    assert al.ActiveLearner(learner.data, NearestMean(), metrics=["accuracy"]).fit().metrics.keys() == {"accuracy"}
    with pytest.raises(errors.WrongTask):
        learner.strategy = al.strategies.Greedy()
    assert repr(learner.strategy) == "Margin()"
    with pytest.raises(errors.UnsupportedModel):
        al.ActiveLearner(learner.data, Mean())
    with pytest.raises(errors.UnsupportedModel):
        al.ActiveLearner(learner.data, "forest")
    with pytest.raises(errors.DataError, match="al.DataManager"):
        al.ActiveLearner(np.zeros((4, 2)))


# --- one seed, one result -------------------------------------------------------------------------------------------

SCRIPT = """
import numpy as np, torch, aljupyter as al
torch.set_num_threads(1)
rng = np.random.default_rng(1)
x = rng.normal(size=(80, 3)); y = np.array(["no", "yes"])[(x[:, 0] + x[:, 1] ** 2 > 0.5).astype(int)]
for strategy in (al.strategies.Margin(), al.strategies.Random()):
    learner = al.ActiveLearner(al.DataManager(x, y, test=20, labelled=6, seed=3), al.GPClassifier(), strategy, seed=5)
    learner.run(rounds=6, n=2)
    print([(r.indices.tolist(), r.labels.tolist(), dict(r.metrics)) for r in learner.history])
"""


def test_one_seed_gives_one_result_in_any_process():
    outputs = outputs_under_hash_seeds(SCRIPT, "0", "4711")
    assert outputs[0] == outputs[1]
    assert outputs[0].count("\n") == 2


def test_no_global_generator_is_touched(learner):
    np.random.seed(3)
    torch.manual_seed(3)
    state, torch_state = np.random.get_state()[1].copy(), torch.get_rng_state()
    learner.run(rounds=3)
    learner.strategy = al.strategies.Random()
    learner.run(rounds=3)
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    assert torch.equal(torch.get_rng_state(), torch_state)


def test_the_repr_says_where_one_is(learner):
    learner.step()
    text = repr(learner)
    assert "7 labelled" in text
    assert "1 round played" in text
    assert "Margin()" in text
