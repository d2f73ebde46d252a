"""What AIConfigurator is asked, and how its answers are read."""

import pytest

from benchmarks.accuracy.ask import COLUMNS, NOT_ASKED, plain, prediction, question

ANSWERED = {"ttft_ms": "100", "tpot_ms": "10", "refused": ""}
REFUSED = {"ttft_ms": "", "tpot_ms": "", "refused": "RuntimeError: OOM: the model does not fit"}


def test_mean_lengths_are_asked(sample):
    asked = question(sample())
    assert (asked["isl"], asked["osl"]) == ("7373", "922")
    asked = question(sample("own"))
    assert (asked["isl"], asked["osl"]) == ("1000", "500")


def test_the_batch_is_that_of_an_attention_rank(sample):
    asked = question(sample(tp_size="1", attention_dp_size="4", moe_ep_size="4"))
    assert asked["batch_size"] == "32"
    assert asked["attention_dp_size"] == "4"


@pytest.mark.parametrize(
    ("kind", "changed", "kv"),
    [
        ("aggregated", {}, "fp8"),
        ("aggregated", {"precision": "int4"}, ""),
        ("own", {}, ""),
        ("own", {"precision": "fp8"}, ""),
        ("own", {"precision": "fp8", "backend": "trtllm"}, "fp8"),
    ],
)
def test_the_cache_has_the_format_minfleet_takes(sample, kind, changed, kv):
    assert question(sample(kind, **changed))["kvcache_quant_mode"] == kv


def test_equal_questions_have_one_key(sample):
    asked = question(sample())
    assert asked == question(sample(id="other", silicon_tpot_ms="1"))
    assert asked["key"] != question(sample(silicon_data_source="silicon_concurrency=4"))["key"]
    assert set(asked) == {"key", *COLUMNS}


def test_the_first_way_that_answers_counts():
    answers = {"stated": REFUSED, "checkpoint": ANSWERED}
    assert prediction(answers).refused == "does not fit the memory, as it reckons"
    found = prediction(answers, ("stated", "checkpoint"))
    assert (found.ttft_ms, found.tpot_ms, found.refused) == (100, 10, "")
    assert prediction({}).refused == NOT_ASKED


def test_refusals_name_no_folder_and_read_alike():
    key = "PerfDataNotAvailableError: perf database error: MoE data missing for MoeKey at /a/b/c"
    assert plain(key) == "no kernel measurements: MoE"
    one, two = (plain(f"ValueError: width {n} in /some/{n}/folder") for n in (4, 16))
    assert one == two
    assert "/" not in one
