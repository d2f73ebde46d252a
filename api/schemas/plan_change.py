"""The block `change` of a plan: what the change from a running fleet costs."""

from __future__ import annotations

from api.schemas.base import Document
from api.schemas.units import Count, Hours, Nodes, Usd, UsdPerHour
from solver.replan.policy import Hours as HoursFrom0


class NodesOfOffer(Document):
    """Nodes of one offer, at what one costs."""

    offer_id: str
    """The offer."""
    nodes: Nodes
    """Nodes of it."""
    price_per_node_hour_usd: UsdPerHour
    """What one costs an hour, its part of what is paid upfront included."""


class ChangeToPlan(Document):
    """What the change from the running fleet costs, and how it counts in the objective."""

    payback_h: Hours
    """Hours over which the cost of the change is spread, and within which it must pay back."""
    overlap_h: HoursFrom0
    """Hours in which nodes that leave are still paid."""
    cost_per_changed_pool_usd: Usd
    """Fixed cost of a pool that appears, disappears or changes its number of replicas."""
    leaving: list[NodesOfOffer]
    """Running nodes that leave, those that are committed to aside."""
    idle_committed: list[NodesOfOffer]
    """Nodes that are committed to and that the plan does not use: paid for, and in no purchase."""
    pools_changed: Count
    """Pools that appear, disappear or change."""
    overlap_usd: Usd
    """overlap_h · Σ price · nodes that leave."""
    fixed_usd: Usd
    """cost_per_changed_pool_usd · pools_changed."""
    total_usd: Usd
    """Both."""
    spread_per_hour_usd: UsdPerHour
    """total_usd/payback_h: what the objective counts beside the cost."""
    idle_committed_per_hour_usd: UsdPerHour
    """What the idle commitments cost; the objective counts it, too."""
    within_rules: bool
    """Whether only fleets that keep the policy's rules on saving and disruption were considered;
    the certificate is then about these."""
