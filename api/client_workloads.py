"""The client's calls on registered workloads and the decisions on them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import httpx

from api.schemas.base import Document
from api.schemas.jobs import JobDocument
from api.schemas.registered import (
    DecisionList,
    RegisteredDocument,
    RegisteredList,
    ReplanningBatch,
    StoredDecisionDocument,
)
from solver.workload import Workload

D = TypeVar("D", bound=Document)


class WorkloadCalls(ABC):
    """Part of `api.client.Client`, whose methods send what these ask."""

    def register(
        self,
        name: str,
        workload: Workload | Mapping[str, Any] | str | Path,
        *,
        revision: int | None = None,
        **more: Any,
    ) -> RegisteredDocument:
        """Register a workload, or replace what is registered; raises as `plan`.

        Parameters
        ----------
        workload
            As for `plan`.
        revision
            The one that the change is made to; where another stands, nothing is changed.
        more
            What a `Registration` has besides: `policy`, `schedule`, `plan` or `plan_id`, ….
        """
        body = {"workload": content_of(workload), **given(more)}
        headers = {} if revision is None else {"If-Match": f'"{revision}"'}
        path = f"/v1/workloads/{name}"
        return self._get_json("PUT", path, RegisteredDocument, json=body, headers=headers)

    def workloads(self, **query: Any) -> RegisteredList:
        """Return the registered workloads; raises as `plan`."""
        return self._get_json("GET", "/v1/workloads", RegisteredList, params=query)

    def workload(self, name: str) -> RegisteredDocument:
        """Return a registered workload; raises as `plan`."""
        return self._get_json("GET", f"/v1/workloads/{name}", RegisteredDocument)

    def remove_workload(self, name: str, *, revision: int | None = None) -> None:
        """Plan a workload no more; `revision` as for `register`. Raises as `plan`."""
        headers = {} if revision is None else {"If-Match": f'"{revision}"'}
        self._send("DELETE", f"/v1/workloads/{name}", headers=headers)

    def replan(
        self, name: str, *, progress: Callable[[JobDocument], None] = lambda job: None
    ) -> StoredDecisionDocument:
        """Return a new decision on a registered workload, whatever its schedule says.

        Raises as `plan`.
        """
        path = f"/v1/workloads/{name}/replanning"
        return self._make(path, None, StoredDecisionDocument, progress, fresh=False)

    def replan_due(self) -> ReplanningBatch:
        """Have what is due planned, and return its jobs; `follow` them. Raises as `plan`."""
        return self._get_json("POST", "/v1/replannings", ReplanningBatch)

    def decisions(self, name: str, **query: Any) -> DecisionList:
        """Return the decisions on a workload, the latest first; raises as `plan`."""
        return self._get_json("GET", f"/v1/workloads/{name}/decisions", DecisionList, params=query)

    def decision(self, decision_id: str) -> StoredDecisionDocument:
        """Return a decision; raises as `plan`."""
        return self._get_json("GET", f"/v1/decisions/{decision_id}", StoredDecisionDocument)

    def accept(self, decision_id: str) -> StoredDecisionDocument:
        """Let the proposed plan of a decision be the fleet that runs; raises as `plan`."""
        path = f"/v1/decisions/{decision_id}/acceptance"
        return self._get_json("POST", path, StoredDecisionDocument)

    @abstractmethod
    def _make(
        self,
        path: str,
        body: Mapping[str, Any] | None,
        kind: type[D],
        progress: Callable[[JobDocument], None],
        *,
        fresh: bool,
    ) -> D: ...

    @abstractmethod
    def _get_json(self, method: str, path: str, kind: type[D], **request: Any) -> D: ...

    @abstractmethod
    def _send(self, method: str, path: str, **request: Any) -> httpx.Response: ...


def self_contained(workload: Workload) -> dict[str, Any]:
    """Return a workload as a server reads it: configs that it names by path are put in it.

    Raises
    ------
    InputError
        If a config cannot be read.
    """
    from data.models import find_model

    document = workload.to_dict()

    def whole(reference: Any, place: str) -> Any:
        if isinstance(reference, Mapping) and isinstance(reference.get("config"), str):
            source = find_model(reference, workload.folder, place)
            return {"config": dict(source.config), "name": reference["config"]}
        return reference

    document["model"] = whole(document["model"], "model")
    for entry in document["classes"]:
        entry["model"] = whole(entry["model"], f"classes.{entry['name']}.model")
    return document


def content_of(workload: Workload | Mapping[str, Any] | str | Path) -> dict[str, Any]:
    """Return the content of a workload as a server reads it."""
    if isinstance(workload, (str, Path)):
        workload = Workload.load(workload)
    return self_contained(workload) if isinstance(workload, Workload) else dict(workload)


def given(more: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is not None."""
    return {name: value for name, value in more.items() if value is not None}
