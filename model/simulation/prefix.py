"""The prefix cache of one engine: blocks of prompt tokens found again by their hashes."""

from __future__ import annotations

from collections import OrderedDict

BLOCK_TOKENS = 512
"""Tokens that one hash stands for in Mooncake's traces."""


class PrefixCache:
    """Blocks kept in the memory that running sequences leave free, the least recent dropped.

    A block is keyed by a hash of itself and all before it, so a prompt finds as many tokens as
    it has leading blocks here. Blocks of running sequences are counted beside the sequences,
    although an engine shares them: hits are rather too few than too many.

    Parameters
    ----------
    block_bytes
        Cache bytes of one block on one accelerator.
    """

    def __init__(self, block_bytes: float) -> None:
        self.block_bytes = block_bytes
        self.asked = 0
        self.found = 0
        self._kept: OrderedDict[int, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def admit(self, blocks: tuple[int, ...], free_bytes: float) -> int:
        """Return the leading tokens of a prompt that are here, and keep all its blocks.

        Parameters
        ----------
        blocks
            Hashes of the prompt's blocks, in order.
        free_bytes
            Cache bytes that no running sequence holds, the prompt's own taken off.
        """
        kept, hits = self._kept, 0
        for block in blocks:
            if block not in kept:
                break
            hits += 1
        self.asked += len(blocks)
        self.found += hits
        for block in reversed(blocks):  # the tail of a prompt is the first to go
            kept[block] = None
            kept.move_to_end(block)
        room = int(max(free_bytes, 0.0) // self.block_bytes) if self.block_bytes > 0 else len(kept)
        while len(kept) > room:
            kept.popitem(last=False)
        return hits * BLOCK_TOKENS
