"""Tables count every sample, and compare on the rows that both predict."""

import pytest

from benchmarks.accuracy import tables
from benchmarks.accuracy.ask import prediction
from benchmarks.accuracy.compare import Compared
from benchmarks.accuracy.rows import to_row
from benchmarks.accuracy.split import split
from model.measured_rows import RowPrediction


def answer(ttft_ms="", tpot_ms="", refused=""):
    cells = {"ttft_ms": ttft_ms, "tpot_ms": tpot_ms, "refused": refused, "warning": ""}
    return {"stated": cells, "checkpoint": cells}


@pytest.fixture
def compared(sample):
    """Return a row with predictions given as shares of what was measured."""

    def make(ours, theirs, **changed):
        one = sample(silicon_ttft_ms="100", silicon_tpot_ms="10", **changed)
        mine = RowPrediction(100 * ours, 10 * ours) if ours else RowPrediction(refused="no")
        given = answer(f"{100 * theirs}", f"{10 * theirs}") if theirs else answer(refused="E: OOM")
        return Compared(one, "held-model", to_row(one), mine, prediction(given), given)

    return make


def lines(text):
    return [[c.strip() for c in line.strip("|").split("|")] for line in text.splitlines()[2:]]


def test_side_by_side_takes_the_rows_that_both_predict(compared):
    rows = [compared(1.1, 0.8), compared(0.7, 0.9), compared(5.0, None), compared(None, 5.0)]
    first = lines(tables.side_by_side(rows))[0]
    assert first == ["held-model", "TPOT", "2", "20.0 / 20.0 / −10.0", "15.0 / 15.0 / −15.0"]


def test_a_part_without_rows_is_shown_as_unknown(compared):
    shown = lines(tables.side_by_side([compared(1.1, 0.8)]))
    assert ["held-gpu", "TPOT", "0", "–", "–"] in shown


def test_cells_show_all_rows_and_those_of_both(compared):
    (only,) = lines(tables.cells([compared(1.1, 0.8), compared(1.3, None)], "ttft_ms"))
    assert only[:4] == ["B300", "MiniMax-M2.5", "4", "2"]
    assert only[4:] == ["20.0 / 20.0 / +20.0", "1", "10.0 / 10.0 / +10.0", "20.0 / 20.0 / −20.0"]


def test_every_sample_is_counted(sample):
    placed = list(split([sample(), sample(), sample(batch_size="32"), sample("disaggregated")]))
    shown = {line[0]: line[1:] for line in lines(tables.left_out(placed))}
    assert shown["**used**"] == ["1", "0", "0", "1", "2"]
    assert shown["all"] == ["3", "0", "0", "1", "4"]
    assert sum(int(cells[-1]) for cells in shown.values()) == 2 * len(placed)


def test_refusals_are_counted_by_reason(compared):
    rows = [compared(1.1, None), compared(None, None)]
    assert lines(tables.refused(rows, tables.theirs))[0][::4] == [
        "does not fit the memory, as it reckons",
        "2",
    ]
    assert lines(tables.refused(rows, tables.ours))[0][0] == "no"
