"""Where the service keeps what it must not lose: catalogues, plans, jobs and keys."""
