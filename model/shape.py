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
        Tensor-, pipeline- and expert-parallel degree; `ep` is 1 or equal to `tp`.
    batch_cap
        Most sequences the engine decodes at once (``max_num_seqs``).
    cross_node
        Whether pipeline stages sit on different nodes.
    network_gbps
        Network of a node (Gbit/s); only read if `cross_node`.
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

    @property
    def gpus(self) -> int:
        """Accelerators a replica takes."""
        return self.tp * self.pp
