"""Crews: tasks solved in order by this process, by processes beside it, or by a Dask cluster."""
