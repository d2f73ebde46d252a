"""Price lists of others become offers; what cannot is reported, and files are written whole."""

from __future__ import annotations

import csv
import datetime as dt
import os
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.accelerators import shipped_accelerators
from data.errors import CatalogError, InputError
from data.importers import import_csv, import_skypilot, offer_id, write_offers
from data.offers import Offer, load_offers, shipped_offers
from data.price_steps import PriceStep
from data.tables import columns

KNOWN = shipped_accelerators()
SEEN = dt.date(2026, 7, 1)
HEADER = (
    "InstanceType,vCPUs,MemoryGiB,AcceleratorName,AcceleratorCount,GpuInfo,Price,SpotPrice,"
    "Region,AvailabilityZone"
)


def gpu(name: str, count: int, mib: float) -> str:
    """Write the GpuInfo cell of SkyPilot: a Python mapping in quotes."""
    return (
        f"\"{{'Gpus': [{{'Name': '{name}', 'Manufacturer': 'NVIDIA', 'Count': {count}, "
        f"'MemoryInfo': {{'SizeInMiB': {mib}}}}}], 'TotalGpuMemoryInMiB': {mib}}}\""
    )


def read(tmp_path: Path, *lines: str, provider: str = "aws"):
    path = tmp_path / "vms.csv"
    path.write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
    return import_skypilot(path, provider, SEEN)


def test_a_row_gives_an_on_demand_and_a_spot_offer(tmp_path):
    info = gpu("H100", 8, 81920)
    found = read(
        tmp_path,
        f"p5.48xlarge,192,2048,H100,8.0,{info},98.320,25.1,us-east-1,use1-az1",
        "m5.large,2,8,,,,0.096,0.03,us-east-1,use1-az1",
    )
    assert (found.rows, found.without_accelerator, found.skipped) == (2, 1, ())
    on_demand, spot = found.offers
    assert on_demand.offer_id == "aws/us-east-1/p5.48xlarge/on_demand"
    assert spot.offer_id == "aws/us-east-1/p5.48xlarge/spot"
    assert on_demand.price_per_node_hour_usd == Decimal("98.32")
    assert spot.price_per_node_hour_usd == Decimal("25.1")
    assert (on_demand.accelerator, on_demand.gpus_per_node) == ("h100_sxm", 8)
    assert (on_demand.interruptible, spot.interruptible) == (False, True)
    assert (on_demand.observed_at, on_demand.currency, on_demand.stock) == (SEEN, "USD", None)
    assert on_demand.source == "SkyPilot catalogue, vms.csv"
    assert "use1-az1" in on_demand.notes


def test_zones_become_one_offer_at_the_cheapest(tmp_path):
    found = read(
        tmp_path,
        "g6.xlarge,4,16,L4,1,,0.80,0.40,us-east-1,a",
        "g6.xlarge,4,16,L4,1,,0.80,0.31,us-east-1,b",
        "g6.xlarge,4,16,L4,1,,0.80,0.35,us-east-1,c",
        "g6.xlarge,4,16,L4,1,,0.90,,eu-west-1,a",
    )
    prices = {o.offer_id: str(o.price_per_node_hour_usd) for o in found.offers}
    assert prices == {
        "aws/us-east-1/g6.xlarge/on_demand": "0.8",
        "aws/us-east-1/g6.xlarge/spot": "0.31",
        "aws/eu-west-1/g6.xlarge/on_demand": "0.9",
    }
    assert "zone b" in found.offers[1].notes


def test_no_price_is_no_offer(tmp_path):
    found = read(
        tmp_path,
        "a,1,1,L4,1,,,,us,",
        "b,1,1,L4,1,,0,0.0,us,",
        "c,1,1,L4,1,,,0.3,us,",
        "d,1,1,L4,1,,0.7,0.00,us,",
    )
    assert [o.offer_id for o in found.offers] == ["aws/us/c/spot", "aws/us/d/on_demand"]
    assert [(s.what, s.reason) for s in found.skipped] == [("a", "no price"), ("b", "no price")]
    assert found.skipped[0].place.endswith("vms.csv, line 2")


def test_what_cannot_be_planned_is_reported_by_name(tmp_path):
    found = read(
        tmp_path,
        "p3.2xlarge,8,61,V100,1,,3.06,0.9,us-east-1,a",
        "Standard_NV6ads_A10_v5,6,55,A10,0.17,,0.45,,eastus,",
        "x,6,55,L4,,,0.45,,eastus,",
        ",,,tpu-v6e-8,1,tpu-v6e-8,21.6,4.3,us-east1,us-east1-d",
        "cheap,1,1,B200,1,,0.01,,us,",
        "dear,1,1,L4,1,,700,0.5,us,",
    )
    reasons = {s.what: s.reason for s in found.skipped}
    assert "unknown accelerator 'V100'" in reasons["p3.2xlarge"]
    assert "nearest names" in reasons["p3.2xlarge"]
    assert "a share of an accelerator (0.17)" in reasons["Standard_NV6ads_A10_v5"]
    assert reasons["x"] == "no count of accelerators"
    assert "without a machine" in reasons["tpu-v6e-8"]
    assert "less than their electricity" in reasons["cheap"]
    assert "above any price" in reasons["dear"]
    assert [o.offer_id for o in found.offers] == ["aws/us/dear/spot"]


@pytest.mark.parametrize(
    ("machine", "listed", "count", "info", "name"),
    [
        # Board in the machine's name, in the GPU's, or documented by the cloud.
        ("gpu_1x_h100_pcie", "H100", 1, "", "h100_pcie"),
        ("1x-H100_NVL-32-65536", "H100", 1, gpu("H100", 1, 95830), "h100_nvl"),
        ("1x-H100_SXM-32-65536", "H100", 1, gpu("H100", 1, 81559), "h100_sxm"),
        ("Standard_NC24ads_A100_v4", "A100-80GB", 1, gpu("A100", 1, 81920), "a100_pcie_80gb"),
        ("Standard_NC80adis_H100_v5", "H100", 2, gpu("H100", 2, 95830), "h100_nvl"),
        ("Standard_ND96asr_v4", "A100", 8, gpu("A100", 8, 40960), "a100_sxm_40gb"),
        ("Standard_ND96amsr_A100_v4", "A100-80GB", 8, gpu("A100", 8, 81920), "a100_sxm_80gb"),
        ("p4de.24xlarge", "A100-80GB", 8, gpu("A100", 8, 81920), "a100_sxm_80gb"),
        ("gpu_1x_a100", "A100", 1, gpu("A100", 1, 40960), "a100_pcie_40gb"),
        ("gpu_8x_a100", "A100", 8, gpu("A100", 8, 40960), "a100_sxm_40gb"),
        # Memory in GB under the name MiB; of one GPU, or of all of them.
        ("1x_A100-80GB_SECURE", "A100-80GB", 1, gpu("A100 PCIe", 1, 80), "a100_pcie_80gb"),
        ("2x_A100-80GB_SECURE", "A100-80GB", 2, gpu("A100 PCIe", 2, 80), "a100_pcie_80gb"),
        ("2x-A100_SXM4-32-65536", "A100", 2, gpu("A100", 2, 81920), "a100_sxm_40gb"),
        ("4x-A100_SXM4-32-65536", "A100", 4, gpu("A100", 4, 163840), "a100_sxm_40gb"),
        ("4x-A100_SXM4-32-65536", "A100", 4, gpu("A100", 4, 327680), "a100_sxm_80gb"),
        ("1x-A100_PCIE-32-65536", "A100", 1, gpu("A100", 1, 81920), "a100_pcie_80gb"),
        ("8x-H200-32-65536", "H200", 8, gpu("H200", 8, 1150168), "h200_sxm"),
        ("a2-ultragpu-8g", "A100-80GB", 8, "", "a100_sxm_80gb"),
        ("gpu-h100-sxm_8gpu-128vcpu-1600gb", "H100", 8, "", "h100_sxm"),
        ("BM.GPU.MI300X.8", "MI300X", 8, gpu("MI300X", 8, 196608), "mi300x"),
        ("1x-RTX_4090-32-65536", "RTX4090", 1, gpu("RTX4090", 1, 24564), "rtx_4090"),
        ("inf2.48xlarge", "Inferentia2", 12, gpu("Inferentia2", 12, 32768), "inferentia2"),
    ],
)
def test_boards_of_one_name_are_told_apart(tmp_path, machine, listed, count, info, name):
    found = read(tmp_path, f"{machine},8,64,{listed},{count},{info},{3 * count},,somewhere,")
    assert [o.accelerator for o in found.offers] == [name], found.skipped
    assert "taken as" not in found.offers[0].notes or "board" in found.offers[0].notes


def test_an_unnamed_board_is_noted(tmp_path):
    found = read(tmp_path, "lambdalabs_H100,26,200,H100,1,,4.29,,salt,")
    assert found.offers[0].accelerator == "h100_sxm"
    assert found.offers[0].notes == "the list does not name the board; taken as SXM"
    sure = read(tmp_path, "p5.48xlarge,26,200,H100,8,,40,,us-east-1,")
    assert sure.offers[0].notes == ""


def test_memory_that_contradicts_the_name_is_not_guessed_at(tmp_path):
    line = f"1x-RTX_4090-32,32,64,RTX4090,1,{gpu('RTX4090', 1, 49140)},0.40,,hk,"
    found = read(tmp_path, line)
    assert found.offers == ()
    assert "no accelerator of the catalogue is a rtx_4090 with 51.53 GB" in found.skipped[0].reason


def test_odd_regions_make_tidy_ids(tmp_path):
    found = read(
        tmp_path,
        '1x-L4,1,1,L4,1,,0.5,,"Hong Kong, HK, AS",',
        "1x-L4,1,1,L4,1,,0.5,,,",
        provider="Vast AI",
    )
    assert [o.offer_id for o in found.offers] == [
        "vast-ai/hong-kong-hk-as/1x-l4/on_demand",
        "vast-ai/global/1x-l4/on_demand",
    ]
    assert found.offers[0].region == "Hong Kong, HK, AS"


def test_the_same_row_twice_counts_once_and_two_prices_are_an_error(tmp_path):
    line = "g6.xlarge,4,16,L4,1,,0.80,0.40,us-east-1,a"
    assert len(read(tmp_path, line, line).offers) == 2
    with pytest.raises(CatalogError, match=r"line 3, column Price: .*another price .* line 2"):
        read(tmp_path, line, line.replace("0.80", "0.85"))


def test_two_machines_may_not_share_an_id(tmp_path):
    with pytest.raises(CatalogError, match="is the same offer as"):
        read(tmp_path, "L4 x1,1,1,L4,1,,0.5,,us,", "l4-x1,1,1,L4,1,,0.4,,us,")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("offer_id,provider\na,b\n", "column 'InstanceType' is missing"),
        (HEADER + "\n", "holds no rows"),
        (HEADER + "\ng6,4,16,L4\n", "has 4 cells where the header has 10"),
        (HEADER + "\ng6,4,16,L4,1,,cheap,,us,\n", "'cheap' is not a number"),
        (HEADER + "\ng6,4,16,L4,1,,nan,,us,\n", "not a finite number"),
        (HEADER + "\ng6,4,16,L4,1,,-1,,us,\n", "out of bounds"),
        ("", "is empty"),
    ],
)
def test_damaged_lists_are_refused(tmp_path, text, part):
    path = tmp_path / "vms.csv"
    path.write_text(text)
    with pytest.raises(CatalogError, match=part):
        import_skypilot(path, "aws", SEEN)


def test_a_list_needs_a_provider(tmp_path):
    with pytest.raises(CatalogError, match="name the provider"):
        read(tmp_path, "g6,1,1,L4,1,,1,,us,", provider=" ")


PRICES = st.decimals("0.2", "90", places=4)


@given(st.lists(st.tuples(PRICES, PRICES), min_size=1, max_size=6))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_import_is_never_cheaper_nor_dearer_than_its_list(tmp_path, prices):
    lines = [f"g6,1,1,L4,1,,{p},{s},us,zone-{i}" for i, (p, s) in enumerate(prices)]
    on_demand, spot = read(tmp_path, *lines).offers
    assert on_demand.price_per_node_hour_usd == min(p for p, _ in prices)
    assert spot.price_per_node_hour_usd == min(s for _, s in prices)


def test_our_own_csv_is_checked_and_named_by_the_catalogue(offers_file):
    found = import_csv(offers_file({"accelerator": "NVIDIA-H100-80GB-HBM3"}))
    assert [o.accelerator for o in found.offers] == ["h100_sxm"]
    assert (found.rows, found.skipped) == (1, ())
    with pytest.raises(InputError, match="unknown accelerator"):
        import_csv(offers_file({"accelerator": "abacus"}))
    assert import_csv(offers_file({"accelerator": "abacus"}), strict=False).rows == 1


def test_what_is_written_reads_back_the_same(tmp_path):
    path = tmp_path / "out.csv"
    write_offers(path, shipped_offers())
    assert load_offers(path, KNOWN) == shipped_offers()
    with path.open(newline="", encoding="utf-8") as file:
        assert next(csv.reader(file)) == [c.column for c in columns("offers")]


words = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=8)
terms = st.one_of(
    st.tuples(st.none() | st.integers(1, 60), st.none() | st.just(Decimal(0))),
    st.tuples(st.integers(1, 60), st.decimals("0", "5000", places=2)),
)
"""A term, and a payment upfront that keeps a node below what is ever listed."""
rates = st.just(("USD", None, None)) | st.tuples(
    st.sampled_from(["EUR", "JPY", "KWD", "IDR"]),
    st.decimals("0.00004", "9", places=7),
    st.dates(),
)
"""A currency with its rate, which is none for US dollars."""


def built(term, rate, steps, price_per_node_hour_usd, min_nodes, **fields):
    """Return an offer with `steps`, pairs of more nodes and a share of the price before."""
    found, nodes, price = [], min_nodes, price_per_node_hour_usd
    for more, share in steps:
        nodes, price = nodes + more, (price * share).quantize(Decimal("1e-6"))
        found.append(PriceStep(nodes, price))
    return Offer(
        term_months=term[0],
        upfront_usd=term[1],
        currency=rate[0],
        usd_per_unit=rate[1],
        rate_date=rate[2],
        price_steps=tuple(found),
        price_per_node_hour_usd=price_per_node_hour_usd,
        min_nodes=min_nodes,
        confirmed=True,  # any price: none is asked for its unit
        **fields,
    )


offers = st.builds(
    built,
    term=terms,
    rate=rates,
    steps=st.lists(st.tuples(st.integers(1, 9), st.decimals("0.8", "0.99", places=2)), max_size=2),
    offer_id=words,
    provider=words,
    region=words,
    instance_type=words,
    accelerator=st.sampled_from(sorted(KNOWN)),
    gpus_per_node=st.integers(1, 16),
    price_per_node_hour_usd=st.decimals("25", "90", places=6),
    pricing=st.sampled_from(["on_demand", "spot", "committed"]),
    stock=st.none() | st.integers(0, 1000),
    network_gbps=st.none() | st.floats(0.1, 4000),
    min_nodes=st.integers(1, 100),
    interruptible=st.booleans(),
    available_from=st.none() | st.dates(),
    available_until=st.none() | st.dates(),
    observed_at=st.dates(),
    source=words,
    notes=st.just("") | words,
)


@given(st.lists(offers, min_size=1, max_size=4, unique_by=lambda o: o.offer_id))
@settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_any_offer_survives_its_file(tmp_path, given_offers):
    path = tmp_path / "any.csv"
    write_offers(path, given_offers)
    assert list(load_offers(path, KNOWN)) == given_offers


def test_line_breaks_become_spaces(tmp_path):
    path = tmp_path / "any.csv"
    write_offers(path, [replace(shipped_offers()[0], notes="one\rtwo\nthree")])
    assert load_offers(path, KNOWN)[0].notes == "one two three"


def test_nothing_is_written_in_parts(tmp_path, monkeypatch):
    path = tmp_path / "out.csv"
    path.write_text("before")
    first = shipped_offers()[0]
    with pytest.raises(CatalogError, match="is there twice"):
        write_offers(path, [first, first])
    with pytest.raises(CatalogError, match="no offer to write"):
        write_offers(path, [])

    def broken(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(InputError, match="cannot be written"):
        write_offers(path, [first])
    assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["out.csv"]


def test_a_link_keeps_its_target(tmp_path):
    (tmp_path / "real.csv").write_text("before")
    (tmp_path / "link.csv").symlink_to("real.csv")
    write_offers(tmp_path / "link.csv", shipped_offers()[:1])
    assert (tmp_path / "link.csv").is_symlink()
    assert "offer_id" in (tmp_path / "real.csv").read_text()


def test_where_offers_cannot_be_written(tmp_path):
    one = shipped_offers()[:1]
    with pytest.raises(InputError, match="cannot be written"):
        write_offers(tmp_path / "absent" / "out.csv", one)
    with pytest.raises(InputError, match="is not a regular file"):
        write_offers(tmp_path, one)
    with pytest.raises(InputError, match=r"name the file \.csv"):
        write_offers(tmp_path / "out.yaml", one)


def test_devices_and_pipes_are_left_alone(tmp_path):
    """A file put in the place of a device would take it from everyone."""
    pipe, link = tmp_path / "pipe.csv", tmp_path / "link.csv"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for path in (pipe, link, Path(os.devnull)):
        with pytest.raises(InputError) as caught:
            write_offers(path, shipped_offers()[:1])
        assert str(caught.value) == (f"{path}: is not a regular file; give the name of a CSV file.")
    assert pipe.is_fifo()
    assert link.is_symlink()
    assert Path(os.devnull).is_char_device()


def test_a_folder_that_cannot_be_entered_is_named(tmp_path, monkeypatch):
    def refused(path: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "exists", refused)
    monkeypatch.setattr(Path, "unlink", refused)
    with pytest.raises(InputError, match=r"out\.csv: cannot be written \(Permission denied\)"):
        write_offers(tmp_path / "out.csv", shipped_offers()[:1])


def test_ids_are_four_names_in_lower_case():
    assert offer_id("AWS", "us-east-1", "p5.48xlarge", "spot") == "aws/us-east-1/p5.48xlarge/spot"
    assert offer_id("Vast AI", "EU, DE", "1x RTX 4090", "spot") == "vast-ai/eu-de/1x-rtx-4090/spot"
