"""Widgets for JupyterLab: the only part of the package that knows of notebooks."""

from aljupyter.widgets.explorer import Explorer

__all__ = ["Explorer"]
