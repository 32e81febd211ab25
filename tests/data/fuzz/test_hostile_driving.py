"""Attacks on driving logs: headers that are code, tracks and times that ask for arrays without bound."""

import io
import json
import struct

import numpy as np
import pytest

from tests.data import av2_samples, commonroad_samples, driving_samples
from tests.data.fuzz.attack import png_header
from tests.data.test_comma2k19 import save, write_segment

MIB = 1024**2
pytestmark = pytest.mark.slow


# -- comma2k19: NumPy arrays and raw video ---------------------------------------------------------------------------


def npy(header, version=1, data=bytes(80)):
    text = header.encode() if isinstance(header, str) else header
    length = struct.pack("<H", len(text) & 0xFFFF) if version == 1 else struct.pack("<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text + data


HEADERS = {
    "code": "{'descr': '<f8', 'fortran_order': False, 'shape': __import__('os').mkdir('written')}",
    "objects": "{'descr': '|O', 'fortran_order': False, 'shape': (10,)}",
    "objects inside": "{'descr': [('a', '<f8'), ('b', '|O')], 'fortran_order': False, 'shape': (5,)}",
    "a huge shape": f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({2**62}, 2)}}",
    "a shape that overflows": f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({2**32}, {2**32})}}",
    "a negative shape": "{'descr': '<f8', 'fortran_order': False, 'shape': (-10,)}",
    "a shape of true": "{'descr': '<f8', 'fortran_order': False, 'shape': (True, True)}",
    "many axes": f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({'1, ' * 200})}}",
    "no bytes a value": f"{{'descr': '|S0', 'fortran_order': False, 'shape': ({10**15},)}}",
    "a huge value": f"{{'descr': '<U{2**29}', 'fortran_order': False, 'shape': (1,)}}",
    "deep": "(" * 9000,
    "minus": "-" * 9000 + "1",
    "a long number": "{'descr': '<f8', 'fortran_order': False, 'shape': (" + "9" * 5000 + ",)}",
    "strings": "'' " * 3000,
    "not closed": "{'descr': '<f8', 'fortran_order'",
    "NUL": "\0" * 100,
    "other keys": "{'a': 1}",
    "a type of a megabyte": "{'descr': [" + "('a', '<f8'), " * 600 + "], 'fortran_order': False, 'shape': (1,)}",
}


@pytest.mark.parametrize("what", HEADERS)
@pytest.mark.parametrize("version", [1, 2, 3])
def test_headers_that_are_code_or_huge(attacked, tmp_path, what, version):
    root = write_segment(tmp_path / "3")
    for name in ("global_pose/frame_times", "processed_log/CAN/speed/value"):
        good = (root / name).read_bytes()
        (root / name).write_bytes(npy(HEADERS[what], version))
        assert attacked.read(root, "comma2k19").refused
        (root / name).write_bytes(good)


@pytest.mark.parametrize("times", [[0.0, 1e300], [0.0, np.nan], [-np.inf, np.inf], [0.0, 1e15], [5.0, 1.0]], ids=str)
def test_times_that_no_clock_has(attacked, tmp_path, times):
    root = write_segment(tmp_path / "3", 4)
    save(root / "global_pose/frame_times", np.array([*times, *times]))
    attacked.read(root, "comma2k19")


def test_a_video_whose_frame_never_ends(attacked, tmp_path):
    from tests.data.test_comma2k19 import write_video

    root = write_segment(tmp_path / "3")
    write_video(root / "video.hevc", 10)
    with open(root / "video.hevc", "ab") as file:
        file.truncate(2**40)
    attacked.read(root, "comma2k19")
    with open(root / "video.hevc", "wb") as file:
        file.truncate(2**40)
    attacked.refused(root, "comma2k19", ".")


# -- CommonRoad ------------------------------------------------------------------------------------------------------


def obstacles(steps_of):
    """A scenario of dynamic obstacles, each with states at the given steps."""
    make = commonroad_samples
    parts = []
    for number, steps in enumerate(steps_of, start=1):
        states = [make.state("state" if place else "initialState", step, 0, 0) for place, step in enumerate(steps)]
        parts.append(make.dynamic(number, states))
    return make.scenario(make.lanelet(), *parts)


@pytest.mark.parametrize(
    "steps",
    [[[0, 10**12]], [[0, 2**63]], [[-5, 5]], [[n] for n in range(0, 10**9, 10**6)], [[n, n + 1] for n in range(2500)]],
    ids=["a gap", "2^63", "negative", "far apart", "quadratic"],
)
def test_steps_that_ask_for_huge_arrays(attacked, tmp_path, steps):
    (tmp_path / "s.xml").write_text(obstacles(steps))
    assert attacked.read(tmp_path / "s.xml", "commonroad").grown_mib < 900


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('timeStepSize="0.1"', 'timeStepSize="1e-300"'),
        ('timeStepSize="0.1"', 'timeStepSize="nan"'),
        ('timeStepSize="0.1"', 'timeStepSize="-1"'),
        ("<x>1.0</x>", "<x>1e999</x>"),
        ("<x>1.0</x>", f"<x>{'9' * 100_000}</x>"),
        ("<exact>1</exact>", f"<exact>{'9' * 100_000}</exact>"),
        ("<exact>1</exact>", "<exact>1_0</exact>"),
        ('id="1"', 'id="99999999999999999999999"'),
        ('id="1"', f'id="{"9" * 10_000}"'),
        ("<length>4</length>", "<length>-4</length>"),
        ("</commonRoad>", "<a>" * 1000 + "</a>" * 1000 + "</commonRoad>"),
    ],
)
def test_scenarios_with_numbers_that_make_no_sense(attacked, tmp_path, old, new):
    make = commonroad_samples
    text = make.scenario(make.lanelet(), make.dynamic(1, make.moving(4)), make.static(3, 5, 1), make.PROBLEM)
    assert old in text
    (tmp_path / "s.xml").write_text(text.replace(old, new))
    attacked.read(tmp_path / "s.xml", "commonroad")


# -- Waymo -----------------------------------------------------------------------------------------------------------


def waymo(tmp_path, change):
    scenario = driving_samples.WAYMO["Scenario"].FromString(driving_samples.waymo_scenario())
    change(scenario)
    (tmp_path / "w").write_bytes(_framed(scenario.SerializeToString()))
    return tmp_path / "w"


def _framed(record):
    from tests.data.test_rlds import framed

    return framed(record)


@pytest.mark.parametrize("times", [[0.0, 1e300], [0.0, 1e12], [np.nan] * 2, [5.0, 1.0], []], ids=str)
def test_scenarios_whose_times_make_no_sense(attacked, tmp_path, times):
    def change(scenario):
        del scenario.timestamps_seconds[:]
        scenario.timestamps_seconds.extend(times)
        del scenario.dynamic_map_states[:]
        for track in scenario.tracks:
            del track.states[len(times) :]

    attacked.read(waymo(tmp_path, change), "waymo-motion")


def test_scenarios_of_many_empty_tracks_and_lanes(attacked, tmp_path):
    def change(scenario):
        for number in range(200):
            track = scenario.tracks.add(id=1000 + number)
            for _ in range(driving_samples.WAYMO_STEPS):
                track.states.add()
        for number in range(1000):
            scenario.map_features.add(id=10_000 + number)
            scenario.dynamic_map_states[0].lane_states.add(lane=number)

    assert attacked.read(waymo(tmp_path, change), "waymo-motion").grown_mib < 1000


def test_scenarios_whose_tracks_share_an_identity(attacked, tmp_path):
    def change(scenario):
        for track in scenario.tracks:
            track.id = 7
        scenario.sdc_track_index = 2**31 - 1

    attacked.read(waymo(tmp_path, change), "waymo-motion")


# -- KITTI, nuScenes, Argoverse, Lyft --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<first_frame>1<", "<first_frame>1000000000000<"),
        ("<first_frame>1<", "<first_frame>-1<"),
        ("<count>3<", "<count>1000000000000<"),
        ("<count>1<", "<count>-1<"),
        ("<tz>-1.7<", "<tz>nan<"),
        ("<h>1.6<", f"<h>{'9' * 10_000}<"),
    ],
)
def test_tracklets_that_make_no_sense(attacked, tmp_path, old, new):
    root = driving_samples.write_kitti(tmp_path / "d")
    path = next(root.rglob("tracklet_labels.xml"))
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    attacked.read(root, "kitti")


@pytest.mark.parametrize(
    "stamp",
    ["2011-09-26 13:02:25.9999999999999999999", "9999-99-99 00:00:00", "1-1-1 0:0:0", "٢٠١١-09-26 13:02:25", ""],
)
def test_times_in_text_that_make_no_sense(attacked, tmp_path, stamp):
    root = driving_samples.write_kitti(tmp_path / "d")
    for path in root.rglob("timestamps.txt"):
        lines = path.read_text().splitlines()
        path.write_text("\n".join([stamp, *lines[1:]]) + "\n")
    attacked.read(root, "kitti")


@pytest.mark.parametrize(
    "table", ["sample_data", "sample", "scene", "sample_annotation", "ego_pose", "map", "instance"]
)
@pytest.mark.parametrize(
    "values",
    [
        {"timestamp": 10**30, "filename": "../../outside/secret", "prev": "b0", "next": "b0"},
        {"timestamp": 1e300, "filename": "/etc/passwd", "nbr_samples": 10**12},
        {"timestamp": -1, "filename": "\0", "rotation": [0, 0, 0, 0], "translation": [1e308] * 3, "size": [-1] * 3},
        {"timestamp": True, "filename": "", "token": "same", "width": 10**9, "height": 10**9},
        {"rotation": [float("nan")] * 4, "translation": [float("inf")] * 3, "filename": ["a"], "token": ["a"]},
    ],
    ids=range(5),
)
def test_rows_of_nuscenes_that_make_no_sense(attacked, tmp_path, table, values):
    (attacked.outside / "secret").write_bytes(bytes(100))
    root = driving_samples.write_nuscenes(tmp_path / "d")
    path = root / f"v1.0-mini/{table}.json"
    rows = json.loads(path.read_text())
    rows = [{**row, **{key: value for key, value in values.items() if key in row}} for row in rows]
    path.write_text(json.dumps(rows))
    attacked.read(root, "nuscenes")


def test_as_many_objects_as_stamps(attacked, tmp_path):
    count = 5000
    stamps = 950_000_000 + np.arange(count) * 1000
    poses = {key: np.resize(value, count) for key, value in av2_samples.ego_poses().items()}
    root = tmp_path / "d"
    av2_samples.write_table(root / "city_SE3_egovehicle.feather", {**poses, "timestamp_ns": stamps})
    rows = [(int(stamp), f"track-{number}", "BUS", (1.0, 0.0, 0.0)) for number, stamp in enumerate(stamps)]
    av2_samples.write_table(root / "annotations.feather", av2_samples.boxes(rows))
    assert attacked.read(root, "argoverse2-sensor").grown_mib < 1000


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_feather_tables_that_unfold_to_gibibytes(attacked, tmp_path, compression):
    root = av2_samples.write_log(tmp_path / "d")
    columns = {name: np.zeros(4 * MIB) for name in av2_samples.POSE}
    columns["timestamp_ns"] = np.zeros(4 * MIB, np.int64)
    columns |= {f"more{number}": np.zeros(4 * MIB) for number in range(8)}
    av2_samples.write_table(root / "city_SE3_egovehicle.feather", columns, compression)
    assert attacked.refused(root, "argoverse2-sensor", "impossible size").grown_mib < 900
    data = bytearray(av2_samples.feather_bytes(av2_samples.ego_poses(), compression))
    for at in range(0, len(data) - 8, 8):
        if 0 < struct.unpack_from("<q", data, at)[0] == 80:
            data[at : at + 8] = struct.pack("<q", 2**60)
    (root / "city_SE3_egovehicle.feather").write_bytes(data)
    assert attacked.read(root, "argoverse2-sensor").grown_mib < 300


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("scenes", {"frame_index_interval": (0, 2**62)}),
        ("scenes", {"frame_index_interval": (-5, 4)}),
        ("scenes", {"start_time": -(2**63)}),
        ("frames", {"agent_index_interval": (0, 2**62)}),
        ("frames", {"agent_index_interval": (2**62, 0)}),
        ("frames", {"timestamp": 2**63 - 1}),
        ("frames", {"ego_rotation": np.nan}),
        ("agents", {"track_id": 2**64 - 1}),
        ("agents", {"label_probabilities": np.nan}),
    ],
)
def test_arrays_of_lyft_that_make_no_sense(attacked, tmp_path, name, changes):
    root = driving_samples.write_lyft(tmp_path / "d", chunk=5)
    folder = root / name
    meta = json.loads((folder / ".zarray").read_text())
    array = driving_samples.lyft_arrays()[name]
    for key, value in changes.items():
        array[key] = value
    for number in range(-(-len(array) // 5)):
        part = np.zeros(5, array.dtype)
        piece = array[number * 5 : number * 5 + 5]
        part[: len(piece)] = piece
        (folder / str(number)).write_bytes(part.tobytes())
    (folder / ".zarray").write_text(json.dumps({**meta, "compressor": None}))
    assert attacked.read(root, "lyft").grown_mib < 500


def test_as_many_agents_as_frames(attacked, tmp_path):
    root = tmp_path / "d"
    count, arrays = 4000, driving_samples.lyft_arrays()
    frames = np.resize(arrays["frames"], count)
    frames["timestamp"] = np.arange(count) * 10**8
    frames["agent_index_interval"] = np.stack([np.arange(count), np.arange(count) + 1], 1)
    frames["traffic_light_faces_index_interval"] = 0
    agents = np.resize(arrays["agents"], count)
    agents["track_id"] = np.arange(count)
    scenes = arrays["scenes"][:1]
    scenes["frame_index_interval"] = 0, count
    root.mkdir()
    (root / ".zgroup").write_text('{"zarr_format": 2}')
    made = {"scenes": scenes, "frames": frames, "agents": agents, "traffic_light_faces": arrays["traffic_light_faces"]}
    for name, array in made.items():
        (root / name).mkdir()
        dtype = [
            [*field[:2], list(field[2])] if len(field) == 3 else list(field)
            for field in driving_samples.LYFT_DTYPES[name]
        ]
        meta = {"chunks": [len(array)], "shape": [len(array)], "dtype": dtype, "zarr_format": 2, "order": "C"}
        meta |= {"compressor": None, "filters": None, "fill_value": None}
        (root / name / ".zarray").write_text(json.dumps(meta))
        (root / name / "0").write_bytes(array.tobytes())
    assert attacked.read(root, "lyft").grown_mib < 1000


def test_pictures_of_other_sizes_in_one_camera(attacked, tmp_path):
    root = driving_samples.write_kitti(tmp_path / "d")
    pictures = sorted(root.rglob("image_02/data/*.png"))
    out = io.BytesIO()
    driving_samples.picture(0, (5, 5)).save(out, "PNG")
    pictures[1].write_bytes(out.getvalue())
    pictures[2].write_bytes(png_header(30, 20))
    attacked.read(root, "kitti")
