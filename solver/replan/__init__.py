"""Re-planning: whether to keep a running fleet or to switch, and by which steps."""
