"""``python -m minfleet``."""

from api.cli import main

if __name__ == "__main__":  # worker processes load this module, too
    main(prog_name="minfleet")
