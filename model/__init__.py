"""What one replica can do: memory, step time, latency under load, admissible rate."""
