"""Real recordings: a humanoid's teleoperation (v2.1, most videos absent) and an arm's (v3.0, all videos absent)."""

import json

import av
import numpy as np
import pyarrow.parquet as pq
import pytest

from motorium.core.errors import DataError
from motorium.data.convert import convert
from motorium.data.dataset import open_dataset
from tests.support.real import real_data

pytestmark = pytest.mark.real

CAMERA = "observation.images.cam_high"
# From the folder's own listing of videos.
WITH_VIDEO = [12, 13, 14, 15, 16, 17, 18, 20, 21, 22, 23, 24]


@pytest.fixture(scope="module")
def g1():
    return open_dataset(real_data("g1_inspire_lerobot_v21"))


@pytest.fixture(scope="module")
def so101():
    return open_dataset(real_data("so101_lerobot_v30_novideo"))


@pytest.fixture(scope="module")
def dropped(g1, tmp_path_factory):
    return convert(g1, tmp_path_factory.mktemp("g1") / "drop", cameras="drop")


@pytest.fixture(scope="module")
def subset(g1, tmp_path_factory):
    return convert(g1, tmp_path_factory.mktemp("g1") / "subset", cameras="subset")


def packets(path):
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.pts is not None]


def test_the_humanoid_s_arrays_equal_its_files(g1):
    assert (g1.version, g1.num_episodes, g1.num_frames, g1.fps) == ("v2.1", 100, 35965, 30.0)
    assert g1.problems == [] and g1.robot_type == "Unitree_G1_Inspire"
    names = g1.features["action"].names
    assert len(names) == 26 and names[0] == "kLeftShoulderPitch" and names[-1] == "kRightHandThumbRotation"
    for index in (0, 57, 99):
        table = pq.read_table(g1.root / f"data/chunk-000/episode_{index:06d}.parquet")
        for key in ("observation.state", "action"):
            expected = np.array(table.column(key).to_pylist(), np.float32)
            np.testing.assert_array_equal(g1.episode(index).arrays[key], expected)
    assert g1.episode(99).task == "Pick up the yellow bottle on the table."


def test_the_humanoid_s_absent_videos_are_named(g1):
    assert g1.missing_videos() == {CAMERA: [index for index in range(100) if index not in WITH_VIDEO]}
    with pytest.raises(DataError, match="no video") as error:
        g1.frames(0, CAMERA)
    assert "88 of 100 episodes lack it" in str(error.value)


def test_the_humanoid_s_frames_are_those_of_a_plain_decoder(g1):
    path = g1.root / f"videos/chunk-000/{CAMERA}/episode_000013.mp4"
    wanted = [0, 1, 2, 170, 341]
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for i, frame in enumerate(container.decode(video=0)) if i in wanted]
    np.testing.assert_array_equal(g1.frames(13, CAMERA, wanted), np.stack(frames))


def test_drop_keeps_all_of_the_humanoid_and_its_videos_aside(g1, dropped):
    found = dropped.dataset
    assert (found.version, found.num_episodes, found.num_frames) == ("v3.0", 100, 35965)
    assert CAMERA not in found.features and found.cameras == [CAMERA]
    assert found.missing_videos() == g1.missing_videos() == dropped.dropped_cameras
    for key in ("observation.state", "action", "timestamp", "index", "task_index"):
        np.testing.assert_array_equal(found.column(key), g1.column(key))
    for index in WITH_VIDEO:
        aside = found.root / f"extra_videos/{CAMERA}/episode_{index:06d}.mp4"
        assert packets(aside) == packets(g1.root / f"videos/chunk-000/{CAMERA}/episode_{index:06d}.mp4")
    np.testing.assert_array_equal(found.frames(18, CAMERA, [100]), g1.frames(18, CAMERA, [100]))


def test_subset_keeps_the_humanoid_s_twelve_episodes_without_reencoding(g1, subset):
    found = subset.dataset
    assert subset.episodes == WITH_VIDEO and len(subset.skipped) == 88 and subset.reencoded == {}
    joined = packets(found.root / f"videos/{CAMERA}/chunk-000/file-000.mp4")
    each = [packets(g1.root / f"videos/chunk-000/{CAMERA}/episode_{index:06d}.mp4") for index in WITH_VIDEO]
    assert joined == [packet for one in each for packet in one] and len(joined) == found.num_frames == 4060
    for new, old in enumerate(WITH_VIDEO):
        last = int(found.lengths[new]) - 1
        np.testing.assert_array_equal(found.frames(new, CAMERA, [0, last]), g1.frames(old, CAMERA, [0, last]))


def test_the_humanoid_s_statistics_agree_with_its_own(g1, dropped):
    found = dropped.dataset
    for index in (0, 50):
        theirs, ours = g1.episode_statistics(index), found.episode_statistics(index)
        for key in ("observation.state", "action"):
            for name in ("min", "max", "mean", "std", "count"):
                np.testing.assert_allclose(ours[key][name], theirs[key][name], rtol=1e-4, atol=1e-5)
    whole = found.statistics()["action"]
    actions = g1.column("action").astype(np.float64)
    np.testing.assert_allclose(whole["std"], actions.std(axis=0), rtol=1e-12)
    np.testing.assert_allclose(whole["q99"], np.quantile(actions, 0.99, axis=0), rtol=1e-12)


def test_require_lists_the_humanoid_s_missing_episodes(g1, tmp_path):
    with pytest.raises(DataError, match=r"88 of 100 episodes \(0-11, 19, 25-99\)"):
        convert(g1, tmp_path / "d", cameras="require")


def test_the_arm_without_videos_keeps_states_and_actions(so101, tmp_path):
    assert (so101.version, so101.num_episodes, so101.num_frames) == ("v3.0", 4, 1492)
    assert so101.lengths.tolist() == [373, 374, 372, 373] and so101.problems == []
    cameras = ["observation.images.front", "observation.images.top"]
    assert so101.missing_videos() == {camera: [0, 1, 2, 3] for camera in cameras}
    table = pq.read_table(so101.root / "data/chunk-000/file-000.parquet")
    for key in ("observation.state", "action"):
        np.testing.assert_array_equal(so101.column(key), np.array(table.column(key).to_pylist(), np.float32))
    made = convert(so101, tmp_path / "drop").dataset
    assert made.num_frames == 1492 and made.missing_videos() == so101.missing_videos()
    with pytest.raises(DataError, match="4 of 4 episodes"):
        convert(so101, tmp_path / "subset", cameras="subset")


def test_the_arm_s_statistics_agree_with_those_lerobot_wrote(so101, tmp_path):
    made = convert(so101, tmp_path / "drop").dataset
    theirs = json.loads((so101.root / "meta/stats.json").read_text())
    for key in ("observation.state", "action"):
        for name in ("min", "max", "mean", "std", "count"):
            np.testing.assert_allclose(made.statistics()[key][name], theirs[key][name], rtol=1e-4)
