"""Fleets over time: commitments for the base, other offers for the peak."""
