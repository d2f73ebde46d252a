"""Fitting the coefficients of the performance model to measured runs."""
