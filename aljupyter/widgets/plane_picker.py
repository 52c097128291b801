"""Which plane the heatmap lies in: menus, and the planes that they stand for."""

from __future__ import annotations

import threading
from typing import Any

import ipywidgets as w
import numpy as np

from aljupyter.errors import WrongShape
from aljupyter.widgets import embeddings
from aljupyter.widgets.menus import menu
from aljupyter.widgets.planes import FeaturePlane, Inputs, Plane, PrincipalPlane, choose_plane

PCA = "principal components"
FEATURES = "two features"
MEDIAN = "median"
MAX_FEATURES = 300  # in a menu; any other can be named in `Explorer(plane=...)`


class PlanePicker:
    """Menus of planes, of two features and of where the others stand.

    Parameters
    ----------
    data : DataManager
    inputs : Inputs
    choice : see :class:`Explorer`
        The plane to start with.

    Attributes
    ----------
    widgets : list of Dropdown
        What is shown of it; none for one or two inputs without an embedding.

    Raises
    ------
    UnknownColumn, WrongShape, ViewError
        For a plane that there is not.
    """

    def __init__(self, data: Any, inputs: Inputs, choice: Any = None):
        self._data, self._inputs = data, inputs
        self._known: dict[str, Plane] = {}
        self._setting: int | None = None  # the thread that fills menus in without a person
        start, name = self._start(choice)
        options = [PCA, FEATURES] if inputs.n > 1 else []
        if inputs.n > 2:
            options += embeddings.offered()
        if name not in options and name:
            options.append(name)
        names = inputs.names[:MAX_FEATURES]
        self.plane = menu("over", options or [""], "The plane that the heatmap lies in", "al-plane")
        self.first = menu("x", names, "Feature on the horizontal axis", "al-x", "200px")
        self.second = menu("y", names, "Feature on the vertical axis", "al-y", "200px")
        self.others = menu("others at", [MEDIAN], "Where the other features are held", "al-others", "180px")
        if name:
            self.plane.value = name
        features = start.features if isinstance(start, FeaturePlane) else [0, min(1, len(names) - 1)]
        for chosen, position in zip((self.first, self.second), features, strict=True):
            if position < len(names):
                chosen.index = position
        self._all: list[w.Widget] = list(self.menus)
        self.widgets = self._all if len(options) > 2 or inputs.n > 2 else []
        self.current, self._shown = start, self.plane.value
        self._show_features()

    def _start(self, choice: Any) -> tuple[Plane, str]:
        """The plane that a person chose, and its name in the menu."""
        inputs = self._inputs
        if hasattr(choice, "fit_transform") or (choice is not None and np.ndim(choice) == 2):
            return self._given(choice)
        is_word = isinstance(choice, str)
        if not (choice is None or is_word or isinstance(choice, tuple | list)) or (is_word and choice.lower() != "pca"):
            known = embeddings.named(choice) if is_word else None
            if known is not None and inputs.n == 1:
                raise WrongShape(f"One input is drawn as a line; {known} takes two or more.")
            if known is None:
                second = inputs.names[min(1, inputs.n - 1)]
                offered = ", ".join(f'"{name}"' for name in ("pca", *embeddings.offered()))
                raise WrongShape(
                    f"A plane is one of {offered}, two features such as ({inputs.names[0]!r}, {second!r}), "
                    f"places of shape ({len(self._data)}, 2), or an object with fit_transform; got {choice!r}."
                )
            return self._embedding(known), known
        plane = choose_plane(inputs, choice)
        return plane, "" if plane.is_line else FEATURES if isinstance(plane, FeaturePlane) else PCA

    def _given(self, choice: Any) -> tuple[Plane, str]:
        if hasattr(choice, "fit_transform"):
            name, plane = type(choice).__name__, embeddings.computed(self._data, choice)
        else:
            try:
                places = np.asarray(choice, dtype=float)
            except (TypeError, ValueError) as error:
                raise WrongShape(f"Places of points are numbers, two a point; got {choice!r}.") from error
            name, plane = "given places", embeddings.EmbeddingPlane(self._data, places, "place")
        self._known[name] = plane
        return plane, name

    def _embedding(self, name: str) -> Plane:
        if name not in self._known:
            self._known[name] = embeddings.computed(self._data, name)
        return self._known[name]

    @property
    def menus(self) -> tuple[Any, ...]:
        """Controls whose change asks for another plane."""
        return self.plane, self.first, self.second, self.others

    @property
    def takes_time(self) -> bool:
        """Whether the plane that is chosen has to be computed first."""
        chosen = self.plane.value
        return chosen not in (PCA, FEATURES, *self._known)

    def problem(self) -> str:
        """What is wrong with the choice, in words; empty where nothing is."""
        self._show_features()
        if self.plane.value == FEATURES and self.first.value == self.second.value:
            return "Choose two different features for the plane."
        return ""

    def make(self) -> Plane:
        """The plane that is chosen; an embedding is computed once. Where that fails the menu goes back."""
        try:
            plane = self._make()
        except Exception:
            self._set(self.plane, self._shown)
            self._show_features()
            raise
        self.current, self._shown = plane, self.plane.value
        return plane

    def _make(self) -> Plane:
        chosen = self.plane.value
        if chosen == PCA:
            return PrincipalPlane(self._inputs)
        if chosen == FEATURES:
            index = None if self.others.value == MEDIAN else int(self.others.value.removeprefix("point "))
            held = None if index is None else self._data.subset([index]).x
            return FeaturePlane(self._inputs, self.first.index, self.second.index, held, self.others.value)
        return self._embedding(chosen)

    def offer_point(self, index: int | None) -> None:
        """The point asked about may hold the other features; so may the one that does."""
        held = self.others.value
        options = list(dict.fromkeys([MEDIAN, held, *([] if index is None else [f"point {index}"])]))
        if options != list(self.others.options):
            self._set(self.others, held, options)

    def _set(self, menu: Any, value: str, options: list[str] | None = None) -> None:
        """Fill a menu in, as no person did."""
        self._setting = threading.get_ident()
        try:
            if options is not None:
                menu.options = options
            menu.value = value
        finally:
            self._setting = None

    @property
    def is_setting(self) -> bool:
        """Whether menus are being filled in, and no person has chosen."""
        return self._setting == threading.get_ident()

    def _show_features(self) -> None:
        """Show the menus of features where the plane is one of features."""
        on = self.plane.value == FEATURES
        for shown in (self.first, self.second, self.others):
            shown.layout.display = None if on else "none"

    @property
    def not_shown(self) -> list[w.Widget]:
        """Menus that no row holds: to be closed apart."""
        return [] if self.widgets else self._all
