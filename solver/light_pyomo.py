"""Pyomo, without the half second that its SciPy hook adds to a cold start.

Pyomo watches for the import of SciPy and then loads ``scipy.stats`` at once, for features that are
not used here. Taking the watch away is harmless: Pyomo still loads it when it needs it itself.
"""

from __future__ import annotations

import pyomo.environ as pyo
from pyomo.common import dependencies

_watch = getattr(dependencies, "_DeferredImportCallbackFinder", None)
if _watch is not None:
    getattr(_watch, "_callbacks", {}).pop("scipy", None)

__all__ = ["pyo"]
