"""What a cold start must not load: engines where nothing is solved, and what Pyomo pulls in."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("imported", "left_out"),
    [
        (
            "api.service.app",
            ["pyomo", "highspy", "ortools", "apprise", "matplotlib", "distributed"],
        ),
        ("scipy.special, solver.planner", ["scipy.stats", "ortools", "matplotlib", "pandas"]),
        ("api.cli", ["numpy", "pydantic", "scipy"]),
    ],
)
def test_what_is_not_loaded(imported, left_out):
    code = f"import sys, {imported}; print(*set({left_out!r}) & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_scipy_is_the_same_before_and_after_pyomo():
    code = (
        "import scipy, scipy.special as before\n"
        "from solver.light_pyomo import pyo\n"
        "import scipy.special as after, sys\n"
        "print(sys.modules['scipy'] is scipy, before is after, pyo.ConcreteModel.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True", "ConcreteModel"]
