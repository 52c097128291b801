"""GPyTorch is loaded by the package first: imported bare, it warns of a deprecation, and warnings are errors here."""

import aljupyter.models.gp  # noqa: F401
