"""Writes the figures of replay.md: an example, and replays of three clouds' price history.

    .venv/bin/python docs/render_replay.py FOLDER

FOLDER holds ``aws_us_east_1_price_changes.csv``, ``azure_price_changes.csv`` and
``gcp_price_changes.csv``, as replay.md describes them; they are not part of the project. Without
FOLDER the example alone is written. Each command is run as a user would run it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE), str(ROOT)]

from marked import rewrite  # noqa: E402

EXAMPLE = (
    "minfleet replan examples/replay/workload.yaml --replay examples/replay/changes.csv \\\n"
    "    --offers examples/replay/offers.csv"
)

EAGER = "examples/replay/any-saving.json"
"""A policy that does not ask how much of the fleet changes for a saving."""

TIMEOUT_S = 600


class Case(NamedTuple):
    """A replay of a cloud's history."""

    title: str
    file: str
    workload: str
    options: tuple[str, ...] = ()
    plot: str = ""


CASES = (
    Case(
        "Google Cloud, one region",
        "gcp_price_changes.csv",
        "chat-8b",
        ("--region", "us-central1", "--to", "2026-08-10"),
    ),
    Case(
        "Google Cloud, all regions",
        "gcp_price_changes.csv",
        "chat-8b",
        ("--to", "2026-08-10"),
        "replay-gcp.svg",
    ),
    Case(
        "AWS, us-east-1",
        "aws_us_east_1_price_changes.csv",
        "chat-70b",
        ("--region", "us-east-1", "--from", "2023-01-01"),
        "replay-aws.svg",
    ),
    Case("Azure, all regions", "azure_price_changes.csv", "chat-70b", (), "replay-azure.svg"),
)

POLICIES = {"as it ships": (), "any disruption": ("--policy", EAGER)}
"""Name of a policy → options that choose it."""


def workloads() -> set[str]:
    """Return the workloads that are replayed."""
    example = {word for word in EXAMPLE.split() if word.endswith(".yaml")}
    return example | {f"examples/replay/{case.workload}.yaml" for case in CASES}


def printed(command: str) -> str:
    """Return a command and what it prints, as a block."""
    words = command.replace("\\\n", " ").split()[1:]
    return f"```console\n$ {command}\n{run(words)}```"


def run(words: list[str]) -> str:
    """Run minfleet from the project's folder; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "minfleet", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if done.returncode not in (0, 3):
        raise SystemExit(f"minfleet {' '.join(words)}: {done.stderr}")
    return done.stdout


def replayed(case: Case, folder: Path, policy: tuple[str, ...]) -> dict[str, Any]:
    """Replay a history; return the document."""
    words = ["replan", f"examples/replay/{case.workload}.yaml", "--replay", str(folder / case.file)]
    words += [*case.options, *policy, "--json"]
    if case.plot and not policy:
        words += ["--plot", f"docs/{case.plot}"]
    document: dict[str, Any] = json.loads(run(words))
    return document


def clouds(folder: Path) -> str:
    """Return the table and the plots of all cases."""
    head = (
        "history",
        "policy",
        "never",
        "policy's cost",
        "switches",
        "always",
        "its changes (switches)",
        "clairvoyant",
        "bound",
    )
    lines = [_line(*head), _line(*["---"] * len(head))]
    plots = []
    for case in CASES:
        for name, options in POLICIES.items():
            document = replayed(case, folder, options)
            lines.append(_row(case, name, document))
            _tell(case, name, document)
        if case.plot:
            plots.append(f"![{case.title}: prices and costs]({case.plot})")
    return "\n".join([*lines, "", *("\n\n".join(plots)).splitlines()])


def _row(case: Case, name: str, document: dict[str, Any]) -> str:
    cost, courses, path = document["cost_usd"], document["courses"], document["path"]
    never = cost["never"]

    def beside(usd: float) -> str:
        part = (usd - never) / never
        return f"${usd:,.0f}" + (f" ({part:+.1%})" if abs(part) >= 5e-4 else "")

    span = f"{path['hours'] // 24:,.0f} days, {path['changes']:,} changes"
    always = courses["always"]
    return _line(
        f"{case.title}: {span}",
        name,
        f"${never:,.0f}",
        beside(cost["policy"]),
        str(document["switches"]),
        beside(cost["always"]),
        f"${always['change_usd']:,.0f} ({always['switches']})",
        beside(cost["clairvoyant"]),
        f"${document['certificate']['bound']:,.0f}",
    )


def _tell(case: Case, name: str, document: dict[str, Any]) -> None:
    print(case.title, name, document["cost_usd"], document["certificate"], document["search"])
    for step in document["courses"]["policy"]["steps"]:
        print("   ", step["moment"][:10], step["cost_per_hour_usd"], step["fleet"]["text"])


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Write what can be written."""
    parts = {"example": printed(EXAMPLE)}
    if len(sys.argv) > 1:
        parts["clouds"] = clouds(Path(sys.argv[1]))
    rewrite(HERE / "replay.md", parts)


if __name__ == "__main__":
    main()
