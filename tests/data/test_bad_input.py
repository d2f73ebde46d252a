"""Whatever a user's file holds: the rows it gives, or one sentence that names the place."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.accelerators import load_accelerators, shipped_accelerators
from data.catalog import Catalog
from data.coefficients import load_coefficients
from data.errors import InputError
from data.offers import load_offers
from data.traces import load_trace

KNOWN = shipped_accelerators()


def refusal(path, load=Catalog.load) -> str:
    """Return the one sentence that refuses the file, after checking that it is one."""
    with pytest.raises(InputError) as caught:
        load(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    assert message.endswith((".", "?"))
    return message


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ([{}, {}], "offer_id: 'acme/eu/h100x8/on_demand' is already used"),
        ([{"price_per_node_hour_usd": ""}], "line 2, column price_per_node_hour_usd: is empty"),
        (
            [{"accelerator": "B200", "gpus_per_node": "1", "price_per_node_hour_usd": "0.01"}],
            "$0.01 for 1 × b200_sxm is less than their electricity",
        ),
        ([{"currency": "USD"}, {"offer_id": "b", "currency": "EUR"}], "line 3, column currency"),
        ([{"price_per_node_hour_usd": "nan"}], "not a finite number"),
        ([{"price_per_node_hour_usd": "-inf"}], "not a finite number"),
        ([{"price_per_node_hour_usd": "-20"}], "must be more than 0"),
        ([{"price_per_node_hour_usd": "0"}], "must be more than 0"),
        ([{"price_per_node_hour_usd": "1e9"}], "above any price ever listed"),
        ([{"observed_at": "2026-02-30"}], "'2026-02-30' is not a date"),
        ([{"observed_at": ""}], "column observed_at: is empty"),
        ([{"source": ""}], "column source: is empty"),
        ([{"prise": "3"}], "unknown column 'prise'"),
        ([{"accelerator": "H10O"}], "unknown accelerator 'H10O'; did you mean"),
        ([{"gpus_per_node": "1e12"}], "out of bounds"),
    ],
)
def test_rows(offers_file, changes, part):
    assert part in refusal(offers_file(*changes))


def test_a_file_cut_short(offers_file):
    path = offers_file({}, {"offer_id": "b"})
    whole = path.read_text()
    path.write_text(whole[:-30])
    assert "may be cut short" in refusal(path)
    path.write_text(whole.splitlines()[0])
    assert "holds no rows of offers" in refusal(path)
    path.write_text("")
    assert "is empty" in refusal(path)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("just a sentence\n", "must be a list of rows"),
        ("a: 1\nb: 2\n", "must be a list of rows"),
        ("- 1\n- 2\n", "row 1: must be a mapping"),
        ("- {offer_id: a, offer_id: b}\n", "the key 'offer_id' is there twice"),
        ("- &a {offer_id: x}\n- *a\n", "aliases"),
        ("- {offer_id: [a\n", "not valid YAML"),
        ("- {offer_id: a, prise: 3}\n", "row 1: unknown column 'prise'"),
        ("[" * 50_000, "nested more than 50 deep"),
    ],
)
def test_yaml(tmp_path, text, part):
    path = tmp_path / "offers.yaml"
    path.write_text(text)
    assert part in refusal(path)


def test_yaml_rows_are_named(offers_file, tmp_path):
    import csv

    import yaml

    with offers_file({}).open() as file:
        [row] = csv.DictReader(file)
    path = tmp_path / "offers.yaml"
    for column, cell, part in [
        ("price_per_node_hour_usd", None, "is empty"),
        ("price_per_node_hour_usd", float("nan"), "'.nan' is not a number"),
        ("price_per_node_hour_usd", float("inf"), "'.inf' is not a number"),
        ("price_per_node_hour_usd", "Infinity", "not a finite number"),
        ("price_per_node_hour_usd", {"usd": 3}, "is a mapping"),
        ("price_per_node_hour_usd", True, "is not a number"),
        ("gpus_per_node", 2.5, "not a whole number"),
        ("observed_at", "2026-13-01", "is not a date"),
    ]:
        path.write_text(yaml.safe_dump([{**row, column: cell}]))
        message = refusal(path)
        assert f"row 1, column {column}" in message
        assert part in message


def test_an_alias_bomb(tmp_path):
    path = tmp_path / "bomb.yaml"
    levels = [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    path.write_text("\n".join(["a0: &a0 [lol, lol]", *levels]))
    assert "aliases" in refusal(path)


def test_fifty_megabytes(tmp_path):
    path = tmp_path / "huge.csv"
    with path.open("wb") as file:
        file.truncate(50_000_000)
    assert "too large" in refusal(path)


def test_binary(tmp_path):
    path = tmp_path / "offers.csv"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    assert "is not UTF-8 text" in refusal(path)
    path.write_bytes(b"PK\x03\x04\x00\x00\x00\x00")  # a spreadsheet, saved under the wrong name
    refusal(path)


def test_no_file_and_no_folder(tmp_path):
    assert "no such file" in refusal(tmp_path / "absent.csv")
    assert "this is a folder" in refusal(tmp_path)


def test_every_loader_refuses_in_the_same_way(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("name\n")
    for load in (load_accelerators, load_coefficients, lambda p: load_offers(p, KNOWN), load_trace):
        refusal(path, load)


@pytest.mark.parametrize(
    "line",
    [
        '{"timestamp": 1e999, "input_length": 5, "output_length": 5}',
        '{"timestamp": 0, "input_length": 1e999, "output_length": 5}',
        '{"timestamp": NaN, "input_length": 5, "output_length": 5}',
        '{"timestamp": 0, "input_length": 0, "output_length": 5}',
        '{"timestamp": 0, "input_length": 5}',
        '{"timestamp": ' + "[" * 100_000,
    ],
)
def test_a_trace_with_impossible_figures(tmp_path, line):
    path = tmp_path / "trace.jsonl"
    good = '{"timestamp": 0, "input_length": 5, "output_length": 5}'
    path.write_text(f"{good}\n{line}\n")
    assert "line 2" in refusal(path, load_trace)


@given(st.data())
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_file_with_any_bytes_changed_is_read_or_refused(offers_file, data):
    """No input whatsoever may end in anything but offers or an `InputError`."""
    path = offers_file({}, {"offer_id": "b"}, name=data.draw(st.sampled_from(["o.csv", "o.yaml"])))
    content = bytearray(path.read_bytes())
    randomness = random.Random(data.draw(st.integers()))
    for _ in range(data.draw(st.integers(1, 20))):
        content[randomness.randrange(len(content))] = randomness.randrange(256)
    path.write_bytes(bytes(content[: randomness.randrange(len(content) + 1)]))
    try:
        offers = load_offers(path, KNOWN)
    except InputError:
        refusal(path, lambda p: load_offers(p, KNOWN))
    else:
        assert all(o.price_per_node_hour_usd > 0 for o in offers)


@given(st.text(max_size=60))
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_text_under_any_name_is_read_or_refused(tmp_path, text):
    for name in ("o.csv", "o.yaml", "o.json"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        with pytest.raises(InputError):
            load_offers(path, KNOWN)
