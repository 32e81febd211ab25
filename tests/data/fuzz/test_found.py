"""What damaging and attacking files found: each was another exception, a hang or a wrong answer once."""

import json
import os
import re
import struct

import pytest

from motorium.core.errors import DataError, MotoriumError
from motorium.data.bounds import inside, read_metadata
from motorium.data.dataset import open_dataset
from motorium.data.ingest.inspect import inspect
from motorium.data.ingest.planning import plan
from motorium.data.ingest.sources import find, open_log
from tests.data.fuzz.corpus import BY_NAME
from tests.data.hdf5_samples import write_act, write_isaac_lab


@pytest.fixture
def isaac(tmp_path):
    write_isaac_lab(tmp_path / "isaac.hdf5")
    return tmp_path / "isaac.hdf5"


@pytest.mark.parametrize("size", [0, 8, 2**64 - 16, 2**63])
def test_a_heap_of_texts_without_end_is_refused(attacked, isaac, size):
    data = bytearray(isaac.read_bytes())
    heap = data.index(b"GCOL")
    (length,) = struct.unpack_from("<Q", data, heap + 24)
    free = heap + 32 + (length + 7) // 8 * 8
    # Number 0, free space, whose size goes to the end of the heap of 4096 bytes.
    assert struct.unpack_from("<HHIQ", data, free) == (0, 0, 0, 4096 - (free - heap))
    struct.pack_into("<Q", data, free + 8, size)
    isaac.write_bytes(data)
    attacked.refused(isaac, "robomimic", "truncated or damaged")


def test_a_heap_of_texts_that_is_larger_than_its_file_is_refused(attacked, isaac):
    data = bytearray(isaac.read_bytes())
    struct.pack_into("<Q", data, data.index(b"GCOL") + 8, 2**40)
    isaac.write_bytes(data)
    attacked.refused(isaac, "robomimic", "truncated or damaged")


def test_a_stream_of_pictures_here_and_of_numbers_there_is_refused(tmp_path):
    import h5py

    for number in range(2):
        write_act(tmp_path / f"episode_{number}.hdf5", 4, number)
    with h5py.File(tmp_path / "episode_1.hdf5", "a") as file:
        del file["observations/images/cam_high"]
        file["observations/images/cam_high"] = [[1.0], [2.0], [3.0], [4.0]]
    with pytest.raises(MotoriumError, match="differ in shape between segments"):
        plan(tmp_path, accept=True)


def test_tables_in_folders_that_are_read_differently_are_inspected(tmp_path):
    for name, head in (("a", "time,x"), ("b", "stamp_ms,x")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "log.csv").write_text(f"{head}\n0,1\n1,2\n2,3\n")
    assert {stream["name"] for stream in inspect(tmp_path).streams} >= {"x"}


def test_a_message_can_be_printed_whatever_it_holds():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    text = str(DataError("this is wrong", where="here", got=10**5000, expected=deep))
    assert re.search(r"where: +here\n +got: +a value that cannot be printed \(int\)\n.*\(list\)", text)


@pytest.mark.parametrize("ask", [inspect, lambda path: plan(path, accept=True)], ids=["inspect", "plan"])
def test_errors_about_a_row_or_the_mapping_name_the_recording(tmp_path, ask):
    root = BY_NAME["nuscenes"].build(tmp_path)
    path = root / "v1.0-mini/ego_pose.json"
    path.write_text(path.read_text().replace('"timestamp": ', '"timestamp": 0.', 1))
    with pytest.raises(DataError, match="no whole number 'timestamp'") as error:
        ask(root)
    assert str(root) in str(error.value)


def test_a_recording_of_nothing_that_can_be_read_is_named(tmp_path):
    (tmp_path / "log.csv").write_text("time\n0\n1\n")
    with pytest.raises(MotoriumError) as error:
        plan(tmp_path / "log.csv", accept=True)
    assert "log.csv" in str(error.value)


def test_a_pipe_is_neither_waited_for_nor_read(tmp_path):
    pipe = tmp_path / "log.mcap"
    os.mkfifo(pipe)
    for call in (find, open_log, inspect):
        with pytest.raises(DataError, match="neither a file nor a folder"):
            call(pipe)
    with pytest.raises(DataError, match="this is no file"):
        read_metadata(pipe)
    assert find(tmp_path) == []


@pytest.mark.parametrize("key", ["robot_type", "video_path"])
def test_words_of_a_dataset_that_are_no_text_are_refused(tmp_path, key):
    root = BY_NAME["lerobot-v2.1"].build(tmp_path)
    path = root / "meta/info.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: {"a": 1}}))
    with pytest.raises(DataError, match=f"'{key}' is no text"):
        open_dataset(root)


@pytest.mark.parametrize("index", ["{}", "[0]", "null", '"0"', "0.5"])
def test_an_index_of_another_type_is_refused(tmp_path, index):
    root = BY_NAME["groot"].build(tmp_path)
    path = root / "meta/tasks.jsonl"
    path.write_text(path.read_text().replace('"task_index": 0', f'"task_index": {index}'))
    with pytest.raises(DataError, match="task indices are not 0 to N - 1"):
        open_dataset(root)


def test_a_link_to_itself_is_outside(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    for name in ("loop", "loop/x", "a\0b"):
        with pytest.raises(DataError, match="leaves the recording's folder"):
            inside(tmp_path, name, "here")


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("argoverse2-sensor", "map/log_map_archive_x____PIT_city_1.json"),
        ("argoverse2-motion", "log_map_archive_x____PIT_city_1.json"),
        ("nuscenes", "maps/m.png"),
        ("comma2k19", "preview.png"),
    ],
)
def test_what_is_copied_into_a_dataset_is_never_a_link_out_of_the_recording(attacked, name, file):
    seed = BY_NAME[name]
    (attacked.folder / "box").mkdir()
    root = seed.build(attacked.folder / "box")
    secret = attacked.outside / "secret"
    secret.write_text("{}")
    (root / file).unlink(missing_ok=True)
    (root / file).symlink_to(secret)
    attacked.refused(root, seed.format, "a link leads out of the folder", seed.kind)
