"""What a user's own function makes of a point: a picture, a table, a text."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Any

import ipywidgets as w
import numpy as np

from aljupyter.widgets import theme

ShowFunction = Callable[[int, Any], Any]


@dataclass(frozen=True)
class Shown:
    """A PNG, or HTML that is safe to show; neither where there is nothing to show."""

    png: bytes | None = None
    html: str = ""

    @property
    def nothing(self) -> bool:
        return self.png is None and not self.html

    def widget(self) -> w.Widget:
        if self.png is not None:
            return w.Image(value=self.png, format="png", layout=w.Layout(max_width="260px", max_height="220px"))
        return w.HTML(self.html, layout=w.Layout(max_width="420px", overflow="auto"))


def shown_by(show: ShowFunction | None, index: int, row: Any) -> Shown:
    """What ``show(index, row)`` returned, made ready for the screen; its error in red where it raises.

    Parameters
    ----------
    show : callable or None
        Returns text (shown as it is), an array of shape (H, W) or (H, W, 3), a PIL image, a matplotlib figure, a
        table, or any object with ``_repr_png_`` or ``_repr_html_`` (whose HTML is trusted: it is the user's own).
    index : int
    row : mapping
        The point as it was given.
    """
    if show is None:
        return Shown()
    try:
        return _shown(show(index, row))
    except Exception as error:
        said = escape(f"show({index}, …) raised {type(error).__name__}: {error}")
        return Shown(html=f'<div role="alert" style="color:{theme.ERROR_TEXT}">{said}</div>')


def _shown(made: Any) -> Shown:
    if made is None:
        return Shown()
    if isinstance(made, str):
        return Shown(html=f'<div style="white-space:pre-wrap">{escape(made)}</div>')
    if isinstance(made, np.ndarray):
        made = _image(made)
    if hasattr(made, "savefig"):  # a matplotlib figure
        return Shown(png=_saved(lambda buffer: made.savefig(buffer, format="png", dpi=80)))
    if hasattr(made, "save") and hasattr(made, "getbbox"):  # a PIL image
        return Shown(png=_saved(lambda buffer: made.save(buffer, "PNG")))
    if hasattr(made, "to_frame") and not hasattr(made, "_repr_html_"):  # a pandas Series
        made = made.to_frame()
    for name in ("_repr_png_", "_repr_html_"):
        found = getattr(made, name, lambda: None)()
        if found is not None:
            return Shown(png=found) if name == "_repr_png_" else Shown(html=found)
    return Shown(html=f'<div style="white-space:pre-wrap">{escape(repr(made))}</div>')


def _image(values: np.ndarray) -> Any:
    """An array as a picture: bytes as they are, other numbers from their lowest (black) to their highest (white)."""
    from PIL import Image

    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] not in (3, 4)):
        raise ValueError(f"an array to be shown has shape (H, W), (H, W, 3) or (H, W, 4), got {values.shape}")
    if values.dtype != np.uint8:
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        values = np.nan_to_num((values - low) / ((high - low) or 1.0) * 255).round().astype(np.uint8)
    picture = Image.fromarray(values)
    if max(values.shape[:2]) < 128:  # an 8 x 8 digit is to be seen
        scale = 128 // max(values.shape[:2])
        picture = picture.resize((values.shape[1] * scale, values.shape[0] * scale), Image.Resampling.NEAREST)
    return picture


def _saved(save: Callable[[io.BytesIO], Any]) -> bytes:
    buffer = io.BytesIO()
    save(buffer)
    return buffer.getvalue()
