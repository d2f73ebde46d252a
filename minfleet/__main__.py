"""``python -m minfleet``."""

from api.cli import main

main()
