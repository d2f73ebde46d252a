"""docs/formulation.md: every constraint is there with its formula, every name in it exists."""

from __future__ import annotations

import importlib
import inspect
import re

import pytest

from solver import formulation

FUNCTIONS = {
    name: function
    for name, function in vars(formulation).items()
    if name.startswith("define_") and inspect.isfunction(function)
}


@pytest.fixture(scope="module")
def text(page):
    return page("formulation.md")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_constraint_is_named_beside_its_formula(name, text):
    docstring = inspect.getdoc(FUNCTIONS[name])
    assert docstring is not None
    formula = docstring.splitlines()[0].removesuffix(".")
    match = re.search(rf"`solver\.formulation\.{name}`\n\n    (.+)\n", text)
    assert match is not None, f"{name} has no formula in docs/formulation.md"
    assert match[1].split() == formula.split()


def test_constraints_are_in_the_order_they_are_built(text):
    shown = re.findall(r"^`solver\.formulation\.(define_\w+)`$", text, re.MULTILINE)
    assert sorted(shown) == sorted(FUNCTIONS)


def test_every_name_exists(text):
    names = set(re.findall(r"`((?:data|model|solver|api)\.[\w.]+)`", text))
    assert len(names) > 20
    for name in sorted(names):
        assert exists(name), f"{name} does not exist"


def exists(name: str) -> bool:
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[end:]:
            if not hasattr(found, attribute):
                return False
            found = getattr(found, attribute)
        return True
    return False


def test_the_worked_example_is_right():
    cost, admits = {"A": 3, "B": 5}, {"A": 4, "B": 7}
    fleets = [
        (cost["A"] * a + cost["B"] * b, (a, b))
        for a in range(5)
        for b in range(5)
        if admits["A"] * a + admits["B"] * b >= 10
    ]
    assert min(fleets) == (8, (1, 1))
    assert round(10 * 5 / 7, 2) == 7.14


def test_the_grid_in_the_text_is_that_of_the_code(text):
    from solver.layouts import BATCH_CAPS, PIPELINE_DEGREES, PREFILL_CAP

    words = " ".join(text.split())
    assert f"PP {', '.join(map(str, PIPELINE_DEGREES))} " in words
    assert f"batch caps {', '.join(map(str, BATCH_CAPS))} " in words
    assert f"{PREFILL_CAP} for prefill pools" in words
