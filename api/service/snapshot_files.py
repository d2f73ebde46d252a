"""Snapshots of the catalogue as files, which workers read; a bounded number of them."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from pathlib import Path

from api.store.catalogs import Catalogs
from api.write import write_atomically
from data.catalog import Catalog
from data.errors import InputError, StoreError

KEPT = 100
"""Files beyond one for each worker. A worker reads its file at once, long before so many follow."""


class SnapshotFiles:
    """Files of snapshots that were asked for last.

    Parameters
    ----------
    workers
        How many tasks may be about to read a file.
    """

    def __init__(self, folder: Path, catalogs: Catalogs, workers: int) -> None:
        self._folder, self._catalogs, self._most = folder, catalogs, workers + KEPT
        self._files: OrderedDict[str, Path] = OrderedDict()
        self._lock = threading.Lock()

    def file_of(self, catalog_id: str) -> Path | None:
        """Return the file of a snapshot; None for the shipped one, which workers have.

        Raises
        ------
        LookupError
            If there is none of that id.
        StoreError
            If the store cannot be reached, or the temporary folder is full.
        """
        if catalog_id == Catalog.load().id:
            return None
        with self._lock:
            known = self._files.get(catalog_id)
            if known is not None:
                self._files.move_to_end(catalog_id)
                return known
        file = self._folder / f"{catalog_id}.json"
        content = json.dumps(self._catalogs.load(catalog_id).to_dict())
        try:
            write_atomically(file, content)
        except InputError as error:  # no fault of the request
            raise StoreError(str(error)) from None
        with self._lock:
            self._files[catalog_id] = file
            self._files.move_to_end(catalog_id)
            while len(self._files) > self._most:
                self._files.popitem(last=False)[1].unlink(missing_ok=True)
        return file
