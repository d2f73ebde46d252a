"""Workers as the notes of measured rows name them."""

from __future__ import annotations

import pytest

from data.measurements import Unusable
from data.workers import WorkerNote, read_workers


def test_degrees_and_counts():
    notes = "gemm=fp8 | P:2.0x(tp8.0 dp1.0 ep8.0 bsNone) | D:1x(tp1 pp2 dp16 ep16) | lengths"
    assert read_workers(notes) == {
        "prefill": WorkerNote(2, tp=8, ep=8),
        "decode": WorkerNote(1, pp=2, dp=16, ep=16),
    }


@pytest.mark.parametrize("count", ["None", "?", ""])
def test_a_count_may_be_unknown(count):
    workers = read_workers(f"P:{count}x(tp8) | D:4x(tp8)")
    assert (workers["prefill"].count, workers["decode"].count) == (None, 4)


@pytest.mark.parametrize(
    ("notes", "sentence"),
    [
        ("", "no prefill and no decode workers"),
        ("P:1x(tp8)", "no decode workers"),
        ("P:0x(tp8) | D:1x(tp8)", "'P:0x(tp8)': the number of workers"),
        ("P:1x(tp8) | D:1.5x(tp8)", "'D:1.5x(tp8)': the number of workers"),
    ],
)
def test_what_cannot_be_read(notes, sentence):
    with pytest.raises(Unusable, match=sentence.replace("(", "\\(").replace(")", "\\)")):
        read_workers(notes)
