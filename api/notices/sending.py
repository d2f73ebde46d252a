"""What every way of sending shares: why a message did not get through, and whether to go on."""

from __future__ import annotations

MOST_TEXT = 300


class NotDeliveredError(Exception):
    """A message did not get through; the argument is a sentence without secrets.

    Parameters
    ----------
    wanted_s
        When the receiver wants to be asked again; None where it does not say.
    final
        Whether it never will.
    """

    def __init__(
        self, sentence: str, *, wanted_s: float | None = None, final: bool = False
    ) -> None:
        super().__init__(sentence[:MOST_TEXT])
        self.wanted_s, self.final = wanted_s, final
