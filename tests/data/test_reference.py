"""What LeRobot 0.4.4 wrote reads back equal, and what Motorium writes of it has the same files, field by field."""

import io
import json

import av
import matplotlib.image
import numpy as np
import pyarrow.parquet as pq
import pytest

from motorium.data.convert import convert
from motorium.data.dataset import open_dataset
from motorium.data.layout import AUTOMATIC
from tests.support.reference import reference_data

NAME = "lerobot_v30"
DATA = "data/chunk-000/file-000.parquet"
EPISODES = "meta/episodes/chunk-000/file-000.parquet"
VIDEO = "videos/observation.images.top/chunk-000/file-000.mp4"


@pytest.fixture(scope="module")
def theirs():
    return reference_data(NAME)


@pytest.fixture(scope="module")
def ours(theirs, tmp_path_factory):
    root = tmp_path_factory.mktemp("ours") / "dataset"
    convert(open_dataset(theirs), root)
    return root


def test_arrays_of_lerobot_read_back_equal(theirs):
    dataset, table = open_dataset(theirs), pq.read_table(theirs / DATA)
    assert dataset.problems == []
    for key in ("observation.state", "action", "next.reward", "next.done", "grid", *AUTOMATIC):
        expected = np.array(table.column(key).to_pylist())
        found = dataset.column(key)
        assert found.dtype == dataset.features.get(key, AUTOMATIC.get(key)).dtype
        np.testing.assert_array_equal(found.reshape(expected.shape), expected)
        assert not found.flags.writeable and found.flags.c_contiguous


def test_episodes_of_lerobot_read_back_equal(theirs):
    dataset = open_dataset(theirs)
    assert dataset.lengths.tolist() == [12, 13, 14] and dataset.starts.tolist() == [0, 12, 25]
    assert [dataset.episode(i).task for i in range(3)] == ["task 0", "task 1", "task 0"]
    assert dataset.episode(1).arrays["grid"].shape == (13, 2, 2)
    assert dataset.features["observation.state"].names == ("a", "b", "c")
    assert (dataset.fps, dataset.robot_type, dataset.version) == (10.0, "panda", "v3.0")


def test_video_of_lerobot_decodes_at_each_camera_offset(theirs):
    with av.open(str(theirs / VIDEO)) as container:
        every = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    dataset = open_dataset(theirs)
    for index in range(3):
        start, length = int(dataset.starts[index]), int(dataset.lengths[index])
        np.testing.assert_array_equal(dataset.frames(index, "observation.images.top"), every[start : start + length])


def test_embedded_png_of_lerobot_decodes_exactly(theirs):
    cells = pq.read_table(theirs / DATA).column("observation.images.png").to_pylist()
    expected = np.stack([matplotlib.image.imread(io.BytesIO(cell["bytes"])) for cell in cells])
    found = np.concatenate([open_dataset(theirs).frames(i, "observation.images.png") for i in range(3)])
    np.testing.assert_array_equal(found, np.round(expected[..., :3] * 255).astype(np.uint8))


def test_info_is_written_as_lerobot_writes_it(theirs, ours):
    # As text: order of keys, indentation and the lack of a final newline are part of it.
    assert (ours / "meta/info.json").read_text() == (theirs / "meta/info.json").read_text()


def test_data_files_have_lerobot_s_columns_and_row_groups(theirs, ours):
    expected, found = pq.ParquetFile(theirs / DATA), pq.ParquetFile(ours / DATA)
    assert found.schema_arrow.remove_metadata().equals(expected.schema_arrow.remove_metadata(), check_metadata=True)
    assert str(found.schema).splitlines()[1:] == str(expected.schema).splitlines()[1:]
    features = [json.loads(one.schema_arrow.metadata[b"huggingface"])["info"]["features"] for one in (found, expected)]
    assert features[0] == features[1] and list(features[0]) == list(features[1])
    groups = [[one.metadata.row_group(i).num_rows for i in range(one.num_row_groups)] for one in (found, expected)]
    assert groups == [[12, 13, 14]] * 2
    assert {found.metadata.row_group(i).column(0).compression for i in range(3)} == {"SNAPPY"}


def test_data_files_have_lerobot_s_values(theirs, ours):
    found, expected = pq.read_table(ours / DATA), pq.read_table(theirs / DATA)
    for name in expected.column_names:
        if name != "observation.images.png":
            assert found.column(name).to_pylist() == expected.column(name).to_pylist(), name


def test_table_of_episodes_has_lerobot_s_columns_then_ours(theirs, ours):
    expected, found = pq.read_table(theirs / EPISODES), pq.read_table(ours / EPISODES)
    assert found.column_names == [*expected.column_names, "motorium/meta"]
    for field in expected.schema:
        assert found.schema.field(field.name).type == field.type, field.name
        if not field.name.startswith("stats/"):
            assert found.column(field.name).to_pylist() == expected.column(field.name).to_pylist(), field.name


def test_table_of_tasks_is_lerobot_s_pandas_frame(theirs, ours):
    found, expected = pq.read_table(ours / "meta/tasks.parquet"), pq.read_table(theirs / "meta/tasks.parquet")
    assert found.column_names == expected.column_names and found.to_pylist() == expected.to_pylist()
    pandas = [json.loads(table.schema.metadata[b"pandas"]) for table in (found, expected)]
    assert pandas[0]["index_columns"] == pandas[1]["index_columns"]
    assert [column["field_name"] for column in pandas[0]["columns"]] == ["task_index", "__index_level_0__"]


def test_statistics_agree_with_lerobot_s(theirs, ours):
    found, expected = (json.loads((root / "meta/stats.json").read_text()) for root in (ours, theirs))
    assert found.keys() == expected.keys()
    for key, values in expected.items():
        assert list(found[key]) == list(values), key
        for name, value in values.items():
            assert np.shape(found[key][name]) == np.shape(value), (key, name)
            if name in ("min", "max", "mean", "count") or (name == "std" and "images" not in key):
                np.testing.assert_allclose(found[key][name], value, rtol=1e-6, atol=1e-6, err_msg=f"{key} {name}")


def test_statistics_of_each_episode_agree_with_lerobot_s(theirs, ours):
    expected, found = pq.read_table(theirs / EPISODES), pq.read_table(ours / EPISODES)
    for name in expected.column_names:
        key, _, statistic = name.removeprefix("stats/").rpartition("/")
        if not name.startswith("stats/"):
            continue
        if statistic.startswith("q") and "images" not in key:
            # LeRobot's are edges of histogram bins; ours are exact (test_statistics).
            continue
        for one, other in zip(found.column(name).to_pylist(), expected.column(name).to_pylist()):
            np.testing.assert_allclose(np.array(one, float), np.array(other, float), rtol=1e-5, atol=1e-6, err_msg=name)


def test_video_is_copied_packet_by_packet(theirs, ours):
    def packets(path):
        with av.open(str(path)) as container:
            return [(float(p.pts * p.time_base), bytes(p)) for p in container.demux(video=0) if p.pts is not None]

    assert packets(ours / VIDEO) == packets(theirs / VIDEO)
