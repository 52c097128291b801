"""Closing a widget closes all that hangs on it: ipywidgets itself leaves layouts, styles, scales and axes behind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ipywidgets import Widget


def _widgets_in(value: Any) -> Iterator[Widget]:
    if isinstance(value, Widget):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _widgets_in(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _widgets_in(item)


def tree(*roots: Widget) -> list[Widget]:
    """The roots and every widget that their traits hold, directly or through others."""
    found: dict[int, Widget] = {}
    waiting = list(roots)
    while waiting:
        widget = waiting.pop()
        if id(widget) not in found:
            found[id(widget)] = widget
            waiting.extend(_widgets_in([getattr(widget, name) for name in widget.keys]))
    return list(found.values())


def close_tree(*roots: Widget) -> None:
    """Close the roots and all below them."""
    for widget in tree(*roots):
        widget.close()
