"""Offers compared: each alone, its part in the joint optimum, and its break-even prices."""
