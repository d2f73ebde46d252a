"""Commands from a cold shell: a new process each time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).parent / "minfleet"


def run(*arguments: str) -> None:
    subprocess.run([PROGRAM, *arguments], check=True, capture_output=True)


COMMANDS = {
    "help": ("--help", 0.3),
    "plan help": ("plan --help", 0.3),
    "plan": ("plan examples/chat-70b.yaml", 3.0),
    "estimate": ("estimate llama-3.1-70b-instruct --accelerator h100_sxm --tp 2", 1.5),
    "catalog": ("catalog list offers", 1.0),
}
"""Name → arguments, and seconds that they may take."""


@pytest.mark.parametrize("name", COMMANDS)
def test_cold_shell(measure, name):
    arguments, target_s = COMMANDS[name]
    measure(lambda: run(*arguments.split()), target_s=target_s)
