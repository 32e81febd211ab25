"""Reward terms of the arm tasks, against numbers worked out by hand for worlds that were put as they are."""

from __future__ import annotations

from math import cos, exp, sin, tanh

import numpy as np
import pytest

from motorium.tasks.make import make_env


def placed(name, **fields):
    """Return (env, terms): a task with its arm exactly at home, and a function that gives the terms as it stands."""
    env = make_env(name, 1, threads=1, start_rad=0.0, **fields)

    def terms():
        env._physics.forward()
        return {key: float(value[0]) for key, value in env._task.rewards(env._state()).items()}

    return env, terms


def reset(env, **factors):
    env.reset(np.zeros(1, np.int64), factors={name: np.array([value]) for name, value in factors.items()})


def put_cube(env, place):
    """Put the cube, level, at `place`."""
    first = int(env._physics.model.joint("cube").qposadr[0])
    env._physics.qpos[:, first : first + 7] = [*place, 1.0, 0.0, 0.0, 0.0]


def test_reaching_pays_for_the_distance_coarse_and_fine():
    env, terms = placed("panda/reach")
    home = env._task.body.home_m
    reset(env, target_x_m=home[0] + 0.03, target_y_m=home[1], target_z_m=home[2] + 0.04)
    found = terms()
    assert found["reach"] == pytest.approx(1 - tanh(0.05 / 0.2), abs=1e-9)
    assert found["precise"] == pytest.approx(1 - tanh(0.05 / 0.03), abs=1e-9)
    assert found["rate"] == found["speed"] == 0.0
    env._physics.qvel[:, :2] = [0.3, -0.4]
    assert terms()["speed"] == pytest.approx(0.25)


def test_changing_the_action_costs_the_square_of_the_change():
    env, _ = placed("panda/reach")
    reset(env)
    action = np.array([[0.5, -1.0, 0, 0, 0, 0, 0.25]], np.float32)
    first, second = env.step(action), env.step(-action)
    changed = 0.25 + 1.0 + 0.0625
    # Weight -0.01, a twentieth of a second.
    assert first.info["reward.rate"] == pytest.approx(-0.01 * changed / 20)
    assert second.info["reward.rate"] == pytest.approx(-0.01 * 4 * changed / 20)


def test_a_reward_is_the_sum_of_its_terms_as_reported():
    env, _ = placed("panda/lift")
    reset(env)
    step = env.step(np.full((1, 8), 0.3, np.float32))
    total = sum(float(value[0]) for name, value in step.info.items() if name.startswith("reward."))
    assert step.reward[0] == pytest.approx(total, rel=1e-6)


def test_lifting_pays_by_stages():
    env, terms = placed("panda/lift")
    reset(env, cube_half_m=0.02)
    hand = env._task.body.home_m
    put_cube(env, [hand[0], hand[1] + 0.1, 0.02])
    away = terms()
    apart = np.hypot(0.1, hand[2] - 0.02)
    assert away["reach"] == pytest.approx(1 - tanh(apart / 0.2)) and away["near"] == pytest.approx(
        1 - tanh(apart / 0.05)
    )
    assert away["down"] == pytest.approx(1.0, abs=1e-4)
    assert away["grasp"] == pytest.approx(0.0, abs=1e-4) and away["lift"] == away["hold"] == 0.0
    # In the open hand, 23 cm above the table: lifted by the whole height, but not grasped.
    put_cube(env, hand)
    inside = terms()
    assert inside["reach"] == pytest.approx(1.0) and inside["lift"] == pytest.approx(1.0)
    assert inside["grasp"] == pytest.approx(0.0, abs=0.02) and inside["hold"] == 0.0
    # Thrown up: high, but 10 cm from the hand.
    put_cube(env, hand + [0.0, 0.0, 0.1])
    assert terms()["lift"] == pytest.approx(1 - tanh(2.0))
    # The fingers at 45 mm of 85, the cube of 40 mm 1 cm above the hand.
    driver = int(env._physics.model.joint("right_driver_joint").qposadr[0])
    env._physics.qpos[:, driver] = 0.395
    put_cube(env, hand + [0.0, 0.0, 0.01])
    held = terms()
    assert held["grasp"] == pytest.approx(exp(-0.25) * (85 - 45) / (85 - 40), abs=0.01)
    assert held["hold"] == pytest.approx(1 - tanh((hand[2] + 0.01 - 0.02 - 0.10) / 0.03))


def test_pushing_pays_for_being_behind_the_cube_and_for_the_cube_being_near_the_zone():
    env, terms = placed("panda/push")
    hand = env._task.body.home_m
    reset(env, cube_x_m=0.4, cube_y_m=0.0, cube_half_m=0.02, zone_distance_m=0.15, zone_angle_rad=0.0)
    put_cube(env, [0.4, 0.0, 0.02])
    found = terms()
    # The zone is in front: behind is 2 + 1.5 cm towards the robot.
    behind = np.linalg.norm(hand - [0.365, 0.0, 0.02])
    assert found["behind"] == pytest.approx(1 - tanh(behind / 0.1), abs=1e-6)
    assert found["push"] == pytest.approx(1 - tanh(1.0)) and found["zone"] == pytest.approx(1 - tanh(5.0))
    put_cube(env, [0.53, 0.0, 0.02])
    arrived = terms()
    assert arrived["behind"] == 1.0 and arrived["zone"] == pytest.approx(1 - tanh(0.02 / 0.03))


def test_inserting_pays_for_coming_near_for_alignment_and_for_depth():
    env, terms = placed("panda/peg-insertion")
    hand = env._task.body.home_m
    tip = hand - [0.0, 0.0, 0.06]
    reset(env, hole_x_m=tip[0] + 0.03, hole_y_m=tip[1])
    found, above = terms(), tip[2] - 0.04
    assert found["upright"] == pytest.approx(1.0, abs=1e-4)
    assert found["reach"] == pytest.approx(1 - tanh((0.03 + above) / 0.1), abs=1e-3)
    assert found["align"] == pytest.approx(exp(-36.0), abs=1e-9) and found["insert"] == 0.0
    # The block is lifted up to the peg: its mouth 1.5 cm above the tip, 3 mm aside.
    env._physics.mocap_pos[:, 0] = [tip[0] + 0.003, tip[1], tip[2] + 0.015 - 0.04]
    found = terms()
    assert found["insert"] == pytest.approx(0.5, abs=0.01) and found["align"] == pytest.approx(exp(-0.36), abs=0.01)
    # As deep, but beside the hole.
    env._physics.mocap_pos[:, 0, 0] = tip[0] + 0.012
    assert terms()["insert"] == 0.0


def test_handing_over_pays_by_stages():
    env, terms = placed("viperx/transfer")
    reset(env, cube_half_m=0.02)
    model, (left, right) = env._physics.model, (body.home_m for body in env._task.bodies)

    def close_on_the_cube(side):
        finger = int(model.joint(f"vx300s_{side}/left_finger").qposadr[0])
        # The opening is twice the position less 44.8 mm.
        env._physics.qpos[:, finger] = 0.0424

    put_cube(env, [0.1, 0.0, 0.02])
    lying = terms()
    assert lying["reach"] == pytest.approx(1 - tanh(np.linalg.norm(right - [0.1, 0.0, 0.02]) / 0.1), abs=1e-6)
    assert not any(lying[name] for name in ("grasp", "lift", "meet", "take", "release"))
    put_cube(env, right)
    close_on_the_cube("right")
    held = terms()
    assert held["reach"] == pytest.approx(1.0) and held["grasp"] == 1.0 and held["lift"] == pytest.approx(1.0)
    assert held["meet"] == pytest.approx(1 - tanh(np.linalg.norm(right - left) / 0.1), abs=1e-9)
    assert held["take"] == held["release"] == 0.0
    put_cube(env, left)
    close_on_the_cube("left")
    given = terms()
    for name in ("reach", "grasp", "lift", "meet", "take", "release"):
        assert given[name] == pytest.approx(1.0), name


def test_the_finger_of_the_reacher_is_where_its_angles_put_it():
    env = make_env("reacher/reach", 1, threads=1)
    first, second = 0.4, -0.9
    x, y = 0.12 * (cos(first) + cos(first + second)), 0.12 * (sin(first) + sin(first + second))
    radius, angle = np.hypot(x, y) - 0.05, np.arctan2(y, x)
    reset(env, shoulder_rad=first, elbow_rad=second, target_m_from_base=radius, target_angle_rad=angle)
    terms = env._task.rewards(env._state())
    assert terms["at_target"][0] == 0.0 and terms["near"][0] == pytest.approx(1 - tanh(0.5), abs=1e-9)
    reset(env, shoulder_rad=first, elbow_rad=second, target_m_from_base=radius + 0.03, target_angle_rad=angle)
    assert env._task.rewards(env._state())["at_target"][0] == 1.0


def test_the_cheetah_is_paid_by_its_speed_up_to_ten_metres_a_second():
    env = make_env("cheetah/run", 4, threads=1)
    env.reset(np.arange(4))
    env._physics.qvel[:, 0] = [-1.0, 2.5, 10.0, 12.0]
    assert env._task.rewards(env._state())["run"] == pytest.approx([0.0, 0.25, 1.0, 1.0])
