"""What ``minfleet catalog`` shows of models: what their shapes give beside published figures."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass

from api.output import UNKNOWN, Section, figure, num
from data.checks import Finding
from data.errors import InputError
from data.models import ModelSource, shipped_models
from model.architecture import Architecture
from model.read_config import read_architecture

Document = dict[str, object]

BF16_BYTES = 2
"""Bytes of a cached element."""

TOLERANCE_PCT = 1.0
"""How far computed and published parameters may be apart."""


@dataclass(frozen=True)
class Shapes:
    """What the shapes of a model give.

    Attributes
    ----------
    kv_bytes_per_token_bf16
        Cache that each token of a sequence adds, in all layers that keep every token.
    window_kv_bytes_per_token_bf16
        Cache that each token adds in sliding-window layers, up to `window_tokens`.
    difference_pct
        Computed over published parameters; None where none are published.
    """

    params_total: float
    params_active: float
    layers: int
    layers_by_kind: dict[str, int]
    kv_bytes_per_token_bf16: float
    window_kv_bytes_per_token_bf16: float
    window_tokens: int | None
    max_context: int | None
    difference_pct: float | None


def shapes(source: ModelSource) -> Shapes:
    """Return what the config of a model gives."""
    architecture = read_architecture(source)
    published = source.params_total
    kinds: Counter[str] = Counter()
    for group in architecture.groups:
        kinds[group.attention.kind] += group.count
    windows = [g.attention.window for g in architecture.groups if g.attention.window]
    total = architecture.params_total
    return Shapes(
        params_total=total,
        params_active=architecture.params_active,
        layers=architecture.layers,
        layers_by_kind=dict(kinds),
        kv_bytes_per_token_bf16=_kv_bytes(architecture, windowed=False),
        window_kv_bytes_per_token_bf16=_kv_bytes(architecture, windowed=True),
        window_tokens=max(windows, default=None),
        max_context=source.max_context or architecture.max_context,
        difference_pct=100 * (total / published - 1) if published else None,
    )


def _kv_bytes(architecture: Architecture, *, windowed: bool) -> float:
    """Return the cache a token adds in the layers that have, or have not, a window."""
    return BF16_BYTES * sum(
        g.count * g.attention.kv_elements
        for g in architecture.groups
        if (g.attention.window is not None) == windowed
    )


def models_view() -> tuple[Document, Section, list[str]]:
    """Return all models of the catalogue, smallest first."""
    found = [(m, shapes(m)) for m in shipped_models().values()]
    found.sort(key=lambda pair: (pair[1].params_total, pair[0].name))
    rows = [
        (
            m.name,
            _billions(s.params_total),
            _billions(s.params_active),
            num(s.layers),
            f"{s.kv_bytes_per_token_bf16 / 1024:,.4g}",
            f"{s.window_kv_bytes_per_token_bf16 / 1024:,.4g}" if s.window_tokens else UNKNOWN,
            figure(s.max_context),
            m.native_precision,
            m.hf_id,
        )
        for m, s in found
    ]
    headings = (
        "Model",
        "Parameters 1e9",
        "Active 1e9",
        "Layers",
        "KV KiB/token",
        "in windows",
        "Context tokens",
        "Published as",
        "Hugging Face id",
    )
    note = (
        "KV in bf16, all layers together; 'in windows': what sliding-window layers add, until "
        "their window is full."
    )
    document: Document = {"models": [_document(m, s) for m, s in found]}
    return document, (f"{len(found)} models", headings, rows), [note]


def model_view(source: ModelSource) -> tuple[Document, list[Section], list[str]]:
    """Return one model: shapes, and how they compare with what was published."""
    s = shapes(source)
    config = "config.json"
    kinds = ", ".join(f"{count} {kind}" for kind, count in s.layers_by_kind.items())
    rows = [
        ("Parameters", _billions(s.params_total), "1e9", f"computed from {config}"),
        ("Active a token", _billions(s.params_active), "1e9", f"computed from {config}"),
    ]
    if source.params_total is not None and s.difference_pct is not None:
        rows += [
            ("Parameters", _billions(source.params_total), "1e9", "published"),
            ("Difference", f"{s.difference_pct:+.3f}", "%", "computed over published"),
        ]
    if source.params_active is not None:
        rows.append(("Active a token", _billions(source.params_active), "1e9", "published"))
    rows += [
        ("Layers", f"{s.layers} ({kinds})", "", config),
        ("KV cache in bf16", figure(s.kv_bytes_per_token_bf16), "bytes/token", "computed"),
    ]
    if s.window_tokens:
        what = f"computed; the last {num(s.window_tokens)} tokens only"
        more = figure(s.window_kv_bytes_per_token_bf16)
        rows.append(("KV cache in windows", more, "bytes/token", what))
    told = "published" if source.max_context else config
    rows += [
        ("Context", figure(s.max_context), "tokens", told if s.max_context else ""),
        ("Published as", source.native_precision, "", config),
    ]
    if source.hf_id:
        rows.append(("Hugging Face id", source.hf_id, "", ""))
    if source.license:
        rows.append(("License", source.license, "", "published"))
    notes = [f"Source: {source.source}"]
    notes += [f"Notes: {source.notes}"] if source.notes else []
    section = (source.name, ("Figure", "Value", "Unit", "Source"), rows)
    return {"model": _document(source, s)}, [section], notes


def check_models() -> list[Finding]:
    """Return the models of the catalogue whose shapes cannot be read or miss the published size."""
    found = []
    for source in shipped_models().values():
        try:
            off = shapes(source).difference_pct
        except InputError as error:
            found.append(Finding("error", source.name, str(error)))
            continue
        if off is not None and abs(off) > TOLERANCE_PCT:
            message = f"its shapes give {off:+.2f} % of the published parameters."
            found.append(Finding("error", source.name, message))
    return found


def model_document(source: ModelSource) -> Document:
    """Return every figure of a model."""
    return _document(source, shapes(source))


def _document(source: ModelSource, s: Shapes) -> Document:
    return {
        "name": source.name,
        "hf_id": source.hf_id,
        **asdict(s),
        "published_params_total": source.params_total,
        "published_params_active": source.params_active,
        "native_precision": source.native_precision,
        "license": source.license,
        "source": source.source,
        "notes": source.notes,
    }


def _billions(count: float) -> str:
    """Write a count of parameters in billions."""
    return f"{count / 1e9:,.4g}" if count < 1e13 else f"{count / 1e9:,.0f}"
