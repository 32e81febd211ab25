"""The quick tasks: cartpole, reacher, cheetah: what they call a success, and that it can be had."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from motorium.core.protocols import SUCCESS
from motorium.robots.cheetah import model as cheetah
from motorium.tasks.make import make_env


def balanced(env, start: float, seconds: float = 10.0):
    """Run a cartpole that starts `start` rad from upright under a feedback that balances it; return the last step."""
    env.reset(np.arange(1), factors={"pole_rad": np.array([np.pi + start])})
    for _ in range(round(seconds * env.info.control_hz)):
        (x, angle), (v, w) = env._physics.qpos[0], env._physics.qvel[0]
        force = 35.0 * ((angle + np.pi) % (2 * np.pi) - np.pi) + 8.0 * w + 1.0 * x + 2.0 * v
        step = env.step(np.array([[force / 10.0]], np.float32))
    return step


def test_a_pole_that_stands_to_the_end_is_a_success():
    env = make_env("cartpole/swing-up", 1, threads=1)
    last = balanced(env, 0.1)
    assert last.truncated.all() and last.outcome[0] == SUCCESS
    assert last.info["standing_s"][0] > 5.0


def test_a_pole_that_has_stood_for_less_than_five_seconds_is_none():
    env = make_env("cartpole/swing-up", 1, threads=1, episode_s=4.5)
    last = balanced(env, 0.1, 4.5)
    assert last.truncated.all() and env.info.outcomes[last.outcome[0]] == "timeout"


def test_a_pole_that_hangs_is_none():
    env = make_env("cartpole/swing-up", 2, threads=1)
    env.reset(np.arange(2))
    for _ in range(env.info.max_steps):
        last = env.step(np.zeros((2, 1), np.float32))
    assert last.truncated.all() and (last.outcome == env.info.outcomes.index("timeout")).all()
    assert (last.info["standing_s"] == 0).all()


def test_a_controller_that_knows_the_angles_reaches_the_reachers_targets():
    env = make_env("reacher/reach", 16, threads=1)
    env.reset(np.arange(16))
    f = env.factors()
    # Two links of 12 cm: the elbow bends by twice the angle whose cosine is half the distance over a link.
    bend = 2.0 * np.arccos(f["target_m_from_base"] / 0.24)
    bend = np.where(f["elbow_rad"] < 0, -bend, bend)
    wanted = np.stack([f["target_angle_rad"] - bend / 2, bend], axis=1)
    for _ in range(env.info.max_steps):
        q, v = env._physics.qpos, env._physics.qvel
        off = wanted - q
        off[:, 0] = (off[:, 0] + np.pi) % (2 * np.pi) - np.pi
        last = env.step((1.5 * off - 0.25 * v).astype(np.float32))
    assert last.truncated.all() and (last.outcome == SUCCESS).all()
    assert last.info["distance_m"].max() < 0.025


def test_a_reacher_that_does_nothing_succeeds_nowhere_but_where_it_starts():
    env = make_env("reacher/reach", 16, threads=1)
    env.reset(np.arange(16))
    for _ in range(env.info.max_steps):
        last = env.step(np.zeros((16, 2), np.float32))
    assert ((last.outcome == SUCCESS) == (last.info["distance_m"] <= 0.025)).all()
    assert (last.outcome != SUCCESS).any()


def test_the_cheetah_weighs_14_kg_and_stands_on_its_feet():
    env = make_env("cheetah/run", 1, threads=1, start_rad=0.0)
    assert env._physics.model.body_mass.sum() == pytest.approx(14.0, rel=1e-9)
    env.reset(np.zeros(1, np.int64), factors={"pitch_rad": np.zeros(1)})
    for _ in range(60):
        env.step(np.zeros((1, 6), np.float32))
    data = mujoco.MjData(env._physics.model)
    data.qpos[:] = env._physics.qpos[0]
    mujoco.mj_forward(env._physics.model, data)
    touching = {env._physics.model.geom(g).name for c in data.contact for g in c.geom} - {"ground"}
    assert touching <= {"hind_foot", "fore_foot"} and touching
    assert data.joint("root_z").qpos[0] > 0.8 * cheetah.HEIGHT_M and abs(data.joint("root_pitch").qpos[0]) < 0.3


def test_a_cheetah_is_judged_by_its_mean_speed():
    env = make_env("cheetah/run", 3, threads=1, episode_s=1.0)
    env.reset(np.arange(3))
    for _ in range(env.info.max_steps - 1):
        env.step(np.zeros((3, 6), np.float32))
    # Carried to where it would have come at 2, 4 and 6 m/s; the last step moves it by centimetres.
    env._physics.qpos[:, 0] = [2.0, 4.0, 6.0]
    last = env.step(np.zeros((3, 6), np.float32))
    assert last.truncated.all()
    assert (last.outcome == SUCCESS).tolist() == [False, True, True]
    assert last.info["speed_m_s"] == pytest.approx([2.0, 4.0, 6.0], abs=0.2)


def test_joints_turn_as_far_as_their_tables_say():
    model = make_env("cheetah/run", 1, threads=1)._physics.model
    for bones in cheetah.LEGS.values():
        for bone in bones:
            assert model.joint(bone.name).range.tolist() == pytest.approx(list(bone.range_rad))
    assert make_env("reacher/reach", 1, threads=1)._physics.model.joint("elbow").range.tolist() == [-2.8, 2.8]
