"""Replaying a history of prices: what a policy of re-planning would have cost."""
