"""The catalogue of gpuhunt (dstack): prices of clouds, collected by others.

gpuhunt reads ``$GPUHUNT_CATALOG_URL/{provider}/version`` and
``{provider}/{version}/catalog.zip`` of each provider; the URL may be ``file://``. It calls every
board of a chip by one name, so that the board comes from the machine (`_BOARDS`, `data.boards`),
and a row whose board nothing tells is left out, never guessed at.
"""

from __future__ import annotations

import datetime as dt
import logging
import re
import socket
import threading
import urllib.error
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from data.accelerators import Accelerator
from data.boards import BoardFinder, board_of
from data.errors import InputError
from data.feeds.gathering import Gathered
from data.feeds.reading import Reading
from data.importers import offer_id

FEED = "gpuhunt"

NAMES = {"lambdalabs": "lambda"}
"""What gpuhunt calls a provider that has another name here."""

_BOARDS = (
    # Verda rents SXM boards only; a machine is called 8H100.80S.176V. https://verda.com/products
    ("verda", r"\d+(A100|H100|H200)\..+", "sxm"),
    # RunPod calls machines by what the driver reports; that is the name of the SXM board.
    ("runpod", r"NVIDIA (H100 80GB HBM3|H200)", "sxm"),
)
"""Provider, machine, board: what a provider documents and the machine's name does not say."""

_TPU = re.compile(r"(?P<version>v5litepod|v5p|v6e)-(?P<size>\d+)")

_TPU_UNITS = {"v5litepod": 1, "v6e": 1, "v5p": 2}
"""Units of the size of a slice for one chip: v5p counts cores, of which a chip has two.
https://cloud.google.com/tpu/docs/v5p"""

_TPU_HOST = 8
"""Most chips of one host; a larger slice is several machines."""

SEVERAL_SHAPES = re.compile(r"runpod/.*|gcp/n1-.*")
"""Machines that are rented with any number of accelerators: the number is put before the name."""

PATIENCE_S = 60.0
"""How long a server of the catalogue may be silent; gpuhunt itself would wait for ever."""

_one_at_a_time = threading.Lock()


def read_gpuhunt(known: Mapping[str, Accelerator], observed_at: dt.date | None = None) -> Reading:
    """Read the catalogue that ``GPUHUNT_CATALOG_URL`` names; gpuhunt's own by default.

    Parameters
    ----------
    known
        Accelerators by name.
    observed_at
        Day of the prices; None for the one that each provider's version begins with.

    Raises
    ------
    InputError
        If gpuhunt is not installed, no provider can be read, or a list is damaged.
    """
    try:
        import gpuhunt
    except ImportError:
        raise InputError(
            "gpuhunt is not installed; install minfleet[feeds], or refresh from a file."
        ) from None
    catalog, missing = _loaded(gpuhunt)
    gathered, boards = Gathered(known), BoardFinder(known)
    rows, bare = {}, 0
    for name, listed in sorted(catalog.items()):
        day = observed_at or _day_of(name, listed.version)
        provider = NAMES.get(name, name)
        rows[provider] = len(listed.items)
        for number, item in enumerate(listed.items, start=1):
            if not item.gpu_count:
                bare += 1
                continue
            place = f"gpuhunt {name} {listed.version}, row {number}"
            _add(gathered, boards, item, provider, place, day)
    return Reading(
        feed=FEED,
        place="gpuhunt",
        offers=tuple(gathered.offers.values()),
        skipped=tuple(gathered.skipped),
        rows=sum(rows.values()),
        without_accelerator=bare,
        rows_by_provider=rows,
        missing={NAMES.get(n, n): why for n, why in missing.items()},
        pricing=("on_demand", "spot"),
        prices_only=True,
    )


def _loaded(gpuhunt: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the lists by provider, and why others could not be fetched."""
    with _one_at_a_time, _listening() as records, _patience():
        catalog = gpuhunt.Catalog(auto_reload=False)
        with suppress(gpuhunt.GPUHuntError):  # what each provider lacked is logged, and told below
            catalog.load()
    missing: dict[str, str] = {}
    for record in records:
        error = record.exc_info[1] if record.exc_info else None
        name = str(record.args[0]) if isinstance(record.args, tuple) and record.args else "?"
        if isinstance(error, (urllib.error.URLError, OSError)):
            missing[name] = f"cannot be fetched ({getattr(error, 'reason', error)})"
        elif error is not None:
            raise InputError(
                f"gpuhunt {name}: the catalogue is damaged or cut short ({error}); fetch it again."
            )
        else:
            raise InputError(f"gpuhunt {record.getMessage()}; the catalogue may be cut short.")
    found: dict[str, Any] = catalog.catalog
    for name, listed in found.items():
        if not listed.items:
            raise InputError(f"gpuhunt {name} {listed.version}: holds no rows.")
    if not found:
        name, why = next(iter(missing.items()))
        raise InputError(
            f"gpuhunt {name}: {why}, nor can any other provider; see GPUHUNT_CATALOG_URL."
        )
    return found, missing


@contextmanager
def _listening() -> Iterator[list[logging.LogRecord]]:
    """Gather what gpuhunt says went wrong: it logs it, and leaves rows and providers out."""
    records: list[logging.LogRecord] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    logger, listener = logging.getLogger("gpuhunt"), Listener(logging.WARNING)
    before = logger.propagate, logger.level, logger.disabled
    # Whatever a program logs: a row that is left out must not go unheard.
    logger.propagate, logger.disabled = False, False
    logger.setLevel(logging.WARNING)
    logger.addHandler(listener)
    try:
        yield records
    finally:
        logger.removeHandler(listener)
        logger.setLevel(before[1])
        logger.propagate, logger.disabled = before[0], before[2]


@contextmanager
def _patience() -> Iterator[None]:
    """Give up a connection that is silent; gpuhunt passes no timeout on."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE_S)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _day_of(name: str, version: str) -> dt.date:
    """Return the day that a version such as ``20261101-3`` begins with."""
    match = re.match(r"(\d{4})-?(\d{2})-?(\d{2})(?!\d)", version)
    try:
        return dt.date(*map(int, match.groups())) if match else dt.date.fromisoformat(version)
    except ValueError:
        raise InputError(
            f"gpuhunt {name}: its version {version[:40]!r} names no day; give the day of the "
            "prices as observed_at."
        ) from None


def _add(
    gathered: Gathered,
    boards: BoardFinder,
    item: Any,
    provider: str,
    place: str,
    day: dt.date,
) -> None:
    """Take one row of gpuhunt in."""
    machine = item.instance_name
    tpu = _TPU.fullmatch(item.gpu_name or "")
    if tpu:
        chips, left = divmod(int(tpu["size"]), _TPU_UNITS[tpu["version"]])
        if left or not 1 <= chips <= _TPU_HOST:
            gathered.skip(place, machine, "a slice over several hosts; single machines are planned")
            return
        gpus = chips
        name, _, problem = boards.identify(tpu["version"], "", ())
    else:
        gpus = item.gpu_count
        listed, memory = item.gpu_name or "", item.gpu_memory
        if not listed:
            gathered.skip(place, machine, "names no accelerator")
            return
        own = (b for p, m, b in _BOARDS if p == provider and re.fullmatch(m, machine))
        board = next(own, "") or board_of(machine)
        readings = (memory,) if memory else ()
        name, _, problem = boards.identify(listed, board, readings, certain=True)
    if problem:
        gathered.skip(place, machine, problem)
        return
    pricing = "spot" if item.spot else "on_demand"
    shape = f"{gpus}x-{machine}" if SEVERAL_SHAPES.fullmatch(f"{provider}/{machine}") else machine
    region, zone = item.location, ""
    if provider == "gcp" and re.fullmatch(r"[a-z]+-[a-z]+\d+-[a-z]", region):
        region, zone = region[:-2], region
    version = place.removeprefix("gpuhunt ").partition(",")[0]
    cells = {
        "offer_id": offer_id(provider, region, shape, pricing),
        "provider": provider,
        "region": region,
        "instance_type": machine,
        "accelerator": name,
        "gpus_per_node": str(gpus),
        "price_per_node_hour_usd": repr(item.price),
        "pricing": pricing,
        "observed_at": day.isoformat(),
        "source": f"gpuhunt catalogue, {version}",
        "notes": f"seen in zone {zone}" if zone else "",
    }
    gathered.add(place, machine, cells)
