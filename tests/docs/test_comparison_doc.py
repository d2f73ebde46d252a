"""docs/comparison.md: its example is what is printed now, every name in it exists."""

from __future__ import annotations

import re
import shlex
from importlib import import_module

from click.testing import CliRunner

from api.cli import main


def settled(lines: list[str]) -> list[str]:
    """Leave out warnings of old prices, which come with time."""
    return " ".join(lines).partition(" ! ")[0].split()


def test_the_example_is_what_is_printed_now(page, script, root, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(root)
    command = script("render_examples").COMPARE
    result = CliRunner().invoke(main, shlex.split(command)[1:])
    assert result.exit_code == 0, result.output
    block = script("marked").between(page("comparison.md"), "example").splitlines()
    assert block[:2] == ["```console", f"$ {command}"]
    assert settled(block[2:-1]) == settled(result.stdout.splitlines()), "run 'make examples'"


def test_the_python_example_runs(page, root, capsys, monkeypatch):
    monkeypatch.chdir(root)
    (code,) = re.findall(r"```python\n(.*?)```", page("comparison.md"), re.DOTALL)
    exec(compile(code, "comparison.md", "exec"), {})
    printed = capsys.readouterr().out
    assert printed.startswith("1 Alone $26.40/h")
    assert len(printed.splitlines()) == 5


def test_every_name_exists(page):
    names = set(re.findall(r"`(solver\.[\w.]+)\.(\w+)`", page("comparison.md")))
    assert len(names) == 4
    for module, name in names:
        assert hasattr(import_module(module), name)
