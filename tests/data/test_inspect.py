"""Inspection: what people and programs are told about a path."""

import json

import numpy as np
import pytest

from motorium.commands import inspect as command
from motorium.core.catalog import Catalog
from motorium.core.errors import DataError, SpecError
from motorium.data.ingest import inspect as module
from motorium.data.ingest import sources
from motorium.data.ingest.inspect import _log, inspect
from motorium.data.ingest.inspect_text import _wrapped, table
from motorium.data.ingest.mapping import read_mapping
from tests.data.toylog import Toy, ToySegment, every, film, toy_log
from tests.support.real import real_data


def run(*words):
    import argparse

    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args([str(word) for word in words]))


@pytest.fixture
def recording(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "LOGS", Catalog("log format", [("toy", "tests.data.toylog:FORMAT")]))
    path = tmp_path / "drive"
    path.write_text("TOY 5")
    return path


def example():
    times = np.delete(every(10, 60), [20, 21])
    toys = {
        "odom": Toy(np.zeros((58, 3)), {"header": times, "log": times + 5_000_000}, "observation.state", units=["m"]),
        "cam": Toy(film(30), {"log": every(5, 30)}, "observation.images.front", visual=True),
        "extra": Toy(np.zeros((3, 2)), {"log": np.array([0, 7, 7])}),
    }
    segments = [ToySegment(f"run_{n}", toys, task=None if n else "go") for n in range(12)]
    return _log(toy_log(*segments, facts={"producer": "toy works"}, problems=["a page is torn"]), "the letters")


def test_every_stream_is_described_and_said_to_become_something_or_not():
    found = {each["name"]: each for each in example().streams}
    odom = found["odom"]
    assert odom["rate_hz"] == pytest.approx(10) and odom["largest_gap_s"] == pytest.approx(0.3)
    assert (odom["gaps"], odom["samples"], odom["maps_to"]) == (1, 58 * 12, ["observation.state"])
    assert odom["second_clock"]["name"] == "log" and odom["second_clock"]["offset_s"] == pytest.approx(0.005)
    assert found["extra"]["maps_to"] == [] and found["extra"]["clocks"][0]["duplicates"] == 1


def test_an_inspection_is_plain_json():
    plain = json.loads(json.dumps(example().to_plain(), allow_nan=False))
    assert plain["num_segments"] == 12 and len(plain["segments"]) == 5
    assert plain["segments"][0] == {"name": "run_0", "duration_s": 5.9, "steps": None, "streams": 3, "task": "go"}
    assert {decision["field"] for decision in plain["decisions"]} == {"fps", "task"}


def test_the_text_holds_what_a_person_needs_and_stays_short():
    text = table(example())
    for words in ("run_0", "and 7 more", "5.90 s", "10 Hz", "300.0 ms", "header, log (+5.0 ms)", "a page is torn"):
        assert words in text
    assert "toy works" in text and "1 duplicates" in text and "run_7" not in text
    assert max(len(line) for line in text.splitlines()) < 250


def test_hundreds_of_streams_and_problems_do_not_flood_the_screen():
    toys = {f"s{n}": Toy(np.zeros((5, 1)), {"log": every(10, 5)}) for n in range(500)}
    toys["s499"].target = "observation.state"
    log = toy_log(ToySegment(toys=toys), problems=[f"problem {n}" for n in range(500)])
    lines = table(_log(log, "x")).splitlines()
    assert len(lines) < 150
    assert any(line.startswith("s499 ") for line in lines) and any("440 more streams" in line for line in lines)


def test_the_command_prints_text_or_json(recording, capsys):
    assert run(recording) == 0
    text = capsys.readouterr().out
    assert "toy: the letters TOY" in text and "ready: motorium ingest needs no decision" in text
    assert run(recording, "--json") == 0
    assert json.loads(capsys.readouterr().out)["facts"] == {"rate_hz": 5.0}


def test_the_command_writes_the_suggested_mapping_and_overwrites_nothing(recording, tmp_path, capsys):
    target = tmp_path / "mapping.yaml"
    assert run(recording, "--mapping", target) == 0
    made = read_mapping(target)
    assert made.fps == 5 and [part.stream for part in made.features["observation.state"]] == ["x"]
    with pytest.raises(SpecError, match="already"):
        run(recording, "--mapping", target)
    with pytest.raises(SpecError, match="cannot be written"):
        run(recording, "--mapping", tmp_path / "no" / "mapping.yaml")


def test_sizes_are_counted_up_to_a_number_of_files(tmp_path, monkeypatch):
    for n in range(4):
        (tmp_path / str(n)).write_bytes(b"xxxxx")
    assert module._bytes(tmp_path) == 20
    monkeypatch.setattr(module, "MOST_FILES", 3)
    assert module._bytes(tmp_path) is None


def test_nothing_known_is_an_error(tmp_path):
    with pytest.raises(DataError, match="nothing here is recognised"):
        inspect(tmp_path)


@pytest.mark.real
def test_a_real_dataset_is_inspected_with_what_it_lacks():
    # Numbers of the recordings' own README and meta/info.json.
    found = inspect(real_data("g1_inspire_lerobot_v21"))
    assert (found.kind, found.format, found.num_segments) == ("dataset", "lerobot-v2.1", 100)
    assert found.facts["frames"] == 35_965 and found.facts["fps"] == 30
    features = {each["name"]: each for each in found.streams}
    assert features["observation.state"]["shape"] == [26]
    assert features["observation.images.cam_high"]["segments"] == 12
    assert any("88 of 100" in problem for problem in found.problems)
    assert "Unitree_G1_Inspire" in table(found) and found.mapping is None


@pytest.mark.real
def test_a_dataset_needs_no_mapping(tmp_path):
    with pytest.raises(SpecError, match="needs no mapping"):
        run(real_data("so101_lerobot_v30_novideo"), "--mapping", tmp_path / "m.yaml")


@pytest.mark.real
def test_rates_of_a_real_drive_are_those_its_readme_states():
    # README: pose 20 Hz, speed and steering 83 Hz, IMU 104 Hz, 135k CAN messages, 60 s.
    found = {each["name"]: each for each in inspect(real_data("comma2k19_example")).streams}
    assert found["ego.position"]["rate_hz"] == pytest.approx(20, rel=0.01)
    assert found["ego.speed"]["rate_hz"] == pytest.approx(83, rel=0.01)
    assert found["ego.steering_angle"]["rate_hz"] == pytest.approx(83, rel=0.01)
    assert found["IMU/accelerometer"]["rate_hz"] == pytest.approx(104, rel=0.01)
    assert found["raw_can.address"]["samples"] == pytest.approx(135_000, rel=0.01)


def test_a_long_fact_is_shown_whole_on_several_lines():
    whole = " ".join(f"word{i}" for i in range(60))
    lines = _wrapped("  source  ", whole)
    assert len(lines) > 3 and max(map(len, lines)) <= 110
    assert lines[0].startswith("  source  word0 ") and all(line.startswith(" " * 10 + "word") for line in lines[1:])
    assert " ".join(" ".join(lines).split()) == f"source {whole}"
    assert _wrapped("  a  ", "x " * 5000)[-1].endswith("(--json has all of it)")
