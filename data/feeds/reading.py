"""What a feed gave: offers, the rows that gave none, and where each provider's prices come from."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from data.errors import InputError
from data.importers import Skipped
from data.offers import PRICING, Offer
from data.tables import read_text


@dataclass(frozen=True)
class Listing:
    """One price list, as a file or as text that was sent.

    Attributes
    ----------
    place
        What to call it in messages.
    content
        Its text; None to read the file at `path`.
    provider
        Cloud that it is of, where the list itself does not say; else "".
    """

    place: str
    content: str | None = None
    path: Path | None = None
    provider: str = ""

    def raw(self) -> str:
        """Return what is there, whatever it is; raises as `text` where it cannot be read."""
        if self.content is not None:
            return self.content.removeprefix("\ufeff")
        assert self.path is not None
        return read_text(self.path, "price list")

    def text(self) -> str:
        """Return the list.

        Raises
        ------
        InputError
            If the file cannot be read, or what is in it is a web page.
        """
        found = self.raw()
        begin = found.lstrip()[:64].lower()
        if begin.startswith("<"):
            kind = "a web page (HTML)" if "html" in begin else "XML"
            raise InputError(
                f"{self.place}: is {kind}, not a price list; the address may have moved, or ask "
                "for a login."
            )
        return found


@dataclass(frozen=True)
class Provenance:
    """Where the prices of one provider come from.

    Attributes
    ----------
    sources
        What the offers name as their source, each once.
    oldest, newest
        Days on which the prices were seen.
    rows
        Rows of the list that name this provider; None where the feed does not tell them apart.
    """

    provider: str
    feed: str
    sources: tuple[str, ...]
    oldest: dt.date
    newest: dt.date
    offers: int
    rows: int | None = None


@dataclass(frozen=True)
class Reading:
    """The content of a feed.

    Attributes
    ----------
    feed
        Which feed; a key of `data.feeds.read.FEEDS`.
    place
        Where it was read.
    rows
        Rows read.
    without_accelerator
        Rows that name no accelerator.
    rows_by_provider
        Rows of each provider, where the feed tells.
    missing
        Providers that the feed should have and that could not be read, with the reason.
    pricing
        Kinds of pricing that the feed tells of: it says nothing of offers of another kind.
    line_end
        Whether every list ended with a line end; one that is cut short mostly does not.
    prices_only
        Whether it tells nothing of networks, stock and smallest purchases; see `data.feeds.facts`.
    """

    feed: str
    place: str
    offers: tuple[Offer, ...]
    skipped: tuple[Skipped, ...]
    rows: int
    without_accelerator: int = 0
    rows_by_provider: Mapping[str, int] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    pricing: tuple[str, ...] = PRICING
    prices_only: bool = False
    line_end: bool = True

    @property
    def providers(self) -> tuple[str, ...]:
        """Names of the providers that it has offers of, sorted."""
        return tuple(sorted({o.provider for o in self.offers}))

    @property
    def provenance(self) -> tuple[Provenance, ...]:
        """Where the prices come from, by provider."""
        counts = Counter(o.provider for o in self.offers)
        found = []
        for provider in self.providers:
            own = [o for o in self.offers if o.provider == provider]
            dates = [o.observed_at for o in own]
            found.append(
                Provenance(
                    provider=provider,
                    feed=self.feed,
                    sources=tuple(dict.fromkeys(o.source for o in own)),
                    oldest=min(dates),
                    newest=max(dates),
                    offers=counts[provider],
                    rows=self.rows_by_provider.get(provider),
                )
            )
        return tuple(found)
