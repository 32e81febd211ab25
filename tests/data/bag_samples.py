"""Small recordings, written with the rosbags and mcap libraries and google.protobuf: never with code of ours."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from google.protobuf import descriptor_pb2, timestamp_pb2
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter
from PIL import Image as Pillow
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import StoragePlugin
from rosbags.rosbag2 import Writer as Writer2
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from motorium.data.formats.mcap import FORMAT

START_NS = 1_700_000_000_000_000_000

CUSTOM = "demo_msgs/msg/Grip"
CUSTOM_TEXT = """std_msgs/Header header
float32 force
float64[3] torque
geometry_msgs/Point[] contacts
demo_msgs/Cell[2] cells
bool closed
string label
================================================================================
MSG: demo_msgs/Cell
uint16 pressure
float32 temperature
================================================================================
MSG: geometry_msgs/Point
float64 x
float64 y
float64 z
================================================================================
MSG: std_msgs/Header
builtin_interfaces/Time stamp
string frame_id
"""


class Sent(NamedTuple):
    """A message to be recorded: `log_ns` after START_NS."""

    topic: str
    type: str
    log_ns: int
    value: Any


def ros2_store():
    """Return the types of ROS 2 Humble and the custom one."""
    store = get_typestore(Stores.ROS2_HUMBLE)
    types = get_types_from_msg(CUSTOM_TEXT, CUSTOM)
    store.register({name: types[name] for name in types if name.startswith("demo_msgs")})
    return store


def ros1_store():
    """Return the types of ROS 1 Noetic."""
    return get_typestore(Stores.ROS1_NOETIC)


class Make:
    """Makes messages of a store's types; `seq` goes where ROS 1 wants it."""

    def __init__(self, store: Any, ros1: bool = False) -> None:
        self.store, self.ros1 = store, ros1

    def __call__(self, kind: str, **fields: Any) -> Any:
        return self.store.types[kind](**fields)

    def header(self, stamp_ns: int | None, frame: str = "base") -> Any:
        """Return a header stamped START_NS + stamp_ns; None: not stamped."""
        sec, nanosec = (0, 0) if stamp_ns is None else divmod(START_NS + stamp_ns, 10**9)
        stamp = self("builtin_interfaces/msg/Time", sec=sec, nanosec=nanosec)
        more = {"seq": 7} if self.ros1 else {}
        return self("std_msgs/msg/Header", **more, stamp=stamp, frame_id=frame)

    def vector(self, *values: float) -> Any:
        return self("geometry_msgs/msg/Vector3", x=values[0], y=values[1], z=values[2])

    def point(self, *values: float) -> Any:
        return self("geometry_msgs/msg/Point", x=values[0], y=values[1], z=values[2])

    def quaternion(self, w: float, x: float, y: float, z: float) -> Any:
        return self("geometry_msgs/msg/Quaternion", x=x, y=y, z=z, w=w)

    def joints(self, stamp_ns: int | None, names: Iterable[str], position: Iterable[float], velocity=()) -> Any:
        numbers = [np.array(list(values), np.float64) for values in (position, velocity, ())]
        return self(
            "sensor_msgs/msg/JointState",
            header=self.header(stamp_ns),
            name=list(names),
            position=numbers[0],
            velocity=numbers[1],
            effort=numbers[2],
        )

    def twist(self, linear: float, angular: float) -> Any:
        return self("geometry_msgs/msg/Twist", linear=self.vector(linear, 0, 0), angular=self.vector(0, 0, angular))

    def odometry(self, stamp_ns: int, x: float) -> Any:
        pose = self("geometry_msgs/msg/Pose", position=self.point(x, 2, 3), orientation=self.quaternion(1, 0, 0, 0))
        twist = self.twist(0.5, 0.25)
        return self(
            "nav_msgs/msg/Odometry",
            header=self.header(stamp_ns, "odom"),
            child_frame_id="base",
            pose=self("geometry_msgs/msg/PoseWithCovariance", pose=pose, covariance=np.zeros(36)),
            twist=self("geometry_msgs/msg/TwistWithCovariance", twist=twist, covariance=np.zeros(36)),
        )

    def imu(self, stamp_ns: int, known: bool) -> Any:
        unknown = np.array([0.0 if known else -1.0] + [0.0] * 8)
        return self(
            "sensor_msgs/msg/Imu",
            header=self.header(stamp_ns, "imu"),
            orientation=self.quaternion(0.5, 0.5, 0.5, 0.5),
            orientation_covariance=unknown,
            angular_velocity=self.vector(1, 2, 3),
            angular_velocity_covariance=np.zeros(9),
            linear_acceleration=self.vector(4, 5, 9.81),
            linear_acceleration_covariance=np.zeros(9),
        )

    def transform(self, stamp_ns: int, parent: str, child: str, x: float) -> Any:
        return self(
            "geometry_msgs/msg/TransformStamped",
            header=self.header(stamp_ns, parent),
            child_frame_id=child,
            transform=self(
                "geometry_msgs/msg/Transform",
                translation=self.vector(x, 0, 0),
                rotation=self.quaternion(0.8, 0, 0, 0.6),
            ),
        )

    def image(self, stamp_ns: int, picture: np.ndarray, encoding: str, step: int | None = None) -> Any:
        rows = np.ascontiguousarray(picture).view(np.uint8).reshape(len(picture), -1)
        step = rows.shape[1] if step is None else step
        padded = np.zeros((len(rows), step), np.uint8)
        padded[:, : rows.shape[1]] = rows
        return self(
            "sensor_msgs/msg/Image",
            header=self.header(stamp_ns, "camera"),
            height=picture.shape[0],
            width=picture.shape[1],
            encoding=encoding,
            is_bigendian=0,
            step=step,
            data=padded.reshape(-1),
        )

    def compressed(self, stamp_ns: int, data: bytes, words: str) -> Any:
        return self(
            "sensor_msgs/msg/CompressedImage",
            header=self.header(stamp_ns, "camera"),
            format=words,
            data=np.frombuffer(data, np.uint8),
        )

    def cloud(self, stamp_ns: int, points: np.ndarray) -> Any:
        """Return a cloud of a structured array of points."""
        kinds = {"i1": 1, "u1": 2, "i2": 3, "u2": 4, "i4": 5, "u4": 6, "f4": 7, "f8": 8}
        fields = [
            self("sensor_msgs/msg/PointField", name=name, offset=offset, datatype=kinds[dtype.str[1:]], count=1)
            for name, (dtype, offset) in points.dtype.fields.items()
        ]
        return self(
            "sensor_msgs/msg/PointCloud2",
            header=self.header(stamp_ns, "lidar"),
            height=1,
            width=len(points),
            fields=fields,
            is_bigendian=False,
            point_step=points.dtype.itemsize,
            row_step=points.dtype.itemsize * len(points),
            data=np.frombuffer(points.tobytes(), np.uint8),
            is_dense=True,
        )

    def grip(self, stamp_ns: int, force: float, contacts: int = 2) -> Any:
        cells = [self("demo_msgs/msg/Cell", pressure=10 + i, temperature=20.5 + i) for i in range(2)]
        return self(
            CUSTOM,
            header=self.header(stamp_ns, "hand"),
            force=force,
            torque=np.array([force, 2.0, 3.0]),
            contacts=[self.point(i, force, 0) for i in range(contacts)],
            cells=cells,
            closed=force > 1,
            label=f"grip {force:g}",
        )


def picture(number: int, height: int = 24, width: int = 32) -> np.ndarray:
    """Return a picture (H, W, 3) uint8 that differs from those of other numbers everywhere."""
    y, x = np.mgrid[:height, :width]
    return np.stack([(x * 5 + number * 3) % 256, (y * 7 + number) % 256, (x + y + number * 11) % 256], -1).astype(
        np.uint8
    )


def encoded(pixels: np.ndarray, kind: str) -> bytes:
    """Return a picture as PNG or JPEG, encoded by Pillow."""
    out = io.BytesIO()
    Pillow.fromarray(pixels).save(out, kind, **({"quality": 95} if kind == "JPEG" else {}))
    return out.getvalue()


def h264_units(pictures: Iterable[np.ndarray], gop: int = 4) -> list[bytes]:
    """Return access units in Annex B, as an encoder in a camera gives them: no B-frames."""
    encoder = av.CodecContext.create("libx264", "w")
    first, *_ = pictures = list(pictures)
    encoder.height, encoder.width, encoder.pix_fmt = first.shape[0], first.shape[1], "yuv420p"
    encoder.time_base, encoder.gop_size, encoder.thread_count = Fraction(1, 30), gop, 1
    encoder.options = {"bf": "0", "tune": "zerolatency", "crf": "10", "x264-params": "repeat-headers=1:scenecut=0"}
    units = []
    for number, pixels in enumerate(pictures):
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")
        frame.pts = number
        units += [bytes(packet) for packet in encoder.encode(frame)]
    return units + [bytes(packet) for packet in encoder.encode(None)]


def write_ros2_mcap(
    path: Path, sent: Iterable[Sent], compression: CompressionType = CompressionType.ZSTD, **options: Any
) -> Path:
    """Write ROS 2 messages as MCAP with the mcap library; definitions are embedded."""
    store = ros2_store()
    with open(path, "wb") as file:
        writer = McapWriter(file, compression=compression, **options)
        writer.start(profile="ros2", library="sample")
        schemas: dict[str, int] = {}
        channels: dict[str, int] = {}
        for number, one in enumerate(sent):
            if one.type not in schemas:
                text, _ = store.generate_msgdef(one.type, ros_version=2)
                schemas[one.type] = writer.register_schema(one.type, "ros2msg", text.encode())
            if one.topic not in channels:
                channels[one.topic] = writer.register_channel(one.topic, "cdr", schemas[one.type])
            time_ns = START_NS + one.log_ns
            data = bytes(store.serialize_cdr(one.value, one.type))
            writer.add_message(channels[one.topic], time_ns, data, time_ns, number)
        writer.finish()
    return path


def write_rosbag1(path: Path, sent: Iterable[Sent], compression: Any = None, chunk_bytes: int | None = None) -> Path:
    """Write ROS 1 messages with rosbags."""
    store = ros1_store()
    writer = Writer1(path)
    if compression is not None:
        writer.set_compression(compression)
    if chunk_bytes is not None:
        writer.chunk_threshold = chunk_bytes
    with writer:
        connections: dict[str, Any] = {}
        for one in sent:
            if one.topic not in connections:
                connections[one.topic] = writer.add_connection(one.topic, one.type, typestore=store)
            data = store.serialize_ros1(one.value, one.type)
            writer.write(connections[one.topic], START_NS + one.log_ns, data)
    return path


def write_rosbag2(path: Path, sent: Iterable[Sent], storage: str = "sqlite3", version: int = 9) -> Path:
    """Write a ROS 2 bag with rosbags: `sqlite3` or `mcap`."""
    store = ros2_store()
    plugin = StoragePlugin.SQLITE3 if storage == "sqlite3" else StoragePlugin.MCAP
    with Writer2(path, version=version, storage_plugin=plugin) as writer:
        connections: dict[str, Any] = {}
        for one in sent:
            if one.topic not in connections:
                connections[one.topic] = writer.add_connection(one.topic, one.type, typestore=store)
            writer.write(connections[one.topic], START_NS + one.log_ns, store.serialize_cdr(one.value, one.type))
    return path


def write_json_mcap(path: Path, topics: dict[str, tuple[dict | None, list[dict]]], name: str = "demo") -> Path:
    """Write JSON messages, 10 ms apart: {topic: (schema or None, messages)}."""
    with open(path, "wb") as file:
        writer = McapWriter(file)
        writer.start()
        for topic, (schema, messages) in topics.items():
            plain = b"" if schema is None else json.dumps(schema).encode()
            kind = 0 if schema is None else writer.register_schema(schema.get("title", name), "jsonschema", plain)
            channel = writer.register_channel(topic, "json", kind)
            for number, message in enumerate(messages):
                time_ns = START_NS + number * 10_000_000
                writer.add_message(channel, time_ns, json.dumps(message).encode(), time_ns, number)
        writer.finish()
    return path


def protobuf_class(files: list[descriptor_pb2.FileDescriptorProto], name: str) -> tuple[Any, bytes]:
    """Return a message class, and the serialised descriptors that MCAP wants."""
    times = descriptor_pb2.FileDescriptorProto()
    timestamp_pb2.DESCRIPTOR.CopyToProto(times)
    pool = DescriptorPool()
    for file in (times, *files):
        pool.Add(file)
    kind = GetMessageClass(pool.FindMessageTypeByName(name))
    return kind, descriptor_pb2.FileDescriptorSet(file=[times, *files]).SerializeToString()


def write_protobuf_mcap(path: Path, topic: str, name: str, schema: bytes, messages: list[Any]) -> Path:
    """Write protobuf messages, 10 ms apart."""
    with open(path, "wb") as file:
        writer = McapWriter(file)
        writer.start()
        channel = writer.register_channel(topic, "protobuf", writer.register_schema(name, "protobuf", schema))
        for number, message in enumerate(messages):
            time_ns = START_NS + number * 10_000_000
            writer.add_message(channel, time_ns, message.SerializeToString(), time_ns, number)
        writer.finish()
    return path


def drive(make: Make, steps: int = 10) -> list[Sent]:
    """Return messages of a small robot, 100 ms apart, stamped 5 ms before they are logged."""
    sent = []
    for i in range(steps):
        log = i * 100_000_000
        stamp = log - 5_000_000
        sent += [
            Sent("/joint_states", "sensor_msgs/msg/JointState", log, make.joints(stamp, "ab", [i, -i], [1, 2])),
            Sent("/odom", "nav_msgs/msg/Odometry", log + 1, make.odometry(stamp, i)),
            Sent("/cmd_vel", "geometry_msgs/msg/Twist", log + 2, make.twist(i / 10, -i)),
        ]
    return sent


def opened(path):
    """Return the log of an MCAP file, and its only segment."""
    log = FORMAT.open(path)
    return log, log.segments[0]


def recorded(tmp_path, sent):
    """Return the log, and its only segment, of an MCAP file of ROS 2 messages."""
    return opened(write_ros2_mcap(tmp_path / "bag.mcap", sent))
