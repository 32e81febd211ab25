"""Messages of custom ROS types, JSON and protobuf are read by the definition that the recording carries.

Expected values are those that the messages were made of; the files are written by the mcap library.
"""

import numpy as np
from google.protobuf import descriptor_pb2

from tests.data.bag_samples import (
    CUSTOM,
    START_NS,
    Make,
    Sent,
    opened,
    protobuf_class,
    recorded,
    ros2_store,
    write_json_mcap,
    write_protobuf_mcap,
)

make = Make(ros2_store())


def test_custom_types_are_read_by_their_embedded_definition(tmp_path):
    sent = [Sent("/grip", CUSTOM, i, make.grip(i, float(i))) for i in range(4)]
    _, segment = recorded(tmp_path, sent)
    assert segment.values("/grip.force").tolist() == [[0.0], [1.0], [2.0], [3.0]]
    assert segment.streams["/grip.force"].feature.dtype == "float32"
    np.testing.assert_array_equal(segment.values("/grip.torque")[2], [2, 2, 3])
    np.testing.assert_array_equal(segment.values("/grip.contacts")[3], [[0, 3, 0], [1, 3, 0]])
    np.testing.assert_array_equal(segment.values("/grip.cells.pressure")[0], [10, 11])
    assert segment.values("/grip.closed")[:, 0].tolist() == [False, False, True, True]
    assert segment.values("/grip.label")[:, 0].tolist() == ["grip 0", "grip 1", "grip 2", "grip 3"]
    assert segment.streams["/grip.label"].feature.dtype == "string"


def test_json_with_a_schema_has_its_types(tmp_path):
    schema = {
        "title": "arm",
        "type": "object",
        "properties": {
            "timestamp": {"type": "object", "properties": {"sec": {"type": "integer"}, "nsec": {"type": "integer"}}},
            "joints": {"type": "array", "items": {"type": "number"}},
            "mode": {"type": "integer"},
            "note": {"type": "string"},
            "pose": {"type": "object", "properties": {axis: {"type": "number"} for axis in "xyz"}},
        },
    }
    sec, nsec = divmod(START_NS, 10**9)
    messages = [
        {
            "timestamp": {"sec": sec, "nsec": nsec + i},
            "joints": [0.1 * i, 1],
            "mode": i,
            "note": f"n{i}",
            "pose": None if i == 1 else {"x": 1.5, "y": i, "z": 3},
        }
        for i in range(3)
    ]
    _, segment = opened(write_json_mcap(tmp_path / "j.mcap", {"/arm": (schema, messages)}))
    assert segment.values("/arm.joints").tolist() == [[0.0, 1.0], [0.1, 1.0], [0.2, 1.0]]
    assert segment.streams["/arm.mode"].feature.dtype == "int64"
    assert segment.values("/arm.note")[:, 0].tolist() == ["n0", "n1", "n2"]
    assert segment.valid("/arm.pose").tolist() == [True, False, True]
    assert (segment.times_ns("/arm.mode", "header") - START_NS).tolist() == [0, 1, 2]
    assert "/arm.timestamp" not in segment.streams


def test_json_without_a_schema_is_read_by_its_first_message(tmp_path):
    messages = [{"speed": 1, "wheels": [i, 2.5], "gear": "d"} for i in range(3)]
    log, segment = opened(
        write_json_mcap(tmp_path / "j.mcap", {"/car": (None, messages), "/b": (None, [{"other": 1}])})
    )
    assert not log.problems
    assert segment.streams["/car.speed"].feature.dtype == "float64"
    assert segment.values("/car.wheels").tolist() == [[0.0, 2.5], [1.0, 2.5], [2.0, 2.5]]
    assert segment.values("/b.other").tolist() == [[1.0]]


def test_a_text_where_numbers_were_is_no_number(tmp_path):
    messages = [{"speed": 1.5, "brake": False}, {"speed": "2.5", "brake": True}]
    log, segment = opened(write_json_mcap(tmp_path / "j.mcap", {"/car": (None, messages)}))
    assert "/car.speed" not in segment.streams and "/car.brake" in segment.streams
    assert any("'speed' is not float64" in problem for problem in log.problems)


def test_protobuf_is_read_by_its_descriptors_and_what_is_not_set_is_masked(tmp_path):
    kind = descriptor_pb2.FieldDescriptorProto
    inner = descriptor_pb2.FileDescriptorProto(name="a.proto", package="demo", syntax="proto3")
    point = inner.message_type.add(name="Point")
    for number, axis in enumerate("xyz", 1):
        point.field.add(name=axis, number=number, label=1, type=kind.TYPE_DOUBLE)
    outer = descriptor_pb2.FileDescriptorProto(
        name="b.proto", package="demo", syntax="proto3", dependency=["a.proto", "google/protobuf/timestamp.proto"]
    )
    state = outer.message_type.add(name="State")
    state.field.add(name="timestamp", number=1, label=1, type=kind.TYPE_MESSAGE, type_name=".google.protobuf.Timestamp")
    state.field.add(name="tip", number=2, label=1, type=kind.TYPE_MESSAGE, type_name=".demo.Point")
    state.field.add(name="load", number=3, label=3, type=kind.TYPE_FLOAT)
    state.field.add(name="ready", number=4, label=1, type=kind.TYPE_BOOL)
    made, schema = protobuf_class([inner, outer], "demo.State")
    messages = []
    for i in range(3):
        message = made(load=[0.5, i], ready=i == 2)
        message.timestamp.seconds, message.timestamp.nanos = divmod(START_NS + i, 10**9)
        if i != 1:
            message.tip.x, message.tip.y = i, 0.25
        messages.append(message)
    _, segment = opened(write_protobuf_mcap(tmp_path / "p.mcap", "/state", "demo.State", schema, messages))
    assert segment.values("/state.load").tolist() == [[0.5, 0.0], [0.5, 1.0], [0.5, 2.0]]
    assert segment.streams["/state.load"].feature.dtype == "float32"
    assert segment.values("/state.tip")[2].tolist() == [2.0, 0.25, 0.0]
    assert segment.valid("/state.tip").tolist() == [True, False, True]
    assert segment.values("/state.ready")[:, 0].tolist() == [False, False, True]
    assert (segment.times_ns("/state.tip", "header") - START_NS).tolist() == [0, 1, 2]
