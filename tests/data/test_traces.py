"""Reading traces: rows as they are, blocks kept, wrong rows named."""

import json

import pytest

from data.errors import InputError
from data.traces import load_trace


def mooncake(path, *rows):
    path.write_text("\n".join(json.dumps(r) for r in rows) + "\n")
    return path


def row(timestamp=0, **changes):
    return {"timestamp": timestamp, "input_length": 700, "output_length": 9, **changes}


def test_mooncake_rows_keep_their_blocks(tmp_path):
    rows = load_trace(
        mooncake(tmp_path / "t.jsonl", row(2500, hash_ids=[4, 5]), row(500), row(900, hash_ids=[]))
    )
    assert [r.arrival_s for r in rows] == [0.0, 0.4, 2.0]
    assert [r.blocks for r in rows] == [(), (), (4, 5)]
    assert (rows[0].isl, rows[0].osl) == (700, 9)


@pytest.mark.parametrize("hashes", ["12", {"1": 2}, [1.5], [None], [True], 7])
def test_blocks_that_are_no_hashes_are_refused(tmp_path, hashes):
    path = mooncake(tmp_path / "t.jsonl", row(0), row(9, hash_ids=hashes))
    with pytest.raises(InputError, match=r"line 2: not a Mooncake request .*hash_ids"):
        load_trace(path)
