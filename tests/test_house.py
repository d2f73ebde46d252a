"""The house holds: imports go downwards, modules stay small, everything public is explained."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = {
    "data": set(),
    "model": {"data"},
    "solver": {"model", "data"},
    "api": {"solver", "model", "data"},
    "minfleet": {"api", "solver", "model", "data"},
}
"""Room → the rooms it may import."""

MAX_LINES = 450

MODULES = sorted(p for room in ROOMS for p in (ROOT / room).rglob("*.py"))
every_module = pytest.mark.parametrize(
    "path", MODULES, ids=lambda p: str(p.relative_to(ROOT)).removesuffix(".py")
)


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def imported(node: ast.AST) -> Iterator[str]:
    """Yield the full names of the modules that an import statement loads."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "relative imports hide the room they go to"
        assert node.module
        yield node.module


def test_the_rooms_are_there():
    assert {p.relative_to(ROOT).parts[0] for p in MODULES} == set(ROOMS)


@every_module
def test_imports_go_downwards(path):
    room = path.relative_to(ROOT).parts[0]
    reached = {name.split(".")[0] for node in ast.walk(tree(path)) for name in imported(node)} & {
        *ROOMS,
        "tests",
        "benchmarks",
        "docs",
    }
    assert reached <= ROOMS[room] | {room}


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("*.py")), ids=lambda p: p.stem)
def test_no_test_imports_the_tests_as_a_package(path):
    names = {name.split(".")[0] for node in ast.walk(tree(path)) for name in imported(node)}
    assert "tests" not in names
    assert path.name != "__init__.py"


@every_module
def test_modules_are_read_in_one_sitting(path):
    assert len(path.read_text("utf-8").splitlines()) <= MAX_LINES


def public(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Yield public functions and classes, and the public methods of classes."""
    for node in body:
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        if node.name.startswith("_") or is_override(node):
            continue
        yield prefix + node.name, node
        if isinstance(node, ast.ClassDef):
            yield from public(node.body, f"{prefix}{node.name}.")


def is_override(node: ast.AST) -> bool:
    """Whether a method takes its meaning from the library class it overrides."""
    return getattr(node, "name", "") in {
        "list_commands",
        "get_command",
        "format_commands",
        "resolve_command",
        "convert",
        "parse_args",
        "handle_exit",
    }


@every_module
def test_everything_public_has_a_docstring(path):
    module = tree(path)
    if module.body:
        assert ast.get_docstring(module), "the module has none"
    bare = [name for name, node in public(module.body) if not ast.get_docstring(node)]
    assert not bare


def test_the_face_only_passes_names_on():
    """`minfleet/` holds no classes and no functions but the one that loads names lazily."""
    for path in (ROOT / "minfleet").glob("*.py"):
        for node in ast.walk(tree(path)):
            assert not isinstance(node, (ast.ClassDef, ast.Lambda, ast.For, ast.While))
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                assert node.name in ("__getattr__", "__dir__")


def test_every_public_name_of_the_face_is_there():
    import minfleet

    for name in minfleet.__all__:
        assert getattr(minfleet, name) is not None
    with pytest.raises(AttributeError):
        minfleet.no_such_name  # noqa: B018


HEAVY = ("numpy", "scipy", "pyomo", "highspy", "ortools", "pydantic", "rich", "yaml", "pandas")


def loaded_by(statement: str) -> set[str]:
    """Return the packages of `HEAVY` that a fresh interpreter has loaded after a statement."""
    script = f"{statement}\nimport sys\nprint('loaded', *[m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    first, *names = done.stdout.splitlines()[-1].split()
    assert first == "loaded"
    return set(names)


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ("import api.cli", set()),
        ("import minfleet", set()),
        ("from minfleet import Catalog", {"yaml"}),
        ("from minfleet import Workload", {"numpy", "pydantic", "yaml"}),
        ("import api.cli as c; c.main(['--help'], standalone_mode=False)", set()),
    ],
)
def test_what_is_not_needed_yet_is_not_loaded(statement, allowed):
    assert loaded_by(statement) <= allowed


def test_the_second_engine_waits_until_it_is_asked():
    loaded = loaded_by("import solver.planner, solver.engines.cpsat, solver.checker")
    assert "highspy" in loaded
    assert not loaded & {"ortools", "rich", "pandas"}


def test_the_packages_are_listed_by_name():
    import tomllib

    listed = set(
        tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"][
            "packages"
        ]
    )
    found = {".".join(p.parent.relative_to(ROOT).parts) for p in MODULES if p.name == "__init__.py"}
    assert listed == found
