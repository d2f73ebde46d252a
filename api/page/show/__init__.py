"""Documents as HTML: pure functions, each piece of a view one module."""
