"""Load on ``minfleet serve``: ``python -m benchmarks.load``."""
