"""The names that forms offer, as of the catalogue in force."""

from __future__ import annotations

from anyio import to_thread

from api.page.ask import service
from api.page.form.form import Names
from data.catalog import Catalog
from data.models import shipped_models


def catalog_in_force() -> Catalog:
    """Return the catalogue in force; it reads the store."""
    return service().intake.snapshot(service().store.catalogs.in_force().catalog_id)


async def names() -> Names:
    """Return what can be chosen from.

    Raises
    ------
    StoreError
        If the store cannot be reached.
    """

    def work() -> Names:
        catalog = catalog_in_force()
        models = {*shipped_models(), *(m.name for m in service().store.catalogs.models())}
        return Names(
            sorted(models),
            sorted(catalog.accelerators),
            list(catalog.providers),
            list(catalog.regions),
        )

    return await to_thread.run_sync(work)
