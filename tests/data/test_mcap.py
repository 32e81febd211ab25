"""The MCAP container: recognised by content, read without an index, salvaged when cut off, bounded when hostile."""

import resource
import struct
import subprocess
import sys

import numpy as np
import pytest
from mcap.reader import make_reader
from mcap.stream_reader import StreamReader
from mcap.writer import CompressionType, IndexType

from motorium.core.errors import DataError
from motorium.data.formats.bags.mcap_file import MAGIC
from motorium.data.formats.mcap import FORMAT
from tests.data.bag_samples import Make, Sent, drive, ros2_store, write_ros2_mcap
from tests.support.real import real_data

make = Make(ros2_store())
ODOM = "/odom.pose.pose.position"


def opened(path):
    log = FORMAT.open(path)
    return log, log.segments[0]


def test_it_is_recognised_by_its_magic_bytes_and_not_by_its_name(tmp_path):
    path = write_ros2_mcap(tmp_path / "recording.txt", drive(make, 2))
    assert "MCAP" in FORMAT.recognise(path)
    (tmp_path / "fake.mcap").write_bytes(b"not one" * 10)
    assert FORMAT.recognise(tmp_path / "fake.mcap") is None
    assert FORMAT.recognise(tmp_path) is None, "something else is in it: that is for the search through folders"
    (tmp_path / "fake.mcap").unlink()
    assert "1 files" in FORMAT.recognise(tmp_path)
    assert FORMAT.recognise(tmp_path / "absent") is None


def test_a_folder_is_a_segment_a_file_in_the_order_of_names(tmp_path):
    for number, steps in ((2, 3), (10, 4), (1, 2)):
        write_ros2_mcap(tmp_path / f"run_{number:02d}.mcap", drive(make, steps))
    log = FORMAT.open(tmp_path)
    assert [segment.name for segment in log.segments] == ["run_01", "run_02", "run_10"]
    assert [segment.streams[ODOM].count for segment in log.segments] == [2, 3, 4]
    assert sum("always empty" in problem for problem in log.problems) == 3


@pytest.mark.parametrize("compression", [CompressionType.NONE, CompressionType.LZ4, CompressionType.ZSTD])
@pytest.mark.parametrize("chunk", [{"chunk_size": 400}, {}, {"use_chunking": False}])
def test_all_layouts_give_the_same_numbers(tmp_path, compression, chunk):
    path = write_ros2_mcap(tmp_path / "a.mcap", drive(make, 20), compression, **chunk)
    log, segment = opened(path)
    assert log.facts["messages"] == "60"
    np.testing.assert_array_equal(segment.values(ODOM)[:, 0], np.arange(20.0))
    assert not any("damaged" in problem or "missing" in problem for problem in log.problems)


def test_a_file_without_any_index_is_read(tmp_path):
    path = write_ros2_mcap(
        tmp_path / "a.mcap",
        drive(make, 5),
        index_types=IndexType.NONE,
        repeat_channels=False,
        repeat_schemas=False,
        use_statistics=False,
        use_summary_offsets=False,
    )
    assert opened(path)[1].streams[ODOM].count == 5


def test_a_file_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path):
    whole = write_ros2_mcap(tmp_path / "a.mcap", drive(make, 40), CompressionType.NONE, chunk_size=2000)
    data = whole.read_bytes()
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(data[: len(data) // 2])
    # How many messages lie in the whole chunks before the cut, by the mcap library's own reader.
    saved = 0
    with open(whole, "rb") as file:
        for index in make_reader(file).get_summary().chunk_indexes:
            if index.chunk_start_offset + index.chunk_length <= len(data) // 2:
                file.seek(index.message_index_offsets and min(index.message_index_offsets.values()))
                saved += sum(len(r.records) for r in _message_indexes(file, index.message_index_length))
    log, segment = opened(cut)
    assert log.facts["messages"] == str(saved)
    assert 0 < saved < 120
    assert any(f"the {saved} messages before" in problem for problem in log.problems)
    count = segment.streams[ODOM].count
    np.testing.assert_array_equal(segment.values(ODOM)[:, 0], np.arange(float(count)))


def _message_indexes(file, length):
    import io

    reader = StreamReader(io.BytesIO(file.read(length)), skip_magic=True)
    found = []
    try:
        for record in reader.records:
            found.append(record)
    except Exception:
        pass
    return found


def test_a_chunk_with_a_flipped_bit_is_left_out_and_said(tmp_path):
    path = write_ros2_mcap(tmp_path / "a.mcap", drive(make, 40), CompressionType.NONE, chunk_size=2000)
    with open(path, "rb") as file:
        index = make_reader(file).get_summary().chunk_indexes[1]
    data = bytearray(path.read_bytes())
    data[index.chunk_start_offset + 300] ^= 4
    path.write_bytes(data)
    log, segment = opened(path)
    assert any(f"chunk at byte {index.chunk_start_offset + 9:,} is damaged" in problem for problem in log.problems)
    assert 0 < segment.streams[ODOM].count < 40


def chunk(size, compression, data, records=b""):
    body = struct.pack("<QQQI", 0, 0, size, 0) + struct.pack("<I", len(compression)) + compression
    body += struct.pack("<Q", len(data)) + data
    return MAGIC + record(1, struct.pack("<II", 0, 0)) + records + record(6, body)


def record(opcode, body):
    return struct.pack("<BQ", opcode, len(body)) + body


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
def test_a_bomb_is_refused_before_it_unfolds(tmp_path, compression):
    import lz4.frame
    import zstandard

    folded = {"zstd": zstandard.compress, "lz4": lz4.frame.compress}[compression](bytes(64 * 1024**2))
    path = tmp_path / "bomb.mcap"
    # The chunk says 1000 bytes and holds 64 MiB.
    path.write_bytes(chunk(1000, compression.encode(), folded))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError, match=r"(?s)no messages.*more than 1,000 bytes"):
        FORMAT.open(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024


def test_impossible_sizes_are_refused(tmp_path):
    path = tmp_path / "huge.mcap"
    path.write_bytes(chunk(2**62, b"zstd", b"abc"))
    with pytest.raises(DataError, match="impossible size"):
        FORMAT.open(path)
    path.write_bytes(MAGIC + struct.pack("<BQ", 5, 2**63) + b"x" * 100)
    with pytest.raises(DataError, match=r"(?s)no messages.*end of the file is missing"):
        FORMAT.open(path)


@pytest.mark.parametrize(
    "definition",
    [
        "Loop loop\n",
        "geometry_msgs/Point[4000000000] points\n",
        "absent_msgs/Absent thing\n",
        "float64 x\n" * 200_000,
        "float64 __import__('os')\n",
        "\0\0\0",
    ],
)
def test_hostile_definitions_leave_out_their_topic_only(tmp_path, definition):
    path = tmp_path / "a.mcap"
    from mcap.writer import Writer

    with open(path, "wb") as file:
        writer = Writer(file)
        writer.start()
        good = writer.register_schema("std_msgs/msg/Float64", "ros2msg", b"float64 data\n")
        bad = writer.register_schema("evil/msg/Loop", "ros2msg", definition.encode())
        channels = [writer.register_channel("/good", "cdr", good), writer.register_channel("/bad", "cdr", bad)]
        for channel in channels:
            writer.add_message(channel, 1, b"\0\1\0\0" + struct.pack("<d", 2.5), 1)
        writer.finish()
    log, segment = opened(path)
    assert list(segment.streams) == ["/good.data"]
    assert any(problem.startswith("/bad (evil/Loop, 1 messages) is left out") for problem in log.problems)


def test_encodings_and_types_that_are_not_known_are_named(tmp_path):
    from mcap.writer import Writer

    path = tmp_path / "a.mcap"
    with open(path, "wb") as file:
        writer = Writer(file)
        writer.start()
        for topic, encoding in (("/flat", "flatbuffer"), ("/undefined", "cdr")):
            schema = writer.register_schema("my_msgs/msg/Mine", "" if encoding == "cdr" else encoding, b"")
            writer.add_message(writer.register_channel(topic, encoding, schema), 1, b"\0\1\0\0abcd", 1)
        writer.finish()
    problems = "\n".join(FORMAT.open(path).problems)
    assert "/flat" in problems and "'flatbuffer' are not read" in problems
    assert "/undefined (my_msgs/Mine, 1 messages) is left out" in problems and "no definition" in problems


def test_ros1_messages_in_mcap_are_read(tmp_path):
    from mcap.writer import Writer

    path = tmp_path / "a.mcap"
    with open(path, "wb") as file:
        writer = Writer(file)
        writer.start(profile="ros1")
        text = (
            b"Header header\nfloat64 value\n"
            + b"=" * 80
            + b"\nMSG: std_msgs/Header\nuint32 seq\ntime stamp\nstring frame_id\n"
        )
        channel = writer.register_channel("/v", "ros1", writer.register_schema("demo/Stamped", "ros1msg", text))
        for i in range(3):
            data = struct.pack("<IIII", 9, 100, i, 2) + b"ab" + struct.pack("<d", i + 0.5)
            writer.add_message(channel, 100 * 10**9 + i + 7, data, 0)
        writer.finish()
    _, segment = opened(path)
    assert segment.values("/v.value")[:, 0].tolist() == [0.5, 1.5, 2.5]
    assert segment.times_ns("/v.value", "header").tolist() == [100 * 10**9 + i for i in range(3)]
    assert segment.streams["/v.value"].feature.frame == "ab"


def test_idl_definitions_are_read(tmp_path):
    from mcap.writer import Writer

    idl = b"""================================================================================
IDL: demo_msgs/msg/Pair
module demo_msgs { module msg { struct Pair { double first; float second; }; }; };
"""
    path = tmp_path / "a.mcap"
    with open(path, "wb") as file:
        writer = Writer(file)
        writer.start(profile="ros2")
        channel = writer.register_channel("/p", "cdr", writer.register_schema("demo_msgs/msg/Pair", "ros2idl", idl))
        writer.add_message(channel, 1, b"\0\1\0\0" + struct.pack("<df", 2.5, 0.5), 1)
        writer.finish()
    _, segment = opened(path)
    assert segment.values("/p.first").tolist() == [[2.5]] and segment.values("/p.second").tolist() == [[0.5]]


def test_a_file_that_changes_after_it_was_opened_is_an_error(tmp_path):
    path = write_ros2_mcap(tmp_path / "a.mcap", drive(make, 5))
    _, segment = opened(path)
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(DataError, match="changed while it was read"):
        segment.values(ODOM)


def test_attached_files_are_handed_on(tmp_path):
    from mcap.writer import Writer

    path = tmp_path / "a.mcap"
    with open(path, "wb") as file:
        writer = Writer(file)
        writer.start()
        channel = writer.register_channel("/n", "json", 0)
        writer.add_attachment(0, 0, "../calibration.yaml", "text/yaml", b"fx: 1")
        writer.add_message(channel, 1, b'{"a": 1}', 1)
        writer.finish()
    _, segment = opened(path)
    ((name, read),) = segment.attachments().items()
    assert ("/" not in name, read()) == (True, b"fx: 1")


MEMORY = """
import sys
import numpy as np
from pathlib import Path
from motorium.data.formats.mcap import FORMAT
log = FORMAT.open(Path(sys.argv[1]))
segment = log.segments[0]
segment.prepare(list(segment.streams))
assert segment.values("/odom.pose.pose.position").shape == (30, 3)
total = sum(int(p[0, 0, 0]) for p in segment.pictures("/camera/image_raw", np.arange(30)))
# Not getrusage: its maximum is inherited from the process that started this one.
(line,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(total, int(line.split()[1]) // 1024)
"""


@pytest.mark.slow
def test_pictures_are_read_lazily_in_bounded_memory(tmp_path):
    # 30 pictures of 6 MB: 186 MB on disk.
    def sent():
        for i in range(30):
            pixels = np.full((1080, 1920, 3), i, np.uint8)
            yield Sent("/camera/image_raw", "sensor_msgs/msg/Image", i, make.image(i, pixels, "rgb8"))
            yield Sent("/odom", "nav_msgs/msg/Odometry", i, make.odometry(i, i))

    path = write_ros2_mcap(tmp_path / "a.mcap", sent(), CompressionType.NONE)
    assert path.stat().st_size > 180e6
    ran = subprocess.run([sys.executable, "-c", MEMORY, path], capture_output=True, text=True, check=True)
    total, mib = map(int, ran.stdout.split())
    assert total == sum(range(30))
    # The interpreter with NumPy, PyAV and rosbags takes most of it.
    assert mib < 180


@pytest.mark.real
def test_the_turtlebot_recording_holds_what_the_mcap_library_finds():
    path = real_data("bags") / "nav2_turtlebot_ros2.mcap"
    # Read off with the mcap library and struct: CDR little endian; an Odometry begins with its stamp at byte 4.
    counts, first, last, times = {}, {}, {}, {}
    with open(path, "rb") as file:
        for _, channel, message in make_reader(file).iter_messages(log_time_order=False):
            counts[channel.topic] = counts.get(channel.topic, 0) + 1
            first.setdefault(channel.topic, message)
            last[channel.topic] = message
            times.setdefault(channel.topic, []).append(message.log_time)
    assert counts == {"/odom": 2639, "/tf": 5422, "/tf_static": 1, "/amcl_pose": 135}
    log, segment = opened(path)
    assert segment.streams[ODOM].count == 2639
    assert segment.streams["/amcl_pose.pose.pose.position"].count == 135
    np.testing.assert_array_equal(segment.times_ns(ODOM, "log"), times["/odom"])
    for message, row in ((first["/odom"], 0), (last["/odom"], -1)):
        sec, nanosec, length = struct.unpack_from("<iII", message.data, 4)
        assert segment.times_ns(ODOM, "header")[row] == sec * 10**9 + nanosec
        at = 4 + 12 + length  # after the frame's name: the length of the child frame's, aligned to 4
        at = 4 + (at - 4 + 3) // 4 * 4
        (child,) = struct.unpack_from("<I", message.data, at)
        at = 4 + (at - 4 + 4 + child + 7) // 8 * 8
        x, y, z, qx, qy, qz, qw = struct.unpack_from("<7d", message.data, at)
        assert segment.values(ODOM)[row].tolist() == [x, y, z]
        assert segment.values("/odom.pose.pose.orientation")[row].tolist() == [qw, qx, qy, qz]
    assert log.facts["messages"] == "8,197"
    assert log.facts["duration"] == "97.355 s"  # mcap's statistics: 1778234353382747000 to 1778234450738043000
    # Recorded from a simulator: stamps count from its start.
    assert segment.streams[ODOM].clocks == ("log", "header")
    edges = {key.removesuffix(".rotation") for key in segment.streams if key.endswith(".rotation")}
    assert {"tf:odom->base_link", "tf:map->odom", "tf:base_link->left_wheel"} <= edges
