"""Accelerators: dense rates, reported memory, and the names that clouds call them by."""

from __future__ import annotations

import pytest

from data.accelerators import (
    FORMATS,
    aliases,
    canonical_accelerator,
    load_accelerators,
    parse_accelerators,
    shipped_accelerators,
)
from data.errors import CatalogError, UnknownNameError
from data.tables import Row, shipped_rows

KNOWN = shipped_accelerators()

DENSE_BF16_TFLOPS = {
    # Dense rates of the vendors' data sheets; the printed sparse ones are twice as high.
    "t4": 65,
    "l4": 121,
    "a10": 125,
    "a10g": 70,
    "l40s": 362,
    "a100_sxm_40gb": 312,
    "a100_sxm_80gb": 312,
    "h100_pcie": 756.5,
    "h100_sxm": 989.4,
    "h100_nvl": 835.5,
    "h200_sxm": 989,
    "b200_sxm": 2250,
    "gb200_nvl72": 2500,
    "rtx_4090": 165.2,
    "rtx_5090": 209.5,
    "mi300x": 1307.4,
    "mi325x": 1307.4,
    "gaudi2": 432,
    "gaudi3": 1835,
    "tpu_v5e": 197,
    "tpu_v5p": 459,
    "tpu_v6e": 918,
    "inferentia2": 190,
    "trainium2": 667,
}


def test_there_are_enough():
    assert len(KNOWN) >= 35


@pytest.mark.parametrize(("name", "tflops"), DENSE_BF16_TFLOPS.items())
def test_dense_bf16_rates(name, tflops):
    assert KNOWN[name].bf16_tflops == tflops


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_a_row_is_consistent(name):
    a = KNOWN[name]
    assert a.name == name == name.lower()
    assert a.source
    assert a.observed_at.year >= 2024
    assert "bf16" in a.weight_formats
    assert "bf16" in a.kv_formats
    assert set(a.weight_formats) | set(a.kv_formats) <= set(FORMATS)
    for column in a.unverified:
        assert hasattr(a, column), column
    if a.fp8_tflops is not None:
        # Gaudi 3 and the TPUs run FP8 at their BF16 rate; nothing runs it slower, or beyond 2x.
        assert a.bf16_tflops <= a.fp8_tflops <= 2.03 * a.bf16_tflops
    if a.fp4_tflops is not None and a.fp8_tflops is not None:
        assert a.fp4_tflops <= 4.01 * a.fp8_tflops  # consumer cards halve FP8 only
    assert (a.link_domain == 1) == (a.link == "pcie")


def test_known_pitfalls():
    assert KNOWN["a100_sxm_80gb"].fp8_tflops is None  # FP8 is weight-only on Ampere
    assert KNOWN["a100_sxm_80gb"].tflops("fp8") is None
    assert KNOWN["gaudi3"].fp8_tflops == KNOWN["gaudi3"].bf16_tflops
    assert KNOWN["h100_sxm"].memory_mib == 81_559  # what the driver reports, not 80 GiB
    assert KNOWN["h100_sxm"].memory_bytes == 81_559 * 2**20
    assert KNOWN["b200_sxm"].memory_gb == 180  # not the 192 of the chip
    assert KNOWN["h100_sxm"].tflops("fp8") == 1978.9
    assert KNOWN["h100_sxm"].tflops("int4") is None


def test_aliases_point_at_one_known_accelerator():
    seen: dict[str, str] = {}
    for row in shipped_rows("aliases"):
        alias, name = row.text("alias"), row.text("accelerator")
        assert name in KNOWN, row.place
        folded = alias.lower().replace("-", "_").replace(" ", "_")
        assert seen.setdefault(folded, name) == name, row.place
        assert folded not in KNOWN or folded == name, f"{alias} shadows an accelerator"
    assert len(aliases()) == len(seen)


@pytest.mark.parametrize("alias", sorted(r.text("alias") for r in shipped_rows("aliases")))
def test_every_alias_resolves_however_it_is_written(alias):
    name = canonical_accelerator(alias, KNOWN)
    assert name in KNOWN
    for spelling in (alias.upper(), alias.lower(), alias.replace("-", "_"), f" {alias} "):
        assert canonical_accelerator(spelling, KNOWN) == name


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("NVIDIA-A100-SXM4-80GB", "a100_sxm_80gb"),
        ("A100", "a100_sxm_40gb"),
        ("nvidia-h100-mega-80gb", "h100_sxm"),
        ("H100 NVL", "h100_nvl"),
        ("RTX4090", "rtx_4090"),
        ("tpu-v5litepod", "tpu_v5e"),
        ("AMD-Instinct-MI300X", "mi300x"),
    ],
)
def test_what_clouds_call_them(given, name):
    assert canonical_accelerator(given, KNOWN) == name


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(UnknownNameError) as caught:
        canonical_accelerator("h100-sxn", KNOWN, "hardware.accelerators[0]")
    message = str(caught.value)
    assert message.startswith("hardware.accelerators[0]: unknown accelerator 'h100-sxn'; did you")
    assert "h100_sxm" in message
    assert "minfleet catalog list accelerators" in message
    assert canonical_accelerator("my-chip", KNOWN, strict=False) == "my-chip"


def test_users_add_and_override(tmp_path):
    cells = dict(shipped_rows("accelerators")[0].cells)
    path = tmp_path / "mine.csv"
    header = list(cells)
    rows = [cells, {**cells, "name": "my_chip"}]
    text = "\n".join([",".join(header), *(",".join(f'"{r[h]}"' for h in header) for r in rows)])
    path.write_text(text)
    assert set(load_accelerators(path)) == {cells["name"], "my_chip"}


@pytest.mark.parametrize(
    ("column", "cell", "part"),
    [
        ("memory_mib", "1000", "does not fit"),
        ("memory_gb", "0", "out of bounds"),
        ("bf16_tflops", "", "is empty"),
        ("link", "cable", "not one of"),
        ("link_domain", "0", "out of bounds"),
        ("weight_formats", "bf16;fp6", "'fp6' is not one of"),
        ("weight_formats", "", "name at least bf16"),
        ("source", "", "is empty"),
    ],
)
def test_a_wrong_cell_is_named(column, cell, part):
    cells = {**shipped_rows("accelerators")[0].cells, column: cell}
    with pytest.raises(CatalogError, match=part) as caught:
        parse_accelerators([Row("f, line 9", cells)])
    assert f"f, line 9, column {column}" in str(caught.value)


def test_a_name_given_twice():
    row = shipped_rows("accelerators")[0]
    with pytest.raises(CatalogError, match="is there twice"):
        parse_accelerators([row, row])
