"""Fields for parameters: a box to tick, a menu, a number to type; what cannot be set is shown as text."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from html import escape
from typing import Any

import ipywidgets as w

from aljupyter.parameters import Parameter
from aljupyter.widgets import theme
from aljupyter.widgets.cleanup import close_tree
from aljupyter.widgets.menus import menu

MOST_FIELDS = 60


class Form:
    """The fields of one thing, which follow it and change it.

    Parameters
    ----------
    on_change : callable
        Called with the :attr:`Parameter.key` and the value that a person chose. What it raises is shown by `attempt`,
        and the field goes back.
    attempt : callable
        Calls a function, and shows what goes wrong.
    cls : str
        Class of its outermost element.
    """

    def __init__(self, on_change: Callable[[str, Any], None], attempt: Callable[[Callable[[], Any]], None], cls: str):
        self._on_change, self._attempt = on_change, attempt
        self._parameters: dict[str, Parameter] = {}
        self._fields: dict[str, Any] = {}
        self._setting: int | None = None  # the thread that fills fields in without a person
        self.widget = w.HBox([], layout=w.Layout(flex_flow="row wrap", align_items="center", max_height="200px"))
        self.widget.layout.overflow = "auto"
        self.widget.add_class(cls)

    def show(self, parameters: Iterable[Parameter], disabled: bool = False) -> None:
        """Show these values; fields are made anew only for other parameters."""
        shown = {p.key: p for p in parameters if not (p.kind == "object" and p.value is None)}
        as_before = [(p.key, p.kind, p.choices) for p in self._parameters.values()]
        self._parameters = shown
        if [(p.key, p.kind, p.choices) for p in shown.values()] != as_before:
            self._make()
        self._fill(disabled)

    def _make(self) -> None:
        before = self.widget.children
        kept = list(self._parameters.values())[:MOST_FIELDS]
        self._fields = {p.key: self._field(p) for p in kept}
        more = len(self._parameters) - len(kept)
        rest = [w.HTML(f'<span style="color:{theme.FAINT_TEXT}">and {more} more</span>')] if more else []
        self.widget.children = [*self._fields.values(), *rest]
        if before:
            close_tree(*before)

    def _field(self, parameter: Parameter) -> Any:
        name, tip = parameter.name.replace("_", " "), parameter.words or parameter.name
        style = {"description_width": "initial"}
        if parameter.kind == "flag":
            made: Any = w.Checkbox(description=name, indent=False, tooltip=tip, layout=w.Layout(width="auto"))
        elif parameter.kind == "choice":
            options = [_written(choice) for choice in parameter.choices]
            made = menu(name, options, tip, "al-choice", "240px")
        elif parameter.kind == "object":
            return w.HTML(layout=w.Layout(max_width="420px"))
        else:
            made = w.Text(
                description=theme.short(name, 30), continuous_update=False, tooltip=tip, style=style,
                layout=w.Layout(width=f"{110 + 7 * min(len(name), 30)}px"),
            )  # fmt: skip
        made.add_class(f"al-set-{parameter.name.replace(' ', '-')}")
        made.observe(lambda change, key=parameter.key: self._changed(key, change["new"]), "value")
        return made

    def _fill(self, disabled: bool) -> None:
        self._setting = threading.get_ident()
        try:
            for key, field in self._fields.items():
                value = _text(self._parameters[key])
                if field.value != value:
                    field.value = value
                if not isinstance(field, w.HTML):
                    field.disabled = disabled
        finally:
            self._setting = None

    def _changed(self, key: str, given: Any) -> None:
        if self._setting == threading.get_ident():
            return  # the fields follow the thing, not the other way round
        parameter = self._parameters[key]
        if given == _text(parameter):
            return

        def act() -> None:
            try:
                self._on_change(key, _meant(parameter, given))
            except Exception:
                self._fill(self._fields[key].disabled)
                raise

        self._attempt(act)

    def summary(self) -> str:
        """Names and values, in words."""
        return ", ".join(f"{p.name.replace('_', ' ')} {_written(_shown(p))}" for p in self._parameters.values())


def _typed(parameter: Parameter) -> bool:
    return parameter.kind in ("whole", "number")


def _meant(parameter: Parameter, given: Any) -> Any:
    """The value that a field's content stands for."""
    if _typed(parameter):
        return parameter.read(given)
    if parameter.kind == "choice":  # a menu cannot offer None itself: that is nothing chosen
        return next(choice for choice in parameter.choices if _written(choice) == given)
    return given


def _text(parameter: Parameter) -> Any:
    """What a field shows."""
    if parameter.kind == "object":
        said = escape(theme.short(f"{parameter.name}: {' '.join(repr(parameter.value).split())}", 60))
        return f'<span title="{escape(parameter.words)}" style="color:{theme.FAINT_TEXT}">{said}</span>'
    return parameter.value if parameter.kind == "flag" else _written(_shown(parameter))


def _shown(parameter: Parameter) -> Any:
    """A learned number in the digits that mean something; one that a person gave as it is."""
    value = parameter.value
    return float(f"{value:.4g}") if parameter.part == "learned" and isinstance(value, float) else value


def _written(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)
