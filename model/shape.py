"""One replica configuration in words."""

from __future__ import annotations

from dataclasses import dataclass

from data.accelerators import Accelerator


@dataclass(frozen=True)
class Shape:
    """A replica: accelerator, formats, parallelism and batch cap.

    Attributes
    ----------
    tp, pp, ep
        Tensor-, pipeline- and expert-parallel degree; `ep` is 1 or equal to `tp·dp`.
    batch_cap
        Most sequences the engine decodes at once (``max_num_seqs``).
    cross_node
        Whether pipeline stages sit on different nodes.
    network_gbps
        Network of a node (Gbit/s); only read if `cross_node`.
    dp
        Attention data-parallel degree: each of `dp` groups of `tp` ranks holds all of the
        attention and the caches of its own sequences; MLPs are split over all `tp·dp` ranks.
    """

    accelerator: Accelerator
    weights: str
    kv: str
    tp: int
    pp: int
    ep: int
    batch_cap: int
    cross_node: bool = False
    network_gbps: float = 0.0
    dp: int = 1

    @property
    def gpus(self) -> int:
        """Accelerators a replica takes."""
        return self.ranks * self.pp

    @property
    def ranks(self) -> int:
        """Accelerators of one pipeline stage: those that exchange activations in each layer."""
        return self.tp * self.dp
