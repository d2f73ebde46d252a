"""docs/frontiers.md: the quick examples are what is printed now, the code runs, names exist."""

from __future__ import annotations

import re
import shlex
from importlib import import_module

import pytest
from click.testing import CliRunner

from api.cli import main


def settled(lines: list[str]) -> list[str]:
    """Leave out warnings of old prices, which come with time."""
    return " ".join(lines).partition(" ! ")[0].split()


@pytest.mark.parametrize("name", ["power", "providers", "sweep"])
def test_the_example_is_what_is_printed_now(page, script, root, monkeypatch, name):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(root)
    command = script("render_examples").FRONTIERS[name]
    arguments = shlex.split(command.replace("\\\n", ""))[1:]
    result = CliRunner().invoke(main, [*arguments, "--jobs", "1"])
    assert result.exit_code == 0, result.output
    text = script("marked").between(page("frontiers.md"), name)
    assert text.startswith(f"```console\n$ {command}\n")
    shown = text.removeprefix(f"```console\n$ {command}\n").splitlines()[:-1]
    assert settled(shown) == settled(result.stdout.splitlines()), "run 'make examples'"


def test_every_part_is_there(page, script):
    for name, command in script("render_examples").FRONTIERS.items():
        assert command in script("marked").between(page("frontiers.md"), name)


def test_the_python_example_runs(page, root, capsys, monkeypatch):
    monkeypatch.chdir(root)
    (code,) = re.findall(r"```python\n(.*?)```", page("frontiers.md"), re.DOTALL)
    exec(compile(code, "frontiers.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "5.6 kW: $26.40/h"
    assert lines[-1] == "isl"


def test_every_name_exists(page):
    names = set(re.findall(r"`(solver\.[\w.]+)\.(\w+)`", page("frontiers.md")))
    assert len(names) == 2
    for module, name in names:
        assert hasattr(import_module(module), name)
