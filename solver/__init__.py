"""The solver: what to buy, and how far it is proven."""
