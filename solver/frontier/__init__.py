"""Frontiers: the least cost for each level of a latency target or a limit, with its proof."""
