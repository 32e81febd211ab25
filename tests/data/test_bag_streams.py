"""What becomes of messages: streams, names, units, clocks, masks and suggestions, whatever container they are in.

Expected values are those that the messages were made of; the files are written by the mcap library.
"""

import struct

import numpy as np
import pytest
from google.protobuf import descriptor_pb2
from mcap.writer import Writer

from motorium.core.errors import DataError
from motorium.data.formats.mcap import FORMAT
from tests.data.bag_samples import (
    CUSTOM,
    START_NS,
    Make,
    Sent,
    drive,
    encoded,
    h264_units,
    picture,
    protobuf_class,
    ros2_store,
    write_json_mcap,
    write_protobuf_mcap,
    write_ros2_mcap,
)

make = Make(ros2_store())


def opened(path):
    log = FORMAT.open(path)
    return log, log.segments[0]


def recorded(tmp_path, sent):
    return opened(write_ros2_mcap(tmp_path / "bag.mcap", sent))


def cameras(tmp_path, encoding, pixels, **options):
    sent = [
        Sent("/camera/image_raw", "sensor_msgs/msg/Image", i, make.image(i, one, encoding, **options))
        for i, one in enumerate(pixels)
    ]
    return recorded(tmp_path, sent)


def test_joint_states_are_named_after_the_joints_and_become_the_state(tmp_path):
    _, segment = recorded(tmp_path, drive(make))
    position = segment.streams["/joint_states.position"]
    assert (position.feature.names, position.feature.shape, position.count) == (("a", "b"), (2,), 10)
    # A joint turns or slides: the message does not say which.
    assert position.feature.units is None
    assert (position.target, position.align) == ("observation.state", "linear")
    assert segment.streams["/joint_states.velocity"].feature.names == ("a.velocity", "b.velocity")
    np.testing.assert_array_equal(segment.values("/joint_states.position")[:, 0], np.arange(10.0))
    np.testing.assert_array_equal(segment.values("/joint_states.position", 3, 5), [[3, -3], [4, -4]])


def test_an_array_that_is_always_empty_is_no_stream_and_is_said(tmp_path):
    log, segment = recorded(tmp_path, drive(make))
    assert "/joint_states.effort" not in segment.streams
    assert any("effort (always empty)" in problem for problem in log.problems)


def test_joints_that_change_their_order_are_put_back_into_the_first_one(tmp_path):
    orders = [("a", "b", "c"), ("c", "a", "b"), ("b", "c", "a")]
    angle = {"a": 1.0, "b": 2.0, "c": 3.0}
    sent = [
        Sent("/js", "sensor_msgs/msg/JointState", i, make.joints(i, names, [angle[n] + 10 * i for n in names]))
        for i, names in enumerate(orders)
    ]
    _, segment = recorded(tmp_path, sent)
    assert segment.streams["/js.position"].feature.names == ("a", "b", "c")
    np.testing.assert_array_equal(segment.values("/js.position"), [[1, 2, 3], [11, 12, 13], [21, 22, 23]])


def test_two_publishers_of_different_joints_on_one_topic_are_two_streams(tmp_path):
    sent = []
    for i in range(4):
        sent.append(Sent("/js", "sensor_msgs/msg/JointState", 10 * i, make.joints(10 * i, "ab", [i, i])))
        sent.append(Sent("/js", "sensor_msgs/msg/JointState", 10 * i + 5, make.joints(10 * i + 5, ["grip"], [-i])))
    _, segment = recorded(tmp_path, sent)
    assert segment.streams["/js#1.position"].feature.names == ("a", "b")
    assert segment.streams["/js#2.position"].feature.names == ("grip",)
    np.testing.assert_array_equal(segment.values("/js#2.position")[:, 0], [0, -1, -2, -3])
    np.testing.assert_array_equal(segment.times_ns("/js#2.position", "log") - START_NS, [5, 15, 25, 35])
    assert segment.streams["/js#2.position"].target == "observation.state"


def test_velocities_that_are_missing_in_some_messages_are_masked(tmp_path):
    sent = [
        Sent("/js", "sensor_msgs/msg/JointState", i, make.joints(i, "ab", [i, i], [5, 6] if i != 1 else []))
        for i in range(3)
    ]
    _, segment = recorded(tmp_path, sent)
    assert segment.valid("/js.velocity").tolist() == [True, False, True]
    np.testing.assert_array_equal(segment.values("/js.velocity"), [[5, 6], [0, 0], [5, 6]])
    assert segment.valid("/js.position") is None


def test_odometry_has_units_frames_and_w_first_quaternions(tmp_path):
    turned = make.odometry(0, 1.0)
    turned.pose.pose.orientation = make.quaternion(0.8, 0.1, 0.2, 0.55)
    _, segment = recorded(tmp_path, [Sent("/odom", "nav_msgs/msg/Odometry", 5, turned)])
    streams = segment.streams
    assert streams["/odom.pose.pose.position"].feature.units == ("m", "m", "m")
    assert streams["/odom.pose.pose.position"].feature.frame == "odom"
    assert streams["/odom.twist.twist.angular"].feature.units == ("rad/s",) * 3
    assert streams["/odom.twist.twist.angular"].feature.frame == "base"
    assert streams["/odom.pose.pose.orientation"].align == "slerp"
    np.testing.assert_array_equal(segment.values("/odom.pose.pose.orientation"), [[0.8, 0.1, 0.2, 0.55]])
    state = [key for key, stream in streams.items() if stream.target == "observation.state"]
    assert state == [
        "/odom.pose.pose.position",
        "/odom.pose.pose.orientation",
        "/odom.twist.twist.linear",
        "/odom.twist.twist.angular",
    ]


def test_odometry_is_no_state_where_joints_are(tmp_path):
    _, segment = recorded(tmp_path, drive(make))
    assert segment.streams["/odom.pose.pose.position"].target == "observation.odom"


def test_commands_become_held_actions_and_other_motions_do_not(tmp_path):
    sent = [
        Sent("/cmd_vel", "geometry_msgs/msg/Twist", 0, make.twist(1, 2)),
        Sent("/measured", "geometry_msgs/msg/Twist", 0, make.twist(3, 4)),
    ]
    _, segment = recorded(tmp_path, sent)
    assert segment.streams["/cmd_vel.linear"].target == segment.streams["/cmd_vel.angular"].target == "action"
    assert segment.streams["/cmd_vel.linear"].align == "hold"
    assert segment.streams["/measured.linear"].target == "observation.measured"
    # Twist has no header.
    assert segment.streams["/cmd_vel.linear"].clocks == ("log",)


def test_a_trajectory_of_one_point_is_that_point_and_its_positions_the_action(tmp_path):
    point = make(
        "trajectory_msgs/msg/JointTrajectoryPoint",
        positions=np.array([0.1, 0.2]),
        velocities=np.array([1.0, 2.0]),
        accelerations=np.zeros(0),
        effort=np.zeros(0),
        time_from_start=make("builtin_interfaces/msg/Duration", sec=0, nanosec=20_000_000),
    )
    trajectory = make(
        "trajectory_msgs/msg/JointTrajectory", header=make.header(0), joint_names=["x", "y"], points=[point]
    )
    _, segment = recorded(tmp_path, [Sent("/arm/command", "trajectory_msgs/msg/JointTrajectory", 0, trajectory)])
    positions = segment.streams["/arm/command.points.positions"]
    assert (positions.feature.shape, positions.feature.names, positions.target) == ((2,), ("x", "y"), "action")
    assert segment.streams["/arm/command.points.velocities"].target is None
    assert segment.values("/arm/command.points.time_from_start").tolist() == [[20_000_000]]


def test_an_imu_without_orientation_is_masked(tmp_path):
    sent = [Sent("/imu", "sensor_msgs/msg/Imu", i, make.imu(i, known=i != 1)) for i in range(3)]
    _, segment = recorded(tmp_path, sent)
    assert segment.valid("/imu.orientation").tolist() == [True, False, True]
    assert segment.valid("/imu.angular_velocity") is None
    assert segment.streams["/imu.linear_acceleration"].feature.units == ("m/s^2",) * 3
    assert segment.streams["/imu.angular_velocity"].target == "observation.imu"


def test_every_edge_of_the_tree_of_transforms_is_a_stream(tmp_path):
    sent = []
    for i in range(3):
        both = [make.transform(i, "odom", "base", i), make.transform(i + 1, "base", "arm", 10 + i)]
        sent.append(Sent("/tf", "tf2_msgs/msg/TFMessage", 100 + i, make("tf2_msgs/msg/TFMessage", transforms=both)))
    _, segment = recorded(tmp_path, sent)
    assert sorted(segment.streams) == [
        "tf:base->arm.rotation",
        "tf:base->arm.translation",
        "tf:odom->base.rotation",
        "tf:odom->base.translation",
    ]
    np.testing.assert_array_equal(segment.values("tf:base->arm.translation"), [[10, 0, 0], [11, 0, 0], [12, 0, 0]])
    np.testing.assert_array_equal(segment.values("tf:odom->base.rotation")[0], [0.8, 0, 0, 0.6])
    assert (segment.times_ns("tf:base->arm.translation", "header") - START_NS).tolist() == [1, 2, 3]
    assert segment.streams["tf:odom->base.rotation"].align == "slerp"
    assert segment.streams["tf:odom->base.translation"].feature.units == ("m", "m", "m")


def test_header_stamps_are_the_first_clock_and_differ_from_log_times(tmp_path):
    _, segment = recorded(tmp_path, drive(make, 3))
    assert segment.streams["/odom.pose.pose.position"].clocks == ("header", "log")
    header = segment.times_ns("/odom.pose.pose.position") - START_NS
    assert header.tolist() == [-5_000_000, 95_000_000, 195_000_000]
    log = segment.times_ns("/odom.pose.pose.position", "log") - START_NS
    assert log.tolist() == [1, 100_000_001, 200_000_001]
    with pytest.raises(DataError, match="no clock 'sensor'"):
        segment.times_ns("/odom.pose.pose.position", "sensor")


def test_stamps_that_were_not_set_are_no_clock(tmp_path):
    sent = [Sent("/js", "sensor_msgs/msg/JointState", i, make.joints(None, "ab", [i, i])) for i in range(3)]
    sent += [Sent("/part", "sensor_msgs/msg/JointState", i, make.joints(i or None, "ab", [i, i])) for i in range(3)]
    log, segment = recorded(tmp_path, sent)
    assert segment.streams["/js.position"].clocks == segment.streams["/part.position"].clocks == ("log",)
    assert any("/part: 1 of 3 header stamps are 0" in problem for problem in log.problems)


def test_stamps_of_another_clock_come_second_where_some_topics_have_none(tmp_path):
    apart = -(START_NS - 10**9)  # simulated time, from one second on
    sent = []
    for i in range(3):
        sent.append(Sent("/odom", "nav_msgs/msg/Odometry", i, make.odometry(apart + i, i)))
        sent.append(Sent("/cmd_vel", "geometry_msgs/msg/Twist", i, make.twist(i, i)))
    log, segment = recorded(tmp_path, sent)
    assert segment.streams["/odom.pose.pose.position"].clocks == ("log", "header")
    assert any("different clocks" in problem for problem in log.problems)
    _, alone = recorded(tmp_path, sent[::2])
    assert alone.streams["/odom.pose.pose.position"].clocks == ("header", "log")


def test_messages_logged_out_of_order_keep_their_times(tmp_path):
    order = [3, 1, 2, 0]
    sent = [Sent("/odom", "nav_msgs/msg/Odometry", i, make.odometry(i, i)) for i in order]
    _, segment = recorded(tmp_path, sent)
    assert (segment.times_ns("/odom.pose.pose.position", "log") - START_NS).tolist() == order
    assert segment.values("/odom.pose.pose.position")[:, 0].tolist() == order


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


def test_a_list_whose_length_varies_is_no_stream_and_is_said(tmp_path):
    sent = [Sent("/grip", CUSTOM, i, make.grip(i, 1.0, contacts=2 + (i == 2))) for i in range(4)]
    log, segment = recorded(tmp_path, sent)
    assert "/grip.contacts" not in segment.streams and "/grip.force" in segment.streams
    assert any("contacts (its length varies (2x3, and 3x3 in sample 2))" in problem for problem in log.problems)


@pytest.mark.parametrize(
    ("encoding", "stored"),
    [
        ("rgb8", lambda p: p),
        ("bgr8", lambda p: p[..., ::-1]),
        ("rgba8", lambda p: np.dstack([p, np.full(p.shape[:2], 9, np.uint8)])),
        ("bgra8", lambda p: np.dstack([p[..., ::-1], np.full(p.shape[:2], 9, np.uint8)])),
        ("rgb16", lambda p: p.astype("<u2") * 256 + 77),
    ],
)
def test_raw_pictures_come_back_bitwise(tmp_path, encoding, stored):
    pictures = [picture(i) for i in range(3)]
    _, segment = cameras(tmp_path, encoding, [stored(one) for one in pictures])
    stream = segment.streams["/camera/image_raw"]
    assert (stream.feature.dtype, stream.feature.shape) == ("video", (24, 32, 3))
    assert stream.target == "observation.images.camera"
    np.testing.assert_array_equal(list(segment.pictures("/camera/image_raw", np.arange(3))), pictures)


def test_grey_pictures_have_three_equal_channels(tmp_path):
    grey = picture(0)[..., 0]
    for encoding, stored in (("mono8", grey), ("mono16", grey.astype("<u2") * 256 + 200)):
        _, segment = cameras(tmp_path, encoding, [stored])
        (found,) = segment.pictures("/camera/image_raw", np.array([0]))
        np.testing.assert_array_equal(found, np.stack([grey] * 3, -1))


def test_rows_with_padding_are_cut_to_the_picture(tmp_path):
    _, segment = cameras(tmp_path, "rgb8", [picture(4)], step=32 * 3 + 8)
    (found,) = segment.pictures("/camera/image_raw", np.array([0]))
    np.testing.assert_array_equal(found, picture(4))


@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_a_mosaic_of_one_colour_is_that_colour(tmp_path, pattern):
    colour = {"r": 200, "g": 120, "b": 40}
    cell = np.array([colour[c] for c in pattern], np.uint8).reshape(2, 2)
    _, segment = cameras(tmp_path, f"bayer_{pattern}8", [np.tile(cell, (12, 16))])
    (found,) = segment.pictures("/camera/image_raw", np.array([0]))
    assert np.abs(found[2:-2, 2:-2].astype(int) - [200, 120, 40]).max() <= 1


@pytest.mark.parametrize(("encoding", "dtype", "unit"), [("16UC1", "uint16", "mm"), ("32FC1", "float32", "m")])
def test_depth_is_numbers_and_no_camera(tmp_path, encoding, dtype, unit):
    depth = [(np.arange(24 * 32).reshape(24, 32) * 7 + i).astype(dtype) for i in range(4)]
    _, segment = cameras(tmp_path, encoding, depth)
    stream = segment.streams["/camera/image_raw"]
    assert (stream.feature.dtype, stream.feature.shape, stream.feature.units) == (dtype, (24, 32), (unit,))
    assert stream.target is None
    np.testing.assert_array_equal(segment.values("/camera/image_raw", 1, 3), depth[1:3])


def test_png_is_bitwise_and_jpeg_is_near(tmp_path):
    pictures = [picture(i, 32, 48) for i in range(3)]
    sent = []
    for i, one in enumerate(pictures):
        for kind in ("png", "jpeg"):
            message = make.compressed(i, encoded(one, kind.upper()), f"rgb8; {kind} compressed bgr8")
            sent.append(Sent(f"/{kind}/image_raw/compressed", "sensor_msgs/msg/CompressedImage", i, message))
    _, segment = recorded(tmp_path, sent)
    np.testing.assert_array_equal(list(segment.pictures("/png/image_raw/compressed", np.arange(3))), pictures)
    found = np.array(list(segment.pictures("/jpeg/image_raw/compressed", np.arange(3))), int)
    # Chroma at half size blurs this picture's edges, where values wrap around: so the median.
    assert np.median(np.abs(found - np.array(pictures))) <= 4
    assert segment.streams["/jpeg/image_raw/compressed"].target == "observation.images.jpeg"


def test_pictures_are_yielded_one_by_one_and_may_repeat(tmp_path):
    pictures = [picture(i) for i in range(6)]
    _, segment = cameras(tmp_path, "rgb8", pictures)
    wanted = np.array([0, 0, 3, 5, 5])
    found = segment.pictures("/camera/image_raw", wanted)
    np.testing.assert_array_equal(next(found), pictures[0])
    np.testing.assert_array_equal(list(found), [pictures[i] for i in wanted[1:]])
    with pytest.raises(DataError, match="no such pictures"):
        segment.pictures("/camera/image_raw", np.array([6]))


def test_a_camera_that_changes_its_size_is_no_stream_and_is_said(tmp_path):
    log, segment = cameras(tmp_path, "rgb8", [picture(0), picture(1, 12, 16)])
    assert not segment.streams
    assert any("from 32x24 rgb8 to 16x12 rgb8 at message 1" in problem for problem in log.problems)


def test_a_damaged_jpeg_is_named_when_it_is_read(tmp_path):
    good, other = encoded(picture(0), "PNG"), bytearray(encoded(picture(1), "PNG"))
    other[60:] = bytes(len(other) - 60)
    sent = [
        Sent("/camera", "sensor_msgs/msg/CompressedImage", i, make.compressed(i, bytes(data), "png"))
        for i, data in enumerate((good, other))
    ]
    _, segment = recorded(tmp_path, sent)
    with pytest.raises(DataError, match=r"(?s)cannot be read.*/camera, sample 1"):
        list(segment.pictures("/camera", np.arange(2)))


def test_clouds_have_room_for_the_largest_and_a_mask(tmp_path):
    layout = np.dtype({"names": ["x", "y", "z", "intensity", "ring"], "formats": ["<f4"] * 4 + ["<u2"],
                       "offsets": [0, 4, 8, 12, 16], "itemsize": 20})  # fmt: skip
    clouds = []
    for count in (3, 5, 0):
        points = np.zeros(count, layout)
        for i, name in enumerate(layout.names):
            points[name] = np.arange(count) + 10 * i
        clouds.append(points)
    sent = [Sent("/points", "sensor_msgs/msg/PointCloud2", i, make.cloud(i, one)) for i, one in enumerate(clouds)]
    _, segment = recorded(tmp_path, sent)
    stream = segment.streams["/points"]
    assert (stream.feature.shape, stream.ragged, stream.target) == ((5, 4), True, None)
    np.testing.assert_array_equal(segment.values("/points", 0, 1)[0, :3, 3], [30, 31, 32])
    np.testing.assert_array_equal(segment.valid("/points").sum((1, 2)), [12, 20, 0])
    np.testing.assert_array_equal(segment.values("/points.ring", 1, 2), [[40, 41, 42, 43, 44]])
    assert segment.valid("/points.ring").shape == (3, 5)


def video_class():
    file = descriptor_pb2.FileDescriptorProto(
        name="v.proto", package="foxglove", syntax="proto3", dependency=["google/protobuf/timestamp.proto"]
    )
    message = file.message_type.add(name="CompressedVideo")
    kind = descriptor_pb2.FieldDescriptorProto
    message.field.add(
        name="timestamp", number=1, label=1, type=kind.TYPE_MESSAGE, type_name=".google.protobuf.Timestamp"
    )
    message.field.add(name="frame_id", number=2, label=1, type=kind.TYPE_STRING)
    message.field.add(name="data", number=3, label=1, type=kind.TYPE_BYTES)
    message.field.add(name="format", number=4, label=1, type=kind.TYPE_STRING)
    return protobuf_class([file], "foxglove.CompressedVideo")


def write_video(path, units):
    kind, schema = video_class()
    messages = []
    for i, unit in enumerate(units):
        message = kind(frame_id="camera", data=unit, format="h264")
        message.timestamp.seconds, message.timestamp.nanos = divmod(START_NS + i * 33_000_000, 10**9)
        messages.append(message)
    return write_protobuf_mcap(path, "/camera/video", "foxglove.CompressedVideo", schema, messages)


def test_video_is_decoded_in_order_and_from_the_keyframe_before(tmp_path):
    pictures = [np.full((32, 48, 3), 20 * i + 10, np.uint8) for i in range(10)]
    _, segment = opened(write_video(tmp_path / "v.mcap", h264_units(pictures, gop=4)))
    stream = segment.streams["/camera/video"]
    assert (stream.count, stream.target, stream.feature.shape) == (10, "observation.images.camera", (32, 48, 3))
    assert (segment.times_ns("/camera/video", "header") - START_NS)[9] == 9 * 33_000_000
    levels = [int(found.mean()) for found in segment.pictures("/camera/video", np.arange(10))]
    np.testing.assert_allclose(levels, [20 * i + 10 for i in range(10)], atol=3)
    some = [int(found.mean()) for found in segment.pictures("/camera/video", np.array([2, 6, 6, 9]))]
    np.testing.assert_allclose(some, [50, 130, 130, 190], atol=3)


def test_video_frames_before_the_first_keyframe_are_left_out_and_said(tmp_path):
    pictures = [np.full((32, 48, 3), 20 * i + 10, np.uint8) for i in range(10)]
    log, segment = opened(write_video(tmp_path / "v.mcap", h264_units(pictures, gop=4)[2:]))
    assert segment.streams["/camera/video"].count == 6
    assert any("2 frames before the first keyframe" in problem for problem in log.problems)
    (found,) = segment.pictures("/camera/video", np.array([0]))
    assert abs(int(found.mean()) - 90) <= 3


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


def test_columns_beyond_the_budget_lie_in_files_and_are_equal(tmp_path):
    from motorium.data.formats.bags.columns import Columns

    _, segment = recorded(tmp_path, drive(make))
    small, large = (
        segment.recording.collect({"/odom.pose.pose.position"}, Columns(budget))["/odom.pose.pose.position"].values
        for budget in (0, 10**6)
    )
    assert isinstance(small, np.memmap) and not isinstance(large, np.memmap)
    np.testing.assert_array_equal(small, large)


def test_an_unknown_stream_is_an_error_that_names_the_nearest(tmp_path):
    _, segment = recorded(tmp_path, drive(make, 2))
    with pytest.raises(DataError, match=r"(?s)no stream '/odom.pose.position'.*nearest"):
        segment.values("/odom.pose.position")


def test_a_receiver_without_a_fix_is_masked(tmp_path):
    def fix(i, status):
        return make(
            "sensor_msgs/msg/NavSatFix",
            header=make.header(i, "gps"),
            status=make("sensor_msgs/msg/NavSatStatus", status=status, service=1),
            latitude=48.1,
            longitude=11.5 + i,
            altitude=500.0,
            position_covariance=np.zeros(9),
            position_covariance_type=0,
        )

    sent = [Sent("/fix", "sensor_msgs/msg/NavSatFix", i, fix(i, status)) for i, status in enumerate((0, -1, 2))]
    _, segment = recorded(tmp_path, sent)
    assert segment.valid("/fix.latitude").tolist() == [True, False, True]
    assert segment.valid("/fix.status.status") is None
    assert segment.streams["/fix.longitude"].feature.units == ("deg",)
    assert segment.streams["/fix.altitude"].target == "observation.fix"


def test_a_laser_scan_has_one_stream_of_its_ranges(tmp_path):
    def scan(i):
        numbers = dict.fromkeys(("angle_min", "angle_max", "angle_increment", "time_increment", "scan_time"), 0.5)
        return make(
            "sensor_msgs/msg/LaserScan",
            header=make.header(i, "laser"),
            **numbers,
            range_min=0.1,
            range_max=30.0,
            ranges=np.array([1.0, np.inf, 2.5 + i], np.float32),
            intensities=np.zeros(0, np.float32),
        )

    sent = [Sent("/scan", "sensor_msgs/msg/LaserScan", i, scan(i)) for i in range(2)]
    _, segment = recorded(tmp_path, sent)
    np.testing.assert_array_equal(segment.values("/scan.ranges"), np.array([[1, np.inf, 2.5], [1, np.inf, 3.5]]))
    # Between a hit and no hit lies nothing: ranges are not interpolated.
    assert (segment.streams["/scan.ranges"].align, segment.streams["/scan.ranges"].target) == (
        "nearest",
        "observation.scan",
    )
    assert segment.streams["/scan.ranges"].feature.units == ("m",)


def test_two_types_on_one_topic_are_kept_apart(tmp_path):
    path = tmp_path / "a.mcap"
    with open(path, "wb") as file:
        writer = Writer(file)
        writer.start()
        for kind, definition, data in (
            ("demo_msgs/msg/A", b"float64 one\n", struct.pack("<d", 1.5)),
            ("demo_msgs/msg/B", b"float32 two\n", struct.pack("<f", 2.5)),
        ):
            channel = writer.register_channel("/x", "cdr", writer.register_schema(kind, "ros2msg", definition))
            writer.add_message(channel, 1, b"\0\1\0\0" + data, 1)
        writer.finish()
    _, segment = opened(path)
    found = {key: segment.values(key).tolist() for key in segment.streams}
    assert found == {"/x.one": [[1.5]], "/x (demo_msgs/B).two": [[2.5]]}
