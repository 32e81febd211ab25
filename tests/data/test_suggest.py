"""Suggestions: what a log says is taken, and only what it leaves open is asked."""

import numpy as np
import pytest

from motorium.core.errors import DataError
from motorium.data.ingest.decisions import decisions_missing
from motorium.data.ingest.mapping import MappingSpec, parse_yaml
from motorium.data.ingest.resolve import resolve
from motorium.data.ingest.suggest import suggest
from tests.data.toylog import S, Toy, ToySegment, every, film, toy_log

STATE, ACTION, FRONT = "observation.state", "action", "observation.images.front"


def steps(n=10, width=2, **told):
    return Toy(np.zeros((n, width), np.float32), **told)


def stamped(hz, seconds=10, start=0.0, clocks=("log",), shift=0.0, **told):
    count = int(hz * seconds)
    times = {clock: every(hz, count, start + shift * number) for number, clock in enumerate(clocks)}
    return Toy(np.zeros((count, 2)), times, **told)


def asked(suggestion):
    return {decision.field: decision for decision in suggestion.decisions}


def test_a_log_that_says_everything_needs_no_decision():
    log = toy_log(ToySegment(toys={"s": steps(target=STATE), "a": steps(target=ACTION)}), rate_hz=20.0)
    made = suggest(log)
    assert made.decisions == []
    assert made.mapping.fps == 20.0 and list(made.mapping.features) == [STATE, ACTION]


def test_streams_of_one_rate_need_no_decision_on_it():
    toys = {"s": stamped(29.97, target=STATE), "a": stamped(30, target=ACTION, align="hold")}
    made = suggest(toy_log(ToySegment(toys=toys)))
    assert made.decisions == [] and made.mapping.fps == 29.97


def test_everything_that_is_missing_is_asked_at_once_with_a_file_that_answers_it():
    toys = {"s": steps(target=STATE), "cam": Toy(film(10), visual=True, target=FRONT)}
    toys["cam2"] = Toy(film(10), visual=True, target=FRONT)
    log = toy_log(ToySegment("a", toys=toys, task=None), ToySegment("b", toys={"s": toys["s"]}, task=None))
    made = suggest(log)
    assert set(asked(made)) == {f"features.{FRONT}", "fps", "task", "lacking"}
    error = decisions_missing(log.path, made.decisions, made.text())
    text = str(error)
    assert isinstance(error, DataError) and text.startswith("4 decisions are needed")
    assert all(decision.why in text and decision.suggestion in text for decision in made.decisions)
    body = "\n".join(line[4:] for line in text.splitlines() if line.startswith("    ") and "suggestion" not in line)
    file = body[body.index("# Which streams") :]
    answered = MappingSpec.parse(parse_yaml(file, "m"))
    assert suggest(log, mapping=answered).decisions == []
    assert resolve(log, answered).fps == made.mapping.fps


def test_steps_without_a_rate_ask_for_one():
    made = suggest(toy_log(ToySegment(toys={"s": steps(target=STATE)})))
    assert set(asked(made)) == {"fps"}


def test_different_rates_ask_and_the_camera_sets_the_suggestion():
    toys = {"imu": stamped(100, target=STATE), "slow": stamped(10, target=STATE)}
    assert asked(suggest(toy_log(ToySegment(toys=toys))))["fps"].suggestion == "10"
    toys["cam"] = Toy(film(250), {"log": every(25, 250)}, visual=True, target=FRONT)
    decision = asked(suggest(toy_log(ToySegment(toys=toys))))["fps"]
    assert decision.suggestion == "25" and decision.options == ("10", "25", "100")
    assert "100 Hz: imu" in decision.why


def test_clocks_are_asked_about_only_when_they_move_streams_against_each_other():
    both = ("header", "log")
    far = {"a": stamped(10, clocks=both, shift=1000.0, target=STATE), "b": stamped(10, clocks=both, shift=1000.0)}
    assert "clock" not in asked(suggest(toy_log(ToySegment(toys=far))))
    near = {"a": stamped(10, clocks=both, shift=0.02, target=STATE), "b": stamped(10, target=ACTION)}
    assert "clock" not in asked(suggest(toy_log(ToySegment(toys=near))))
    apart = {"a": stamped(10, clocks=both, shift=0.5, target=STATE), "b": stamped(10, target=ACTION)}
    decision = asked(suggest(toy_log(ToySegment(toys=apart))))["clock"]
    # b has no header stamps: only the log's are comparable.
    assert decision.suggestion == "log" and "0.500 s" in decision.why
    apart["b"] = stamped(10, clocks=both, shift=0.0, target=ACTION)
    assert asked(suggest(toy_log(ToySegment(toys=apart))))["clock"].suggestion == "header"


def test_stamps_that_were_never_set_are_not_used():
    toy = Toy(np.zeros((50, 2)), {"header": np.zeros(50, np.int64), "log": every(10, 50)}, target=STATE)
    made = suggest(toy_log(ToySegment(toys={"a": toy})))
    assert made.mapping.features[STATE][0].clock == "log" and made.mapping.fps == 10


def test_two_streams_that_claim_one_camera_get_one_each():
    toys = {f"cam{n}": Toy(film(10), visual=True, target=FRONT) for n in range(3)}
    made = suggest(toy_log(ToySegment(toys={"s": steps(target=STATE), **toys}), rate_hz=5.0))
    assert [key for key in made.mapping.features if "images" in key] == [FRONT, FRONT + "_2", FRONT + "_3"]
    assert "cam0, cam1, cam2" in asked(made)[f"features.{FRONT}"].why


def test_vectors_with_one_target_are_joined_in_the_order_of_the_log():
    toys = {"z": steps(target=STATE), "a": steps(target=STATE), "m": steps(target=STATE)}
    made = suggest(toy_log(ToySegment(toys=toys), rate_hz=5.0))
    assert [part.stream for part in made.mapping.features[STATE]] == ["z", "a", "m"]


def test_numbers_that_nothing_claims_are_asked_for_as_the_state():
    toys = {"speed": steps(), "big": steps(width=5000), "one": steps(n=1), "cam": Toy(film(10), visual=True)}
    made = suggest(toy_log(ToySegment(toys=toys), rate_hz=5.0))
    assert [part.stream for part in made.mapping.features[STATE]] == ["speed"]
    assert f"features.{STATE}" in asked(made)


def test_an_instruction_is_asked_for_when_a_segment_has_none():
    segments = [ToySegment("a", {"s": steps(target=STATE)}), ToySegment("b", {"s": steps(target=STATE)}, task=None)]
    decision = asked(suggest(toy_log(*segments, rate_hz=5.0)))["task"]
    assert "1 of 2" in decision.why and "pick up" in decision.suggestion


def test_a_stream_that_few_segments_lack_suggests_to_drop_these():
    full, poor = {"s": steps(target=STATE), "a": steps(target=ACTION)}, {"s": steps(target=STATE)}
    segments = [ToySegment(str(n), full) for n in range(4)] + [ToySegment("poor", poor)]
    assert asked(suggest(toy_log(*segments, rate_hz=5.0)))["lacking"].suggestion == "drop"
    segments = [ToySegment("0", full)] + [ToySegment(str(n), poor) for n in range(1, 5)]
    assert asked(suggest(toy_log(*segments, rate_hz=5.0)))["lacking"].suggestion == "mask"


def test_a_stream_that_would_cut_the_recording_short_does_not_set_the_span():
    toys = {"a": stamped(10, 100, target=STATE), "late": stamped(10, 5, start=60, target=ACTION)}
    assert suggest(toy_log(ToySegment(toys=toys))).mapping.span == "a"
    toys["late"] = stamped(10, 96, start=2, target=ACTION)
    assert suggest(toy_log(ToySegment(toys=toys))).mapping.span == "overlap"


def test_odd_pictures_are_cut_and_different_sizes_are_asked_about():
    odd = {"s": steps(target=STATE), "cam": Toy(film(10, 5, 7), visual=True, target=FRONT)}
    made = suggest(toy_log(ToySegment(toys=odd), rate_hz=5.0))
    assert made.decisions == []
    assert (made.mapping.features[FRONT][0].height, made.mapping.features[FRONT][0].width) == (4, 6)
    other = {**odd, "cam": Toy(film(10, 8, 6), visual=True, target=FRONT)}
    made = suggest(toy_log(ToySegment("a", odd), ToySegment("b", other), rate_hz=5.0))
    assert asked(made)[f"features.{FRONT}"].suggestion == "height: 8, width: 6"


def test_an_empty_log_is_an_error():
    with pytest.raises(DataError, match="no episode"):
        suggest(toy_log())


def test_every_stream_stands_in_the_file_and_why_it_is_left_out():
    empty = Toy(np.zeros((0, 2)), {"log": np.zeros(0, np.int64)}, target=STATE)
    toys = {"s": stamped(10, target=STATE, units=["m", "m"]), "x": stamped(5, note="raw"), "e": empty}
    text = suggest(toy_log(ToySegment(toys=toys))).text()
    lines = {key: next(line for line in text.splitlines() if f"{{stream: {key}" in line) for key in ("s", "x", "e")}
    assert "10 Hz, float64 [2], m" in lines["s"] and not lines["s"].lstrip().startswith("#")
    assert "5 Hz" in lines["x"] and "raw" in lines["x"] and lines["x"].lstrip().startswith("#")
    assert "no samples" in lines["e"]


def test_a_stamp_that_cannot_be_is_a_problem_of_its_stream_only():
    bad = Toy(np.zeros((3, 2)), {"log": np.array([0, 1, 2**62])}, target=ACTION)
    made = suggest(toy_log(ToySegment(toys={"s": stamped(10, target=STATE), "bad": bad})))
    assert made.mapping.fps == 10 and S


def test_streams_that_fit_no_common_dataset_are_left_out_and_said_why():
    one = {"s": stamped(10, target=STATE), "n": steps(target=ACTION), "v": stamped(10, target=ACTION)}
    other = {**one, "v": Toy(np.zeros((100, 3)), {"log": every(10, 100)}, target=ACTION)}
    made = suggest(toy_log(ToySegment("a", one), ToySegment("b", other)))
    assert list(made.mapping.features) == [STATE]
    why = dict(made.comments.left_out)
    assert "no stamps" in why["n"] and "differs between segments" in why["v"]


def test_a_stream_without_samples_in_a_segment_counts_as_lacking():
    empty = Toy(np.zeros((0, 2)), {"log": np.zeros(0, np.int64)}, target=ACTION)
    one = {"s": stamped(10, target=STATE), "a": stamped(10, target=ACTION)}
    made = suggest(toy_log(*[ToySegment(str(n), one) for n in range(3)], ToySegment("b", {**one, "a": empty})))
    assert "a in 3 of 4" in asked(made)["lacking"].why
