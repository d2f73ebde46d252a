"""One pool of a stored plan, as the model takes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data.accelerators import Accelerator, canonical_accelerator
from data.coefficients import CoefficientTable
from model.predict import Deployment
from model.shape import Shape
from solver.demand import Demand
from solver.workload import Workload


def pool_deployment(
    pool: Mapping[str, Any],
    workload: Workload,
    demand: Demand,
    accelerators: Mapping[str, Accelerator],
    coefficients: CoefficientTable,
) -> Deployment:
    """Return how the replicas of a pool are run.

    Parameters
    ----------
    pool
        An entry of a plan document's ``pools``.
    demand
        The classes of the pool's model.

    Raises
    ------
    UnknownNameError
        If no accelerator is called what the pool says.
    """
    shape = Shape(
        accelerator=accelerators[canonical_accelerator(pool["accelerator"], accelerators)],
        weights=pool["weight_precision"],
        kv=pool["kv_precision"],
        tp=pool["tp"],
        pp=pool["pp"],
        ep=pool["ep"],
        batch_cap=pool["batch_cap"],
        cross_node=bool(pool["cross_node"]),
        network_gbps=pool["cross_node_gbps"],
    )
    return Deployment(
        architecture=demand.architecture,
        shape=shape,
        engine=pool["engine"],
        chunk_tokens=workload.serving.chunk_tokens,
        coefficients=coefficients,
        role=pool["role"],
        network_bytes_per_s=pool["network_bytes_per_s"],
    )
