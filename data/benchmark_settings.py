"""How published benchmarks ran their engines, where their result rows do not say.

``benchmark_settings.csv`` holds what the benchmarks' own scripts set: how often the engine looks
for arrivals, its token budget, cache format and share of the memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from data.tables import shipped_rows


@dataclass(frozen=True)
class BenchmarkSettings:
    """Settings of an engine in a published benchmark.

    Attributes
    ----------
    source, engine, model, family
        What they hold for; ``*`` for all.
    clients_from
        Fewest clients that they hold for.
    poll_steps
        Steps between two looks of the engine at what has arrived.
    chunk_tokens
        Prompt tokens of a step.
    kv
        Format of the KV cache.
    memory_utilization
        Share of the memory that the engine takes.
    """

    source: str
    engine: str
    model: str
    family: str
    clients_from: int
    poll_steps: int
    chunk_tokens: int
    kv: str
    memory_utilization: float

    def holds(self, source: str, engine: str, model: str, family: str, clients: int) -> bool:
        """Whether the settings are those of a run."""
        names = zip(
            (self.source, self.engine, self.model, self.family),
            (source, engine, model, family),
            strict=True,
        )
        return clients >= self.clients_from and all(own in ("*", name) for own, name in names)


def find_settings(
    source: str, engine: str, model: str, family: str, clients: int
) -> BenchmarkSettings | None:
    """Return the settings of a run; of those that hold, the last row of the table."""
    held = [s for s in _shipped() if s.holds(source, engine, model, family, clients)]
    return held[-1] if held else None


@cache
def _shipped() -> tuple[BenchmarkSettings, ...]:
    return tuple(
        BenchmarkSettings(
            source=r.text("source"),
            engine=r.text("engine"),
            model=r.text("model"),
            family=r.text("family"),
            clients_from=int(r.number("clients_from", above=0)),
            poll_steps=int(r.number("poll_steps", above=0)),
            chunk_tokens=int(r.number("chunk_tokens", above=0)),
            kv=r.text("kv"),
            memory_utilization=r.number("memory_utilization", above=0, at_most=1),
        )
        for r in shipped_rows("benchmark_settings")
    )
