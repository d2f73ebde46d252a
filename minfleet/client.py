"""The client of ``minfleet serve``: ``from minfleet.client import Client``."""

from api.client import Client
from data.errors import RequestRefusedError, ServerError, ServerProblem

__all__ = ["Client", "RequestRefusedError", "ServerError", "ServerProblem"]
