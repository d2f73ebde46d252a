"""``minfleet serve``: the planner as a REST service with a web page."""

from __future__ import annotations

import click


@click.command()
@click.option("--host", metavar="ADDRESS", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on.  [default: 8080]")
@click.option("--store-url", metavar="URL", help="sqlite:///PATH, or postgresql://USER@HOST/NAME.")
@click.option("--workers", type=click.IntRange(1, 256), help="Processes that solve.")
@click.option("--require-keys", is_flag=True, default=None, help="Ask for API keys on loopback.")
@click.option("--log-format", type=click.Choice(["json", "text"]), help="How to log.")
def serve(**given: object) -> None:
    """Serve plans, comparisons, simulations and the catalogue over HTTP, with a web page at /.

    Every setting can be given as an environment variable, such as MINFLEET_QUEUE_LIMIT; see
    docs/deploy.md. The interactive documentation is at /docs, the metrics at /metrics.
    """
    from api.service.server import serve as run
    from api.service.settings import load_settings

    run(load_settings(**given))
