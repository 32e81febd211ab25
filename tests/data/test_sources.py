"""What a path is, by its content; folders of recordings; readers that are broken."""

import os
from dataclasses import replace

import pytest

from motorium.core.catalog import Catalog
from motorium.core.errors import CatalogError, DataError
from motorium.data.ingest import sources
from motorium.data.ingest.sources import find, open_log, recognise
from tests.support.real import real_data

BROKEN = """
class Format:
    def recognise(self, path):
        raise RuntimeError("readers promise not to")
FORMAT = Format()
"""


class Shouting:
    """Recognises files that are all capitals, and nothing opens them."""

    def recognise(self, path):
        return "capital letters" if path.is_file() and path.read_text("latin-1").isupper() else None


SHOUTING = Shouting()


@pytest.fixture
def toys(monkeypatch):
    """Only the toy formats are known; one reader does not import."""
    rows = [("absent", "tests.data.no_such_module:FORMAT"), ("toy", "tests.data.toylog:FORMAT")]
    monkeypatch.setattr(sources, "LOGS", Catalog("log format", rows))


def write(folder, name, text):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_file_is_recognised_by_its_content_and_not_by_its_name(tmp_path, toys):
    assert recognise(write(tmp_path, "demo.toy", "something else")) == []
    found = recognise(write(tmp_path, "README.md", "TOY 5"))
    assert [(each.format, each.kind, each.evidence) for each in found] == [("toy", "log", "the letters TOY")]


def test_a_reader_that_cannot_be_imported_does_not_break_others_and_is_named(tmp_path, toys):
    assert open_log(write(tmp_path, "a", "TOY 5")).rate_hz == 5
    with pytest.raises(DataError) as caught:
        open_log(write(tmp_path, "b", "nothing"))
    assert "not available: absent" in str(caught.value) and "toy" in caught.value.details["expected"]


def test_a_reader_that_raises_while_looking_is_passed_over(tmp_path, monkeypatch):
    module = write(tmp_path, "lookout_reader.py", BROKEN)
    monkeypatch.syspath_prepend(module.parent)
    rows = [("broken", "lookout_reader:FORMAT"), ("toy", "tests.data.toylog:FORMAT")]
    monkeypatch.setattr(sources, "LOGS", Catalog("log format", rows))
    assert [each.format for each in recognise(write(tmp_path, "a", "TOY 5"))] == ["toy"]


def test_a_folder_of_recordings_is_one_log_in_the_order_of_paths(tmp_path, toys):
    for name in ("day2/x.toy", "day1/x.toy", "day1/.hidden", "notes.txt"):
        write(tmp_path, name, "hello" if name.endswith("txt") else "TOY 5 arm")
    log = open_log(tmp_path)
    assert [segment.name for segment in log.segments] == ["day1/x.toy", "day2/x.toy"]
    assert (log.rate_hz, log.robot_type, log.problems) == (5.0, "arm", [])
    assert log.segments[1].values("x").shape == (6, 1)


def test_what_recordings_of_a_folder_disagree_on_is_not_taken_and_said(tmp_path, toys):
    write(tmp_path, "a", "TOY 5 arm")
    write(tmp_path, "b", "TOY 6 arm")
    log = open_log(tmp_path)
    assert log.rate_hz is None and log.robot_type == "arm"
    assert len(log.problems) == 1 and "rate" in log.problems[0] and "a: 5.0" in log.problems[0]


def test_a_damaged_recording_in_a_folder_is_not_passed_over(tmp_path, toys):
    write(tmp_path, "a", "TOY 5")
    write(tmp_path, "b", "TOY")
    with pytest.raises(DataError, match="toy without a rate"):
        open_log(tmp_path)


def test_several_formats_in_one_folder_are_listed(tmp_path, monkeypatch):
    rows = [("toy", "tests.data.toylog:FORMAT"), ("loud", "tests.data.test_sources:SHOUTING")]
    monkeypatch.setattr(sources, "LOGS", Catalog("log format", rows))
    write(tmp_path, "one/a", "TOY 5 arm")
    write(tmp_path, "two", "HELLO")
    with pytest.raises(DataError, match="several formats") as caught:
        open_log(tmp_path)
    assert caught.value.details["got"] == "one/a is toy; two is loud"
    assert open_log(tmp_path, "toy").segments[0].name == "a"


def test_files_that_any_program_writes_are_left_out_beside_recordings_and_said(tmp_path, monkeypatch):
    rows = [("table", "tests.data.test_sources:SHOUTING"), ("toy", "tests.data.toylog:FORMAT")]
    monkeypatch.setattr(sources, "LOGS", Catalog("log format", rows))
    write(tmp_path, "a", "TOY 5 arm")
    write(tmp_path, "notes", "HELLO")
    log = open_log(tmp_path)
    assert log.format == "toy" and log.problems == ["left out beside the recordings: notes is table"]
    # A file that is both is what is more particular, whatever the order of the catalog.
    assert [each.format for each in recognise(write(tmp_path, "b", "TOY 5"))] == ["toy", "table"]


def test_links_that_lead_out_of_the_folder_are_refused_unless_allowed_and_circles_are_not_followed(
    tmp_path, toys, monkeypatch
):
    outside = write(tmp_path, "outside/a", "TOY 5").parent
    inside = write(tmp_path, "inside/b", "TOY 5").parent
    os.symlink(inside, inside / "self")
    assert [each.path.name for each in find(inside)] == ["b"]
    os.symlink(outside, inside / "out")
    with pytest.raises(DataError, match="a link leads out"):
        find(inside)
    monkeypatch.setenv("MOTORIUM_FOLLOW_LINKS", "1")
    assert [each.path.relative_to(inside).as_posix() for each in find(inside)] == ["b", "out/a"]


def test_a_reader_that_raises_while_looking_is_named_where_nothing_is_found(tmp_path, monkeypatch):
    module = write(tmp_path, "raising_reader.py", BROKEN)
    monkeypatch.syspath_prepend(module.parent)
    rows = [("broken", "raising_reader:FORMAT"), ("toy", "tests.data.toylog:FORMAT")]
    monkeypatch.setattr(sources, "LOGS", Catalog("log format", rows))
    with pytest.raises(DataError, match="nothing here is recognised") as caught:
        open_log(write(tmp_path, "a", "nothing"))
    assert "not available: broken (RuntimeError: readers promise not to)" in str(caught.value)


def test_a_folder_is_searched_to_a_depth_and_a_number_of_entries(tmp_path, toys, monkeypatch):
    write(tmp_path, "1/2/3/a", "TOY 5")
    write(tmp_path, "1/2/3/4/b", "TOY 5")
    assert [each.path.name for each in find(tmp_path)] == ["a"]
    monkeypatch.setattr(sources, "MOST_ENTRIES", 3)
    with pytest.raises(DataError, match="more than can be searched"):
        find(tmp_path)


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "empty"),
        (b"\x89HDF\r\n\x1a\n\x00\x00", "HDF5"),
        (b"PK\x03\x04abc", "zip archive"),
        (b"\x00\x00\x00\x18ftypisom", "MP4"),
        (b"hello there\nx", "'hello there'"),
        (b"\x01\x02\x03\xff", "01 02 03 ff"),
    ],
)
def test_what_is_not_recognised_is_described_by_its_first_bytes(tmp_path, toys, content, words):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(DataError, match="nothing here is recognised") as caught:
        open_log(tmp_path / "x")
    assert words in str(caught.value)


def test_paths_that_are_not_there_and_formats_that_are_unknown_are_errors(tmp_path):
    for path in (tmp_path / "no", "x" * 5000, "a\0b"):
        with pytest.raises(DataError, match="no such file"):
            recognise(path)
    (tmp_path / "x").write_text("x")
    with pytest.raises(CatalogError) as caught:
        open_log(tmp_path / "x", "rldss")
    assert caught.value.details["nearest"] == "rlds"
    with pytest.raises(DataError, match="dataset, not a log"):
        open_log(tmp_path / "x", "lerobot-v3.0")


@pytest.mark.real
def test_real_recordings_are_what_their_readme_says():
    expected = {
        "bridge_v2_rlds": ("rlds", "log"),
        "robosuite_demo_lift": ("robomimic", "log"),
        "comma2k19_example": ("comma2k19", "log"),
        "av2_sensor_log": ("argoverse2-sensor", "log"),
        "av2_forecasting": ("argoverse2-motion", "log"),
        "commonroad": ("commonroad", "log"),
        "bags/robot_localization_test1_ros1.bag": ("rosbag1", "log"),
        "bags/nav2_turtlebot_ros2.mcap": ("mcap", "log"),
        "bags/tf_example_ros2": ("rosbag2", "log"),
        "driving_video": ("video", "log"),
        "g1_inspire_lerobot_v21": ("lerobot-v2.1", "dataset"),
        "so101_lerobot_v30_novideo": ("lerobot-v3.0", "dataset"),
    }
    got = {name: sorted({(each.format, each.kind) for each in find(real_data(name))}) for name in expected}
    assert got == {name: [what] for name, what in expected.items()}


def test_what_many_recordings_have_wrong_is_said_once(tmp_path, toys, monkeypatch):
    for name in ("a", "b", "c"):
        write(tmp_path, name, "TOY 5")
    opened = sources._open

    def odd(format, path, options):
        said = ["it is odd"] + ["it is blue"] * (path.name == "b")
        return replace(opened(format, path, options), problems=said)

    monkeypatch.setattr(sources, "_open", odd)
    assert open_log(tmp_path).problems == ["a and 2 more: it is odd", "b: it is blue"]


def test_a_path_that_is_not_there_is_answered_with_the_nearest(tmp_path, toys):
    write(tmp_path, "aloha", "TOY 5")
    with pytest.raises(DataError, match="no such file") as caught:
        open_log(tmp_path / "aloah")
    assert caught.value.details["nearest"] == tmp_path / "aloha"
