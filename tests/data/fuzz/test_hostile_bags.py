"""Attacks on recordings of ROS and MCAP: definitions without end, databases that compute, chunks that are bombs."""

import bz2
import io
import json
import sqlite3
import struct

import lz4.frame
import pytest
import yaml
import zstandard
from google.protobuf import descriptor_pb2
from mcap.writer import Writer as McapWriter

from tests.data.bag_samples import (
    START_NS,
    Make,
    Sent,
    drive,
    encoded,
    picture,
    ros1_store,
    ros2_store,
    write_ros2_mcap,
    write_rosbag1,
    write_rosbag2,
)
from tests.data.fuzz.attack import jpeg_header, png_header
from tests.data.fuzz.case import LONG

MIB = 1024**2
pytestmark = pytest.mark.slow
REPEATED = descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED


def mcap_of(path, messages, encoding="cdr", schema="ros2msg", name="x/msg/A", text=b""):
    """Write an MCAP file with the mcap library: {topic: [data, ...]}, all of one schema."""
    with open(path, "wb") as file:
        writer = McapWriter(file)
        writer.start()
        number = writer.register_schema(name, schema, text)
        for topic, many in messages.items():
            channel = writer.register_channel(topic, encoding, number)
            for place, data in enumerate(many):
                writer.add_message(channel, START_NS + place, data, START_NS + place, place)
        writer.finish()
    return path


def unfolding(levels, times, each):
    """A definition in which every type holds `times` fields of the next one: times ** levels values."""
    texts = []
    for level in range(levels):
        fields = "\n".join(f"{each.format(f'x/T{level + 1}')} f{n}" for n in range(times))
        texts.append(fields if level == 0 else f"MSG: x/T{level}\n{fields}")
    texts.append(f"MSG: x/T{levels}\nfloat64 v")
    return ("\n" + "=" * 80 + "\n").join(texts).encode()


DEFINITIONS = {
    "a type that holds itself": b"x/A a",
    "two types that hold each other": b"x/B b\n" + b"=" * 80 + b"\nMSG: x/B\nx/A a",
    "a type of a billion fields": unfolding(30, 2, "{}"),
    "arrays of arrays of arrays": unfolding(6, 1, "{}[1000]"),
    "arrays of many arrays": unfolding(12, 3, "{}[1000000]"),
    "an array of 2^63": b"float64[9223372036854775807] x",
    "an array of 2^31 texts": b"string[2147483647] x",
    "an array of 10^9 structures": b"x/B[1000000000] b\n" + b"=" * 80 + b"\nMSG: x/B\nfloat64 a",
    "an array of empty structures": b"x/B[1000000000] b\n" + b"=" * 80 + b"\nMSG: x/B\n",
    "a list of empty structures": b"x/B[] b\n" + b"=" * 80 + b"\nMSG: x/B\n",
    "a length of many digits": b"float64[" + b"9" * 10_000 + b"] x",
    "a hundred thousand fields": b"\n".join(b"float64 f%d" % n for n in range(100_000)),
    "names that are code": b"float64 __class__\nfloat64 def\nfloat64 import\nfloat64 __init__",
    "a name of a megabyte": b"float64 " + b"a" * MIB,
    "brackets": b"float64" + b"[" * 50_000 + b"] x",
    "constants": b"float64 X=" + b"9" * 100_000 + b"\nstring S=" + b"'" * 100_000,
    "no text": b"\xff\xfe\x00",
    "separators": (b"=" * 80 + b"\n") * 20_000,
}
BODY = b"\x00\x01\x00\x00"


@pytest.mark.parametrize("what", DEFINITIONS)
@pytest.mark.parametrize("body", [b"", b"\xff" * 64, bytes(4096)], ids=["empty", "ones", "zeros"])
def test_definitions_without_end_or_sense(attacked, tmp_path, what, body):
    path = mcap_of(tmp_path / "x.mcap", {"/a": [BODY + body] * 3}, text=DEFINITIONS[what])
    assert attacked.read(path, "mcap").grown_mib < 600


@pytest.mark.parametrize("kind", ["float64[] x", "string x", "string[] x", "x/B[] x", "uint8[] x", "bool[] x"])
def test_lists_that_declare_more_than_their_message(attacked, tmp_path, kind):
    text = f"{kind}\n{'=' * 80}\nMSG: x/B\n".encode()
    many = [BODY + struct.pack("<I", length) + bytes(16) for length in (2**32 - 1, 2**31, 2**28, 10**7)]
    assert attacked.read(mcap_of(tmp_path / "x.mcap", {"/a": many}, text=text), "mcap").grown_mib < 300


def test_hundreds_of_topics_and_schemas(attacked, tmp_path):
    with open(tmp_path / "x.mcap", "wb") as file:
        writer = McapWriter(file)
        writer.start()
        for number in range(2000 if LONG else 250):
            schema = writer.register_schema(f"x/msg/A{number}", "ros2msg", b"float64 v")
            channel = writer.register_channel(f"/topic{number}", "cdr", schema)
            writer.add_message(channel, START_NS, BODY + bytes(8), START_NS)
        writer.finish()
    attacked.read(tmp_path / "x.mcap", "mcap")


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"$ref": "#"}}},
        {"type": "object", "properties": {"a": {"$ref": "file:///etc/passwd"}}},
        {"type": "array", "items": {"$ref": "#"}},
        {"type": "object", "properties": {"a": {"type": "array", "minItems": 10**9, "maxItems": 10**9}}},
        {"type": "object", "properties": {str(n): {"type": "number"} for n in range(20_000)}},
        {"type": ["object", 7], "properties": []},
        {"properties": {"a": 7}},
        {"allOf": [{"$ref": "#"}], "$defs": {"a": {"$ref": "#/$defs/a"}}},
    ],
    ids=range(8),
)
def test_json_schemas_without_end_or_sense(attacked, tmp_path, schema):
    bodies = ['{"a": 1}', '{"a": [1, 2]}', "[" * 50_000, '{"a": ' + "9" * 10_000 + "}", "NaN", '{"a": 1e999}', "null"]
    text = json.dumps(schema).encode()
    many = [body.encode() for body in bodies]
    attacked.read(mcap_of(tmp_path / "x.mcap", {"/a": many}, "json", "jsonschema", "x", text), "mcap")
    deep = mcap_of(tmp_path / "y.mcap", {"/a": many}, "json", "jsonschema", "x", b'{"a":' * 50_000)
    attacked.read(deep, "mcap")


def protobuf_schema(*fields):
    """A message `t.A` with these (name, type, label, type name)."""
    file = descriptor_pb2.FileDescriptorProto(name="a.proto", package="t", syntax="proto3")
    made = file.message_type.add(name="A")
    for number, (name, kind, label, of) in enumerate(fields, start=1):
        made.field.add(name=name, number=number, type=kind, label=label, type_name=of)
    return descriptor_pb2.FileDescriptorSet(file=[file]).SerializeToString()


@pytest.mark.parametrize("depth", [50, 2000])
def test_protobuf_messages_that_hold_themselves(attacked, tmp_path, depth):
    schema = protobuf_schema(("a", 11, 1, ".t.A"), ("x", 1, 1, None), ("many", 11, 3, ".t.A"))
    data = b""
    for _ in range(depth):
        size, head = len(data), b"\x0a"
        while size > 127:
            head, size = head + bytes([size & 127 | 128]), size >> 7
        data = head + bytes([size]) + data
    path = mcap_of(tmp_path / "x.mcap", {"/a": [data, b"\xff" * 20, b""]}, "protobuf", "protobuf", "t.A", schema)
    attacked.read(path, "mcap")


@pytest.mark.parametrize("count", [10**5])
def test_protobuf_lists_of_empty_messages(attacked, tmp_path, count):
    schema = protobuf_schema(("a", 11, 3, ".t.A"), ("x", 1, 1, None))
    path = mcap_of(tmp_path / "x.mcap", {"/a": [b"\x0a\x00" * count] * 3}, "protobuf", "protobuf", "t.A", schema)
    assert attacked.read(path, "mcap").grown_mib < 600


@pytest.mark.parametrize(
    "schema",
    [b"", b"\xff" * 100, b"\x0a\x00", protobuf_schema(("a", 11, 1, ".t.Missing")), b"\x0a" * 5000],
    ids=range(5),
)
def test_protobuf_descriptors_that_make_no_sense(attacked, tmp_path, schema):
    attacked.read(
        mcap_of(tmp_path / "x.mcap", {"/a": [b"\x09" + bytes(8)]}, "protobuf", "protobuf", "t.A", schema), "mcap"
    )


def chunk(size, compression, data):
    body = struct.pack("<QQQI", 0, 1, size, 0) + struct.pack("<I", len(compression)) + compression
    body += struct.pack("<Q", len(data)) + data
    return struct.pack("<BQ", 6, len(body)) + body


@pytest.mark.parametrize("size", [2**60, 2**63, 2**31, 600 * MIB, 16])
@pytest.mark.parametrize("compression", [b"zstd", b"lz4", b"", b"bz2", b"../x"])
def test_chunks_that_declare_or_unfold_to_gibibytes(attacked, tmp_path, size, compression):
    big = bytes(64 * MIB)
    pack = {b"zstd": lambda d: zstandard.ZstdCompressor().compress(d), b"lz4": lz4.frame.compress}
    data = pack.get(compression, lambda d: d[:1000])(big)
    magic = b"\x89MCAP0\r\n"
    header = struct.pack("<BQ", 1, 8) + bytes(8)
    (tmp_path / "x.mcap").write_bytes(magic + header + chunk(size, compression, data) * 20 + magic)
    assert attacked.read(tmp_path / "x.mcap", "mcap").grown_mib < 700


@pytest.mark.parametrize("kind", ["png", "jpeg", "raw", "depth", "h264"])
def test_cameras_that_claim_huge_pictures(attacked, tmp_path, kind):
    make = Make(ros2_store())
    sent = []
    for number in range(3):
        log, pixels = number * 10**8, picture(number)
        if kind in ("png", "jpeg"):
            good = encoded(pixels, kind.upper())
            bomb = png_header(60_000, 60_000) if kind == "png" else jpeg_header(good, 65_500, 65_500)
            one = make.compressed(log, bomb, kind)
        elif kind == "h264":
            one = make.compressed(log, b"\x00\x00\x00\x01\x67\x64\x00\x33" + b"\xff" * 200, "h264")
        else:
            one = make.image(log, pixels, "rgb8" if kind == "raw" else "16UC1")
            one.height = one.width = one.step = 2**32 - 1
        kinds = {"raw": "Image", "depth": "Image"}
        sent.append(Sent("/camera", f"sensor_msgs/msg/{kinds.get(kind, 'CompressedImage')}", log, one))
    assert attacked.read(write_ros2_mcap(tmp_path / "x.mcap", sent), "mcap").grown_mib < 300


@pytest.mark.parametrize("steps", [(0, 1), (0, 2**62), (2**63 - 1, 2**64 - 1)], ids=str)
def test_times_that_are_ages_apart(attacked, tmp_path, steps):
    with open(tmp_path / "x.mcap", "wb") as file:
        writer = McapWriter(file)
        writer.start()
        channel = writer.register_channel("/a", "cdr", writer.register_schema("x/msg/A", "ros2msg", b"float64 v"))
        for time_ns in [steps[0]] * 3 + [steps[1]] * 3:
            writer.add_message(channel, time_ns, BODY + bytes(8), time_ns)
        writer.finish()
    attacked.read(tmp_path / "x.mcap", "mcap")


# -- ROS 1 -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def bag1(tmp_path):
    return write_rosbag1(tmp_path / "x.bag", drive(Make(ros1_store(), ros1=True), 4))


@pytest.mark.parametrize("size", [2**32 - 1, 2**31, 2**31 - 1, 2**20, 0])
def test_rosbag1_sizes_that_the_file_does_not_back(attacked, bag1, size):
    data = bag1.read_bytes()
    places = [at for word in (b"op=", b"size=", b"count=", b"chunk_pos=", b"index_pos=") for at in _all(data, word)]
    for place in places[:: max(1, len(places) // 6)]:
        for at in (place - 8, place - 4, place + data[place:].index(b"=") + 1):
            bag1.write_bytes(data[:at] + struct.pack("<I", size) + data[at + 4 :])
            assert attacked.read(bag1, "rosbag1").grown_mib < 700


def _all(data, word):
    found, at = [], data.find(word)
    while at >= 0:
        found.append(at)
        at = data.find(word, at + 1)
    return found


@pytest.mark.parametrize("compression", [b"bz2", b"lz4"])
def test_rosbag1_chunks_that_are_bombs(attacked, bag1, compression):
    big = bytes(128 * MIB)
    data = bz2.compress(big) if compression == b"bz2" else lz4.frame.compress(big)

    def record(fields, body):
        head = b"".join(
            struct.pack("<I", len(name) + 1 + len(value)) + name + b"=" + value for name, value in fields.items()
        )
        return struct.pack("<I", len(head)) + head + struct.pack("<I", len(body)) + body

    good = bag1.read_bytes()
    for size in (128 * MIB, 1000, 2**32 - 1):
        fields = {b"op": b"\x05", b"compression": compression, b"size": struct.pack("<I", size)}
        bag1.write_bytes(good[: 13 + 4096 + 8] + record(fields, data) * 4)
        assert attacked.read(bag1, "rosbag1").grown_mib < 700


@pytest.mark.parametrize("what", ["a type that holds itself", "a type of a billion fields", "brackets", "no text"])
def test_rosbag1_definitions_without_end(attacked, bag1, what):
    data = bag1.read_bytes()
    for at in _all(data, b"message_definition="):
        (length,) = struct.unpack_from("<I", data, at - 4)
        text = DEFINITIONS[what][: length - 19].ljust(length - 19, b"\n")
        data = data[: at + 19] + text + data[at + length :]
    bag1.write_bytes(data)
    attacked.read(bag1, "rosbag1")


# -- ROS 2 -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def bag2(tmp_path):
    return write_rosbag2(tmp_path / "bag", drive(Make(ros2_store()), 4))


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
VIEWS = {
    "messages without end": f"CREATE VIEW messages AS {ENDLESS}"
    " SELECT i id, 1 topic_id, i timestamp, x'00' data FROM n",
    "messages of a gibibyte": "CREATE VIEW messages AS SELECT 1 id, 1 topic_id, 1 timestamp, zeroblob(1000000000) data",
    "a table that computes": "CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id, timestamp,"
    " data AS (zeroblob(900000000)))",
    "text without end": f"CREATE VIEW messages AS {ENDLESS} SELECT group_concat(i) id, 1 topic_id, 2 timestamp, 3 data"
    " FROM n",
    "a table of another kind": "CREATE VIRTUAL TABLE messages USING fts5(id, topic_id, timestamp, data)",
    "no table": "CREATE TABLE other(x)",
}


@pytest.mark.parametrize("what", VIEWS)
def test_databases_that_compute(attacked, bag2, what):
    file = next(bag2.glob("*.db3"))
    with sqlite3.connect(file) as database:
        database.execute("DROP TABLE messages")
        database.execute(VIEWS[what])
        if what == "a table that computes":
            database.executemany("INSERT INTO messages(id, topic_id, timestamp) VALUES (?, 1, 5)", [(1,), (2,), (3,)])
    database.close()
    assert attacked.read(bag2, "rosbag2").grown_mib < 700


@pytest.mark.parametrize("table", ["topics", "message_definitions", "schema", "metadata"])
def test_tables_of_a_database_that_are_views_without_end(attacked, bag2, table):
    file = next(bag2.glob("*.db3"))
    with sqlite3.connect(file) as database:
        names = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
        assert names
        database.execute(f"DROP TABLE {table}")
        columns = ", ".join(f"i AS {name}" for name in names)
        database.execute(f"CREATE VIEW {table} AS {ENDLESS} SELECT {columns} FROM n")
    database.close()
    assert attacked.read(bag2, "rosbag2").grown_mib < 700


def test_triggers_indices_and_rows_of_other_types(attacked, bag2):
    file = next(bag2.glob("*.db3"))
    with sqlite3.connect(file) as database:
        database.execute("CREATE TRIGGER t AFTER INSERT ON topics BEGIN DELETE FROM messages; END")
        database.execute("UPDATE messages SET timestamp = 'soon', data = 7 WHERE id = 1")
        database.execute("UPDATE messages SET timestamp = 9223372036854775807 WHERE id = 2")
        database.execute("UPDATE messages SET data = zeroblob(100000000) WHERE id = 3")
        database.execute("UPDATE topics SET name = zeroblob(100), type = 7 WHERE id = 1")
        database.execute("UPDATE topics SET type = '' WHERE id = 2")
    database.close()
    assert attacked.read(bag2, "rosbag2").grown_mib < 1200


def aliases():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    return "\n".join([*lines, "rosbag2_bagfile_information: *a11"])


METADATA = {
    "aliases": aliases(),
    "an alias of itself": "rosbag2_bagfile_information: &a [*a]",
    "objects": 'rosbag2_bagfile_information: !!python/object/apply:os.system ["touch written"]',
    "names": "rosbag2_bagfile_information: !!python/name:os.system",
    "depth": "rosbag2_bagfile_information: " + "[" * 100_000,
    "a block of depth": "rosbag2_bagfile_information:\n" + "".join(" " * n + "a:\n" for n in range(1, 2000)),
    "merged keys": "rosbag2_bagfile_information:\n  <<: [{a: 1}, {b: 2}]\n  relative_file_paths: [x]",
    "dates": "rosbag2_bagfile_information: {relative_file_paths: [2020-13-45, 9999-99-99]}",
    "numbers": "rosbag2_bagfile_information: {relative_file_paths: [0x" + "f" * 100_000 + "]}",
    "sixties": "rosbag2_bagfile_information: {message_count: 1:" + "59:" * 20_000 + "1}",
    "bytes": "rosbag2_bagfile_information: !!binary aGVsbG8=",
    "sets": "rosbag2_bagfile_information: !!set {relative_file_paths}",
    "a key that is a list": "rosbag2_bagfile_information: {? [a, b] : c}",
    "no text": "rosbag2_bagfile_information: \x00",
}


@pytest.mark.parametrize("what", METADATA)
def test_metadata_without_end_or_sense(attacked, bag2, what):
    (bag2 / "metadata.yaml").write_text(METADATA[what])
    assert attacked.read(bag2, "rosbag2").grown_mib < 500


@pytest.mark.parametrize(
    "name", ["../outside/x.db3", "{outside}/x.db3", "a/../../outside/x.db3", "x\0.db3", ".", "", "/"]
)
def test_metadata_that_names_files_elsewhere(attacked, bag2, name):
    file = next(bag2.glob("*.db3"))
    (attacked.outside / "x.db3").write_bytes(file.read_bytes())
    plain = yaml.safe_load((bag2 / "metadata.yaml").read_text())
    info = plain["rosbag2_bagfile_information"]
    info["relative_file_paths"] = [name.replace("{outside}", str(attacked.outside))]
    (bag2 / "metadata.yaml").write_text(yaml.safe_dump(plain))
    assert attacked.read(bag2, "rosbag2").refused


def test_compressed_files_that_unfold_to_gibibytes(attacked, bag2):
    file = next(bag2.glob("*.db3"))
    out = io.BytesIO()
    with zstandard.ZstdCompressor().stream_writer(out, closefd=False) as writer:
        writer.write(file.read_bytes())
        for _ in range(2048):
            writer.write(bytes(MIB))
    packed = file.with_name(file.name + ".zstd")
    packed.write_bytes(out.getvalue())
    plain = yaml.safe_load((bag2 / "metadata.yaml").read_text())
    info = plain["rosbag2_bagfile_information"]
    info |= {"relative_file_paths": [packed.name], "compression_mode": "file", "compression_format": "zstd"}
    (bag2 / "metadata.yaml").write_text(yaml.safe_dump(plain))
    attacked.refused(bag2, "rosbag2", "impossible size")
