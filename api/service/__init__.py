"""``minfleet serve``: the planner as a REST service."""
