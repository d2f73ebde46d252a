"""Portfolios: many workloads planned or re-planned under many prices, a row for each pair."""
