"""Malformed input is one DataError that says what is wrong and where; never a crash, never a guess."""

import json
import shlex
import shutil

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from motorium.core.errors import DataError
from motorium.data.convert import convert
from motorium.data.dataset import open_dataset
from motorium.data.doctor.check import check
from motorium.data.layout import fill
from motorium.data.writer import DatasetWriter
from tests.data.recordings import ACTION, FRONT, STATE, make_episode, make_spec
from tests.data.v21 import write_v21

DATA = "data/chunk-000/file-000.parquet"
EPISODES = "meta/episodes/chunk-000/file-000.parquet"
VIDEO = f"videos/{FRONT}/chunk-000/file-000.mp4"


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    root = tmp_path_factory.mktemp("good") / "d"
    with DatasetWriter(root, spec=make_spec(FRONT)) as writer:
        for number, length in enumerate((6, 9)):
            writer.add(make_episode(number, length, FRONT))
    return root


@pytest.fixture
def root(good, tmp_path):
    return shutil.copytree(good, tmp_path / "d")


@pytest.fixture
def v21(good, tmp_path):
    write_v21(open_dataset(good), tmp_path / "v21")
    return tmp_path / "v21"


def edit_info(root, **changes):
    path = root / "meta/info.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def edit_column(path, key, change):
    """Replace a column of a parquet file by `change(values as list)`; its type stays."""
    table = pq.read_table(path)
    place = table.schema.get_field_index(key)
    values = pa.array(change(table.column(key).to_pylist()), table.schema.field(key).type)
    pq.write_table(table.set_column(place, table.schema.field(key), values), path)


def truncate(path, share=0.6):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def swap(values, row, value):
    return [*values[:row], value, *values[row + 1 :]]


def test_a_folder_that_is_absent_or_something_else(tmp_path):
    with pytest.raises(DataError, match="no such dataset"):
        open_dataset(tmp_path / "nowhere")
    file = tmp_path / "a recording.mcap"
    file.write_bytes(b"something")
    for path in (tmp_path, file):
        for look in (open_dataset, check):
            with pytest.raises(DataError, match="no dataset that can be read") as error:
                look(path)
            said = str(error.value)
            assert f"motorium inspect {shlex.quote(str(path))}" in said and "motorium ingest" in said


@pytest.mark.parametrize("version", ["v2.0", "v1.6", "v4.0"])
def test_another_version_is_named(root, version):
    edit_info(root, codebase_version=version)
    with pytest.raises(DataError, match=version):
        open_dataset(root)


@pytest.mark.parametrize("name", ["meta/info.json", "meta/tasks.parquet", EPISODES, DATA])
def test_a_missing_file_is_named(root, name):
    (root / name).unlink()
    with pytest.raises(DataError) as error:
        open_dataset(root)
    assert name.split("/")[1] in str(error.value)


@pytest.mark.parametrize("name", ["meta/tasks.parquet", EPISODES, DATA])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.98])
def test_a_truncated_parquet_is_named(root, name, share):
    truncate(root / name, share)
    with pytest.raises(DataError, match="truncated or damaged") as error:
        open_dataset(root)
    assert name in str(error.value)


def test_json_that_is_none(root):
    truncate(root / "meta/info.json")
    with pytest.raises(DataError, match="not JSON"):
        open_dataset(root)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fps": 0}, "fps must be positive"),
        ({"fps": "fast"}, "'fps' is missing or not valid"),
        ({"fps": None}, "'fps' is missing or not valid"),
        ({"features": []}, "'features' is missing or not valid"),
        ({"total_episodes": -1}, "'total_episodes'"),
        ({"total_episodes": 3}, "list of episodes is not complete"),
        ({"features": {"x": {"dtype": "float32", "shape": [-2]}}}, "shape of 'x'"),
        ({"features": {"x": {"shape": [2]}}}, "no dtype"),
        ({"features": {"a/b": {"dtype": "float32", "shape": [2]}}}, "cannot name a feature"),
        ({"features": {"../x": {"dtype": "video", "shape": [2, 2, 3]}}}, "cannot name a feature"),
    ],
)
def test_an_info_that_makes_no_sense(root, changes, message):
    edit_info(root, **changes)
    with pytest.raises(DataError, match=message):
        open_dataset(root)


@pytest.mark.parametrize(
    "template",
    [
        "../elsewhere/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "/etc/{chunk_index}/{file_index}",
        "data/{chunk_index.__class__}/{file_index}",
        "data/{secret}/x",
        "data/{chunk_index:03d",
    ],
)
@pytest.mark.parametrize("key", ["data_path", "video_path"])
def test_a_path_out_of_the_folder_is_refused(root, key, template):
    edit_info(root, **{key: template})
    with pytest.raises(DataError, match="leaves the dataset's folder|is not valid|missing"):
        open_dataset(root)


def test_templates_fill_plain_fields_only():
    assert fill("a-{n:03d}/{key}.mp4", "here", n=7, key="x") == "a-007/x.mp4"
    for bad in ("{n.real}", "{0}", "{n!r}", "{", "a/../../{n}", "~/x", "C:/x", "a\\b", ""):
        with pytest.raises(DataError):
            fill(bad, "here", n=1)


def test_an_extra_video_out_of_the_folder_is_refused(root):
    path = root / "meta/motorium.json"
    plain = json.loads(path.read_text())
    feature = {"dtype": "video", "shape": [32, 48, 3], "names": None, "units": None, "frame": None}
    plain["extra_videos"] = {"wrist": {"feature": feature, "episodes": {"0": "../../secret.mp4"}}}
    path.write_text(json.dumps(plain))
    with pytest.raises(DataError, match="leaves the dataset's folder"):
        open_dataset(root).frames(0, "wrist")


def test_a_rate_that_contradicts_the_times(root):
    edit_info(root, fps=30)
    with pytest.raises(DataError, match="times do not fit the rate") as error:
        open_dataset(root)
    assert "episode 0, step 1" in str(error.value) and "14 rows" not in str(error.value)
    kept = open_dataset(root, times="keep")
    assert "times do not fit the rate" in kept.problems[0]
    assert kept.column("timestamp")[1] == np.float32(0.05)


def test_a_time_that_is_not_a_number(root):
    edit_column(root / DATA, "timestamp", lambda v: swap(v, 8, float("nan")))
    with pytest.raises(DataError, match="times do not fit the rate") as error:
        open_dataset(root)
    assert "episode 1, step 2" in str(error.value)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_an_action_that_is_not_finite(root, bad):
    edit_column(root / DATA, ACTION, lambda v: swap(v, 7, [0.0, bad]))
    found = open_dataset(root)
    assert found.column(STATE).shape == (15, 3)
    for read in (lambda: found.column(ACTION), lambda: found.episode(0)):
        with pytest.raises(DataError, match="'action' is not finite") as error:
            read()
        assert "episode 1, step 1" in str(error.value)
    assert not np.isfinite(open_dataset(root, nonfinite="keep").episode(1).arrays[ACTION]).all()


def test_an_empty_cell(root):
    edit_column(root / DATA, "next.success", lambda v: swap(v, 3, None))
    with pytest.raises(DataError, match="empty cells"):
        open_dataset(root).episode(0)


def test_a_column_that_is_absent_or_of_another_shape(root):
    edit_info(
        root,
        features={**json.loads((root / "meta/info.json").read_text())["features"]}
        | {"speed": {"dtype": "float32", "shape": [2], "names": None}},
    )
    with pytest.raises(DataError, match="no column 'speed'"):
        open_dataset(root).column("speed")
    edit_info(root, features={STATE: {"dtype": "float32", "shape": [4], "names": None}})
    with pytest.raises(DataError, match="does not have its shape"):
        open_dataset(root).column(STATE)


def test_rows_of_another_episode(root):
    edit_column(root / DATA, "episode_index", lambda v: swap(v, 5, 1))
    with pytest.raises(DataError, match="length of an episode contradicts"):
        open_dataset(root)


def test_rows_out_of_order(root):
    edit_column(root / DATA, "episode_index", lambda v: [1 - index for index in v])
    with pytest.raises(DataError, match="not in the order of episodes"):
        open_dataset(root)


def test_a_dropped_step(root):
    edit_column(root / DATA, "frame_index", lambda v: swap(v, 4, 5))
    with pytest.raises(DataError, match="missing or out of order") as error:
        open_dataset(root)
    assert "episode 0, step 4" in str(error.value)


def test_a_task_that_is_not_listed(root):
    edit_column(root / DATA, "task_index", lambda v: swap(v, 0, 9))
    with pytest.raises(DataError, match="task that is not listed"):
        open_dataset(root)


def test_stale_indices_are_corrected_and_reported(root):
    # What some converters leave: pointers that were right before files were joined (lerobot#2401).
    edit_column(root / EPISODES, "dataset_from_index", lambda v: [0, 0])
    edit_column(root / EPISODES, "dataset_to_index", lambda v: [6, 9])
    edit_column(root / DATA, "index", lambda v: [*range(6), *range(9)])
    edit_info(root, total_frames=1)
    found = open_dataset(root)
    assert found.starts.tolist() == [0, 6] and found.num_frames == 15
    assert len(found.problems) == 3 and "dataset_from_index" in found.problems[0]
    np.testing.assert_array_equal(found.episode(1).arrays[STATE], make_episode(1, 9).arrays[STATE])


def test_a_truncated_video(root):
    truncate(root / VIDEO)
    found = open_dataset(root)
    for read in (lambda: found.frames(1, FRONT), lambda: convert(found, root.parent / "copy")):
        with pytest.raises(DataError, match="truncated or damaged"):
            read()


def test_something_else_in_place_of_a_video(root):
    # FFmpeg would follow a playlist to files and hosts of its author's choice.
    (root / VIDEO).write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n")
    with pytest.raises(DataError, match="truncated or damaged"):
        open_dataset(root).frames(0, FRONT)


def test_a_video_that_is_shorter_than_its_episode(v21):
    path = v21 / f"videos/chunk-000/{FRONT}/episode_000001.mp4"
    shorter = v21 / f"videos/chunk-000/{FRONT}/episode_000000.mp4"
    shutil.copyfile(shorter, path)
    found = open_dataset(v21)
    with pytest.raises(DataError, match="no frame at the asked time"):
        found.frames(1, FRONT)
    with pytest.raises(DataError, match="does not have one frame a step"):
        convert(found, v21.parent / "v30")


def test_a_video_of_another_rate(v21):
    path = v21 / f"videos/chunk-000/{FRONT}/episode_000000.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=12)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for _ in range(20):
            container.mux(stream.encode(av.VideoFrame(48, 32, "yuv420p")))
        container.mux(stream.encode(None))
    with pytest.raises(DataError, match="no frame at the asked time"):
        open_dataset(v21).frames(0, FRONT)


def test_a_video_of_another_size(root):
    features = json.loads((root / "meta/info.json").read_text())["features"]
    features[FRONT]["shape"] = [64, 48, 3]
    edit_info(root, features=features)
    (root / "meta/motorium.json").unlink()
    with pytest.raises(DataError, match="another size"):
        open_dataset(root).frames(0, FRONT)


def test_an_unknown_camera_column_episode_or_step(root):
    found = open_dataset(root)
    for call, message in (
        (lambda: found.frames(0, "wrist"), "no camera 'wrist'"),
        (lambda: found.frames(0, STATE), "no camera"),
        (lambda: found.frames(0, FRONT, [6]), "no such step"),
        (lambda: found.frames(0, FRONT, [-1]), "no such step"),
        (lambda: found.column("nothing"), "no column 'nothing'"),
        (lambda: found.column(FRONT), "no column"),
        (lambda: found.episode(2), "no such episode"),
        (lambda: found.episode(-1), "no such episode"),
        (lambda: found.timestamps(5), "no such episode"),
    ):
        with pytest.raises(DataError, match=message):
            call()


def test_v21_lines_that_make_no_sense(v21):
    episodes = v21 / "meta/episodes.jsonl"
    text = episodes.read_text()
    episodes.write_text(text + "{half a line")
    with pytest.raises(DataError, match="not JSON") as error:
        open_dataset(v21)
    assert "line 3" in str(error.value)
    episodes.write_text(text.replace('"length"', '"size"'))
    with pytest.raises(DataError, match="lacks keys"):
        open_dataset(v21)
    episodes.write_text(text)
    (v21 / "data/chunk-000/episode_000001.parquet").unlink()
    with pytest.raises(DataError, match="data file is missing"):
        open_dataset(v21)


def test_v21_rows_under_the_wrong_episode(v21):
    edit_column(v21 / "data/chunk-000/episode_000001.parquet", "episode_index", lambda v: [0] * len(v))
    with pytest.raises(DataError, match="contradicts the data"):
        open_dataset(v21)
