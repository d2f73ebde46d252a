"""Asks the service on behalf of one open page: same queue, limits and store as over REST."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import nicegui
from anyio import to_thread
from fastapi import Request

from api.page.sessions import COOKIE, Sessions
from api.service.problems import ProblemError, problem_of
from api.service.service import Service, StoredProblemError, Wish
from api.store.jobs import Job, NewJob
from api.store.keys import Key
from data.errors import MinfleetError

MOST_PLANS = 200
"""Plans of the history that are read at once."""

Prepare = Callable[[Any], NewJob]

Told = Callable[[Job, dict[str, Any] | None], None]
"""Takes a job and how far it is."""


class RefusedError(Exception):
    """Why the service did not answer, as one sentence; `faults` has one for each wrong row."""

    def __init__(self, sentence: str, faults: list[str] | None = None) -> None:
        super().__init__(sentence)
        self.faults = faults or []


class SupersededError(Exception):
    """The question was replaced by a later one."""


def service() -> Service:
    """Return the service that the page belongs to."""
    found: Service = nicegui.app.state.service
    return found


def refused(error: ProblemError | MinfleetError) -> RefusedError:
    """Return the error that a page shows."""
    document = error.document if isinstance(error, ProblemError) else problem_of(error)
    return RefusedError(str(document["detail"]), document.get("faults"))


@dataclass
class Asker:
    """Whoever has a page open.

    Attributes
    ----------
    session
        The cookie that the page was opened with.
    """

    session: str | None

    @classmethod
    def of(cls, request: Request) -> Asker:
        """Return who sent a request."""
        return cls(request.cookies.get(COOKIE))

    async def may(self, scope: str) -> Key | None:
        """Check the key of the session for a scope; return it, None where none is asked for.

        Raises
        ------
        RefusedError
            If the key is missing, wrong, or too small.
        """
        sessions: Sessions = nicegui.app.state.sessions
        try:
            return await service().access.check(sessions.key(self.session), scope)
        except ProblemError as error:
            raise refused(error) from None

    async def stored(self, kind: str, result_id: str) -> dict[str, Any] | None:
        """Return a stored plan or comparison.

        Raises
        ------
        RefusedError
            If it may not be read, or the store does not answer.
        """
        await self.may("read")
        try:
            text = await to_thread.run_sync(service().store.plans.result, kind, result_id[:100])
        except MinfleetError as error:
            raise refused(error) from None
        return None if text is None else json.loads(text)

    async def plans(
        self,
        *,
        after: str | None = None,
        status: str | None = None,
        model: str | None = None,
        limit: int = MOST_PLANS,
    ) -> list[dict[str, Any]]:
        """Return stored plans without their documents, the latest first.

        Beside what the store tells of each, `rate_rps` is the rate of all its classes and
        `classes` their names.

        Raises
        ------
        RefusedError
            If they may not be read, or the store does not answer.
        """
        await self.may("read")
        plans = service().store.plans
        try:
            found = await to_thread.run_sync(
                lambda: plans.list(limit, after=after, status=status, model=model)
            )
            asked = await to_thread.run_sync(plans.workloads, {p.workload_id for p in found})
        except LookupError:
            raise RefusedError(f"there is no plan {after!r}.") from None
        except MinfleetError as error:
            raise refused(error) from None
        return [
            {
                **vars(p),
                "created_at": p.created_at.isoformat(),
                "rate_rps": sum(c["rate_rps"] or 0 for c in asked[p.workload_id]["classes"]),
                "classes": ", ".join(c["name"] for c in asked[p.workload_id]["classes"]),
            }
            for p in found
        ]


class Question:
    """One thing that a page wants solved; asked again, the earlier answer is not waited for.

    Parameters
    ----------
    kind
        ``plan``, ``comparison`` or another kind of job.
    prepare
        Turns a request into a job.
    """

    def __init__(self, asker: Asker, kind: str, prepare: Prepare) -> None:
        self._asker, self._kind, self._prepare = asker, kind, prepare
        self._number = 0
        self._job_id: str | None = None

    async def ask(self, request: dict[str, Any], told: Told) -> tuple[str, dict[str, Any]]:
        """Return id and document of the answer.

        Parameters
        ----------
        told
            Called while the job waits and runs.

        Raises
        ------
        RefusedError
            If the service refuses, or comes to nothing.
        SupersededError
            If it was asked again, or withdrawn, meanwhile.
        """
        await self.withdraw()
        number = self._number
        key = await self._asker.may("plan")
        try:
            answer = await service().answer(
                self._kind,
                json.dumps(request).encode(),
                self._prepare,
                Wish(later=True),
                None if key is None else key.id,
            )
            assert answer.job is not None
            if number != self._number:
                await service().withdraw(answer.job.id)
                raise SupersededError
            return await self._followed(answer.job, number, told)
        except (ProblemError, MinfleetError) as error:
            if number != self._number:
                raise SupersededError from None
            raise refused(error) from None

    async def _followed(self, job: Job, number: int, told: Told) -> tuple[str, dict[str, Any]]:
        dispatcher = service().dispatcher
        if not job.finished:
            self._job_id = job.id
            async for change in dispatcher.follow(job.id):
                if number != self._number:
                    raise SupersededError
                if change is not None:
                    job = change
                    told(job, dispatcher.progress_of(job))
            self._job_id = None
        if job.state == "failed":
            raise StoredProblemError(job)
        if job.result_id is None:
            raise RefusedError("The job was stopped before it was done; ask again.")
        document = await self._asker.stored(self._kind, job.result_id)
        assert document is not None
        return job.result_id, document

    async def withdraw(self) -> None:
        """Ask no more: whoever waits is told so, and the job ends unless others want it."""
        self._number += 1
        job_id, self._job_id = self._job_id, None
        if job_id is not None:
            await service().withdraw(job_id)
