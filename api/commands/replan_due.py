"""``minfleet replan --due``: the registered workloads that are due, from cron or a CronJob."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from api.output import print_json
from api.progress import stages
from data.errors import InputError, StoreHeldError

if TYPE_CHECKING:
    from api.service.service import Service

SCHEMA = "minfleet/replanned/v1"

LOOK_S = 0.2
"""How often it is looked whether jobs have ended."""

NOT_ALL = 3
"""Exit status where a workload came to no decision."""

Told = Callable[[str], None]

Entry = dict[str, Any]


def due_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add ``--due`` and what belongs to it."""
    for decorate in (
        click.option("--api-key", envvar="MINFLEET_API_KEY", help="Key for --server."),
        click.option("--server", metavar="URL", help="With --due: ask this server."),
        click.option(
            "--store-url",
            metavar="URL",
            help="With --due: store of the service; MINFLEET_STORE_URL by default.",
        ),
        click.option(
            "--due", is_flag=True, help="Plan the registered workloads of the service that are due."
        ),
    ):
        command = decorate(command)
    return command


def replan_due(
    *, store_url: str | None, server: str | None, api_key: str | None, as_json: bool
) -> None:
    """Plan the registered workloads that are due, print what was decided, and end.

    Each due time is planned once, whoever else looks: other such commands, and the servers of the
    store. Exits with 0, or with `NOT_ALL`.

    Parameters
    ----------
    store_url
        Store of the service; by default that of ``minfleet serve``.
    server
        URL of a running server, which is asked instead.
    api_key
        Key for it.

    Raises
    ------
    InputError
        If both are given, or a server holds the store.
    ServerError, StoreError
        If the server or the store cannot be reached.
    """
    if server is not None and store_url is not None:
        raise InputError("--store-url and --server exclude each other: a server has its own store.")
    with stages(quiet=as_json) as told:
        entries = _at_server(server, api_key, told) if server else _in_store(store_url, told)
    entries.sort(key=lambda entry: str(entry["workload"]))
    counts = Counter(str(entry["outcome"]) for entry in entries)
    if as_json:
        print_json({"schema": SCHEMA, "outcomes": dict(counts), "decisions": entries})
    else:
        _show(entries, counts)
    if counts["failed"]:
        raise SystemExit(NOT_ALL)


def _show(entries: list[Entry], counts: Mapping[str, int]) -> None:
    """Print a line for each workload, and one for all."""
    wide = max((len(str(entry["workload"])) for entry in entries), default=0)
    for entry in entries:
        said = [*entry["reasons"][:1]]
        if entry["accepted_by"] == "policy":
            said.append("Accepted by its policy.")
        elif entry["proposed_plan_id"] is not None:
            said.append(f"It waits for acceptance: {entry['id']}.")
        click.echo(f"{entry['workload']:<{wide}}  {entry['outcome']:<11}  {' '.join(said)}")
    if not entries:
        click.echo("No registered workload is due.")
        return
    parts = ", ".join(f"{number} {outcome}" for outcome, number in sorted(counts.items()))
    several = "workload was" if len(entries) == 1 else "workloads were"
    click.echo(f"{len(entries)} due {several} planned: {parts}.")


def _at_server(url: str, api_key: str | None, told: Told) -> list[Entry]:
    """Let a server plan what is due; return the decisions."""
    from api.client import Client

    jobs: dict[str, str] = {}
    found = []
    with Client(url, api_key) as client:
        while True:
            batch = client.replan_due()
            jobs |= {job_id: name for name, job_id in batch.jobs.items()}
            if not batch.left:
                break
            told(f"{batch.left} are due still")
            time.sleep(LOOK_S)
        for number, (job_id, name) in enumerate(jobs.items(), 1):
            told(f"{number} of {len(jobs)}: {name}")
            *_, job = client.follow(job_id)
            if job.result_id is not None:
                found.append(_entry(client.decision(job.result_id).to_dict()))
            elif job.state == "failed":  # a cancelled one is registered no more
                listed = client.decisions(name, outcome="failed").decisions
                ids = [d.id for d in listed if d.job_id == job_id]
                found += [_entry(client.decision(i).to_dict()) for i in ids]
    return found


def _in_store(store_url: str | None, told: Told) -> list[Entry]:
    """Plan what is due without a server; return the decisions."""
    import anyio

    from api.service.logs import configure_logs
    from api.service.service import Service, first_of
    from api.service.settings import load_settings
    from api.store.registered import REPLANNING

    configure_logs("text", "error")
    service = Service(load_settings(store_url=store_url, scheduler=False), kinds=(REPLANNING,))
    try:
        service.prepare_store()
        if not service.store.due.count() and not service.store.jobs.open(REPLANNING):
            return []
        return anyio.run(_work_off, service, told)
    except StoreHeldError:
        raise StoreHeldError(
            f"{service.name}: a minfleet server holds this store, and plans what is due by itself; "
            "ask it with --server URL."
        ) from None
    except BaseExceptionGroup as errors:
        raise first_of(errors) from None
    finally:
        service.store.close()


async def _work_off(service: Service, told: Told) -> list[Entry]:
    """Claim what is due, and wait for what others began, too; return the decisions."""
    import anyio
    from anyio import to_thread

    from api.store.records import now

    # What comes due later is left to the next run: this one must end.
    begin, jobs, left = now(), set[str](), True
    async with service.running():
        while True:
            planned = await service.scheduler.planned()
            if left:
                claimed = await service.scheduler.look(begin)
                jobs |= {*planned.values(), *claimed.jobs.values()}
                left = bool(claimed.left)
            told(f"{len(planned)} workloads are being planned")
            if not left and not jobs & {*(await service.scheduler.planned()).values()}:
                break
            await anyio.sleep(LOOK_S)
        found = await to_thread.run_sync(service.store.decisions.of_jobs, jobs)
    return [_entry(decision.to_dict()) for decision in found]


def _entry(decision: Mapping[str, Any]) -> Entry:
    """Return what is printed of a decision."""
    names = ("workload", "outcome", "trigger", "reasons", "id", "job_id", "accepted_by")
    proposed = decision["proposed"]
    plan_id = None if proposed is None else proposed["id"]
    return {**{n: decision[n] for n in names}, "proposed_plan_id": plan_id}
