"""The form of a workload: what it edits, and what it leaves as a file gave it."""
