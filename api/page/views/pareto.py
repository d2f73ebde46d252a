"""``/pareto``: trade-offs."""
