"""What can be set of a strategy or an estimator, read from its constructor: names, kinds, choices, words.

Nothing is evaluated: a value is a number, a flag, one of the documented choices, or it stays as it is.
"""

from __future__ import annotations

import copy
import inspect
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aljupyter.errors import InvalidParameter
from aljupyter.strategies.base import Strategy

_CHOICES = re.compile(r"\{([^}]*)\}")
_KINDS = {"bool": "flag", "int": "whole", "float": "number"}


@dataclass(frozen=True)
class Parameter:
    """One parameter of a constructor.

    Attributes
    ----------
    part : str
        Whose it is: "strategy", "score" or "selection"; "model" of an estimator.
    name : str
    value : object
    kind : {"flag", "choice", "whole", "number", "object"}
        An object can be looked at, not set.
    choices : tuple
        Of a choice. Of a number, the words that it may be instead, such as "auto" or None.
    words : str
        What the documentation says of it.
    """

    part: str
    name: str
    value: Any
    kind: str
    choices: tuple[Any, ...] = ()
    words: str = ""

    @property
    def key(self) -> str:
        return f"{self.part}.{self.name}"

    def read(self, text: str) -> Any:
        """A value from what a person typed.

        Raises
        ------
        InvalidParameter
            If it is not a number, or none of the words that may stand instead.
        """
        text = text.strip()
        for word in self.choices:
            if text == str(word) or (text == "" and word is None):
                return word
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if self.kind == "whole" and number.is_integer():
            return int(number)
        if self.kind == "number" and not math.isnan(number):
            return number
        what = "a whole number" if self.kind == "whole" else "a number"
        instead = "".join(f", or {word}" for word in self.choices)
        raise InvalidParameter(f"{self.name} is {what}{instead}; got {text!r}.")


def parameters_of(thing: Any, part: str = "model") -> tuple[Parameter, ...]:
    """Those of a constructor whose values the object holds under their names.

    Parameters
    ----------
    thing : object
        A measure, a selection, an estimator.
    part : str
        Whose they are said to be.
    """
    words = _documented(type(thing))
    found = []
    for name, declared in inspect.signature(type(thing).__init__).parameters.items():
        if (
            name == "self"
            or declared.kind in (declared.VAR_POSITIONAL, declared.VAR_KEYWORD)
            or not hasattr(thing, name)
        ):
            continue
        value = getattr(thing, name)
        kinds, said = words.get(name, ("", ""))
        kind, choices = _kind(str(declared.annotation), declared.default, kinds, value)
        found.append(Parameter(part, name, value, kind, choices, said))
    return tuple(found)


def of_strategy(strategy: Strategy) -> tuple[Parameter, ...]:
    """Those of a strategy: its own, or those of the measure and the selection that it is made of."""
    return tuple(p for part, thing in _parts(strategy).items() for p in parameters_of(thing, part))


def changed(thing: Any, values: Mapping[str, Any]) -> Any:
    """A new one with other values of some parameters; this one stays as it is.

    Parameters
    ----------
    thing : Strategy or estimator
    values : mapping
        By :attr:`Parameter.key`.

    Raises
    ------
    InvalidParameter
        For a key that there is not, and as the constructor says.
    """
    is_strategy = isinstance(thing, Strategy)
    parts = _parts(thing) if is_strategy else {"model": thing}
    known = {p.key for part, owner in parts.items() for p in parameters_of(owner, part)}
    for key in values:
        if key not in known:
            raise InvalidParameter(f"{thing!r} has no parameter {key!r}; it has: {', '.join(sorted(known)) or 'none'}.")
    made = {}
    for part, owner in parts.items():
        given = {p.name: p.value for p in parameters_of(owner, part)}
        new = {name: values[f"{part}.{name}"] for name in given if f"{part}.{name}" in values}
        made[part] = type(owner)(**{**given, **new}) if new else owner
    if not is_strategy:
        return made["model"]
    if "strategy" in made:
        strategy = made["strategy"]
        if strategy is not thing:
            _restrict(strategy, thing, "strategy.max_candidates" in values)
        return strategy
    strategy = copy.copy(thing)
    if made.get("score") is not thing.measure:
        strategy = Strategy(made["score"], thing.selection)
    strategy.selection = made["selection"]
    strategy.restrictions = thing.restrictions
    return strategy


def _parts(strategy: Strategy) -> dict[str, Any]:
    if type(strategy).__init__ is not Strategy.__init__:
        return {"strategy": strategy}
    return {"score": strategy.measure, "selection": strategy.selection}


def _restrict(new: Strategy, old: Strategy, has_max: bool) -> None:
    """Restrictions are kept; how many candidates are looked at may be a parameter, and the new one counts then."""
    most = new.restrictions.max_candidates if has_max else old.restrictions.max_candidates
    new.restrictions = old.restrictions.with_(max_candidates=most)


def _kind(annotation: str, default: Any, documented: str, value: Any) -> tuple[str, tuple[Any, ...]]:
    choices = tuple(_choices(documented))
    types = [part.strip() for part in annotation.split("|")]
    numbers = [_KINDS[t] for t in types if t in _KINDS]
    others = [word for word in (default, *choices) if isinstance(word, str)] + ([None] if "None" in types else [])
    if numbers == ["flag"]:
        return "flag", ()
    if numbers:
        kind = "number" if "number" in numbers else "whole"
        is_plain = value is None or value in others or isinstance(value, int | float)
        return (kind, tuple(dict.fromkeys(others))) if is_plain else ("object", ())
    if choices and (isinstance(value, str) or value is None):
        optional = (None,) if ("None" in types or documented.rstrip().endswith("None")) and None not in choices else ()
        offered = (*optional, *choices)
        return ("choice", offered) if value in offered else ("object", ())
    return "object", ()


def _choices(documented: str) -> list[Any]:
    found = _CHOICES.search(documented)
    words = [] if found is None else [word.strip() for word in found.group(1).split(",")]
    return [None if word == "None" else word.strip("\"'") for word in words]


def _documented(kind: type) -> dict[str, tuple[str, str]]:
    """Type and words of each parameter, from the numpydoc of a class and of those that it is made from."""
    found: dict[str, tuple[str, str]] = {}
    for cls in reversed(kind.__mro__[:-1]):
        text = inspect.cleandoc(cls.__doc__ or "")
        section = re.search(r"^Parameters\n-+\n(.*?)(?=^\S[^\n]*\n-{3,}|\Z)", text, re.M | re.S)
        for entry in re.split(r"\n(?=\S)", section.group(1)) if section else []:
            head, _, body = entry.partition("\n")
            names, _, declared = head.partition(" : ")
            for name in names.split(","):
                old_type, old_words = found.get(name.strip(), ("", ""))
                kept = old_type if "{" in old_type and "{" not in declared else declared.strip()
                found[name.strip()] = kept, " ".join(inspect.cleandoc(body).split()) or old_words
    return found
