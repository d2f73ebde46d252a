"""From the body of a request to a task: checked, within the limits, with nothing left to look up.

A task names no file and no address of the network: models are resolved to configs that are known
here, catalogues to snapshots in the store. What a worker gets can make it read nothing else.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from api.schemas.estimate_request import EstimateRequest
from api.schemas.notices import SubscriptionRequest
from api.schemas.requests import ModelImport, PlanRequest, PlanSettings, SimulationRequest
from api.service.problems import ProblemError
from api.service.settings import Settings
from api.store.jobs import NewJob
from api.store.records import digest_of
from api.store.store import Store
from data.catalog import Catalog
from data.errors import InputError, UnknownNameError, WorkloadError, nearest
from data.models import shipped_models
from data.tables import rows_of
from solver.workload import Workload

M = TypeVar("M", bound=BaseModel)


@cache
def edition() -> str:
    """Return a hash of what answers depend on besides the request: version and coefficients."""
    from importlib.metadata import version

    from data.coefficients import shipped_coefficients

    return digest_of([version("minfleet"), [vars(c) for c in shipped_coefficients().rows]])


@dataclass(frozen=True)
class Intake:
    """Turns requests into tasks, over a store and within the limits of the settings."""

    store: Store
    settings: Settings

    def plan(self, content: Any, query: Mapping[str, Any]) -> NewJob:
        """Return the job that a request for a plan is.

        Parameters
        ----------
        content
            The parsed body: a `PlanRequest`, or a workload alone.
        query
            Settings from the query string, which go over those of the body.

        Raises
        ------
        InputError, ProblemError
            If something in it is wrong, or beyond the limits.
        """
        envelope = self.envelope(content, PlanRequest)
        workload = self.workload(envelope.pop("workload", None))
        given = _mapping(envelope.pop("settings", {}), "settings")
        sent = parsed(PlanSettings, given, "settings").model_dump(exclude_unset=True)
        settings = PlanSettings.model_validate({**sent, **query})
        self.check_time_limit(settings.time_limit_s)
        for name, rows in envelope.items():
            self.check_rows(name, rows)
        catalog_id = self.snapshot_id(envelope)
        as_of = settings.as_of or dt.date.today()
        task = {
            "workload": workload.to_dict(),
            "catalog_id": catalog_id,
            "measured": cells_of(envelope, "measured"),
            "coefficients": cells_of(envelope, "coefficients"),
            "settings": {**settings.model_dump(mode="json"), "as_of": as_of.isoformat()},
        }
        return NewJob("plan", digest_of([edition(), task]), task)

    def estimate(self, content: Any) -> dict[str, Any]:
        """Return the task that a request for an estimate is.

        Raises
        ------
        InputError, ProblemError
            See `plan`.
        """
        request = parsed(EstimateRequest, _mapping(content), "")
        self._check_tokens("isl", request.isl)
        self._check_tokens("osl", request.osl)
        replica = request.model_dump() | {"model": self._model(request.model, "model")}
        return {"replica": replica, "catalog_id": self.store.catalogs.in_force().catalog_id}

    def simulation(self, content: Any) -> NewJob:
        """Return the job that a request for a simulation is.

        Raises
        ------
        InputError, ProblemError
            See `plan`; also if there is no such plan, or it has no fleet.
        """
        request = parsed(SimulationRequest, _mapping(content), "")
        if (request.plan_id is None) == (request.plan is None):
            raise InputError("give either plan_id, of a stored plan, or plan, a plan document.")
        coefficients = request.coefficients
        catalog_id = self.store.catalogs.in_force().catalog_id
        if request.plan_id is not None:
            text = self.store.plans.document(request.plan_id)
            made_from = self.store.plans.request(request.plan_id)
            if text is None or made_from is None:
                raise ProblemError("not-found", f"there is no plan {request.plan_id!r}.")
            plan = json.loads(text)
            coefficients = coefficients or made_from["coefficients"]
            catalog_id = made_from["catalog_id"]
        else:
            plan = dict(request.plan or {})
        plan = self.simulable(plan)
        trace = request.trace
        self.check_rows("coefficients", coefficients)
        most = self.settings.max_simulated_requests
        asked = max(request.requests or 0, len(trace or ()))
        if asked > most:
            raise ProblemError(
                "too-complex",
                f"requests: {asked:,} are more than this server simulates ({most:,}).",
            )
        for number, r in enumerate(trace or ()):
            self._check_tokens(f"trace[{number}].isl", r.isl)
            self._check_tokens(f"trace[{number}].osl", r.osl)
        options = request.model_dump(include={"requests", "arrivals", "router", "seed", "trace"})
        task = {
            "plan": plan,
            "plan_id": request.plan_id,
            "options": options,
            "coefficients": coefficients,
            "catalog_id": catalog_id,
        }
        return NewJob("simulation", digest_of([edition(), task]), task)

    def model_import(self, content: Any) -> ModelImport:
        """Return a model to import.

        Raises
        ------
        InputError
            If something in it is wrong.
        """
        return parsed(ModelImport, _mapping(content), "")

    def subscription(self, content: Any) -> SubscriptionRequest:
        """Return who is to be told of what.

        Raises
        ------
        InputError
            If something in it is wrong; the message holds nothing of the target.
        """
        return parsed(SubscriptionRequest, _mapping(content), "")

    def workload(self, content: Any) -> Workload:
        """Return a workload that is checked and whole: no trace, no paths, every model known.

        Raises
        ------
        InputError, ProblemError
            See `plan`.
        """
        found = dict(_mapping(content, "workload"))
        if found.get("trace") is not None:
            raise WorkloadError(
                "trace: a server reads no files; send the classes that it becomes "
                "('minfleet plan --server' does so)."
            )
        classes = found.get("classes")
        if isinstance(classes, list) and len(classes) > self.settings.max_classes:
            raise ProblemError(
                "too-complex",
                f"classes: {len(classes):,} are more than this server plans "
                f"({self.settings.max_classes:,}); merge similar ones.",
            )
        workload = Workload.parse(found)
        for spec in workload.classes:
            for name in ("isl", "osl"):
                self._check_tokens(f"classes.{spec.name}.{name}", getattr(spec, name))
        models = {"model": self._model(workload.model, "model")}
        specs = [
            spec
            if spec.model is None
            else spec.model_copy(
                update={"model": self._model(spec.model, f"classes.{spec.name}.model")}
            )
            for spec in workload.classes
        ]
        return workload.model_copy(update={**models, "classes": specs})

    def envelope(self, content: Any, model: type[BaseModel]) -> dict[str, Any]:
        """Return the parts of a request, none of them checked but for its name.

        A workload alone becomes its part of that name.

        Raises
        ------
        InputError
            If a name is unknown.
        """
        found = _mapping(content)
        if "workload" not in found:
            return {"workload": found}
        known = model.model_fields
        for name in found:
            if name not in known:
                near = nearest(str(name), known)
                meant = f"did you mean {near}?" if near else f"known keys: {', '.join(known)}."
                raise InputError(f"unknown key {name!r}; {meant}")
        # A null is as good as nothing, but for what has another default.
        nullable = {n for n, f in known.items() if f.is_required() or f.default is None}
        return {n: v for n, v in found.items() if v is not None or n not in nullable}

    def snapshot_id(self, envelope: Mapping[str, Any]) -> str:
        """Return the id of the snapshot that a request plans over, which is stored.

        Raises
        ------
        InputError, ProblemError
            If a row is wrong, or there is no such snapshot.
        """
        catalog_id = envelope.get("catalog_id")
        catalogs = self.store.catalogs
        rows = {n: envelope[n] for n in ("offers", "add_offers", "accelerators") if n in envelope}
        if catalog_id is None:
            catalog_id = catalogs.in_force().catalog_id
        if not isinstance(catalog_id, str):
            raise InputError("catalog_id: must be text, the id of a snapshot.")
        if not rows:
            if envelope.get("catalog_id") is not None:
                self.snapshot(catalog_id)
            return catalog_id
        strict = "measured" not in envelope
        return catalogs.keep(self.snapshot(catalog_id).with_rows(**rows, strict=strict)).id

    def snapshot(self, catalog_id: str) -> Catalog:
        """Return a stored snapshot.

        Raises
        ------
        ProblemError
            If there is none of that id.
        """
        shipped = Catalog.load()
        if catalog_id == shipped.id:
            return shipped
        try:
            return self.store.catalogs.load(catalog_id)
        except LookupError:
            raise ProblemError(
                "not-found", f"there is no snapshot {catalog_id!r} of the catalogue."
            ) from None

    def _model(self, reference: Any, place: str) -> Any:
        """Return a model reference that a worker can follow: a shipped name, or a whole config."""
        if isinstance(reference, Mapping):
            if not isinstance(reference.get("config"), Mapping):
                raise InputError(
                    f"{place}: a server reads no files; send the config itself as "
                    "{config: {…}, name: …}, or a name of the catalogue."
                )
            return dict(reference)
        shipped = shipped_models()
        for model in shipped.values():
            if reference and reference.lower() in (model.name, model.hf_id.lower()):
                return reference
        stored = self.store.catalogs.model(reference)
        if stored is not None:
            return {"config": stored.config, "name": stored.name}
        known = [*shipped, *(m.name for m in self.store.catalogs.models())]
        raise UnknownNameError(
            "model",
            reference[:200],
            known,
            place,
            "see GET /v1/catalog/models, or send its config as {config: {…}, name: …}",
        )

    def simulable(self, plan: dict[str, Any]) -> dict[str, Any]:
        """Return a plan document whose workload a worker can follow.

        Raises
        ------
        InputError, ProblemError
            If it is none, has no fleet, or is beyond the limits.
        """
        from solver.stored import parse_plan

        found = parse_plan(json.dumps(plan), "plan")
        workload = self.workload(found["workload"])
        return {**found, "workload": workload.to_dict()}

    def check_time_limit(self, seconds: float) -> None:
        """Refuse more seconds than this server gives a program.

        Raises
        ------
        ProblemError
            If they are more.
        """
        if seconds > self.settings.max_time_limit_s:
            raise ProblemError(
                "too-complex",
                f"settings.time_limit_s: {seconds:g} is more than this server's "
                f"{self.settings.max_time_limit_s:g}; ask for less.",
            )

    def check_rows(self, name: str, rows: Any) -> None:
        """Refuse more rows than this server takes.

        Raises
        ------
        ProblemError
            If they are more.
        """
        if isinstance(rows, list) and len(rows) > self.settings.max_catalog_rows:
            raise ProblemError(
                "too-complex",
                f"{name}: {len(rows):,} rows are more than this server takes "
                f"({self.settings.max_catalog_rows:,}).",
            )

    def _check_tokens(self, place: str, length: Any) -> None:
        values = length.model_dump().values() if isinstance(length, BaseModel) else [length]
        if max((v for v in values if v is not None), default=0) > self.settings.max_tokens:
            raise ProblemError(
                "too-complex",
                f"{place}: more than {self.settings.max_tokens:,} tokens, the limit of this "
                "server.",
            )


def _mapping(content: Any, place: str = "body") -> dict[str, Any]:
    if not isinstance(content, Mapping):
        raise InputError(f"{place}: must be a mapping, in JSON or YAML.")
    return dict(content)


def parsed(model: type[M], content: Mapping[str, Any], place: str) -> M:
    """Check a mapping against a model; the first fault becomes one sentence.

    As JSON, where days are text and nothing else takes the place of a number or a truth value.

    Raises
    ------
    InputError
        If it does not fit.
    """
    try:
        return model.model_validate_json(json.dumps(content), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        parts = [place, *(str(p) for p in first["loc"])]
        where = ".".join(p for p in parts if p)
        if first["type"] == "extra_forbidden":
            near = nearest(str(first["loc"][-1]), model.model_fields)
            meant = f"did you mean {near}?" if near else "it means nothing here."
            raise InputError(f"unknown key {where!r}; {meant}") from None
        message = str(first["msg"]).removeprefix("Value error, ").removeprefix("Input ")
        raise InputError(f"{where}: {message[0].lower()}{message[1:]}.") from None


def cells_of(envelope: Mapping[str, Any], name: str) -> list[dict[str, str]] | None:
    """Return rows as the cells of a table, whatever types YAML gave them."""
    rows = envelope.get(name)
    return None if rows is None else [dict(row.cells) for row in rows_of(rows, name)]
