"""Clips: files of motions are read as they were written, or refused with the reason; ours can be done."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from motorium.core.errors import DataError
from motorium.robots import ROBOTS
from motorium.tasks.locomotion.clip import read_clip, record, write_clip
from motorium.tasks.locomotion.squat import PERIOD_S, make_squats

FPS = 50.0


@pytest.fixture(scope="module")
def robot():
    robot = ROBOTS.load("g1")("training")
    return robot, robot.spec.compile()


@pytest.fixture(scope="module")
def squats(robot):
    return make_squats(*robot, PERIOD_S, FPS)


def plain(clip):
    return {"fps": np.array([clip.fps]), **clip.arrays()}


def test_a_clip_is_read_as_it_was_written(squats, robot, tmp_path):
    write_clip(tmp_path / "squats.npz", squats)
    read = read_clip(tmp_path / "squats.npz", joints=29, bodies=robot[1].nbody - 1)
    assert read.fps == FPS
    for name, values in squats.arrays().items():
        assert getattr(read, name) == pytest.approx(values, abs=1e-6), name


def test_a_clip_without_a_rate_has_mjlabs(squats, tmp_path):
    np.savez(tmp_path / "a.npz", **squats.arrays())
    assert read_clip(tmp_path / "a.npz", 29, 30).fps == 50.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.pop("body_quat_w"), "lacks arrays"),
        (lambda a: a.update(joint_pos=a["joint_pos"][:, :12]), "another robot"),
        (lambda a: a.update(joint_vel=a["joint_vel"][:5]), "another robot"),
        (lambda a: a.update({name: values[:1] for name, values in a.items()}), "no motion"),
        (lambda a: a.update(joint_pos=np.full_like(a["joint_pos"], np.nan)), "not finite"),
        (lambda a: a.update(joint_pos=a["joint_pos"].astype(str)), "not finite"),
        (lambda a: a.update(joint_pos=np.float64(1.0)), "no motion"),
        (lambda a: a.update(body_quat_w=0.5 * a["body_quat_w"]), "unit quaternions"),
        (lambda a: a.update(fps=np.array([0.0])), "no rate"),
        (lambda a: a.update(fps=np.array([30.0, 60.0])), "no rate"),
        (lambda a: a.update(joint_pos=a["joint_pos"].astype(object)), "no clip"),
    ],
)
def test_a_bad_clip_is_refused_with_the_reason(squats, tmp_path, change, message):
    arrays = plain(squats)
    change(arrays)
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(DataError, match=message):
        read_clip(tmp_path / "bad.npz", 29, 30)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"no archive at all"])
def test_what_is_no_archive_is_refused(tmp_path, content):
    (tmp_path / "bad.npz").write_bytes(content)
    with pytest.raises(DataError, match="no clip"):
        read_clip(tmp_path / "bad.npz", 29, 30)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match="gone.npz"):
        read_clip(tmp_path / "gone.npz", 29, 30)


def test_a_clip_at_twice_its_rate_has_its_frames_and_the_ones_between(squats):
    twice = squats.resampled(2 * FPS)
    assert twice.frames == 2 * squats.frames - 1
    assert twice.joint_pos[::2] == pytest.approx(squats.joint_pos)
    assert twice.joint_pos[1::2] == pytest.approx(0.5 * (squats.joint_pos[1:] + squats.joint_pos[:-1]))
    assert np.linalg.norm(twice.body_quat_w, axis=-1) == pytest.approx(1.0)
    assert squats.resampled(FPS) is squats


def test_recorded_velocities_are_those_of_a_known_motion(robot):
    _, model = robot
    qpos = np.tile(model.qpos0, (21, 1))
    times = np.arange(21) / FPS
    # Gliding to the front at 0.5 m/s and turning at 1 rad/s.
    qpos[:, 0] = 0.5 * times
    qpos[:, 3], qpos[:, 6] = np.cos(0.5 * times), np.sin(0.5 * times)
    clip = record(model, qpos, FPS)
    assert clip.body_ang_vel_w == pytest.approx(np.broadcast_to([0.0, 0.0, 1.0], clip.body_ang_vel_w.shape), abs=1e-6)
    out = clip.body_pos_w - clip.body_pos_w[:, :1]
    expected = [0.5, 0.0, 0.0] + np.cross([0.0, 0.0, 1.0], out)
    assert clip.body_lin_vel_w == pytest.approx(expected, abs=1e-6)
    assert clip.joint_vel == pytest.approx(0.0)


def test_squats_keep_the_feet_in_place_and_every_joint_in_its_range_and_moving(squats, robot):
    legged, model = robot
    for side in ("left", "right"):
        foot = model.body(f"{side}_ankle_roll_link").id - 1
        assert np.ptp(squats.body_pos_w[:, foot], axis=0) == pytest.approx(0.0, abs=1e-6)
        assert np.ptp(squats.body_quat_w[:, foot], axis=0) == pytest.approx(0.0, abs=1e-6)
    limits = np.array([model.joint(name).range for name in legged.joints])
    assert (squats.joint_pos > limits[:, 0]).all() and (squats.joint_pos < limits[:, 1]).all()
    assert (np.ptp(squats.joint_pos, axis=0) > 0.05).all()
    assert np.ptp(squats.body_pos_w[:, 0, 2]) == pytest.approx(0.08, abs=1e-6)


def test_squats_can_be_done_the_feet_are_pressed_to_the_ground_within_their_soles(squats, robot):
    """By Newton and Euler: where the ground's force must act, given how all bodies of the robot move."""
    _, model = robot
    mass, gravity = model.body_mass[1:], np.array([0.0, 0.0, -9.81])
    data, centres = mujoco.MjData(model), []
    order = [int(model.joint(name).qposadr[0]) for name in robot[0].joints]
    for base, turn, joints in zip(squats.body_pos_w[:, 0], squats.body_quat_w[:, 0], squats.joint_pos):
        data.qpos[:3], data.qpos[3:7], data.qpos[order] = base, turn, joints
        mujoco.mj_kinematics(model, data)
        centres.append(data.xipos[1:].copy())
    centres = np.array(centres)
    # Of point masses: the bodies' own turning is slow and their inertia small.
    forces = mass[:, None] * (np.gradient(np.gradient(centres, 1 / FPS, axis=0), 1 / FPS, axis=0) - gravity)
    whole, moment = forces.sum(1), np.cross(centres, forces).sum(1)
    press = np.stack([-moment[:, 1], moment[:, 0]], axis=1) / whole[:, 2:]
    weight = 9.81 * mass.sum()
    assert (whole[:, 2] > 0.8 * weight).all() and (whole[:, 2] < 1.2 * weight).all()
    feet = [squats.body_pos_w[0, model.body(f"{side}_ankle_roll_link").id - 1] for side in ("left", "right")]
    geom = model.geom("left_foot_box")
    low, high = (feet[0][0] + geom.pos[0] + sign * geom.size[0] for sign in (-1, 1))
    assert (press[:, 0] > low).all() and (press[:, 0] < high).all()
    assert (np.abs(press[:, 1]) < feet[0][1]).all()
