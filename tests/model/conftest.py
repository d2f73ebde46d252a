"""Puts the helper beside these tests on the path: replicas with known coefficients."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
