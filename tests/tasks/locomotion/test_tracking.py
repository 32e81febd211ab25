"""Motion tracking: where episodes begin in the clip, what is rewarded, and when the motion is lost."""

from __future__ import annotations

import numpy as np
import pytest

from motorium.core.errors import DataError, SimError
from motorium.robots import ROBOTS
from motorium.tasks.locomotion.clip import write_clip
from motorium.tasks.locomotion.squat import make_squats
from motorium.tasks.make import make_env

EXACT = {"start_rad": 0.0, "noise": 0.0, "push_m_s": (0.0, 0.0)}
STATE, PRIVILEGED = "observation.state", "observation.privileged"
SEEDS = np.arange(4)


def part(env, key, ending):
    return [i for i, name in enumerate(env.info.observation[key].names) if name.endswith(ending)]


def test_robots_start_in_the_clip_somewhere_before_its_last_episode():
    env = make_env("g1/tracking", 4, threads=1, squats_s=20.0, episode_s=10.0, **EXACT)
    phases = np.array([0.0, 0.25, 0.5, 1.0])
    observation = env.reset(SEEDS, factors={"phase": phases})
    over = observation[PRIVILEGED][:, part(env, PRIVILEGED, "clip.over")[0]]
    # Frames 0, 125, 250 and 499 of 1000.
    assert over == pytest.approx(np.array([0, 125, 250, 499]) / 999)
    clip = make_squats(*_robot(), 20.0, 50.0)
    for row, frame in enumerate([0, 125, 250, 499]):
        pose = env.pose(row)["qpos"]
        assert pose[:3] == pytest.approx(clip.body_pos_w[frame, 0])
        assert pose[7:] == pytest.approx(clip.joint_pos[frame])


def test_who_does_as_the_clip_earns_all_of_every_term():
    env = make_env("g1/tracking", 4, threads=1, strength=(1.0, 1.0), **EXACT)
    env.reset(SEEDS)
    step = env.step(np.zeros((4, 29), np.float32))
    for name, weight in {"joints": 1.0, "bodies": 1.0, "position": 0.5, "orientation": 0.5}.items():
        assert (step.info[f"reward.{name}"] > 0.9 * weight / 50).all(), name
        assert (step.info[f"reward.{name}"] <= weight / 50).all(), name


def test_the_aim_is_the_next_frame_seen_from_the_robot():
    env = make_env("g1/tracking", 1, threads=1, **EXACT)
    observation = env.reset(np.zeros(1, np.int64), factors={"phase": np.array([0.2])})[STATE][0]
    clip = make_squats(*_robot(), 20.0, 50.0)
    home = np.array(_robot()[0].home_rad)
    frame = int(0.2 * 500) + 1
    assert observation[part(env, STATE, ".aim")] == pytest.approx(clip.joint_pos[frame] - home, abs=1e-6)
    assert observation[part(env, STATE, ".aim_velocity")] == pytest.approx(clip.joint_vel[frame], abs=1e-6)
    # The pelvis moves little in a step: the next one is close, and turned as this one is.
    names = env.info.observation[STATE].names
    starts = ("aim.position", "aim.axis_x", "aim.axis_z")
    axes = [observation[[i for i, name in enumerate(names) if name.startswith(start)]] for start in starts]
    assert axes[0] == pytest.approx([0.0, 0.0, 0.0], abs=0.01)
    assert axes[1] == pytest.approx([1.0, 0.0, 0.0], abs=0.02)
    assert axes[2] == pytest.approx([0.0, 0.0, 1.0], abs=0.02)


def test_who_falls_has_lost_the_motion():
    env = make_env("g1/tracking", 2, threads=1, **EXACT)
    env.reset(np.zeros(2, np.int64))
    knees = np.zeros((2, 29), np.float32)
    knees[:, [i for i, name in enumerate(env.info.action.names) if "knee" in name]] = 1.0
    for _ in range(150):
        step = env.step(knees)
    assert step.terminated.all()
    assert {env.info.outcomes[code] for code in step.outcome} == {"lost"}


def test_a_clip_from_a_file_is_tracked_as_the_one_that_was_written(tmp_path):
    write_clip(tmp_path / "own.npz", make_squats(*_robot(), 20.0, 50.0))
    own = make_env("g1/tracking", 4, threads=1, **EXACT)
    read = make_env("g1/tracking", 4, threads=1, clip=str(tmp_path / "own.npz"), **EXACT)
    assert read.reset(SEEDS)[STATE] == pytest.approx(own.reset(SEEDS)[STATE], abs=1e-5)


def test_a_clip_of_another_robot_is_refused(tmp_path):
    clip = make_squats(*_robot(), 4.0, 50.0)
    np.savez(tmp_path / "other.npz", **{name: values[:, :12] for name, values in clip.arrays().items()})
    with pytest.raises(DataError, match="another robot"):
        make_env("g1/tracking", 1, clip=str(tmp_path / "other.npz"))


def test_a_key_body_that_the_robot_has_not_is_refused_with_the_nearest():
    with pytest.raises(SimError, match="left_knee_link"):
        make_env("g1/tracking", 1, bodies=("left_knee_lnk",))


def _robot():
    robot = ROBOTS.load("g1")("training")
    return robot, robot.spec.compile()
