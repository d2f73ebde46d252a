"""How many cores there are to work on."""

from __future__ import annotations

import math
import os
from pathlib import Path

CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""Where Linux says how much processor time a container may take (cgroup v2)."""


def usable_cores() -> int:
    """Return how many cores this process may use: by its affinity and its container's quota."""
    known = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if known else os.cpu_count() or 1
    try:
        quota, period = map(float, CPU_QUOTA.read_text().split())
    except (OSError, ValueError):  # another system, or no quota ("max")
        return cores
    return max(1, min(cores, math.ceil(quota / period)))
