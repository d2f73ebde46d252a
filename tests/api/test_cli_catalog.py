"""``minfleet catalog`` on the command line: lists, details, checks, imports and refusals."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from api.commands.catalog import catalog
from data.accelerators import shipped_accelerators
from data.models import shipped_models
from data.offers import load_offers, shipped_offers

OFFERS = """\
offer_id,provider,region,accelerator,gpus_per_node,price_per_node_hour_usd,pricing,stock,observed_at,source
a,acme,eu,h100_sxm,8,20.00,on_demand,,2026-08-01,quote
b,acme,us,NVIDIA-L4,1,0.50,spot,3,2026-08-01,quote
"""
VMS = """\
InstanceType,vCPUs,MemoryGiB,AcceleratorName,AcceleratorCount,GpuInfo,Price,SpotPrice,Region,AvailabilityZone
m5.large,2,8,,,,0.096,0.03,us-east-1,a
p5.48xlarge,192,2048,H100,8,,98.32,30,us-east-1,a
p5.48xlarge,192,2048,H100,8,,98.32,25,us-east-1,b
p3.2xlarge,8,61,V100,1,,3.06,0.9,us-east-1,a
p3.8xlarge,8,61,V100,4,,12.24,,us-east-1,a
"""


def run(*arguments: str | Path, status: int = 0) -> str:
    """Return stdout of the command; its exit status must be `status`."""
    result = CliRunner().invoke(catalog, [str(a) for a in arguments])
    assert result.exit_code == status, result.output
    return result.stdout


def document(*arguments: str | Path, status: int = 0) -> dict:
    """Return the JSON document of the command."""
    return json.loads(run(*arguments, "--json", status=status))


def refusal(*arguments: str | Path) -> str:
    """Return the one line on stderr of a command that refuses its input."""
    result = CliRunner().invoke(catalog, [str(a) for a in arguments])
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


@pytest.fixture
def offers(tmp_path: Path) -> Path:
    path = tmp_path / "offers.csv"
    path.write_text(OFFERS)
    return path


@pytest.fixture
def vms(tmp_path: Path) -> Path:
    path = tmp_path / "vms.csv"
    path.write_text(VMS)
    return path


def test_offers_are_listed_by_the_price_of_an_accelerator_hour():
    found = document("list", "offers")
    assert found["schema"] == "minfleet/catalog-offers/v1"
    assert len(found["offers"]) == len(shipped_offers())
    prices = [o["price_per_gpu_hour_usd"] for o in found["offers"]]
    assert prices == sorted(prices)
    first = found["offers"][0]
    assert set(first) >= {"offer_id", "stock", "source", "observed_at", "price_per_node_hour_usd"}
    shown = run("list", "offers")
    for heading in ("$/GPU-h", "$/node-h", "Network Gbit/s", "Stock nodes"):
        assert heading in shown
    assert max(len(line) for line in shown.splitlines()) > 80  # a pipe folds no row
    assert first["offer_id"] in shown


def test_offers_are_narrowed_down():
    found = document(
        *("list", "offers", "--provider", "AWS", "--provider", "gcp", "--pricing", "spot"),
        *("--accelerator", "H100", "--max-price", "5"),
    )["offers"]
    assert found
    for offer in found:
        assert offer["provider"] in ("aws", "gcp")
        assert (offer["pricing"], offer["accelerator"]) == ("spot", "h100_sxm")
        assert offer["price_per_gpu_hour_usd"] <= 5
    regions = document("list", "offers", "--region", "us-east-1")["offers"]
    assert {o["region"] for o in regions} == {"us-east-1"}
    amd = document("list", "offers", "--vendor", "amd")["offers"]
    assert {o["accelerator"][:2] for o in amd} == {"mi"}
    assert document("list", "offers", "--vendor", "amd", "--max-price", "0.01")["offers"] == []
    assert "0 of" in run("list", "offers", "--vendor", "amd", "--max-price", "0.01")


def test_offers_of_a_file(offers):
    assert [o["offer_id"] for o in document("list", "offers", "--offers", offers)["offers"]] == [
        "b",
        "a",
    ]
    added = document("list", "offers", "--add-offers", offers)["offers"]
    assert len(added) == len(shipped_offers()) + 2


def test_accelerators_are_listed_with_their_cheapest_offers():
    found = document("list", "accelerators")["accelerators"]
    assert len(found) == len(shipped_accelerators()) >= 30
    h100 = next(a for a in found if a["name"] == "h100_sxm")
    assert h100["bf16_tflops"] == 989.4
    assert 0 < h100["least_price_per_gpu_hour_usd"]["on_demand"] < 10
    shown = run("list", "accelerators")
    for part in ("Memory MiB", "BF16 TFLOPS", "Link GB/s", "989.4", "81,559", "750?"):
        assert part in shown
    assert "no primary source confirms" in shown
    amd = document("list", "accelerators", "--vendor", "AMD")["accelerators"]
    assert {a["name"] for a in amd} == {"mi300x", "mi325x", "mi350x", "mi355x"}
    on_aws = document("list", "accelerators", "--provider", "aws")["accelerators"]
    assert all(a["offers"] for a in on_aws)
    one = document("list", "accelerators", "--accelerator", "H100")["accelerators"]
    assert [a["name"] for a in one] == ["h100_sxm"]


def test_models_are_listed():
    found = document("list", "models")["models"]
    assert len(found) == len(shipped_models())
    by_name = {m["name"]: m for m in found}
    # 2 · 80 layers · 8 KV heads · 128 · 2 bytes, and the latent of DeepSeek's attention.
    assert by_name["llama-3.1-70b-instruct"]["kv_bytes_per_token_bf16"] == 327_680
    assert by_name["deepseek-v3"]["kv_bytes_per_token_bf16"] == 2 * 61 * (512 + 64)
    sizes = [m["params_total"] for m in found]
    assert sizes == sorted(sizes)
    shown = run("list", "models")
    assert "KV KiB/token" in shown
    assert "meta-llama/Llama-3.1-70B-Instruct" in shown


@pytest.mark.parametrize("name", ["h100_sxm", "H100", "nvidia-h100-80gb"])
def test_show_an_accelerator_by_any_name(name):
    found = document("show", name)
    assert found["accelerator"]["name"] == "h100_sxm"
    assert "NVIDIA-H100-80GB-HBM3" in found["aliases"]
    for pricing in ("on_demand", "spot"):
        prices = [
            o["price_per_gpu_hour_usd"] for o in found["cheapest_offers"] if o["pricing"] == pricing
        ]
        assert len(prices) == 5
        assert prices == sorted(prices)
    shown = run("show", name)
    for part in ("989.4", "TFLOPS", "Source: ", "Notes: ", "Also called: H100", "Cheapest of its"):
        assert part in shown


def test_show_marks_what_no_primary_source_confirms():
    lines = run("show", "mi300x").splitlines()
    assert any("tdp_w" in line and "unverified" in line for line in lines)
    assert not any("memory_mib" in line and "unverified" in line for line in lines)
    assert "Nobody in this catalogue offers it." in run("show", "gaudi3")


def test_show_an_offer():
    offer = shipped_offers()[0]
    assert document("show", offer.offer_id)["offer"]["provider"] == offer.provider
    shown = run("show", offer.offer_id)
    assert "price_per_gpu_hour_usd" in shown
    assert f"Source: {offer.source}" in shown


def test_show_a_model():
    shown = run("show", "llama-3.1-70b-instruct")
    for part in ("70.55", "published", "computed", "80 full", "327,680", "131,072", "Source: "):
        assert part in shown
    found = document("show", "meta-llama/Llama-3.1-70B-Instruct")["model"]
    assert abs(found["difference_pct"]) < 1
    windows = run("show", "gemma-3-27b-it")
    assert "52 window, 10 full" in windows
    assert "the last 1,024 tokens only" in windows


def test_show_a_config_of_your_own(tmp_path):
    config = tmp_path / "config.json"
    config.write_text(json.dumps(dict(shipped_models()["qwen3-8b"].config)))
    for name in (config, tmp_path):
        found = document("show", name)["model"]
        assert found["published_params_total"] is None
        assert found["params_total"] == pytest.approx(8.19e9, rel=0.01)


def test_check_the_shipped_catalogue():
    found = document("check", "--as-of", "2026-08-04")
    assert (found["errors"], found["schema"]) == (0, "minfleet/catalog-check/v1")
    assert found["warnings"] == len(found["findings"]) > 0
    assert "0 errors" in run("check", "--as-of", "2026-08-04")


def test_check_a_file(offers):
    found = document("check", offers, "--as-of", "2026-08-02")
    assert {f["place"] for f in found["findings"]} == {"accelerators"}
    assert document("check", "--offers", offers, "--as-of", "2026-08-02") == found
    stale = document("check", offers, "--as-of", "2027-01-01")
    assert "acme" in {f["place"] for f in stale["findings"]}


def test_a_failed_check_is_exit_status_1(offers):
    assert "is in the future" in run("check", offers, "--as-of", "2026-07-01", status=1)
    found = document("check", offers, "--as-of", "2026-07-01", status=1)
    assert found["errors"] == 2
    assert [f["level"] for f in found["findings"][:2]] == ["error", "error"]


def test_import_a_skypilot_list(vms, tmp_path):
    out = tmp_path / "aws.csv"
    options = ("--format", "skypilot", "--provider", "aws", "--observed-at", "2026-08-01")
    shown = run("import", vms, *options, "--out", out)
    assert "2 offers (1 on_demand, 1 spot) of 1 accelerators from 5 rows." in shown
    assert "unknown accelerator 'V100'" in shown
    assert "1 rows name no accelerator." in shown
    assert f"Written to {out}." in shown
    written = load_offers(out, shipped_accelerators())
    assert [(o.offer_id, str(o.price_per_node_hour_usd)) for o in written] == [
        ("aws/us-east-1/p5.48xlarge/on_demand", "98.32"),
        ("aws/us-east-1/p5.48xlarge/spot", "25"),
    ]
    assert len(document("list", "offers", "--offers", out)["offers"]) == 2


def test_a_dry_run_writes_nothing(vms, tmp_path):
    out = tmp_path / "aws.csv"
    options = ("--format", "skypilot", "--provider", "aws", "--observed-at", "2026-08-01")
    found = document("import", vms, *options, "--out", out, "--dry-run")
    assert (found["offers"], found["out"], len(found["skipped"])) == (2, None, 2)
    assert "Nothing was written." in run("import", vms, *options, "--dry-run")
    assert not out.exists()


def test_import_our_own_columns(offers, tmp_path):
    out = tmp_path / "mine.csv"
    run("import", offers, "--format", "csv", "--out", out)
    assert [o.accelerator for o in load_offers(out, shipped_accelerators())] == ["h100_sxm", "l4"]


def test_columns():
    shown = run("columns", "offers")
    assert "price_per_node_hour_usd" in shown
    assert "number, USD/h, required" in shown
    found = document("columns")["tables"]
    assert {"accelerators", "offers", "measured"} <= set(found)
    assert found["offers"][0]["column"] == "offer_id"


SKYPILOT = ("--format", "skypilot", "--provider", "aws")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["show", "h1000"], "did you mean 'h100"),
        (["show", "llama-3.1-70b"], "'llama-3.1-70b-instruct'"),
        (["show", "absent.json"], "no such file"),
        (["list", "offers", "--provider", "awz"], "--provider: unknown provider 'awz'; did you"),
        (["list", "offers", "--region", "us-esat-1"], "'us-east-1'"),
        (["list", "offers", "--accelerator", "h10"], "unknown accelerator 'h10'"),
        (["list", "accelerators", "--vendor", "NVIDA"], "'NVIDIA'"),
        (["list", "offers", "--max-price", "nan"], "--max-price is nan"),
        (["list", "offers", "--max-price", "-1"], "--max-price is -1"),
        (["list", "offers", "--offers", "absent.csv"], "absent.csv: no such file"),
        (["check", "absent.csv"], "absent.csv: no such file"),
        (["check", "a.csv", "--offers", "b.csv"], "are the same thing"),
        (["check", "--as-of", "today"], "--as-of: 'today' is not a date"),
        (["columns", "ofers"], "did you mean 'offers'"),
        (["import", "absent.csv", "--format", "csv", "--dry-run"], "no such file"),
        (["import", "a.csv", "--format", "csv"], "give --out FILE"),
        (["import", "a.csv", "--format", "csv", "--provider", "x", "--dry-run"], "belongs to"),
        (["import", "a.csv", *SKYPILOT, "--dry-run"], "--observed-at YYYY-MM-DD"),
        (["import", "a.csv", *SKYPILOT, "--observed-at", "may", "--dry-run"], "is not a date"),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(arguments, part, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert part in refusal(*arguments)


@pytest.mark.parametrize(
    ("before", "after", "part"),
    [
        ("b,acme", "a,acme", "is already used at"),
        ("20.00", "", "column price_per_node_hour_usd: is empty"),
        ("20.00", "0.01", "less than their electricity"),
        ("2026-08-01,quote\nb", "2026-08-32,quote\nb", "is not a date"),
        (",quote\nb", "\nb", "may be cut short"),
    ],
)
def test_a_refused_row_leaves_nothing_written(offers, tmp_path, before, after, part):
    offers.write_text(OFFERS.replace(before, after, 1))
    out = tmp_path / "out.csv"
    assert part in refusal("import", offers, "--format", "csv", "--out", out)
    assert part in refusal("check", offers)
    assert not out.exists()


BAD = """\
offer_id,provider,region,accelerator,gpus_per_node,price_per_node_hour_usd,pricing,stock,observed_at,source
a,acme,eu,h100_sxm,8,,on_demand,,2026-08-01,quote
b,acme,us,NVIDIA-L4,1,0.50,spot,3,2026-08-01,quote
b,acme,us,h100_sxn,1,0.50,spot,3,2026-08-01,quote
d,acme,us,h100_sxm,8,2.10,on_demand,-3,2026-08-01,quote
e,acme,us,h100_sxm,8,2.10,on_demand,3,2026-08-01,quote
"""


@pytest.mark.parametrize("command", ["check", "import"])
def test_every_wrong_row_is_a_line(tmp_path, command):
    """Nothing is written, and what was there stays."""
    path, out = tmp_path / "quotes.csv", tmp_path / "out.csv"
    path.write_text(BAD)
    out.write_text("before")
    more = ["--format", "csv", "--out", out] if command == "import" else ["--json"]
    result = CliRunner().invoke(catalog, [command, *map(str, [path, *more])])
    assert (result.exit_code, result.stdout) == (2, "")
    lines = result.stderr.splitlines()
    assert [line.removeprefix(f"Error: {path}, ").split(": ")[0] for line in lines] == [
        "line 2, column price_per_node_hour_usd",
        "line 4, column offer_id",
        "line 4, column accelerator",
        "line 5, column stock",
        "line 6, column price_per_node_hour_usd",
    ]
    assert out.read_text() == "before"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.csv", "quotes.csv"]


def test_other_commands_name_the_first_and_count_the_rest(tmp_path):
    path = tmp_path / "quotes.csv"
    path.write_text(BAD)
    said = refusal("list", "offers", "--offers", path)
    assert "line 2, column price_per_node_hour_usd" in said
    assert "4 more faults are there, too; 'minfleet catalog check' names every one." in said


def test_a_thousand_wrong_rows_are_a_hundred_lines(tmp_path):
    path = tmp_path / "quotes.csv"
    head, row, *_ = BAD.splitlines()
    path.write_text("\n".join([head, *(row.replace("a,", f"a{n},", 1) for n in range(1000))]))
    result = CliRunner().invoke(catalog, ["check", str(path)])
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 101
    assert result.stderr.endswith("Error: 900 more faults are there, too.\n")


@pytest.mark.parametrize("name", ["t.csv", "t.yaml"])
def test_a_template_passes_its_check(tmp_path, name):
    path = tmp_path / name
    assert run("template", "--out", path) == f"Written to {path}.\n"
    assert document("check", path)["errors"] == 0
    kind = path.suffix[1:]
    assert run("template", "--format", kind) == path.read_text()


def test_a_template_replaces_nothing_unasked(tmp_path):
    path = tmp_path / "quotes.csv"
    path.write_text("mine")
    assert "is there already; give another name, or --force" in refusal("template", "--out", path)
    assert path.read_text() == "mine"
    run("template", "--out", path, "--force")
    assert "example-on-demand" in path.read_text()
    assert "cannot be written" in refusal("template", "--out", tmp_path / "absent" / "t.csv")


def test_a_quote_in_euros_is_shown_and_imported_without_loss(tmp_path):
    path, out = tmp_path / "quotes.yaml", tmp_path / "out.csv"
    run("template", "--out", path)
    shown = document("show", "example-committed", "--offers", path)["offer"]
    assert (shown["currency"], shown["usd_per_unit"]) == ("EUR", 1.1)
    assert shown["price_per_node_hour_usd"] == 19.8
    assert shown["price_steps"] == [
        {"from_nodes": 8, "price_per_node_hour_usd": 18.7},
        {"from_nodes": 32, "price_per_node_hour_usd": 17.05},
    ]
    assert "8: 18.7, 32: 17.05" in run("show", "example-committed", "--offers", path)
    run("import", path, "--format", "csv", "--out", out)
    known = shipped_accelerators()
    assert load_offers(out, known) == load_offers(path, known)
    assert ",18," in out.read_text().splitlines()[2]


def test_an_import_of_nothing_is_refused(vms, tmp_path):
    lines = VMS.splitlines()
    vms.write_text("\n".join([lines[0], lines[4]]))
    out = tmp_path / "out.csv"
    options = ("--observed-at", "2026-08-01", "--out", out)
    assert "there is no offer to write" in refusal("import", vms, *SKYPILOT, *options)
    assert not out.exists()


def test_ctrl_c_is_status_130(monkeypatch):
    from data.catalog import Catalog

    def interrupted(*files: object, **more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Catalog, "load", interrupted)
    result = CliRunner().invoke(catalog, ["list", "offers"])
    assert (result.exit_code, result.stderr) == (130, "Interrupted.\n")


def test_what_is_no_fault_of_the_input_is_status_1(monkeypatch):
    from data.catalog import Catalog
    from data.errors import EngineError

    def broken(*files: object, **more: object) -> None:
        raise EngineError("the engine\nis missing.")

    monkeypatch.setattr(Catalog, "load", broken)
    result = CliRunner().invoke(catalog, ["list", "offers"])
    assert (result.exit_code, result.stderr) == (1, "Error: the engine is missing.\n")


def test_the_command_imports_nothing_heavy():
    code = (
        "import sys, api.commands.catalog\n"
        "heavy = {'numpy', 'rich', 'pydantic', 'yaml', 'solver', 'model', 'pyomo'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "arguments", [["--help"], ["list", "--help"], ["import", "--help"], ["check", "--help"]]
)
def test_help(arguments):
    assert "Usage:" in run(*arguments)
