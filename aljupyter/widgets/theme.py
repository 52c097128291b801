"""Colours, shapes and number formats that the views share: in light and dark, with and without colour vision."""

from __future__ import annotations

import io
import math
from functools import cache

import numpy as np
from PIL import Image

#: Okabe & Ito's colours (2008), those that stand out on cividis first. Class k is drawn in COLOURS[k], as SHAPES[k].
COLOURS = ("#56B4E9", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#F0E442", "#0072B2")
SHAPES = ("square", "circle", "triangle-up", "diamond", "triangle-down")
VALUE_COLOUR = "#E69F00"
POOL_COLOUR = "#ffffff"
ASKED_COLOUR = "#e8202a"
OUTLINE = "#1a1a1a"
CURVE_COLOUR = "#2186c4"  # between Okabe-Ito's blues: stands out on white and on black
CEILING_COLOUR = "#009E73"
FLOOR_COLOUR = "#888888"

#: JupyterLab's own colours, so that text follows the theme (bqplot's dark style makes axis labels orange).
TEXT = "var(--jp-content-font-color1, #333333)"
FAINT_TEXT = "var(--jp-content-font-color2, #666666)"
ERROR_TEXT = "var(--jp-error-color1, #d32f2f)"

HEAT_MAP = "cividis"
DIFFERENCE_MAP = "PuOr"  # two sides that are told apart without red and green; nothing is white


def class_colour(code: int) -> str:
    """Colour of a class by its code."""
    return COLOURS[code % len(COLOURS)]


def class_shape(code: int) -> str:
    """Marker of a class by its code; with the colours, 35 classes before a pair comes again."""
    return SHAPES[code % len(SHAPES)]


def band_colour(k: int) -> str:
    """Colour of the k-th of the loops beside a learning curve."""
    return ("#E69F00", "#CC79A7", "#009E73", "#D55E00")[k % 4]


@cache
def heat_palette(name: str = HEAT_MAP, n_classes: int = 0) -> np.ndarray:
    """Colours of the heatmap from low to high, uint8 of shape (256, 3); those of the classes where there are any."""
    import matplotlib

    if n_classes:
        codes = (np.arange(256) * n_classes // 256).tolist()
        return np.array([[int(class_colour(c)[i : i + 2], 16) for i in (1, 3, 5)] for c in codes], np.uint8)
    return (matplotlib.colormaps[name](np.arange(256))[:, :3] * 255).round().astype(np.uint8)


def heat_colours(n: int = 16, name: str = HEAT_MAP, n_classes: int = 0) -> list[str]:
    """The same palette as n hex colours, for the scale that bqplot draws."""
    chosen = heat_palette(name, n_classes)[np.linspace(0, 255, n).round().astype(int)]
    return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in chosen]


def palette_of(kind: str, n_classes: int) -> tuple[str, int]:
    """What :func:`heat_palette` is asked for a kind of heat: "heat", "difference" or "classes"."""
    return DIFFERENCE_MAP if kind == "difference" else HEAT_MAP, n_classes if kind == "classes" else 0


def encode_png(levels_H_W: np.ndarray, palette: np.ndarray) -> bytes:
    """A PNG of one palette index a pixel, 8 bits each.

    Parameters
    ----------
    levels_H_W : uint8 array of shape (H, W)
        Row 0 is the top of the picture.
    palette : uint8 array of shape (256, 3)
    """
    height, width = levels_H_W.shape
    image = Image.frombytes("P", (width, height), levels_H_W.astype(np.uint8).tobytes())
    image.putpalette(palette.astype(np.uint8).tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


def decode_png(png: bytes) -> np.ndarray:
    """The palette indices of a picture that :func:`encode_png` made, uint8 of shape (H, W)."""
    with Image.open(io.BytesIO(png)) as image:
        return np.array(image)


def nice_ticks(low: float, high: float, n: int = 5, integer: bool = False) -> np.ndarray:
    """At most n + 1 round numbers within [low, high], float64; whole numbers where `integer`."""
    span = high - low
    if not math.isfinite(span) or span <= 0:
        return np.array([low])
    magnitude = 10.0 ** math.floor(math.log10(span / n))
    step = next(m * magnitude for m in (1, 2, 2.5, 5, 10) if m * magnitude >= span / n * 0.999)
    if integer:
        step = max(1.0, 5.0 if step == 2.5 else step)
    return np.arange(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1) * step


def log_ticks(low: float, high: float) -> np.ndarray:
    """Round numbers within [low, high] for a logarithmic axis, float64; 0 < low."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1,), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9)):
        ticks = np.array([d * 10.0**p for p in powers for d in digits])
        ticks = ticks[(ticks >= low) & (ticks <= high)]
        if len(ticks) >= 3:
            return ticks[:: max(1, len(ticks) // 6)]
    return ticks if len(ticks) else nice_ticks(low, high)


def tick_format(ticks: np.ndarray) -> str:
    """The d3 format that writes these ticks with no needless digit."""
    largest = float(np.abs(ticks).max()) if len(ticks) else 0.0
    if largest >= 1e6 or 0 < largest < 1e-3:
        return ".1e"
    for decimals in range(5):
        if np.allclose(ticks, ticks.round(decimals), atol=1e-9):
            return f".{decimals}f"
    return ".4f"


def number(value: float, like: float | None = None) -> str:
    """A number for a sentence, with the digits that mean something; with as many decimals as `like` would have."""
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else "infinite"
    size = abs(value if like is None else like)
    if size != 0 and not 5e-4 <= size < 1e5:
        return f"{value:.2g}"
    text = f"{value:.{3 if size < 1 else 2 if size < 100 else 0}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def short(name: object, most: int = 44) -> str:
    """A name of one's own data, cut to what fits beside a picture."""
    text = str(name)
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
