"""Pictures, depth, clouds and video of a bag, whatever container they are in.

Expected values are those that the messages were made of; the files are written by the mcap library.
"""

import numpy as np
import pytest
from google.protobuf import descriptor_pb2

from motorium.core.errors import DataError
from tests.data.bag_samples import (
    START_NS,
    Make,
    Sent,
    encoded,
    h264_units,
    opened,
    picture,
    protobuf_class,
    recorded,
    ros2_store,
    write_protobuf_mcap,
)

make = Make(ros2_store())


def cameras(tmp_path, encoding, pixels, **options):
    sent = [
        Sent("/camera/image_raw", "sensor_msgs/msg/Image", i, make.image(i, one, encoding, **options))
        for i, one in enumerate(pixels)
    ]
    return recorded(tmp_path, sent)


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
