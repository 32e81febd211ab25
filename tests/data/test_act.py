"""ACT and ALOHA: one file an episode, raw pictures exact, compressed ones as JPEG decodes them."""

import h5py
import numpy as np
import pytest

from motorium.core.errors import DataError
from motorium.data.formats.act import FORMAT
from motorium.data.ingest.suggest import suggest
from tests.data.hdf5_samples import write_act, write_robomimic

CAMERA = "observations/images/cam_high"


def pictures(segment, steps):
    return np.stack(list(segment.pictures(CAMERA, np.arange(steps))))


def test_each_file_of_a_folder_is_an_episode_in_numeric_order(tmp_path):
    episodes = {index: write_act(tmp_path / f"episode_{index}.hdf5", 3 + index, index) for index in (0, 2, 10)}
    assert "ACT" in FORMAT.recognise(tmp_path)
    log = FORMAT.open(tmp_path)
    assert [segment.name for segment in log.segments] == ["episode_0", "episode_2", "episode_10"]
    for segment, (index, episode) in zip(log.segments, episodes.items(), strict=True):
        for key in ("action", "observations/qpos", "observations/qvel", "observations/effort"):
            assert np.array_equal(segment.values(key), episode[key])
        assert np.array_equal(pictures(segment, 3 + index), episode["pictures"])
    assert log.rate_hz is None
    assert log.segments[0].meta["sim"] is False


def test_a_file_alone_is_a_log_and_other_hdf5_is_not(tmp_path):
    write_act(tmp_path / "one.hdf5", 4, 0)
    write_robomimic(tmp_path / "two.hdf5")
    assert len(FORMAT.open(tmp_path / "one.hdf5").segments) == 1
    assert FORMAT.recognise(tmp_path / "two.hdf5") is None
    log = FORMAT.open(tmp_path)
    assert log.problems == ("two.hdf5 is no episode and was left out",)


def test_padded_jpegs_are_decoded(tmp_path):
    episode = write_act(tmp_path / "episode_0.hdf5", 5, 0, compressed=True)
    log = FORMAT.open(tmp_path)
    segment = log.segments[0]
    assert segment.streams[CAMERA].feature.shape == (24, 32, 3)
    assert segment.streams[CAMERA].target == "observation.images.cam_high"
    # The pictures are ramps, that JPEG at quality 95 keeps to a few grey values.
    error = np.abs(pictures(segment, 5).astype(int) - episode["pictures"].astype(int))
    assert error.max() <= 6
    assert "red and blue" in log.conventions["pictures"]
    assert segment.meta["compress"] is True


def test_the_base_of_a_mobile_robot_is_part_of_the_action(tmp_path):
    episode = write_act(tmp_path / "e.hdf5", 4, 0, mobile=True)
    segment = FORMAT.open(tmp_path / "e.hdf5").segments[0]
    mapped = [key for key, stream in segment.streams.items() if stream.target == "action"]
    assert mapped == ["action", "base_action"]
    assert np.array_equal(segment.values("base_action"), episode["base_action"])


def test_joints_have_one_name_where_they_are_measured_and_commanded(tmp_path):
    write_act(tmp_path / "e.hdf5", 4, 0, mobile=True)
    streams = FORMAT.open(tmp_path / "e.hdf5").segments[0].streams
    names = streams["action"].feature.names
    assert names[:2] == ("joint.0", "joint.1")
    assert streams["observations/qpos"].feature.names == streams["observations/qvel"].feature.names == names
    assert streams["base_action"].feature.names[0].startswith("base_action")


def test_the_rate_of_the_usual_recorder_is_suggested_not_taken(tmp_path):
    write_act(tmp_path / "e.hdf5", 4, 0)
    # DT = 0.02 in constants.py of ACT's repository.
    (rate,) = [one for one in suggest(FORMAT.open(tmp_path / "e.hdf5")).decisions if one.field == "fps"]
    assert rate.suggestion == "50"


def test_a_damaged_jpeg_is_named(tmp_path):
    write_act(tmp_path / "e.hdf5", 4, 0, compressed=True)
    with h5py.File(tmp_path / "e.hdf5", "a") as file:
        file[CAMERA][2] = 7
    segment = FORMAT.open(tmp_path / "e.hdf5").segments[0]
    assert len(list(segment.pictures(CAMERA, np.array([0, 1, 3])))) == 3
    with pytest.raises(DataError, match="neither PNG nor JPEG"):
        list(segment.pictures(CAMERA, np.array([2])))


def test_there_is_no_picture_beyond_the_last(tmp_path):
    write_act(tmp_path / "e.hdf5", 4, 0)
    segment = FORMAT.open(tmp_path / "e.hdf5").segments[0]
    with pytest.raises(DataError, match="no such picture"):
        list(segment.pictures(CAMERA, np.array([4])))
    with pytest.raises(DataError, match="no camera 'action'"):
        list(segment.pictures("action", np.array([0])))
