"""Which board a price list means: SXM, PCIe and NVL cards of one name are different accelerators.

Price lists write ``H100`` for all of them. The machine's name, the description of its GPUs and
their memory tell them apart; where they contradict each other the row is not guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from data.accelerators import Accelerator, aliases, canonical_accelerator
from data.errors import UnknownNameError, nearest
from data.tables import Row

_WORDS = (("pcie", "pcie"), ("nvl(?!ink|72)", "nvl"), ("sxm", "sxm"))
"""Board names as they are written inside a machine's name or a GPU's."""

_MACHINES = (
    (r"Standard_NC\d+ad\w*_A100_v4", "pcie"),
    (r"Standard_NC\w*_H100_v5", "nvl"),
    (r"gpu_1x_a100", "pcie"),
    (r"Standard_ND\w+|p4de?\..+|p5(e|en)?\..+|a[23]-.+|BM\.GPU.+|gpu_8x_a100", "sxm"),
)
"""Machines whose board their cloud documents (Azure NC and ND, AWS P4 and P5, Google A2 and A3,
Oracle bare metal, Lambda) and whose names do not say it."""

_BOARDED = re.compile(r"^(?P<chip>[a-z]+\d+)_(?P<board>sxm|pcie|nvl)(?P<size>_\d+gb)?$")

_BOARD_NAMED = re.compile(r"pcie|nvl(?!ink|72)|sxm", re.IGNORECASE)

MEMORY_TOLERANCE = 0.12
"""How far a listed memory may be from the catalogue's: lists mix GB, GiB and usable memory."""


class BoardFinder:
    """Finds the catalogue's accelerator for the rows of a price list.

    Parameters
    ----------
    known
        Accelerators by name.
    """

    def __init__(self, known: Mapping[str, Accelerator]) -> None:
        self.known = known
        self._names: dict[str, tuple[str, str]] = {}

    def find(self, row: Row, gpus: int) -> tuple[str, str, str]:
        """Return the accelerator of a SkyPilot row, a note for the offer, and a problem.

        Parameters
        ----------
        gpus
            Accelerators of the machine.

        Returns
        -------
        name, note, problem
            `problem` says why the row cannot be used; it is "" exactly if `name` is not.
        """
        info = row.cells.get("GpuInfo", "")
        machine, listed = row.cells["InstanceType"], row.cells["AcceleratorName"]
        board = board_of(machine, f"{listed} {' '.join(re.findall(_GPU_NAME, info))}")
        return self.identify(listed, board, _memory_gb(info, gpus))

    def identify(
        self, listed: str, board: str, memory_gb: tuple[float, ...], *, certain: bool = False
    ) -> tuple[str, str, str]:
        """Return the accelerator that a list calls `listed`; the rest as `find` does.

        Parameters
        ----------
        board
            pcie, nvl or sxm; "" where nothing names it.
        memory_gb
            Readings of its memory; () where it is not listed.
        certain
            Whether a board that nothing names is a problem; else the usual one is taken, and the
            note says so.
        """
        name, problem = self._canonical(listed)
        if problem:
            return "", "", problem
        shape = _BOARDED.match(name)
        kin, note = [name], ""
        if shape is not None:
            same_chip = [m for n in self.known if (m := _BOARDED.match(n)) and m[1] == shape[1]]
            boards = {m["board"] for m in same_chip}
            names_board = _BOARD_NAMED.search(listed) is not None
            if names_board and board and board != shape["board"]:
                return "", "", f"is called {listed}, but its machine has a {board} board"
            if not board and not names_board and len(boards) > 1:
                if certain:
                    either = ", ".join(b.upper() for b in sorted(boards))
                    return "", "", f"nothing tells which {listed} it is, of {either}"
                note = f"the list does not name the board; taken as {shape['board'].upper()}"
            kin = [m[0] for m in same_chip if m["board"] == (board or shape["board"])]
        fits = [n for n in kin if self._fits(n, memory_gb)]
        if shape is not None and len(fits) > 1:
            if certain and not memory_gb:
                return "", "", f"its memory is not listed: {' or '.join(sorted(fits))}"
            # The memory can be read both ways (or is not listed): the size of the name decides.
            fits = [n for n in fits if n.endswith(shape["size"] or "")]
        if len(fits) == 1:
            return fits[0], note, ""
        size = f" with {memory_gb[0]:.4g} GB" if memory_gb else ""
        named = f" on a {board} board" if board else ""
        return "", "", f"no accelerator of the catalogue is a {name}{named}{size}"

    def _canonical(self, listed: str) -> tuple[str, str]:
        """Return the catalogue name of `listed`, or "" and the nearest names."""
        if listed not in self._names:
            try:
                self._names[listed] = canonical_accelerator(listed, self.known), ""
            except UnknownNameError:
                near = nearest(listed, [*self.known, *aliases()])
                hint = f"; the nearest names are {near}" if near else ""
                self._names[listed] = "", f"unknown accelerator {listed!r}{hint}"
        return self._names[listed]

    def _fits(self, name: str, memory_gb: tuple[float, ...]) -> bool:
        """Whether any reading of the listed memory is that of accelerator `name`."""
        own = self.known[name].memory_gb
        return not memory_gb or any(abs(m / own - 1) <= MEMORY_TOLERANCE for m in memory_gb)


def board_of(machine: str, described: str = "") -> str:
    """Return the board that a machine's name or its GPU's names: pcie, nvl, sxm, or "" for none."""
    for pattern, board in _MACHINES:
        if re.fullmatch(pattern, machine, re.IGNORECASE):
            return board
    for pattern, board in _WORDS:
        if re.search(pattern, f"{machine} {described}", re.IGNORECASE):
            return board
    return ""


_GPU_NAME = r"['\"]Name['\"]:\s*['\"]([^'\"]*)['\"]"
_GPU_MEMORY = r"['\"]SizeInMiB['\"]:\s*(\d+(?:\.\d+)?)"


def _memory_gb(info: str, gpus: int) -> tuple[float, ...]:
    """Return the readings (GB) of the memory that a ``GpuInfo`` lists; () where it lists none.

    ``SizeInMiB`` holds GB in some lists, and the memory of all GPUs together in others.
    """
    match = re.search(_GPU_MEMORY, info)
    if match is None or not float(match[1]):
        return ()
    listed = float(match[1])
    # 1024 GB on one accelerator is beyond any, so a smaller figure is in GB.
    each = listed if listed < 1024 else listed * 2**20 / 1e9
    return (each,) if gpus == 1 else (each, each / gpus)
