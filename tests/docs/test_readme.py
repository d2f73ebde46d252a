"""README.md: its plan is what the planner gives now, its Python runs, its links lead somewhere."""

from __future__ import annotations

import re

import pytest

from data.catalog import Catalog
from solver.planner import plan
from solver.workload import Workload

AGAIN = "run 'make examples' and look at what changed"


@pytest.fixture(scope="module")
def readme(root):
    return (root / "README.md").read_text("utf-8")


@pytest.fixture(scope="module")
def chat(root):
    return plan(Workload.load(root / "examples" / "chat-70b.yaml"), Catalog.load())


def test_the_cost_is_what_the_plan_gives_now(readme, chat):
    shown = re.search(r"\$([\d,]+\.\d\d) an hour", readme)
    assert shown is not None
    assert shown[1] == f"{chat.cost_per_hour_usd:,.2f}", AGAIN
    assert chat.status == "optimal"
    assert "Proven: no cheaper fleet exists." in readme


def test_the_printed_plan_is_what_is_printed_now(readme, chat, script, capsys, monkeypatch):
    from api.output_plan import show_plan

    monkeypatch.setenv("COLUMNS", "80")
    show_plan(chat, "examples/chat-70b.yaml")
    block = script("marked").between(readme, "plan").splitlines()
    assert block[:2] == ["```console", "$ minfleet plan examples/chat-70b.yaml"]
    assert settled(block[2:-1]) == settled(capsys.readouterr().out.splitlines()), AGAIN


def settled(lines: list[str]) -> list[str]:
    """Leave out what is not the answer: counts of the search, seconds, warnings of old prices."""
    text = " ".join(lines).partition(" ! ")[0]
    text = re.sub(r"\bsearch .*? s\s+(?=What)", "", text)
    return re.sub(r"\d+ conditions", "conditions", text).split()


def test_it_fits_one_screen(readme, script):
    block = script("marked").between(readme, "plan").splitlines()
    assert max(map(len, block)) <= 80
    assert len(block) <= 48


def test_the_python_example_runs(readme, root, capsys, monkeypatch):
    monkeypatch.chdir(root)
    (code,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out.startswith("optimal ")


def test_the_commands_exist(readme):
    from api.cli import VERBS

    named = set(re.findall(r"minfleet ([a-z]+) ", readme))
    verbs = {v for v in named if v in VERBS}
    assert verbs >= {"plan", "estimate", "catalog", "verify"}
    assert named - verbs <= {"finds", "import"}
