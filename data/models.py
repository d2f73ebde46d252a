"""Model architectures: the catalogue's, a local ``config.json``, or a Hugging Face id."""

from __future__ import annotations

import hashlib
import importlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from data.errors import InputError, UnknownNameError
from data.tables import Row, read_text, shipped_rows

HUB_ID = re.compile(r"^[A-Za-z0-9][\w.-]*/[\w.-]+$")


@dataclass(frozen=True)
class ModelSource:
    """An architecture as published, before it is read into shapes.

    Attributes
    ----------
    name
        Catalogue name, or the path or id it was loaded from.
    config
        The Hugging Face ``config.json`` mapping.
    params_total, params_active
        Published parameter counts; None when the model is not in the catalogue.
    native_precision
        Weight format of the published checkpoint.
    max_context
        Published context window (tokens); None when the model is not in the catalogue.
    """

    name: str
    config: Mapping[str, Any]
    hf_id: str
    params_total: int | None
    params_active: int | None
    native_precision: str
    source: str
    notes: str
    max_context: int | None = None
    license: str = ""


@cache
def shipped_models() -> Mapping[str, ModelSource]:
    """Return the model architectures that ship with minfleet, by name."""
    folder = resources.files("data").joinpath("models")
    found = {}
    for row in shipped_rows("models"):
        name = row.text("name")
        found[name] = ModelSource(
            name=name,
            config=json.loads(folder.joinpath(f"{name}.json").read_text("utf-8")),
            hf_id=row.cells.get("hf_id", ""),
            params_total=_count(row, "params_total"),
            params_active=_count(row, "params_active"),
            native_precision=row.text("native_precision"),
            source=row.text("source"),
            notes=row.cells.get("notes", ""),
            max_context=row.optional_integer("max_context", at_least=1),
            license=row.cells.get("license", ""),
        )
    return found


def _count(row: Row, column: str) -> int | None:
    value = row.optional_number(column, above=0)
    return None if value is None else int(value)


def find_model(
    reference: str | Mapping[str, Any], folder: Path | None = None, place: str = "model"
) -> ModelSource:
    """Return the architecture that a workload's ``model`` names.

    Parameters
    ----------
    reference
        A catalogue name, a Hugging Face id, ``{config: PATH}``, or a whole config in its place:
        ``{config: {…}, name: NAME}``.
    folder
        Folder that a relative config path starts from (the workload file's).
    place
        Field that holds the reference, for error messages.

    Raises
    ------
    UnknownNameError
        If it is none of those; the nearest names are given.
    InputError
        If a config cannot be read, or a Hugging Face id cannot be fetched.
    """
    if isinstance(reference, Mapping):
        return _local(reference, folder or Path(), place)
    shipped = shipped_models()
    if reference in shipped:
        return shipped[reference]
    for model in shipped.values():
        if reference and reference.lower() in (model.name, model.hf_id.lower()):
            return model
    if HUB_ID.match(reference):
        return _from_hub(reference, place)
    raise UnknownNameError(
        "model",
        reference,
        shipped,
        place,
        "list them with 'minfleet catalog list models', or give {config: ./config.json}",
    )


def _local(reference: Mapping[str, Any], folder: Path, place: str) -> ModelSource:
    config = reference.get("config")
    named = isinstance(reference.get("name", ""), str)
    if isinstance(config, Mapping) and named and set(reference) <= {"config", "name"}:
        return source_from_config(dict(config), reference_name(reference))
    if set(reference) != {"config"} or not isinstance(config, str):
        raise InputError(
            f"{place}: give a name, a mapping {{config: path/to/config.json}}, or the config "
            "itself as {config: {…}, name: …}."
        )
    path = folder / config
    if path.is_dir():
        path = path / "config.json"
    return source_from_config(parse_config(read_text(path, "model config"), str(path)), str(path))


def reference_name(reference: str | Mapping[str, Any]) -> str:
    """Return what a reference to a model is called in plans: equal names mean equal models.

    A config without a name is called by a hash of it.
    """
    if isinstance(reference, str):
        return reference
    name, config = reference.get("name"), reference.get("config", "")
    if name:
        return str(name)
    if isinstance(config, str):
        return config
    text = json.dumps(config, sort_keys=True)
    return f"config-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def parse_config(text: str, place: str) -> dict[str, Any]:
    """Return the mapping of a ``config.json``; one clear sentence if it is not one."""
    try:
        config = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{place}, line {error.lineno}: not valid JSON ({error.msg}); is the file cut short?"
        ) from None
    except (ValueError, RecursionError) as error:  # a number, or a nesting, beyond all bounds
        raise InputError(f"{place}: not valid JSON ({error}).") from None
    if not isinstance(config, dict):
        raise InputError(f"{place}: a config.json must be a mapping.")
    return config


def source_from_config(config: dict[str, Any], name: str) -> ModelSource:
    """Wrap a config that is not in the catalogue."""
    return ModelSource(
        name=name,
        config=config,
        hf_id="",
        params_total=None,
        params_active=None,
        native_precision=native_precision(config),
        source=name,
        notes="",
    )


def native_precision(config: Mapping[str, Any]) -> str:
    """Return the weight format that a published config declares."""
    quantization = config.get("quantization_config")
    if not isinstance(quantization, Mapping):
        return "bf16"
    method = str(quantization.get("quant_method", "")).lower()
    by_method = {"fp8": "fp8", "mxfp4": "fp4", "nvfp4": "fp4", "awq": "int4", "gptq": "int4"}
    return by_method.get(method, "bf16")


def _from_hub(hub_id: str, place: str) -> ModelSource:
    """Fetch only ``config.json`` of a Hugging Face id; no code of the repository is run."""
    advice = "give {config: ./config.json} with a copy of the model's config instead"
    try:
        hub = importlib.import_module("huggingface_hub")
    except ImportError:
        raise InputError(
            f"{place}: {hub_id!r} is not in the catalogue and huggingface_hub is not installed; "
            f"install minfleet[hub], or {advice}."
        ) from None
    try:
        path = hub.hf_hub_download(hub_id, "config.json")
    except Exception as error:  # the hub library has no common root for its network errors
        raise InputError(
            f"{place}: {hub_id!r} cannot be fetched from the Hugging Face hub "
            f"({type(error).__name__}); {advice}."
        ) from None
    text = read_text(Path(path), "model config")
    return source_from_config(parse_config(text, hub_id), hub_id)
