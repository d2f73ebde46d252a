"""Writes examples.md, and what README.md and other pages show of ``minfleet``'s output.

``make examples`` runs it. Each command is run as a user would run it, from the project's folder.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path.insert(0, str(HERE))

from marked import rewrite  # noqa: E402

FIRST = "minfleet plan examples/chat-70b.yaml"

MEASURED = (
    "minfleet plan examples/measured/workload.yaml --offers examples/measured/offers.csv "
    "--measured examples/measured/measured.csv"
)

COMPARE = (
    "minfleet compare examples/chat-70b.yaml examples/compare/quotes.csv "
    "--subset nimbus=h100x8,h200x4"
)


AIMED = "examples/rag-8k-two-classes.yaml"

AIMS = {"cost": "cost", "gpus": "accelerators", "energy": "energy", "carbon": "carbon"}

BUDGET = "minfleet plan examples/chat-70b.yaml --budget 50"

DAY = "minfleet plan examples/day-and-commitments.yaml \\\n    --offers examples/compare/quotes.csv"

BATCH = "minfleet plan examples/batch-summaries-8b.yaml"
QUOTES = "--offers examples/compare/quotes.csv"

STORY_QUOTES = "--offers examples/stories/quotes.csv"

STORIES = {
    "compare": "minfleet compare examples/stories/support-70b.yaml examples/stories/quotes.csv",
    "day": f"minfleet plan examples/stories/support-70b-day.yaml {STORY_QUOTES}",
    "budget": f"minfleet plan examples/stories/support-70b-budget.yaml {STORY_QUOTES}",
    "load": f"minfleet plan examples/stories/support-70b.yaml --budget 90 {STORY_QUOTES} \\\n"
    "    --explain none",
}
"""Part of stories.md → the command whose output it shows."""

FRONTIERS = {
    "tpot": "minfleet frontier examples/chat-70b.yaml --of tpot_ms --plot docs/frontier-tpot.svg",
    "power": "minfleet frontier examples/power-capped-8b.yaml --of power_kw",
    "providers": f"minfleet frontier examples/chat-70b.yaml --of providers {QUOTES}",
    "sweep": f"minfleet sweep examples/chat-70b.yaml {QUOTES} \\\n"
    "    --vary rate=0.5:2:4 --vary price:h200_sxm=0.8,1",
    "sensitivity": f"minfleet sweep examples/chat-70b.yaml {QUOTES} \\\n"
    "    --sensitivity --plot docs/sensitivity.svg",
}
"""Part of frontiers.md → the command whose output it shows."""

REPLANS = [
    "minfleet replan examples/chat-70b.yaml --current running.json \\\n"
    f"    --offers examples/replanning/offers-{month}.csv --at {day}T09:00Z"
    for month, day in (("june", "2026-06-10"), ("july", "2026-07-10"))
]
"""Commands that replanning.md shows."""


def commands() -> list[str]:
    """Return the command of each example: chat-70b first, folders last."""
    files = sorted((ROOT / "examples").glob("*.yaml"), key=lambda p: (p.stem != "chat-70b", p.stem))
    plain = [f"minfleet plan {path.relative_to(ROOT)}" for path in files]
    return [*plain, "minfleet plan examples/trace/workload.yaml", MEASURED]


def printed(command: str) -> str:
    """Return what a command prints, 80 columns wide, and its exit status if that is not 0.

    Raises
    ------
    RuntimeError
        If it ends with another status than 0 (planned) or 1 (proven infeasible).
    """
    program, *arguments = shlex.split(command.replace("\\\n", ""))
    ended = subprocess.run(
        [Path(sys.executable).parent / program, *arguments],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode not in (0, 1) or ended.stderr:
        raise RuntimeError(f"{command}: exit status {ended.returncode}: {ended.stderr}")
    status = "\n(exit status 1)" if ended.returncode else ""
    return ended.stdout.rstrip() + status


def console(command: str) -> str:
    """Return a command and what it prints as a block of Markdown."""
    return f"```console\n$ {command}\n{printed(command)}\n```"


def aims() -> str:
    """Return a table of one workload planned for each objective."""
    lines = [
        "| least | $/h | accelerators | kWh/h | kg CO2e/h | made of |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for aim, name in AIMS.items():
        plan = json.loads(printed(f"minfleet plan {AIMED} --minimize {aim} --explain none --json"))
        fleet: Counter[str] = Counter()
        for pool in plan["pools"]:
            fleet[f"{pool['accelerator']} ({pool['provider']}/{pool['region']})"] += pool["gpus"]
        cells = (
            name,
            f"{plan['cost_per_hour_usd']:,.2f}",
            str(plan["gpus"]),
            f"{plan['energy_kwh_per_hour']:.4g}",
            f"{plan['carbon_kg_per_hour']:.4g}",
            ", ".join(f"{n} {what}" for what, n in fleet.items()),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def replanned() -> str:
    """Return decisions on a fleet that runs, in a file that is not kept."""
    first = "minfleet plan examples/chat-70b.yaml --offers examples/replanning/offers-may.csv"
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/running.json"
        headline = printed(f"{first} --out {path}").splitlines()[0]
        blocks = [f"```console\n$ {first} \\\n    --out running.json\n{headline}\n…\n```"]
        for command in REPLANS:
            told = printed(command.replace("running.json", path))
            blocks.append(f"```console\n$ {command}\n{told}\n```")
    return "\n\n".join(blocks)


def section(command: str) -> str:
    """Return one example: its file, its command and what that prints."""
    path = ROOT / shlex.split(command)[2]
    name = path.stem if path.parent.name == "examples" else path.parent.name
    text = path.read_text("utf-8").strip()
    source = f"[{path.relative_to(ROOT)}](../{path.relative_to(ROOT)})"
    return f"## {name}\n\n{source}\n\n```yaml\n{text}\n```\n\n{console(command)}"


def write() -> None:
    """Write all pages."""
    sections = "\n\n".join(section(command) for command in commands())
    rewrite(HERE / "examples.md", {"examples": sections})
    rewrite(HERE / "replanning.md", {"example": replanned()})
    rewrite(ROOT / "README.md", {"plan": console(FIRST)})
    rewrite(HERE / "comparison.md", {"example": console(COMPARE)})
    parts = {"aims": aims(), "budget": console(BUDGET), "batch": console(BATCH)}
    rewrite(HERE / "objectives.md", parts)
    rewrite(HERE / "demand.md", {"day": console(DAY)})
    rewrite(HERE / "stories.md", {name: console(c) for name, c in STORIES.items()})
    rewrite(HERE / "frontiers.md", {name: console(c) for name, c in FRONTIERS.items()})


if __name__ == "__main__":
    write()
