"""minfleet: the cheapest fleet of accelerators that serves an LLM workload, with its proof.

>>> from minfleet import Catalog, Workload, plan
>>> answer = plan(Workload.load("examples/chat-70b.yaml"), Catalog.load())
>>> answer.status, answer.cost_per_hour_usd
"""

from data.catalog import Catalog
from data.errors import (
    CatalogError,
    EngineError,
    InputError,
    MinfleetError,
    PlanError,
    UnknownNameError,
    WorkloadError,
)
from solver.checker import Check, PlanChecker
from solver.plan import Plan
from solver.planner import plan
from solver.workload import Workload

__all__ = [
    "Catalog",
    "CatalogError",
    "Check",
    "EngineError",
    "InputError",
    "MinfleetError",
    "Plan",
    "PlanChecker",
    "PlanError",
    "UnknownNameError",
    "Workload",
    "WorkloadError",
    "plan",
]
