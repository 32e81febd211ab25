import json

from motorium.core.protocols import Segment
from motorium.synth.record import Attempt
from motorium.synth.tally import count_outcomes, coverage, failures_by_segment, summarize, yield_by_source
from tests.support.toy_pick import ToyPick
from tests.synth.toy import demonstrations

SEGMENTS = (Segment(object="cube", signal="grasped"), Segment(object="zone", signal=None))


def attempt(outcome, segment, sources, x=0.0):
    return Attempt(
        seed=1, outcome=outcome, steps=10, factors={"x": x}, note={"segment": segment, "sources": list(sources)}
    )


ATTEMPTS = [
    attempt("success", 1, (0, 1), 0.05),
    attempt("success", 1, (1, 1), 0.95),
    attempt("missed_grasped", 0, (0, -1), 0.05),
    attempt("timeout", 1, (2, 0), 0.55),
    attempt("missed_grasped", 0, (2, -1), 1.0),
]


def test_outcomes_are_counted_most_frequent_first():
    assert list(count_outcomes(ATTEMPTS).items()) == [("missed_grasped", 2), ("success", 2), ("timeout", 1)]


def test_failures_are_counted_in_the_segment_they_happened():
    assert failures_by_segment(ATTEMPTS, SEGMENTS) == {"0:cube": {"missed_grasped": 2}, "1:zone": {"timeout": 1}}


def test_sources_are_credited_for_the_segments_they_gave():
    rows = {
        (row["source"], row["segment"]): (row["attempts"], row["successes"])
        for row in yield_by_source(ATTEMPTS, SEGMENTS)
    }
    assert rows == {(0, 0): (2, 1), (1, 0): (1, 1), (2, 0): (2, 0), (0, 1): (1, 0), (1, 1): (2, 2)}


def test_coverage_counts_attempts_and_successes_by_start_condition():
    table = coverage(ATTEMPTS, {"x": (0.0, 1.0)}, bins=10)["x"]
    assert table["attempts"] == [2, 0, 0, 0, 0, 1, 0, 0, 0, 2]
    assert table["successes"] == [1, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    assert table["covered"] == 0.2


def test_coverage_of_no_attempts_is_nothing():
    assert coverage([], {"x": (0.0, 1.0)}, bins=4)["x"]["successes"] == [0, 0, 0, 0]


def test_summary_is_plain_json():
    info = ToyPick(1).info
    plain = [attempt("success", 1, (0, 1))]
    plain = [Attempt(**{**vars(a), "factors": demonstrations()[0].factors}) for a in plain]
    summary = summarize(plain, info, SEGMENTS)
    assert json.loads(json.dumps(summary)) == summary
    assert summary["attempts"] == summary["successes"] == 1
