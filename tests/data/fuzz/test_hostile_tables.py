"""Attacks on tables, videos and LeRobot datasets: rows without bound, lines without end, paths out of the folder."""

import json
import shutil
import struct

import av
import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from motorium.data.writer import DatasetWriter
from tests.data.fuzz.attack import png_header
from tests.data.fuzz.case import LONG
from tests.data.groot import write_groot
from tests.data.recordings import FRONT, WRIST, make_episode, make_spec, picture_feature

MIB = 1024**2
ROWS = (2 if LONG else 1) * MIB
COUNTS = [2**32 - 1, 2**31, 2**24, 0]
pytestmark = pytest.mark.slow


# -- text ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("head", ["time,x\n0,1\n", "time,x\n0,", 'time,x\n0,"', "time"], ids=range(4))
@pytest.mark.parametrize("size", [2**30, 2**36])
def test_a_line_of_a_gibibyte_of_nothing(attacked, tmp_path, head, size):
    (tmp_path / "log.csv").write_text(head)
    with open(tmp_path / "log.csv", "ab") as file:
        file.truncate(size)
    assert attacked.read(tmp_path / "log.csv", "table").grown_mib < 600


def test_a_line_of_text_without_end(attacked, tmp_path):
    (tmp_path / "log.csv").write_text("time,x\n0,1\n1," + "2" * (50 * MIB))
    assert attacked.read(tmp_path / "log.csv", "table").grown_mib < 1200


@pytest.mark.parametrize(("name", "count"), [("c{}", 8000), ("c", 800), ("{}.x", 800), ("", 800), ("{}_ms", 800)])
def test_thousands_of_columns(attacked, tmp_path, name, count):
    count *= 3 if LONG else 1
    head = ",".join(name.format(number) for number in range(count))
    row = ",".join("1" for _ in range(count))
    (tmp_path / "log.csv").write_text(f"{head}\n{row}\n{row}\n")
    assert attacked.read(tmp_path / "log.csv", "table").grown_mib < 1000


@pytest.mark.parametrize(
    "text",
    [
        "time,x\n0,\0\n1,2\n",
        "time,time\n0,1\n1,2\n",
        ",,\n0,1,2\n1,2,3\n",
        "time,x\n" + "9" * 5000 + ",1\n",
        "time,x\nnan,1\ninf,2\n-inf,3\n",
        "time,x\n1e300,1\n2e300,2\n",
        "time,x\n0,1\n" + "1,2,3,4,5\n" * 3,
        'time,x\n0,"a\n1,2\n',
        "time,x\n0,=cmd|' /C calc'!A0\n1,2\n",
        "time,../../outside/x\n0,1\n1,2\n",
        "time,picture\n0,../outside/secret.png\n1,../outside/secret.png\n",
        "time,picture\n0,{outside}/secret.png\n1,{outside}/secret.png\n",
        "time,a/b\\c:d\n0,1\n1,2\n",
        "time," + "x" * 100_000 + "\n0,1\n1,2\n",
        "\ufeff\ufefftime,x\n0,1\n",
        "9999999999999999999,1\n-9999999999999999999,2\n",
        "time,x\n" + "0,1\n" * 3 + "\r\r\r\n",
        "time,episode,x\n" + "".join(f"{n},{n},1\n" for n in range(20_000)),
    ],
    ids=range(18),
)
def test_text_that_makes_no_sense(attacked, tmp_path, text):
    (attacked.outside / "secret.png").write_bytes(png_header(8, 8))
    (tmp_path / "d").mkdir()
    (tmp_path / "d/log.csv").write_text(text.replace("{outside}", str(attacked.outside)))
    attacked.read(tmp_path / "d/log.csv", "table")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-7", "latin-1", "shift-jis"])
def test_text_in_other_encodings(attacked, tmp_path, encoding):
    (tmp_path / "log.csv").write_bytes("time,größe\n0,1\n1,2\n".encode(encoding, "replace"))
    attacked.read(tmp_path / "log.csv", "table")


# -- Arrow and Parquet -----------------------------------------------------------------------------------------------


def constant_rows(path, groups, rows=MIB):
    """Write constants, which Parquet stores in almost nothing: groups * rows of them."""
    table = pa.table({"time": np.zeros(rows), "x": np.zeros(rows), "action": np.zeros(rows)})
    with pq.ParquetWriter(path, table.schema, compression="zstd") as writer:
        for _ in range(groups):
            writer.write_table(table)
    return path


def test_a_small_file_of_three_million_rows(attacked, tmp_path):
    # Nothing but times is held of a table: 8 bytes a row, and as much again while they are sorted.
    path = constant_rows(tmp_path / "log.parquet", 3)
    assert path.stat().st_size < MIB
    assert attacked.read(path, "table").grown_mib < 900


def test_a_row_group_of_two_million_empty_lists(attacked, tmp_path):
    rows = 2 * MIB
    column = pa.ListArray.from_arrays(np.zeros(rows + 1, np.int32), pa.array([], pa.float64()))
    pq.write_table(pa.table({"time": np.zeros(rows), "x": column}), tmp_path / "log.parquet", compression="zstd")
    assert attacked.read(tmp_path / "log.parquet", "table").grown_mib < 1000


@pytest.mark.parametrize("rows", [3])
def test_types_of_every_kind(attacked, tmp_path, rows):
    deep = pa.float64()
    for _ in range(60):
        deep = pa.struct([("a", deep)])
    columns = {
        "time": pa.array(np.arange(rows) / 10),
        "none": pa.nulls(rows),
        "nested": pa.array([[[1.0], []], [], None], pa.list_(pa.list_(pa.float64()))),
        "map": pa.array([[("a", 1)], [], None], pa.map_(pa.string(), pa.int64())),
        "decimal": pa.array([1, 2, None], pa.decimal128(38, 3)),
        "binary": pa.array([b"\xff", b"", None]),
        "large": pa.array(["a", "b", None], pa.large_string()),
        "dictionary": pa.array(["a", "b", "a"]).dictionary_encode(),
        "stamp": pa.array([0, 2**62, -(2**62)], pa.timestamp("us")),
        "day": pa.array([0, 1, 2**31 - 1], pa.date32()),
        "half": pa.array(np.array([1, 2, 3], np.float16)),
        "deep": pa.nulls(rows, deep),
        "a" * 10_000: pa.array([1, 2, 3]),
        "": pa.array([1, 2, 3]),
        "x/../../y": pa.array([1, 2, 3]),
    }
    pq.write_table(pa.table({k: v for k, v in columns.items() if k != "none"}), tmp_path / "log.parquet")
    attacked.read(tmp_path / "log.parquet", "table")
    feather.write_feather(pa.table(columns), tmp_path / "log.feather")
    attacked.read(tmp_path / "log.feather", "table")
    twice = pa.table([columns["time"], columns["half"], columns["half"]], names=["time", "x", "x"])
    pq.write_table(twice, tmp_path / "twice.parquet")
    attacked.read(tmp_path / "twice.parquet", "table")


def test_a_feather_table_of_one_batch_that_unfolds(attacked, tmp_path):
    columns = {name: np.zeros(ROWS) for name in ("time", "x", "y", "z", "action")}
    feather.write_feather(pa.table(columns), tmp_path / "log.feather", compression="zstd", chunksize=ROWS)
    assert attacked.read(tmp_path / "log.feather", "table").grown_mib < 1200


# -- videos and pictures ---------------------------------------------------------------------------------------------


@pytest.fixture
def film(tmp_path):
    path = tmp_path / "drive.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(8):
            pixels = np.full((48, 64, 3), 20 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    "box", [b"stts", b"stsz", b"stsc", b"stco", b"ctts", b"stss", b"elst", b"mdhd", b"mvhd", b"tkhd"]
)
@pytest.mark.parametrize("value", COUNTS)
def test_boxes_that_count_more_than_there_is(attacked, film, box, value):
    data = film.read_bytes()
    at = data.find(box)
    if at < 0:
        pytest.skip("the encoder writes no such box")
    # Two of its six numbers, others for every value; all of them in a long run.
    first, step = (0, 1) if LONG else (COUNTS.index(value) % 3, 3)
    for place in range(at + 4 + 4 * first, at + 28, 4 * step):
        film.write_bytes(data[:place] + struct.pack(">I", value) + data[place + 4 :])
        assert attacked.read(film, "video").grown_mib < 900


@pytest.mark.parametrize("size", [0, 1, 7, 2**31, 2**32 - 1])
def test_boxes_of_impossible_size(attacked, film, size):
    data = film.read_bytes()
    for box in (b"moov", b"trak", b"mdia", b"stbl", b"avcC", b"mdat"):
        at = data.find(box)
        film.write_bytes(data[: at - 4] + struct.pack(">I", size) + data[at:])
        assert attacked.read(film, "video").grown_mib < 900


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXTINF:1,\n{outside}/secret.mp4\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{outside}/secret.mp4'\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 1 RTP/AVP 96\n",
        '<?xml version="1.0"?><MPD><BaseURL>{outside}/secret.mp4</BaseURL></MPD>',
        "TRACK\nFILE {outside}/secret.mp4\n",
    ],
    ids=range(5),
)
@pytest.mark.parametrize("name", ["drive.mp4", "drive.m3u8", "drive.avi"])
def test_playlists_are_not_followed(attacked, film, text, name):
    (attacked.outside / "secret.mp4").write_bytes(film.read_bytes())
    film.unlink()
    path = film.with_name(name)
    path.write_text(text.replace("{outside}", str(attacked.outside)))
    assert attacked.read(path, "video").refused


def test_a_reference_to_another_file_in_a_movie(attacked, film):
    (attacked.outside / "secret.mp4").write_bytes(film.read_bytes())
    data = film.read_bytes()
    at = data.find(b"url \x00\x00\x00\x01")
    assert at > 0
    # An alias (`alis`) or a URL, with the flag that says "in this file" taken away.
    film.write_bytes(data[:at] + b"url \x00\x00\x00\x00" + data[at + 8 :])
    attacked.read(film, "video")
    film.write_bytes(data[:at] + b"alis\x00\x00\x00\x00" + data[at + 8 :])
    attacked.read(film, "video")


def test_numbered_pictures_of_huge_or_other_sizes(attacked, tmp_path):
    (tmp_path / "d").mkdir()
    for number, size in enumerate([(8, 8), (60_000, 60_000), (2**31 - 1, 1), (1, 2**31 - 1), (0, 0)]):
        (tmp_path / f"d/{number}.png").write_bytes(png_header(*size))
    assert attacked.read(tmp_path / "d", "video").grown_mib < 400


# -- LeRobot ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = tmp_path_factory.mktemp("good") / "d"
    spec = make_spec(FRONT)
    spec = make_spec(FRONT, features={**spec.features, WRIST: picture_feature("image")})
    with DatasetWriter(folder, spec=spec) as writer:
        for number, length in enumerate((4, 5)):
            writer.add(make_episode(number, length, FRONT, WRIST))
    return folder


@pytest.fixture
def dataset(tmp_path, good):
    return shutil.copytree(good, tmp_path / "d")


def edit(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


NESTED: list = ["a"]
for _ in range(600):
    NESTED = [NESTED]
INFO = [
    {"data_path": "{outside}/data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"},
    {"data_path": "../outside/data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"},
    {"data_path": "data/**/**/**/**/**/**/**/**/{chunk_index:03d}{file_index:03d}"},
    {"data_path": "data/chunk-{chunk_index:0999999999d}/file-{file_index:03d}.parquet"},
    {"data_path": "data/[!a]*/{chunk_index:03d}{file_index:03d}"},
    {"video_path": "{outside}/{video_key}/{chunk_index:03d}{file_index:03d}"},
    {"video_path": "../outside/{video_key}/{chunk_index:03d}{file_index:03d}"},
    {"video_path": "videos/{video_key}/{chunk_index:099999999d}"},
    {"video_path": "x" * 100_000},
    {"fps": 1e-300},
    {"fps": 1e300},
    {"fps": float("nan")},
    {"fps": float("inf")},
    {"fps": True},
    {"fps": 10**400},
    {"chunks_size": 0},
    {"chunks_size": -1},
    {"total_episodes": 10**18},
    {"total_frames": 10**18},
    {"features": {"x": {"dtype": "float32", "shape": [10**9, 10**9]}}},
    {"features": {"x": {"dtype": "float32", "shape": [1] * 10_000}}},
    {"features": {"x": {"dtype": "float32", "shape": ["1"]}}},
    {"features": {"x": {"dtype": "float32", "shape": [2**70]}}},
    {"features": {"x": {"dtype": "object", "shape": [1]}}},
    {"features": {"x": {"dtype": ["float32"], "shape": [1]}}},
    {"features": {"x": {"dtype": "float32", "shape": [2], "names": {"a": {"b": ["c"]}}}}},
    {"features": {"x" * 100_000: {"dtype": "float32", "shape": [2]}}},
    {"features": {"x": {"dtype": "float32", "shape": [2], "names": NESTED}}},
    {"features": {"x": 7}},
    {"codebase_version": ["v3.0"]},
    {"robot_type": {"a": 1}},
]


@pytest.mark.parametrize("place", range(len(INFO)))
def test_info_that_makes_no_sense(attacked, dataset, place):
    shutil.copytree(dataset, attacked.outside, dirs_exist_ok=True)
    changes = {
        key: value.replace("{outside}", str(attacked.outside)) if isinstance(value, str) else value
        for key, value in INFO[place].items()
    }
    edit(dataset / "meta/info.json", **changes)
    attacked.read(dataset, "lerobot-v3.0", "dataset")


@pytest.mark.parametrize("place", range(len(INFO)))
def test_info_of_older_versions_that_makes_no_sense(attacked, tmp_path, place):
    root = tmp_path / "g"
    write_groot(root)
    changes = {
        key: value.replace("{outside}", str(attacked.outside)).replace("chunk_index", "episode_chunk")
        if isinstance(value, str)
        else value
        for key, value in INFO[place].items()
    }
    edit(root / "meta/info.json", **changes)
    attacked.read(root, "lerobot-v2.0", "dataset")


@pytest.mark.parametrize(
    "modality",
    [
        {"state": {"a": {"start": 0, "end": 10**18}}},
        {"state": {"a": {"start": -5, "end": 2}}},
        {"state": {"a": {"start": 2, "end": 0}}},
        {"state": {"a": {"start": "0", "end": None}}},
        {"state": {"../../outside/x": {"start": 0, "end": 1}}},
        {"state": {"a": {"start": 0, "end": 1, "original_key": "../../outside"}}},
        {"state": {"a": {"start": 0, "end": 1, "original_key": ["a"]}}},
        {"state": []},
        {"video": {"a": {"original_key": "../../outside/secret"}}},
        {"annotation": {"human.validity": {"original_key": 7}}},
        {"state": {"a": {"start": 0, "end": 1, "rotation_type": {"a": 1}, "range": [1]}}},
        {"state": {f"p{n}": {"start": 0, "end": 1} for n in range(20_000)}},
    ],
    ids=range(12),
)
def test_modalities_that_make_no_sense(attacked, tmp_path, modality):
    attacked.read(write_groot(tmp_path / "g", modality), "lerobot-v2.0", "dataset")


@pytest.mark.parametrize(
    ("name", "column", "value"),
    [
        ("meta/episodes/chunk-000/file-000.parquet", "length", 2**62),
        ("meta/episodes/chunk-000/file-000.parquet", "length", -1),
        ("meta/episodes/chunk-000/file-000.parquet", "episode_index", -(2**62)),
        ("meta/episodes/chunk-000/file-000.parquet", "dataset_from_index", 2**62),
        ("meta/episodes/chunk-000/file-000.parquet", f"videos/{FRONT}/from_timestamp", 1e300),
        ("meta/episodes/chunk-000/file-000.parquet", f"videos/{FRONT}/from_timestamp", float("nan")),
        ("meta/episodes/chunk-000/file-000.parquet", f"videos/{FRONT}/chunk_index", 2**62),
        ("data/chunk-000/file-000.parquet", "episode_index", 2**62),
        ("data/chunk-000/file-000.parquet", "task_index", -(2**62)),
        ("data/chunk-000/file-000.parquet", "timestamp", float("inf")),
        ("data/chunk-000/file-000.parquet", "frame_index", 2**62),
        ("meta/tasks.parquet", "task_index", 2**62),
        ("meta/tasks.parquet", "task_index", -1),
    ],
)
def test_indices_that_make_no_sense(attacked, dataset, name, column, value):
    path = dataset / name
    table = pq.read_table(path)
    place = table.schema.get_field_index(column)
    assert place >= 0
    kind = table.schema.field(column).type
    values = pa.array([value] * table.num_rows, kind)
    pq.write_table(table.set_column(place, table.schema.field(column), values), path)
    attacked.read(dataset, "lerobot-v3.0", "dataset")


@pytest.mark.parametrize(
    "path", ["../outside/secret", "/etc/passwd", "{outside}/secret", "a/../../outside/secret", "."]
)
def test_pictures_and_attachments_that_are_elsewhere(attacked, dataset, path):
    (attacked.outside / "secret").write_bytes(png_header(8, 8))
    path = path.replace("{outside}", str(attacked.outside))
    data = dataset / "data/chunk-000/file-000.parquet"
    table = pq.read_table(data)
    place = table.schema.get_field_index(WRIST)
    cells = pa.array([{"bytes": None, "path": path}] * table.num_rows, table.schema.field(WRIST).type)
    pq.write_table(table.set_column(place, table.schema.field(WRIST), cells), data)
    episodes = dataset / "meta/episodes/chunk-000/file-000.parquet"
    table = pq.read_table(episodes)
    name = "motorium/attachments"
    column = pa.array([json.dumps({"map.json": path})] * table.num_rows)
    present = table.schema.get_field_index(name)
    table = table.append_column(name, column) if present < 0 else table.set_column(present, name, column)
    pq.write_table(table, episodes)
    attacked.read(dataset, "lerobot-v3.0", "dataset")


def test_pictures_that_claim_to_be_huge(attacked, dataset):
    data = dataset / "data/chunk-000/file-000.parquet"
    table = pq.read_table(data)
    place = table.schema.get_field_index(WRIST)
    bomb = {"bytes": png_header(60_000, 60_000), "path": None}
    cells = pa.array([bomb] * table.num_rows, table.schema.field(WRIST).type)
    pq.write_table(table.set_column(place, table.schema.field(WRIST), cells), data)
    assert attacked.read(dataset, "lerobot-v3.0", "dataset").grown_mib < 300


def test_a_dataset_of_two_million_constant_rows(attacked, dataset):
    data = dataset / "data/chunk-000/file-000.parquet"
    small = pq.read_table(data).drop_columns([WRIST])
    rows = MIB
    table = pa.table(
        {
            name: pa.array(np.zeros(rows), pa.float64()).cast(column.type)
            if not pa.types.is_nested(column.type) and not pa.types.is_boolean(column.type)
            else pa.chunked_array([pa.concat_arrays([column.chunk(0)[:1]] * rows)])
            if pa.types.is_nested(column.type)
            else pa.array(np.zeros(rows, bool))
            for name, column in zip(small.column_names, small.columns)
        }
    )
    with pq.ParquetWriter(data, table.schema, compression="zstd") as writer:
        for _ in range(2):
            writer.write_table(table)
    attacked.read(dataset, "lerobot-v3.0", "dataset")
