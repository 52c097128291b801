"""The settings of an Explorer: forms made from constructors, hyperparameters held and released, stop rules."""

import numpy as np
import pytest

import aljupyter as al
from aljupyter import stopping
from aljupyter.errors import InvalidParameter, LearnerBusyError
from aljupyter.parameters import Parameter
from aljupyter.widgets.forms import MOST_FIELDS, Form
from tests.widgets.explorers import Slow, choose, click, eventually, make_learner


def regression(strategy="ucb", **model):
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, size=(60, 2))
    y = 10 + 3 * np.sin(2 * x[:, 0]) + 0.1 * rng.normal(size=60)
    data = al.DataManager(x, y, test=0.25, labelled=12, seed=0)
    return al.ActiveLearner(data, al.GPRegressor(**model), al.strategies.get(strategy), seed=0)


def classification(n_classes=2):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 2))
    y = np.digitize(x[:, 0], [0.0] if n_classes == 2 else [-0.5, 0.5])
    data = al.DataManager(x, y, test=0.25, labelled=15, seed=0)
    return al.ActiveLearner(data, al.GPClassifier("rbf"), al.strategies.get("entropy"), seed=0)


def opened(explore, learner, **options):
    explorer = explore(learner, **options)
    explorer._controls.settings.value = True
    return explorer, explorer._settings


def field(form, name):
    return next(field for key, field in form._fields.items() if key.partition(".")[2] == name)


# --- fields ---------------------------------------------------------------------------------------------------------


class Sheet:
    """A form and what it was told."""

    def __init__(self, *parameters):
        self.changes, self.errors = [], []
        self.form = Form(lambda key, value: self.changes.append((key, value)), self.attempt, "al-test")
        self.form.show(parameters)

    def attempt(self, act):
        try:
            act()
        except Exception as error:
            self.errors.append(error)


def test_each_kind_of_parameter_has_its_field():
    sheet = Sheet(
        Parameter("model", "flag", True, "flag"),
        Parameter("model", "way", "a", "choice", ("a", "b", None)),
        Parameter("model", "weight", 1.5, "number"),
        Parameter("model", "k", 3, "whole"),
        Parameter("model", "thing", object, "object"),
    )
    for name, value in (("flag", False), ("way", "None"), ("weight", "2.5"), ("k", "7")):
        field(sheet.form, name).value = value
    assert sheet.changes == [("model.flag", False), ("model.way", None), ("model.weight", 2.5), ("model.k", 7)]
    assert "&lt;class &#x27;object&#x27;&gt;" in field(sheet.form, "thing").value
    assert sheet.form.summary() == "flag True, way a, weight 1.5, k 3, thing <class 'object'>"


def test_what_is_no_number_is_refused_and_the_field_goes_back():
    sheet = Sheet(Parameter("model", "k", 3, "whole"))
    field(sheet.form, "k").value = "three"
    assert sheet.changes == []
    assert isinstance(sheet.errors[0], InvalidParameter)
    assert field(sheet.form, "k").value == "3"


def test_fields_follow_values_without_telling_anybody_and_are_kept():
    sheet = Sheet(Parameter("model", "k", 3, "whole"))
    before = field(sheet.form, "k")
    sheet.form.show([Parameter("model", "k", 4, "whole")], disabled=True)
    assert field(sheet.form, "k") is before
    assert (before.value, before.disabled, sheet.changes) == ("4", True, [])


def test_names_are_text_not_markup():
    name = "<script>alert(1)</script>"
    sheet = Sheet(
        Parameter("learned", name, 1.0, "number"), Parameter("model", name, "a", "choice", ("a",), words=name)
    )
    number, menu = sheet.form._fields.values()
    assert not getattr(number, "description_allow_html", False)
    assert "<script>" not in menu.description


def test_more_than_a_screenful_is_counted_instead():
    form = Sheet(*(Parameter("learned", f"length of x{j}", 1.0, "number") for j in range(MOST_FIELDS + 5))).form
    assert len(form.widget.children) == MOST_FIELDS + 1
    assert "5 more" in form.widget.children[-1].value


# --- the strategy ---------------------------------------------------------------------------------------------------


def test_the_panel_is_made_when_it_is_opened(explore):
    explorer = explore(regression())
    assert explorer._settings.widget.children == ()
    assert "Hyperparameters" not in explorer.summary()
    explorer._controls.settings.value = True
    assert "Strategy: Greedy() + 1 * StandardDeviation(); weight 1." in explorer.summary()
    explorer._controls.settings.value = False
    assert "Hyperparameters" not in explorer.summary()


def test_a_parameter_of_the_strategy_is_changed(explore):
    learner = regression()
    explorer, settings = opened(explore, learner)
    old = learner.strategy
    field(settings.strategy, "weight").value = "2.5"
    assert (old.weight, learner.strategy.weight) == (1.0, 2.5)
    assert explorer._controls.strategy.value == repr(learner.strategy)
    field(settings.strategy, "weight").value = "3.5"
    unnamed = [name for name in explorer._controls.strategy.options if name not in al.strategies.names("regression")]
    assert unnamed == [repr(learner.strategy)]  # the last trial only


def test_what_the_strategy_refuses_is_said_in_red_and_changes_nothing(explore):
    learner = regression()
    explorer, settings = opened(explore, learner)
    field(settings.strategy, "weight").value = "-1"
    assert isinstance(explorer.last_error, InvalidParameter)
    assert learner.strategy.weight == 1.0
    assert field(settings.strategy, "weight").value == "1"
    assert 'role="alert"' in explorer._controls.status.value


def test_another_strategy_has_other_fields(explore):
    learner = regression()
    explorer, settings = opened(explore, learner)
    before = explorer._controls.strategy.value
    choose(explorer, "strategy", "random")
    assert "weight" not in settings.strategy.summary()
    choose(explorer, "strategy", before)
    assert settings.strategy.summary() == "weight 1"


# --- the model ------------------------------------------------------------------------------------------------------


def test_learned_hyperparameters_are_shown_in_every_round(explore):
    learner = regression(kernel="rbf")
    explorer, settings = opened(explore, learner)
    click(explorer, "step")
    click(explorer, "step")

    def shown():
        return float(field(settings.learned, "length scale").value)

    assert shown() == pytest.approx(learner.model.hyperparameters()["length scale"], rel=1e-3)
    explorer._timeline.slider.value = 0
    assert shown() == pytest.approx(learner.at(0).model.hyperparameters()["length scale"], rel=1e-3)
    assert field(settings.learned, "length scale").disabled
    assert "in round 0" in settings._learned_title.value
    explorer._timeline.now.click()
    assert shown() == pytest.approx(learner.model.hyperparameters()["length scale"], rel=1e-3)
    assert not field(settings.learned, "length scale").disabled


def test_a_hyperparameter_that_a_person_sets_is_held_with_the_others_until_they_are_learned_again(explore):
    learner = regression(kernel="rbf")
    explorer, settings = opened(explore, learner)
    learned = learner.model.hyperparameters()
    field(settings.learned, "length scale").value = "0.31"
    held = learner.model.hyperparameters()
    assert held == pytest.approx({**learned, "length scale": 0.31})
    assert settings.hold.value
    assert learner.is_current
    click(explorer, "step")
    assert learner.model.hyperparameters() == pytest.approx(held)
    settings.hold.value = False
    assert learner.model.hyperparameters()["length scale"] != pytest.approx(0.31)
    assert learner.kind.estimator.optimizer == "fast"
    # rounds played with the other model keep theirs
    explorer._timeline.slider.value = 0
    assert explorer._follower.look.moment.model.hyperparameters() == pytest.approx(held)


def test_all_are_held_as_they_are(explore):
    learner = classification(3)
    explorer, settings = opened(explore, learner)
    learned = learner.model.hyperparameters()
    assert "means over the classes" in settings._learned_title.value
    settings.hold.value = True
    assert learner.model.hyperparameters() == pytest.approx(learned)
    assert "held" in settings._learned_title.value
    assert explorer.last_error is None


def test_what_is_no_hyperparameter_is_refused(explore):
    learner = regression(kernel="rbf")
    explorer, settings = opened(explore, learner)
    kind, before = learner.kind, field(settings.learned, "length scale").value
    field(settings.learned, "length scale").value = "-2"
    assert isinstance(explorer.last_error, InvalidParameter)
    assert learner.kind is kind
    assert field(settings.learned, "length scale").value == before


def test_parameters_of_the_model_are_changed_and_it_is_fitted_anew(explore):
    learner = regression()
    explorer, settings = opened(explore, learner)
    field(settings.model, "kernel").value = "rbf"
    assert learner.kind.estimator.kernel == "rbf"
    assert learner.is_current
    assert "length scale" in learner.model.hyperparameters()
    field(settings.model, "noise").value = "0.01"
    assert learner.model.hyperparameters()["noise variance"] == pytest.approx(0.01)
    click(explorer, "step")
    assert explorer.last_error is None


def test_a_model_without_parameters_says_so(explore):
    explorer, settings = opened(explore, make_learner())
    assert "none to show" in settings._learned_title.value
    assert settings.hold.disabled
    assert "Model: no parameters." in explorer.summary()


def test_while_a_round_is_under_way_nothing_is_set(explore):
    learner = make_learner(model=Slow(2))
    explorer, settings = opened(explore, learner, synchronous=False)
    explorer.wait()
    click(explorer, "run")
    eventually(lambda: len(learner.history) > 0)
    strategy = learner.strategy
    with pytest.raises(LearnerBusyError):
        settings._tune(al.strategies.get("margin"))
    assert learner.strategy is strategy
    assert explorer._controls.strategy.value == "entropy"
    click(explorer, "cancel")
    explorer.wait()


# --- stop rules -----------------------------------------------------------------------------------------------------


def row(settings, kind):
    return next(row for row in settings._stops._rows if type(row.rule) is kind)


def test_run_ends_by_a_rule_that_is_ticked_and_says_so(explore):
    explorer, settings = opened(explore, make_learner())
    budget = row(settings, stopping.Budget)
    budget.form._fields["model.labels"].value = "9"
    assert budget.box.value  # who sets a number wants it to count
    choose(explorer, "rounds", 20)
    click(explorer, "run")
    assert explorer.learner.n_labels == 9
    assert explorer.summary().startswith("Stopped: the budget of 9 labels is spent. After 3 rounds")
    assert "Run stops by Budget(labels=9)." in explorer.summary()
    budget.box.value = False
    choose(explorer, "rounds", 2)
    click(explorer, "run")
    assert explorer.learner.n_labels == 11


def test_rules_given_hold_without_the_panel(explore):
    explorer = explore(make_learner(), until=[stopping.Budget(8), lambda learner: learner.n_labels > 20])
    choose(explorer, "rounds", 20)
    click(explorer, "run")
    assert explorer.learner.n_labels == 8
    explorer._controls.settings.value = True
    assert row(explorer._settings, stopping.Budget).box.value
    assert len(explorer._settings.rules()) == 2


def test_a_rule_of_ones_own_stops_too(explore):
    explorer = explore(make_learner(), until=lambda learner: "seen enough" if learner.n_labels > 9 else "")
    choose(explorer, "rounds", 20)
    click(explorer, "run")
    assert explorer.summary().startswith("Stopped: seen enough. After 4 rounds")


def test_metrics_and_measures_of_rules_are_chosen_from_those_of_the_task(explore):
    _, settings = opened(explore, make_learner())
    plateau = row(settings, stopping.Plateau)
    assert "balanced_accuracy" in plateau.form._fields["model.metric"].options
    plateau.form._fields["model.metric"].value = "accuracy"
    assert plateau.rule.metric == "accuracy"
    plateau.form._fields["model.rounds"].value = "0"
    assert plateau.rule.rounds == 5


def test_what_is_no_rule_is_refused(explore):
    with pytest.raises(InvalidParameter, match="until takes stop rules"):
        explore(make_learner(), until=3)
