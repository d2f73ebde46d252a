"""What the client asks of price feeds and of prices over time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import httpx

from api.schemas.base import Document
from api.schemas.refreshes import PriceHistory, RefreshDocument, RefreshList

D = TypeVar("D", bound=Document)


class PriceCalls(ABC):
    """The calls about prices; a `Client` has them besides its others."""

    @abstractmethod
    def _get_json(self, method: str, path: str, kind: type[D], **request: Any) -> D: ...

    @abstractmethod
    def _send(self, method: str, path: str, **request: Any) -> httpx.Response: ...

    def refresh(
        self,
        feed: str,
        files: Sequence[Mapping[str, str]] = (),
        *,
        dry_run: bool = False,
        **more: Any,
    ) -> RefreshDocument:
        """Bring prices of a feed in force, or have them held; raises as `plan`.

        Parameters
        ----------
        files
            Price lists, each with `content`, and `place` and `provider` where there are.
        more
            What a `RefreshRequest` has besides.
        """
        body = {
            "feed": feed,
            "files": [dict(f) for f in files],
            **{k: v for k, v in more.items() if v is not None},
        }
        path, query = "/v1/catalog/refreshes", {"dry_run": dry_run}
        return self._get_json("POST", path, RefreshDocument, json=body, params=query)

    def refreshes(self, **query: Any) -> RefreshList:
        """Return refreshes of prices, the latest first; raises as `plan`."""
        return self._get_json("GET", "/v1/catalog/refreshes", RefreshList, params=query)

    def read_refresh(self, refresh_id: str) -> RefreshDocument:
        """Return a refresh of prices; raises as `plan`."""
        return self._get_json("GET", f"/v1/catalog/refreshes/{refresh_id}", RefreshDocument)

    def approve_refresh(self, refresh_id: str) -> RefreshDocument:
        """Bring a held refresh in force; raises as `plan`."""
        path = f"/v1/catalog/refreshes/{refresh_id}/approval"
        return self._get_json("POST", path, RefreshDocument)

    def reject_refresh(self, refresh_id: str) -> RefreshDocument:
        """Decide that a held refresh does not come in force; raises as `plan`."""
        path = f"/v1/catalog/refreshes/{refresh_id}/rejection"
        return self._get_json("POST", path, RefreshDocument)

    def prices(self, **query: Any) -> PriceHistory:
        """Return prices over the snapshots that were in force; raises as `plan`."""
        return self._get_json("GET", "/v1/catalog/prices", PriceHistory, params=query)

    def offers_csv(self, **query: Any) -> str:
        """Return offers as the CSV that an offers file is; raises as `plan`."""
        return self._send("GET", "/v1/catalog/offers", params={**query, "format": "csv"}).text
