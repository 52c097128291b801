"""Menus that say what they are for."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import ipywidgets as w


def menu(text: str, options: Sequence[Any], tip: str, cls: str, width: str = "230px") -> w.Dropdown:
    """A Dropdown with its label and its tooltip.

    ipywidgets shows no tooltip of a Dropdown, so it stands in the label.
    """
    made = w.Dropdown(
        description=f'<span title="{escape(tip)}">{escape(text)}</span>', description_allow_html=True,
        options=list(options), style={"description_width": "initial"}, layout=w.Layout(width="auto", max_width=width),
    )  # fmt: skip
    made.add_class(cls)
    return made
