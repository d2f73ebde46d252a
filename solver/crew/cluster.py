"""A team of the workers of a Dask cluster.

The ground travels once to the scheduler and once to each worker, as the result of a task of its
own: whoever loses it with a killed worker makes it again, which scattered data could not. Tasks and
results travel as bytes, so that Dask neither looks into them nor weighs them.
"""

from __future__ import annotations

import contextlib
import logging
import pickle
import re
import threading
import time
import uuid
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from data.errors import EngineError, InputError
from solver.crew.team import WorkerLostError
from solver.crew.versions import difference, versions
from solver.crew.work import Refused, Work, solve_batch

if TYPE_CHECKING:
    from distributed import Client

CONNECT_S = 10.0
"""How long a scheduler may take to answer."""

WORKERS_S = 30.0
"""How long a cluster may have no worker, at the start or on the way."""

LOOK_S = 2.0
"""How often it is looked whether workers are there."""


class Cluster:
    """The workers of a Dask cluster; a `solver.crew.team.Team`.

    Dask itself gives a batch whose worker is killed to another one, as often as the scheduler's
    ``distributed.scheduler.allowed-failures`` says, by default three times.

    Attributes
    ----------
    sent_bytes, received_bytes
        What batches and their results came to, the ground not counted.
    ground_bytes
        What the ground takes to be sent.
    """

    trusts = 0
    tries = 1

    def __init__(self, work: Work[Any, Any, Any], ground: Any, address: str) -> None:
        self._address = address
        self._client = _connected(address)
        self._looked, self._counted = 0.0, 1
        self.sent_bytes = self.received_bytes = 0
        try:
            self._check_workers()
            packed = zlib.compress(pickle.dumps((work, ground, dict(versions()))), 1)
            self.ground_bytes = len(packed)
            self._run, self._number = f"minfleet-{uuid.uuid4().hex[:12]}", 0
            self._ground = self._client.submit(
                _unpacked, packed, key=f"{self._run}-ground", pure=False
            )
        except BaseException:
            self.close()
            raise

    def _check_workers(self) -> None:
        """Refuse a cluster without workers, or with some that would solve something else."""
        if not self._present(WORKERS_S):
            raise InputError(
                f"--dask {self._address}: the cluster has no worker; start some with "
                f"'dask worker {self._address} --nthreads 1'."
            )
        mine = versions()
        answers = self._client.run(versions, on_error="return")
        for worker, answer in answers.items():
            if missing := _missing_module(answer):
                raise InputError(_without(self._address, worker, missing))
            if isinstance(answer, BaseException):
                raise InputError(
                    f"--dask {self._address}: worker {worker} cannot run minfleet ({answer}); "
                    "install the version there that is installed here."
                )
            if told := difference(mine, answer):
                raise InputError(_other(worker, told))

    def _present(self, patience_s: float) -> int:
        """Return how many workers there are, waiting for the first; 0 if none comes."""
        until = time.monotonic() + patience_s
        while True:
            found = len(self._reached(self._client.nthreads))
            if found or time.monotonic() > until:
                return found
            time.sleep(0.2)

    def _reached(self, ask: Any) -> Any:
        try:
            return ask()
        except (OSError, TimeoutError) as error:
            raise EngineError(self._gone()) from error

    def _gone(self) -> str:
        return (
            f"--dask {self._address}: the scheduler is gone; start it again, and run the same "
            "command again."
        )

    def workers(self) -> int:
        """Return how many workers the cluster has, as of a moment ago; at least 1."""
        now = time.monotonic()
        if now - self._looked > LOOK_S:
            self._counted = max(1, len(self._reached(self._client.nthreads)))
            self._looked = now
        return self._counted

    def submit(self, batch: Sequence[Any]) -> Any:
        """Send a batch; see `Team`."""
        packed = pickle.dumps(batch)
        self.sent_bytes += len(packed)
        self._number += 1
        return self._client.submit(
            _solve, self._ground, packed, key=(self._run, self._number), pure=False
        )

    def answer(self, sent: Any) -> list[Any]:
        """Return the results of a batch; see `Team`."""
        from distributed import KilledWorker

        while not self._settled([sent], LOOK_S):
            if not self._present(WORKERS_S):
                raise EngineError(
                    f"--dask {self._address}: no worker is left; start some, and run the same "
                    "command again."
                )
        try:
            packed = sent.result()
        except KilledWorker as error:
            raise WorkerLostError(str(error)) from None
        except (OSError, _cancelled()) as error:
            raise EngineError(self._gone()) from error
        except Exception as error:
            if missing := _missing_module(error):  # a worker that joined later
                raise EngineError(_without(self._address, "", missing)) from None
            raise
        self.received_bytes += len(packed)
        answers: list[Any] = pickle.loads(packed)
        sent.release()
        return answers

    def lost(self, sent: Any) -> bool:
        """Whether Dask has given a batch up."""
        from distributed import KilledWorker

        return sent.status == "error" and isinstance(sent.exception(), KilledWorker)

    def settle(self, sent: Sequence[Any]) -> None:
        """Wait for batches; see `Team`."""
        if sent:
            self._settled(sent, None)

    def _settled(self, sent: Sequence[Any], timeout_s: float | None) -> bool:
        """Wait so long for batches, and return whether all are answered or lost."""
        from distributed import wait

        with self._client.as_current():
            try:
                wait(sent, timeout=timeout_s)
            except TimeoutError:
                return False
            except _cancelled() as error:
                raise EngineError(self._gone()) from error
        return True

    def close(self) -> None:
        """Give up what is on its way, and leave the cluster."""
        with _quiet():
            self._client.close()


def _connected(address: str) -> Client:
    try:
        from distributed import Client
    except ImportError:
        raise InputError(
            "--dask: needs the package distributed, which is not installed; run "
            "pip install 'minfleet[dask]'."
        ) from None
    if "://" not in address:
        raise InputError(f"--dask {address}: is no address of a scheduler; write tcp://HOST:8786.")
    try:
        with _quiet():
            return Client(address, timeout=CONNECT_S, set_as_default=False, name="minfleet")
    except (OSError, TimeoutError, ValueError):
        raise InputError(
            f"--dask {address}: no scheduler answers there within {CONNECT_S:g} s; start one with "
            "'dask scheduler', or correct the address."
        ) from None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask's own lines about connections off the terminal: what matters is an error here."""
    logger = logging.getLogger("distributed")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def _cancelled() -> type[BaseException]:
    from distributed.client import FutureCancelledError

    found: type[BaseException] = FutureCancelledError
    return found


def _missing_module(answer: object) -> str:
    """Return the module that a worker lacks; "" where that is not what it says.

    Dask wraps what goes wrong before a function is called, in types that vary by version.
    """
    found = re.search(r"No module named '([^']+)'", str(answer))
    return found[1] if found is not None and isinstance(answer, Exception) else ""


def _without(address: str, worker: str, module: str) -> str:
    who = f"worker {worker}" if worker else "a worker"
    return (
        f"--dask {address}: {who} has no module {module!r}; install minfleet there, in the "
        "version that is installed here."
    )


def _other(worker: str, told: str) -> str:
    return (
        f"--dask: worker {worker} has {told}; install the same versions, as results are the same "
        "only then."
    )


Begun = tuple[Work[Any, Any, Any], Any, Mapping[str, str]]

_alone = threading.Lock()
"""Held while a batch is solved: engines share what belongs to a process, so threads take turns."""


def _unpacked(packed: bytes) -> Begun:
    begun: Begun = pickle.loads(zlib.decompress(packed))
    return begun


def _solve(begun: Begun, packed: bytes) -> bytes:
    """Solve a batch on a worker; one that joined later is checked here."""
    work, ground, expected = begun
    if told := difference(expected, versions()):
        from distributed import get_worker

        return pickle.dumps([Refused(InputError(_other(get_worker().address, told)))])
    with _alone:
        return pickle.dumps(solve_batch(work, ground, pickle.loads(packed)))
