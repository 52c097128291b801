"""What can be set of a strategy or an estimator: found by its constructor, changed without touching the old one."""

import inspect
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

import aljupyter as al
from aljupyter import strategies as s
from aljupyter.errors import InvalidParameter
from aljupyter.parameters import Parameter, changed, of_strategy, parameters_of

NAMES = tuple(s.names())


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_of_every_named_strategy_is_found(name):
    strategy = s.get(name)
    declared = set(inspect.signature(type(strategy).__init__).parameters) - {"self"}
    if type(strategy).__init__ is s.Strategy.__init__:
        declared = set()  # those of its measure and selection are asked of them
        for thing in (strategy.measure, strategy.selection):
            declared |= {p.name for p in parameters_of(thing)}
    assert {p.name for p in of_strategy(strategy)} == declared


@pytest.mark.parametrize("name", NAMES)
def test_a_strategy_changed_to_what_it_is_says_the_same_of_itself(name):
    strategy = s.get(name)
    again = changed(strategy, {p.key: p.value for p in of_strategy(strategy)})
    assert repr(again) == repr(strategy)


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_that_can_be_set_has_words(name):
    for parameter in of_strategy(s.get(name)):
        if parameter.kind in ("whole", "number", "flag"):
            assert parameter.words, parameter.key


def test_a_change_makes_a_new_one_and_keeps_the_restrictions():
    old = s.get("ucb").within(forbidden=[3], max_candidates=50)
    new = changed(old, {"strategy.weight": 2.5})
    assert (old.weight, new.weight) == (1.0, 2.5)
    assert new.restrictions.forbidden.tolist() == [3]
    assert new.restrictions.max_candidates == 50


def test_choices_are_those_documented():
    (metric,) = (p for p in of_strategy(s.get("badge")) + of_strategy(s.get("k_center")) if p.name == "metric")
    assert metric.kind in ("choice", "object")


def test_an_unknown_key_is_refused():
    with pytest.raises(InvalidParameter, match=r"strategy\.weight"):
        changed(s.get("ucb"), {"strategy.wait": 1})


def test_what_the_constructor_refuses_is_refused():
    strategy = s.get("ucb")
    with pytest.raises(InvalidParameter):
        changed(strategy, {"strategy.weight": -1.0})
    assert strategy.weight == 1.0


def test_estimators_too():
    model = changed(LogisticRegression(), {"model.C": 0.5})
    assert model.C == 0.5
    kept = changed(al.GPRegressor(), {"model.optimizer": None, "model.noise": 0.1})
    assert (kept.optimizer, kept.noise) == (None, 0.1)


NUMBER = Parameter("strategy", "weight", 1.0, "number", ("auto", None))
WHOLE = Parameter("strategy", "k", 1, "whole")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_read_as_they_are_written(number):
    assert NUMBER.read(f" {number!r} ") == number


@given(st.integers(-(2**50), 2**50))
def test_whole_numbers_stay_whole(number):
    got = WHOLE.read(str(number))
    assert got == number
    assert isinstance(got, int)


def test_words_may_stand_instead_of_a_number():
    assert NUMBER.read("auto") == "auto"
    assert NUMBER.read("None") is None
    assert NUMBER.read("") is None


@pytest.mark.parametrize("text", ["", "three", "nan", "1.5", "inf", "__import__('os')"])
def test_other_text_is_refused(text):
    with pytest.raises(InvalidParameter, match="a whole number; got"):
        WHOLE.read(text)


@given(st.text(alphabet="xyz<>()'\""))
def test_text_is_never_a_number(text):
    if text.strip():
        with pytest.raises(InvalidParameter):
            NUMBER.read(text)


def test_a_number_is_never_nan():
    with pytest.raises(InvalidParameter):
        NUMBER.read(str(math.nan))
