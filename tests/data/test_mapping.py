"""The mapping file: what is written is read back, and what is wrong is said with its place."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from motorium.core.errors import SpecError
from motorium.data.ingest.mapping import Comments, MappingSpec, format_mapping, parse_yaml, read_mapping, write_mapping

TEXT = st.text(max_size=12)
NAMES = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12)
POSITIVE = st.floats(1e-6, 1e6)
PARTS = st.fixed_dictionaries(
    {"stream": NAMES},
    optional={
        "elements": st.lists(st.integers(0, 9) | NAMES, min_size=1, max_size=3),
        "align": st.sampled_from(["linear", "slerp", "hold", "nearest"]),
        "tolerance_s": st.floats(0, 10),
        "offset_s": st.floats(-10, 10),
        "scale": st.floats(-10, 10),
        "names": st.lists(NAMES, max_size=3),
        "units": NAMES | st.lists(NAMES, max_size=3),
    },
)
MAPPINGS = st.fixed_dictionaries(
    {"features": st.dictionaries(NAMES, st.lists(PARTS, max_size=3), max_size=3)},
    optional={
        "fps": POSITIVE,
        "task": NAMES,
        "clock": NAMES,
        "span": NAMES,
        "split": st.none() | st.fixed_dictionaries({"stream": NAMES, "gap_s": POSITIVE}),
        "lacking": st.sampled_from(["stop", "drop", "mask"]),
        "conventions": st.dictionaries(NAMES, NAMES, max_size=3),
    },
)


@given(MAPPINGS, NAMES)
@example({"features": {"0": [{"stream": "0", "elements": ["\x85"], "names": ["\u2028 é", "#"]}]}}, "0")
def test_a_mapping_is_read_back_from_its_commented_file(plain, comment):
    mapping = MappingSpec.parse(plain)
    comments = Comments(
        head=[comment.replace("\n", " ").replace("\r", " ")] if comment.isprintable() else [],
        fields={"fps": comment if comment.isprintable() else "x"},
        left_out=[("/other", "why")],
    )
    assert MappingSpec.parse(parse_yaml(format_mapping(mapping, comments), "mapping")) == mapping


def test_yaml_and_json_files_say_the_same(tmp_path):
    mapping = MappingSpec.parse({"features": {"action": "/cmd"}, "fps": 29.97, "task": "on"})
    write_mapping(mapping, tmp_path / "m.yaml")
    (tmp_path / "m.json").write_text(json.dumps(mapping.to_plain()))
    assert read_mapping(tmp_path / "m.yaml") == read_mapping(tmp_path / "m.json") == mapping


def test_a_name_alone_stands_for_all_of_a_stream():
    mapping = MappingSpec.parse({"features": {"a": "x", "b": ["x", {"stream": "y"}], "c": {"stream": "z"}}})
    streams = {key: [part.stream for part in parts] for key, parts in mapping.features.items()}
    assert streams == {"a": ["x"], "b": ["x", "y"], "c": ["z"]}


def test_left_out_streams_stand_in_the_file_as_lines_to_take_in():
    mapping = MappingSpec.parse({"features": {"action": "/cmd"}})
    text = format_mapping(mapping, Comments(left_out=[("/imu.q", "100 Hz, no feature")]))
    line = next(line for line in text.splitlines() if "/imu.q" in line)
    assert line.lstrip().startswith("#") and "100 Hz" in line
    taken = text.replace(line, line.removeprefix("#"))
    assert [part.stream for part in MappingSpec.parse(parse_yaml(taken, "m")).features["action"]] == ["/cmd", "/imu.q"]


@pytest.mark.parametrize(
    "text, place",
    [
        ("features: {a: x}\nfpss: 3", "fpss"),
        ("features: {a: {stream: x, algn: hold}}", "algn"),
        ("features: {a: {stream: x, align: cubic}}", "align"),
        ("features: {a: x}\nfps: -1", "fps"),
        ("features: {a: x}\nfps: .inf", "fps"),
        ("features: {a: x}\nfps: fast", "fps"),
        ("fps: 3", "features"),
        ("features: [a]", "features"),
        ("- 1", "mapping"),
        ("", "mapping"),
        ("features: {a: x}\nsplit: {stream: x}", "gap_s"),
    ],
)
def test_what_is_wrong_in_a_mapping_is_named(tmp_path, text, place):
    (tmp_path / "m.yaml").write_text(text)
    with pytest.raises(SpecError) as caught:
        read_mapping(tmp_path / "m.yaml")
    assert place in str(caught.value) and "m.yaml" in str(caught.value)


@pytest.mark.parametrize(
    "text, said",
    [
        ("features:\n  a: x\n  a: y", "line 3"),
        ("a: &x [1]\nb: *x", "alias"),
        ("a: [*nothing]", "line 1"),
        ("a: !!python/object:os.system x", "line 1"),
        ("b: 2\na: [1", "line 2"),
        ("1: x", "line 1"),
        ("a: \x07", "YAML"),
        ("[" * 2000, "YAML"),
    ],
)
def test_hostile_yaml_is_refused_with_its_line(text, said):
    with pytest.raises(SpecError) as caught:
        parse_yaml(text, "m.yaml")
    assert said in str(caught.value)


def test_files_that_cannot_be_mappings_are_refused(tmp_path):
    with pytest.raises(SpecError, match="cannot be read"):
        read_mapping(tmp_path / "absent.yaml")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SpecError, match="UTF-8"):
        read_mapping(tmp_path / "binary")
    with open(tmp_path / "huge", "wb") as file:
        file.truncate(10**9)
    with pytest.raises(SpecError, match="too large"):
        read_mapping(tmp_path / "huge")


def test_the_nearest_key_is_suggested():
    with pytest.raises(SpecError) as caught:
        MappingSpec.parse({"features": {}, "robot_typ": "x"})
    assert caught.value.details["nearest"] == "robot_type"
