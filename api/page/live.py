"""A view that solves again as its form changes, a moment after the last change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from nicegui import background_tasks, ui

from api.output import usd
from api.page.ask import Asker, Prepare, Question, RefusedError, SupersededError
from api.store.jobs import Job

REST_S = 0.3
"""How long a form must stand still before it is solved."""


class Live:
    """The latest answer to what a form says, and how far it is.

    Parameters
    ----------
    show
        Takes id and document of an answer.
    fault
        Takes what the service refuses; None where nothing is wrong.
    """

    def __init__(
        self,
        asker: Asker,
        kind: str,
        prepare: Prepare,
        show: Callable[[str, dict[str, Any]], None],
        fault: Callable[[RefusedError | None], None],
    ) -> None:
        self._question = Question(asker, kind, prepare)
        self._show, self._fault = show, fault
        self._rest: asyncio.Task[None] | None = None
        with ui.element("div").classes("working").props("aria-live=polite") as self._box:
            ui.spinner(size="1.2em")
            self._stage = ui.label()
            stop = ui.button("Stop", on_click=self.stop).props("flat dense no-caps")
            stop.classes("stop")
        self._box.visible = False
        ui.context.client.on_delete(self._question.withdraw)

    def ask(self, request: dict[str, Any], *, rest_s: float = REST_S) -> None:
        """Ask for something else from now on."""
        if self._rest is not None:
            self._rest.cancel()  # what is asked already is superseded in due course
        self._rest = background_tasks.create(self._rested(request, rest_s))

    async def stop(self) -> None:
        """Ask no more."""
        if self._rest is not None:
            self._rest.cancel()
        await self._question.withdraw()
        self._box.visible = False

    async def _rested(self, request: dict[str, Any], rest_s: float) -> None:
        await asyncio.sleep(rest_s)
        background_tasks.create(self._answered(request))

    async def _answered(self, request: dict[str, Any]) -> None:
        self._told_stage("Solving")
        try:
            result_id, document = await self._question.ask(request, self._told)
        except SupersededError:
            return
        except RefusedError as error:
            self._box.visible = False
            self._fault(error)
            return
        self._box.visible = False
        self._fault(None)
        self._show(result_id, document)

    def _told(self, job: Job, progress: dict[str, Any] | None) -> None:
        if job.state == "queued":
            self._told_stage("Waiting for a worker")
            return
        if job.finished or not progress:
            return
        best, bound = progress.get("incumbent_usd_per_hour"), progress.get("bound_usd_per_hour")
        stage = str(progress.get("stage", "solving")).replace("_", " ").capitalize()
        if best is not None and bound is not None and progress.get("gap"):
            stage += f": {usd(best)} an hour found, nothing below {usd(bound)}"
        self._told_stage(stage)

    def _told_stage(self, stage: str) -> None:
        self._stage.text = f"{stage} …"
        self._box.visible = True
