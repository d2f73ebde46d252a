"""gpuhunt's catalogue from a folder: boards told apart or left out, and damage refused."""

from __future__ import annotations

import csv
import datetime as dt
import io
import logging
import subprocess
import sys
import zipfile
from decimal import Decimal
from pathlib import Path

import pytest

from data.accelerators import shipped_accelerators
from data.errors import InputError
from data.feeds.gpuhunt_catalog import read_gpuhunt
from data.importers import Skipped

FIELDS = (
    "instance_name,location,price,cpu,memory,gpu_count,gpu_name,gpu_memory,spot,disk_size,"
    "gpu_vendor,flags,cpu_arch,provider_data"
)


def item(
    machine: str,
    price: float,
    count: int,
    gpu: str = "",
    memory: float | str = "",
    *,
    place: str = "us-east-1",
    spot: bool = False,
) -> list[object]:
    vendor = "google" if gpu.startswith("v") else "nvidia"
    return [
        *(machine, place, price, 8, 64, count, gpu, memory, spot, ""),
        *(vendor if count else "", "", "x86", "{}"),
    ]


@pytest.fixture
def publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put a provider's list where gpuhunt looks for it."""
    monkeypatch.setenv("GPUHUNT_CATALOG_URL", tmp_path.as_uri())

    def put(
        provider: str, *rows: list[object], version: str = "20261120-7", text: str = ""
    ) -> Path:
        file = io.StringIO()
        csv.writer(file).writerows([FIELDS.split(","), *rows])
        folder = tmp_path / provider / version
        folder.mkdir(parents=True, exist_ok=True)
        (tmp_path / provider / "version").write_text(f"{version}\n")
        archive = folder / "catalog.zip"
        with zipfile.ZipFile(archive, "w") as packed:
            packed.writestr(f"{provider}.csv", text or file.getvalue())
        return archive

    return put


def read(**more: object):
    return read_gpuhunt(shipped_accelerators(), **more)  # type: ignore[arg-type]


def test_rows_become_offers(publish):
    publish(
        "aws",
        item("p5.48xlarge", 55.04, 8, "H100", 80),
        item("p5.48xlarge", 20.125, 8, "H100", 80, spot=True),
        item("m5.large", 0.096, 0),
    )
    publish("lambdalabs", item("gpu_1x_a100", 1.29, 1, "A100", 40), version="20261121-1")
    found = read()
    on_demand, spot, a100 = found.offers
    assert on_demand.offer_id == "aws/us-east-1/p5.48xlarge/on_demand"
    assert on_demand.price_per_node_hour_usd == Decimal("55.04")
    assert (on_demand.accelerator, on_demand.gpus_per_node) == ("h100_sxm", 8)
    assert (spot.pricing, spot.interruptible) == ("spot", True)
    assert spot.price_per_node_hour_usd == Decimal("20.125")
    assert (a100.provider, a100.accelerator) == ("lambda", "a100_pcie_40gb")
    assert on_demand.observed_at == dt.date(2026, 11, 20)
    assert on_demand.source == "gpuhunt catalogue, aws 20261120-7"
    assert (found.rows, found.without_accelerator, found.pricing) == (4, 1, ("on_demand", "spot"))
    aws, lambda_ = found.provenance
    assert (aws.provider, aws.rows, aws.offers, aws.newest) == ("aws", 3, 2, dt.date(2026, 11, 20))
    assert (lambda_.provider, lambda_.rows) == ("lambda", 1)
    assert lambda_.sources == ("gpuhunt catalogue, lambdalabs 20261121-1",)
    assert found.missing["oci"].startswith("cannot be fetched")
    assert read(observed_at=dt.date(2026, 11, 22)).offers[0].observed_at == dt.date(2026, 11, 22)


BOARDS = [
    ("aws", "p4d.24xlarge", 8, "A100", 40, "a100_sxm_40gb"),
    ("aws", "p4de.24xlarge", 8, "A100", 80, "a100_sxm_80gb"),
    ("azure", "Standard_NC24ads_A100_v4", 1, "A100", 80, "a100_pcie_80gb"),
    ("azure", "Standard_NC40ads_H100_v5", 1, "H100NVL", 94, "h100_nvl"),
    ("azure", "Standard_ND96isr_H100_v5", 8, "H100", 80, "h100_sxm"),
    ("gcp", "a3-megagpu-8g", 8, "H100", 80, "h100_sxm"),
    ("gcp", "a2-ultragpu-1g", 1, "A100", 80, "a100_sxm_80gb"),
    ("lambdalabs", "gpu_1x_h100_pcie", 1, "H100", 80, "h100_pcie"),
    ("lambdalabs", "gpu_8x_a100", 8, "A100", 40, "a100_sxm_40gb"),
    ("nebius", "gpu-h200-sxm 8gpu-128vcpu-1600gb", 8, "H200", 141, "h200_sxm"),
    ("oci", "BM.GPU4.8", 8, "A100", 40, "a100_sxm_40gb"),
    ("runpod", "NVIDIA H100 80GB HBM3", 1, "H100", 80, "h100_sxm"),
    ("runpod", "NVIDIA H100 PCIe", 1, "H100", 80, "h100_pcie"),
    ("runpod", "NVIDIA H200 NVL", 1, "H200NVL", 141, "h200_nvl"),
    ("runpod", "NVIDIA A100 80GB PCIe", 1, "A100", 80, "a100_pcie_80gb"),
    ("runpod", "NVIDIA A100-SXM4-80GB", 1, "A100", 80, "a100_sxm_80gb"),
    ("verda", "1H100.80S.30V", 1, "H100", 80, "h100_sxm"),
    ("verda", "8A100.40S.176V", 8, "A100", 40, "a100_sxm_40gb"),
    ("gcp", "g2-standard-4", 1, "L4", 24, "l4"),
]


def test_boards_come_from_provider_machine_and_memory(publish):
    by_provider: dict[str, list[list[object]]] = {}
    for provider, machine, count, gpu, memory, _ in BOARDS:
        row = item(machine, 2.5 * count, count, gpu, memory)
        by_provider.setdefault(provider, []).append(row)
    for provider, rows in by_provider.items():
        publish(provider, *rows)
    found = read()
    assert found.skipped == ()
    names = {(o.provider, o.instance_type): o.accelerator for o in found.offers}
    for provider, machine, _, _, _, name in BOARDS:
        assert names[provider.removesuffix("labs"), machine] == name


def test_what_cannot_be_told_is_left_out_and_never_guessed(publish):
    publish(
        "nebius",
        item("gpu-one", 3, 1, "H100", 80),
        item("gpu-two", 3, 1, "A100", 80),
        item("gpu-nvl", 3, 1, "H100", 94),
        item("gpu-sxm-three", 3, 1, "A100"),
        item("gpu-h100-sxm", 3, 1, "H100NVL", 94),
        item("gpu-v100", 3, 1, "V100", 16),
        item("gpu-l40s", 0.001, 1, "L40S", 48),
        item("gpu-l4", 0.8, 1, "L4", 24),
    )
    found = read()
    assert [o.accelerator for o in found.offers] == ["h100_nvl", "l4"]
    assert len(found.skipped) == 6
    reasons = {s.what: s for s in found.skipped}
    assert reasons["gpu-one"] == Skipped(
        "gpuhunt nebius 20261120-7, row 1",
        "gpu-one",
        "nothing tells which H100 it is, of NVL, PCIE, SXM",
    )
    assert "which A100 it is, of PCIE, SXM" in reasons["gpu-two"].reason
    assert reasons["gpu-sxm-three"].reason == (
        "its memory is not listed: a100_sxm_40gb or a100_sxm_80gb"
    )
    assert "its machine has a sxm board" in reasons["gpu-h100-sxm"].reason
    assert "unknown accelerator 'V100'" in reasons["gpu-v100"].reason
    assert reasons["gpu-l40s"].impossible_price


def test_machines_of_several_sizes_zones_and_tpus(publish):
    """The cheapest zone stands for a region; a v5litepod-8 has 8 chips, a v5p-8 has 4."""
    publish(
        "gcp",
        item("n1-standard-8", 1.1, 2, "T4", 16, place="us-central1-b"),
        item("n1-standard-8", 0.7, 1, "T4", 16, place="us-central1-b"),
        item("a3-highgpu-8g", 88.2, 8, "H100", 80, place="us-central1-a"),
        item("a3-highgpu-8g", 88.1, 8, "H100", 80, place="us-central1-b"),
        item("v5litepod-8", 9.6, 1, "v5litepod-8", 128, place="us-central1-a"),
        item("v5p-8", 16.8, 1, "v5p-8", 95, place="us-east5-a"),
        item("v6e-256", 691.2, 1, "v6e-256", 8192, place="us-east5-a"),
    )
    found = read()
    offers = {o.offer_id: (o.gpus_per_node, float(o.price_per_node_hour_usd)) for o in found.offers}
    assert offers == {
        "gcp/us-central1/2x-n1-standard-8/on_demand": (2, 1.1),
        "gcp/us-central1/1x-n1-standard-8/on_demand": (1, 0.7),
        "gcp/us-central1/a3-highgpu-8g/on_demand": (8, 88.1),
        "gcp/us-central1/v5litepod-8/on_demand": (8, 9.6),
        "gcp/us-east5/v5p-8/on_demand": (4, 16.8),
    }
    assert [(s.what, s.reason[:14]) for s in found.skipped] == [("v6e-256", "a slice over s")]


def test_damage_is_refused_and_named(publish, tmp_path):
    good = [item("p5.48xlarge", 55.04, 8, "H100", 80)]
    archive = publish("aws", *good)
    whole = archive.read_bytes()
    for content in (whole[: len(whole) // 2], b"<!DOCTYPE html><html></html>"):
        archive.write_bytes(content)
        with pytest.raises(InputError, match=r"gpuhunt aws: .* damaged or cut short"):
            read()
    publish("aws", text=f"{FIELDS}\np5.48xlarge,us-east-1,55.04,8,64,8,H100,80,Fal")
    with pytest.raises(InputError, match=r"malformed row in aws .* line 2"):
        read()
    publish("aws", text="<!DOCTYPE html>\n<html><body>\nnot found\n</body></html>")
    with pytest.raises(InputError, match="malformed row in aws"):
        read()
    publish("aws", text=FIELDS)
    with pytest.raises(InputError, match="gpuhunt aws 20261120-7: holds no rows"):
        read()
    publish("aws", *good, version="latest")
    with pytest.raises(InputError, match=r"version 'latest' names no day.*observed_at"):
        read()


def test_a_row_left_out_is_heard_where_little_is_logged(publish, monkeypatch):
    publish("aws", text=f"{FIELDS}\np5.48xlarge,us-east-1,55.04,8,64,8,H100,80,Fal")
    root, own = logging.getLogger(), logging.getLogger("gpuhunt")
    monkeypatch.setattr(own, "disabled", True)
    before = root.level
    root.setLevel(logging.CRITICAL)
    try:
        with pytest.raises(InputError, match=r"malformed row in aws .* line 2"):
            read()
    finally:
        root.setLevel(before)
    assert own.disabled


def test_nothing_there(tmp_path, monkeypatch):
    monkeypatch.setenv("GPUHUNT_CATALOG_URL", (tmp_path / "nowhere").as_uri())
    with pytest.raises(InputError, match=r"cannot be fetched .* GPUHUNT_CATALOG_URL"):
        read()


def test_without_gpuhunt_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "gpuhunt", None)
    with pytest.raises(InputError, match=r"install minfleet\[feeds\]"):
        read()


def test_gpuhunt_is_loaded_only_where_it_is_read():
    code = "import sys, data.feeds.read; sys.exit('gpuhunt' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
