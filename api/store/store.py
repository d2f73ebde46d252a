"""The store: its parts over one database, and the schema it is brought to."""

from __future__ import annotations

from collections.abc import Collection
from importlib import resources

from sqlalchemy import text

from api.store.catalogs import Catalogs
from api.store.database import RETRY_S, Database
from api.store.decisions import Decisions
from api.store.deliveries import Deliveries, Outbox
from api.store.due import DueWorkloads
from api.store.events import Events
from api.store.jobs import Jobs
from api.store.keys import Keys
from api.store.plans import Plans
from api.store.queue import Queue
from api.store.refreshes import Refreshes
from api.store.registered import Registrations
from api.store.subscriptions import Subscriptions
from data.errors import StoreError


class Store:
    """Everything that the service keeps.

    Parameters
    ----------
    url
        See `Database`.

    Raises
    ------
    InputError
        See `Database`.
    """

    def __init__(self, url: str, *, retry_s: float = RETRY_S) -> None:
        self.database = Database(url, retry_s=retry_s)
        self.catalogs = Catalogs(self.database)
        self.refreshes = Refreshes(self.database, self.catalogs)
        self.plans = Plans(self.database)
        self.jobs = Jobs(self.database)
        self.keys = Keys(self.database)
        self.events = Events(self.database)
        self.subscriptions = Subscriptions(self.database)
        self.deliveries = Deliveries(self.database)
        self.registered = Registrations(self.database)
        self.decisions = Decisions(self.database)
        self.due = DueWorkloads(self.database)

    def queue(self, owner: str, kinds: Collection[str] | None = None) -> Queue:
        """Return the queue from the side of one server, which takes only jobs of some kinds."""
        return Queue(self.database, owner, kinds)

    def outbox(self, owner: str, longest_pause_s: float) -> Outbox:
        """Return the deliveries from the side of one server."""
        return Outbox(self.database, owner, longest_pause_s)

    def migrate(self) -> None:
        """Bring the schema up to date; several servers may do so at once.

        Raises
        ------
        StoreError
            If the store cannot be reached, or a newer minfleet has changed its schema.
        """
        from alembic import command
        from alembic.config import Config
        from alembic.util.exc import CommandError

        config = Config()
        config.set_main_option("script_location", str(resources.files("api.store") / "migrations"))

        def work(connection: object) -> None:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

        try:
            self.database.write(work)
        except CommandError:
            raise StoreError(
                f"{self.database.name}: a newer minfleet has changed this store; upgrade minfleet, "
                "or give another store."
            ) from None

    def check(self) -> None:
        """Ask the store for an answer.

        Raises
        ------
        StoreError
            If it gives none.
        """
        self.database.read(lambda connection: connection.execute(text("SELECT 1")).scalar())

    def close(self) -> None:
        """Close every connection."""
        self.database.close()
