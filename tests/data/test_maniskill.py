"""ManiSkill: observation i stands beside action i, the one after the last action is kept, the .json is checked."""

import json

import h5py
import numpy as np
import pytest

from motorium.core.errors import DataError
from motorium.data.formats import LOGS
from motorium.data.formats.maniskill import FORMAT
from tests.data.hdf5_samples import write_act, write_maniskill


@pytest.fixture
def sample(tmp_path):
    path = tmp_path / "trajectory.h5"
    return path, write_maniskill(path)


def test_recognises_the_file_its_description_and_the_folder(sample, tmp_path):
    path, _ = sample
    for one in (path, path.with_suffix(".json"), tmp_path):
        assert "traj_0" in FORMAT.recognise(one)
    write_act(tmp_path / "a.hdf5", 3, 0)
    assert FORMAT.recognise(tmp_path / "a.hdf5") is None


def test_a_step_is_an_observation_and_the_action_after_it(sample):
    path, trajectories = sample
    log = FORMAT.open(path)
    for segment, trajectory in zip(log.segments, trajectories, strict=True):
        steps = len(trajectory["actions"])
        assert {stream.count for stream in segment.streams.values()} == {steps}
        for key in ("actions", "obs/agent/qpos", "obs/extra/tcp_pose", "env_states/actors/cube"):
            assert np.array_equal(segment.values(key), trajectory[key][:steps])
        rgb = list(segment.pictures("obs/sensor_data/base_camera/rgb", np.arange(steps)))
        assert np.array_equal(rgb, trajectory["obs/sensor_data/base_camera/rgb"][:steps])


def test_the_observation_after_the_last_action_is_kept(sample):
    path, trajectories = sample
    log = FORMAT.open(path)
    final = log.segments[0].meta["final_observation"]
    assert final["obs/agent/qpos"] == trajectories[0]["obs/agent/qpos"][-1].tolist()
    assert final["env_states/actors/cube"] == trajectories[0]["env_states/actors/cube"][-1].tolist()
    assert not [key for key in final if "rgb" in key]
    assert any("pictures" in problem for problem in log.problems)


def test_outcome_seed_and_control_mode_are_kept(sample):
    log = FORMAT.open(sample[0])
    meta = log.segments[1].meta
    assert (meta["episode_seed"], meta["reset_kwargs"]["seed"], meta["success"]) == (101, 101, True)
    assert log.conventions["actions"] == "control mode pd_joint_delta_pos"
    assert (log.robot_type, log.facts["environment"]) == ("panda", "PickCube-v1")
    targets = {key: stream.target for key, stream in log.segments[0].streams.items()}
    assert targets["obs/agent/qpos"] == targets["obs/agent/qvel"] == "observation.state"
    assert targets["obs/sensor_data/base_camera/rgb"] == "observation.images.base_camera"
    assert targets["terminated"] == "next.terminated"
    assert targets["success"] == "next.success"
    assert targets["env_states/actors/cube"] is None


def test_the_rate_is_taken_where_it_is_stated(sample):
    path, _ = sample
    assert FORMAT.open(path).rate_hz is None
    plain = json.loads(path.with_suffix(".json").read_text())
    plain["env_info"]["env_kwargs"]["sim_config"] = {"control_freq": 10}
    path.with_suffix(".json").write_text(json.dumps(plain))
    assert FORMAT.open(path).rate_hz == 10.0


def test_an_absent_or_contradicting_description_is_said(sample):
    path, _ = sample
    beside = path.with_suffix(".json")
    plain = json.loads(beside.read_text())
    plain["episodes"][0]["elapsed_steps"] = 9
    beside.write_text(json.dumps(plain))
    assert "/traj_0: the .json states 9 steps, and 4 actions are there" in FORMAT.open(path).problems
    beside.unlink()
    log = FORMAT.open(path)
    assert any("trajectory.json is absent" in problem for problem in log.problems)
    assert len(log.segments) == 2


def test_a_damaged_description_is_refused(sample):
    path, _ = sample
    for text, match in (("{", "not JSON"), ("[]", "no JSON object"), ('{"episodes": 3}', "list of episodes")):
        path.with_suffix(".json").write_text(text)
        with pytest.raises(DataError, match=match):
            FORMAT.open(path)


def test_actions_of_several_lengths_are_refused(sample):
    path, _ = sample
    with h5py.File(path, "a") as file:
        del file["traj_0/actions"]
        file["traj_0/actions/arm"], file["traj_0/actions/hand"] = np.zeros((4, 2)), np.zeros((3, 2))
    with pytest.raises(DataError, match="no single length"):
        FORMAT.open(path)


def test_a_description_that_is_a_link_elsewhere_is_not_followed(sample, tmp_path):
    path, _ = sample
    described = path.with_suffix(".json")
    described.rename(tmp_path.parent / "elsewhere.json")
    described.symlink_to(tmp_path.parent / "elsewhere.json")
    with pytest.raises(DataError, match="leaves the recording's folder"):
        LOGS.load("maniskill").open(path)
