"""Reading tables: cells with their places, YAML as CSV, and the documented columns."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from data.errors import CatalogError, InputError, nearest
from data.tables import (
    MAX_UNPACKED_BYTES,
    Row,
    columns,
    parse_csv,
    parse_yaml,
    read_table,
    read_text,
    shipped_rows,
)


def row(**cells: str) -> Row:
    return Row("f.csv, line 2", cells)


@pytest.mark.parametrize("table", ["accelerators", "aliases", "offers", "coefficients"])
def test_every_shipped_column_is_documented_in_order(table):
    header = list(shipped_rows(table)[0].cells)
    assert header == [c.column for c in columns(table)]


def test_documented_columns_say_what_they_mean():
    rows = [r.cells for r in shipped_rows("columns")]
    for cells in rows:
        assert cells["description"].endswith("."), cells
        assert cells["type"]
        assert cells["required"] in ("yes", "no")
    assert len({(c["table"], c["column"]) for c in rows}) == len(rows)


def test_numbers():
    assert row(a="1.5").number("a") == 1.5
    assert row(a="").optional_number("a") is None
    assert row().optional_number("a") is None
    assert row(a="3").integer("a") == 3
    with pytest.raises(CatalogError, match=r"f\.csv, line 2, column a: is empty"):
        row(a="").number("a")
    with pytest.raises(CatalogError, match="is not a whole number"):
        row(a="1.5").integer("a")


@pytest.mark.parametrize("cell", ["nan", "inf", "-inf", "1e999", "abc", "1,5", "$3", "0x10"])
def test_what_is_not_a_finite_number_is_refused(cell):
    with pytest.raises(CatalogError, match="column a"):
        row(a=cell).number("a")


@given(st.floats(allow_nan=True, allow_infinity=True), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_a_number_that_is_returned_is_within_its_bounds(value, above, at_most):
    try:
        got = row(a=repr(value)).number("a", above=above, at_most=at_most)
    except CatalogError:
        assert not (math.isfinite(value) and above < value <= at_most)
    else:
        assert above < got <= at_most


@pytest.mark.parametrize("cell", ["2026-13-01", "01.02.2026", "yesterday", ""])
def test_wrong_dates_are_refused(cell):
    with pytest.raises(CatalogError, match="column day"):
        row(day=cell).date("day")


def test_choices_and_names():
    assert row(a="x").choice("a", ("x", "y")) == "x"
    with pytest.raises(CatalogError, match="'z' is not one of x, y"):
        row(a="z").choice("a", ("x", "y"))
    assert row(a=" b ; c;").names("a") == ("b", "c")
    assert row().names("a") == ()


def test_csv_keeps_lines_and_skips_blank_ones():
    rows = list(parse_csv('a,b\n1,2\n\n3,"x, y"\n', "f"))
    assert [r.place for r in rows] == ["f, line 2", "f, line 4"]
    assert rows[1].cells == {"a": "3", "b": "x, y"}


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "is empty"),
        ("\n", "is empty"),
        ("a,a\n1,2\n", "column 'a' is there twice"),
        ("a,b\n1\n", "line 2: has 1 cells where the header has 2"),
        ("a,b\n1,2,3\n", "has 3 cells"),
        ('a,b\n1,"2\n', "not valid CSV"),
        ("a\n" + "x" * 200_000 + "\n", "not valid CSV"),
    ],
)
def test_damaged_csv_is_refused_with_its_line(text, part):
    with pytest.raises(CatalogError, match=part):
        list(parse_csv(text, "f"))


LINES = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=8)


@given(st.lists(st.tuples(LINES, LINES)))
def test_any_cells_survive_csv(cells):
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["a", "b"])
    writer.writerows(cells)
    read = [(r.cells["a"], r.cells["b"]) for r in parse_csv(out.getvalue(), "f")]
    stripped = [(a.strip(), b.strip()) for a, b in cells]
    assert read == [pair for pair in stripped if any(pair)]


def test_yaml_and_json():
    assert parse_yaml("a: 1\nb: [x, 2.5]\n", "f") == {"a": 1, "b": ["x", 2.5]}
    assert parse_yaml('{"a": 1, "b": null}', "f") == {"a": 1, "b": None}
    assert parse_yaml('{\n\t"a": 1\n}', "f") == {"a": 1}  # tabs are JSON, though not YAML
    assert parse_yaml("{a: 1}", "f") == {"a": 1}


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a: &x 1\nb: *x\n", "line 2: YAML aliases"),
        ("a: 1\nb: 2\na: 3\n", "line 3: the key 'a' is there twice"),
        ('{"a": 1, "a": 2}', "the key 'a' is there twice"),
        ("a: {b: 1, b: 2}\n", "the key 'b' is there twice"),
        ("a: [1\n", "not valid YAML"),
        ("a: b: c\n", "line 1"),
        ("--- 1\n--- 2\n", "not valid YAML"),
        ("!!python/object/apply:os.system ['true']\n", "not valid YAML"),
        ("a: 2026-13-45\n", "not valid YAML"),
        ("\x00", "not valid YAML"),
    ],
)
def test_bad_yaml_is_one_sentence(text, part):
    with pytest.raises(InputError, match=part):
        parse_yaml(text, "f")


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 100_000, "- " * 100_000])
def test_endless_nesting_is_refused_at_once(text):
    with pytest.raises(InputError, match="nested more than 50 deep"):
        parse_yaml(text, "f")


def test_an_alias_bomb_never_grows():
    levels = [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    with pytest.raises(InputError, match="aliases"):
        parse_yaml("\n".join(["a0: &a0 [x]", *levels]), "f")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
        ),
        max_leaves=10,
    )
)
def test_json_and_yaml_read_the_same(value):
    assert parse_yaml(json.dumps([value]), "f") == [value]
    assert parse_yaml(yaml.safe_dump(value), "f") == value


def test_a_yaml_table_means_what_its_csv_means(tmp_path):
    path = tmp_path / "aliases.yaml"
    path.write_text(
        "- {alias: no, accelerator: 0x10, used_by: ~}\n"
        "- {alias: 1_000.50, accelerator: 2026-01-01, used_by: [a, b]}\n"
    )
    cells = [r.cells for r in read_table(path, "aliases")]
    assert cells[0] == {"alias": "no", "accelerator": "0x10", "used_by": ""}
    assert cells[1] == {"alias": "1_000.50", "accelerator": "2026-01-01", "used_by": "a;b"}
    path.with_suffix(".json").write_text(
        '{"aliases": [{"alias": true, "accelerator": 0.10, "used_by": null}]}'
    )
    [only] = read_table(path.with_suffix(".json"), "aliases")
    assert only.cells == {"alias": "true", "accelerator": "0.10", "used_by": ""}


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a: 1\nb: 2\n", "must be a list of rows"),
        ("just text\n", "must be a list of rows"),
        ("[1, 2]\n", "row 1: must be a mapping"),
        ("- {alias: {a: 1}, accelerator: x}\n", "row 1, column alias: is a mapping"),
        ("[]\n", "holds no rows"),
    ],
)
def test_yaml_that_is_no_table(tmp_path, text, part):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(CatalogError, match=part):
        read_table(path, "aliases")


def test_unknown_and_missing_columns_are_named(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("alias,acelerator\nx,y\n")
    with pytest.raises(CatalogError, match="unknown column 'acelerator'; did you mean 'accelera"):
        read_table(path, "aliases")
    path.write_text("alias\nx\n")
    with pytest.raises(CatalogError, match="column 'accelerator' is missing"):
        read_table(path, "aliases")


def test_gzip(tmp_path):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"alias,accelerator\nx,y\n"))
    assert len(read_table(path, "aliases")) == 1
    whole = path.read_bytes()
    for damaged in (whole[:20], b"not gzip", whole[:12] + b"\xff" * 12 + whole[24:]):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="gzip data is damaged"):
            read_text(path, "table")


def test_a_gzip_bomb_is_refused(tmp_path):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"\x00" * (MAX_UNPACKED_BYTES + 10), compresslevel=1))
    with pytest.raises(InputError, match="too large"):
        read_text(path, "table")


def test_what_is_no_readable_file(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_text(tmp_path / "absent.csv", "table")
    with pytest.raises(InputError, match="this is a folder"):
        read_text(tmp_path, "table")
    with pytest.raises(InputError, match="is not a path"):
        read_text(tmp_path / "a\0b", "table")
    (tmp_path / "utf16.csv").write_text("alias,accelerator\n", encoding="utf-16")
    with pytest.raises(InputError, match="byte 0 is not UTF-8"):
        read_text(tmp_path / "utf16.csv", "table")


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("alias,accelerator\nx,y\n", encoding="utf-8-sig")
    assert read_table(path, "aliases")[0].cells["alias"] == "x"


def test_nearest():
    assert nearest("h100_sxn", ["h100_sxm", "t4"]) == "'h100_sxm'"
    assert nearest("H100_SXM", ["h100_sxm"]) == "'h100_sxm'"
    assert nearest("zzz", ["h100_sxm"]) == ""
