"""What benchmarks and repositories call the models of the catalogue."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from data.models import ModelSource, shipped_models
from data.tables import shipped_rows

_DRESS = re.compile(
    r"-(fp8|fp4|nvfp4|mxfp4|bf16|fp16|int8|int4|w4a16|w8a8|awq|gptq|block|dynamic|kv"
    r"|instruct|chat|it|hf|base)(?=-|$)|-(v\d+(\.\d+)*|\d{4})$"
)
"""Parts of a name that say how a checkpoint was stored or tuned, not what its shapes are."""


def fold(name: str) -> str:
    """Return the bare name: no organisation, punctuation made equal, formats and tuning off."""
    bare = name.strip().lower().rpartition("/")[2]
    bare = re.sub(r"[\s_:]+", "-", bare).removeprefix("meta-")
    before = ""
    while before != bare:
        before, bare = bare, _DRESS.sub("", bare)
    return bare


@cache
def _by_folded_name() -> Mapping[str, str]:
    """Folded name → catalogue name; names that fold alike must have equal shapes."""
    found: dict[str, str] = {}
    for model in shipped_models().values():
        for name in (model.name, model.hf_id):
            if name:
                found.setdefault(fold(name), model.name)
    for row in shipped_rows("model_aliases"):
        found[fold(row.text("alias"))] = row.text("model")
    return found


def resolve_model(name: str) -> ModelSource | None:
    """Return the catalogue model that a benchmark's name stands for; None if there is none.

    Storage formats (FP8, AWQ), tuning (Instruct, Chat) and dates in a name are ignored: they
    leave the shapes, and so the predicted times, as they are.
    """
    known = _by_folded_name().get(fold(name))
    return None if known is None else shipped_models()[known]
