"""Pyomo, without the second that its SciPy hook adds to a cold start.

Pyomo loads ``scipy.stats`` as soon as SciPy is there, for features that are not used here: at once
where SciPy was imported before it, else by watching for that import. So it does not see SciPy while
it is imported, and its watch is taken away. That is harmless: it still loads SciPy when it needs it
itself.
"""

from __future__ import annotations

import sys

_scipy = sys.modules.pop("scipy", None)
try:
    import pyomo.environ as pyo
    from pyomo.common import dependencies
finally:
    if _scipy is not None:
        sys.modules["scipy"] = _scipy

_watch = getattr(dependencies, "_DeferredImportCallbackFinder", None)
if _watch is not None:
    getattr(_watch, "_callbacks", {}).pop("scipy", None)

__all__ = ["pyo"]
