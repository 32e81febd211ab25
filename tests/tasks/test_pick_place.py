"""Pick and place: its conditions as its module states them, and that it can be solved."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from motorium.core import frames
from motorium.core.errors import CatalogError, SimError, SpecError
from motorium.tasks.make import make_env

NAME = "ur5e/pick-place"
IDLE = np.array([0, 0, 0, 0, 0, 0, -1], np.float32)


def start(**values):
    """Return a world per value, with those start conditions, after one idle step: (env, step)."""
    size = max(len(np.atleast_1d(value)) for value in values.values())
    env = make_env(NAME, size)
    env.reset(np.arange(size), factors={k: np.broadcast_to(v, size).astype(float) for k, v in values.items()})
    return env, env.step(np.tile(IDLE, (size, 1)))


def outcome(env, step):
    return [env.info.outcomes[code] for code in step.outcome]


def test_a_cube_at_rest_in_the_zone_under_an_open_gripper_is_success():
    env, step = start(
        cube_x_m=[0.478, 0.45, 0.45, 0.482], cube_y_m=[0.0, 0.0, -0.028, 0.0], zone_x_m=0.45, zone_y_m=0.0
    )
    assert outcome(env, step) == ["success", "success", "success", "running"]
    assert step.terminated.tolist() == [True, True, True, False] and not step.truncated.any()
    assert (step.reward[:3] >= 10).all() and step.reward[3] < 1


def test_a_cube_in_the_zone_under_a_gripper_that_is_not_clear_is_no_success():
    env, step = start(
        cube_x_m=0.45, cube_y_m=0.0, zone_x_m=0.45, zone_y_m=0.0, eef_x_m=0.45, eef_y_m=0.0, eef_z_m=[0.06, 0.085]
    )
    assert outcome(env, step) == ["running", "success"]


def test_a_cube_in_the_zone_under_a_closed_gripper_is_no_success():
    env = make_env(NAME, 1)
    place = {"cube_x_m": 0.45, "cube_y_m": 0.0, "zone_x_m": 0.53, "zone_y_m": 0.0}
    env.reset(np.zeros(1, np.int64), factors={name: np.array([value]) for name, value in place.items()})
    closed = IDLE.copy()
    closed[-1] = 1
    for _ in range(15):
        env.step(closed[None])
    env._engine.mocap_pos[0, 0, 0] = 0.45  # the zone, under the cube
    assert outcome(env, env.step(closed[None])) == ["running"]
    for _ in range(15):
        step = env.step(IDLE[None])
    assert outcome(env, step) == ["success"]


def test_a_cube_in_the_zone_that_slides_turns_or_is_above_the_table_is_no_success():
    # One physics step a control step, so that nothing comes to rest within it.
    env = make_env(NAME, 4, control_hz=200.0)
    place = {"cube_x_m": 0.45, "cube_y_m": 0.0, "zone_x_m": 0.53, "zone_y_m": 0.0}
    env.reset(np.arange(4), factors={name: np.full(4, value) for name, value in place.items()})
    for _ in range(40):
        env.step(np.tile(IDLE, (4, 1)))
    env._engine.mocap_pos[:, 0, 0] = 0.45  # the zone, under the cube that has settled
    qpos, qvel = env._engine.qpos, env._engine.qvel
    qvel[1, env._cube_v] = 0.3
    qvel[2, env._cube_v + 5] = 6.0
    # Thrown up so that gravity just stops it.
    qpos[3, env._cube_q + 2] += 0.01
    qvel[3, env._cube_v + 2] = 9.81 * env.spec.timestep_s
    assert outcome(env, env.step(np.tile(IDLE, (4, 1)))) == ["success", "running", "running", "running"]


def test_a_cube_is_grasped_when_it_is_between_closed_fingers_and_off_the_table():
    env = make_env(NAME, 1)
    env.reset(np.zeros(1, np.int64))
    home, table = env._engine.qpos[0].copy(), env.poses()["cube"][0, 2]
    env._engine.qpos[0, env._cube_q : env._cube_q + 3] = env.poses()["eef"][0, :3]
    assert not env.signals()["grasped"][0]  # the fingers are open
    env._engine.qpos[0] = home
    pose = env.poses()["cube"]
    turn = np.arctan2(*frames.matrix_from_quat(pose[:, 3:])[0, [1, 0], 0])
    quat = frames.quat_multiply(frames.quat_from_yaw(turn), [0.0, 1.0, 0.0, 0.0])
    seen = []
    for height, grip, steps in ((0.10, -1, 28), (0.02, -1, 12), (0.02, 1, 14), (0.12, 1, 20), (0.12, -1, 20)):
        target = frames.make_pose(pose[:, :3] * [1, 1, 0] + [0, 0, height], quat)
        for _ in range(steps):
            env.step(env.action_from_target(target, np.full((1, 1), grip)))
        seen.append(bool(env.signals()["grasped"][0]))
        if height == 0.02:
            assert env.poses()["cube"][0, 2] == pytest.approx(table, abs=5e-3)
    assert seen == [False, False, False, True, False]


def test_a_cube_near_the_zone_that_nobody_holds_gives_no_reward_for_its_place():
    _, step = start(cube_x_m=[0.45, 0.45], cube_y_m=0.0, zone_x_m=[0.50, 0.46], zone_y_m=0.0)
    assert step.info["reward.place"][0] == 0
    assert step.info["reward.place"][1] == pytest.approx(0.3 / 1.1, rel=1e-2)


def test_the_versions_name_the_simulator_and_the_assets():
    assert make_env(NAME, 1).info.versions == {"mujoco": mujoco.__version__, "ogbench": "1.2.2"}


@pytest.mark.parametrize("model", ["training", "full"])
def test_a_cube_off_the_table_is_a_failure(model):
    env = make_env(NAME, 2, model=model)
    env.reset(np.arange(2), factors={"cube_x_m": np.array([0.99, 0.90]), "cube_y_m": np.array([0.2, 0.2])})
    for _ in range(8):
        step = env.step(np.tile(IDLE, (2, 1)))
    assert outcome(env, step) == ["cube_off_table", "running"]
    assert step.terminated.tolist() == [True, False]


def test_the_cube_lies_still_until_it_is_touched():
    env = make_env(NAME, 16)
    env.reset(np.arange(16))
    before = env.poses()["cube"]
    for _ in range(40):
        env.step(np.tile(IDLE, (16, 1)))
    assert np.abs(env.poses()["cube"] - before).max() < 1e-3


def test_the_observation_says_where_things_are():
    env = make_env(NAME, 5)
    state, poses = env.reset(np.arange(5))["observation.state"], env.poses()
    names = env.info.observation["observation.state"].names
    column = {name: state[:, i] for i, name in enumerate(names)}
    for i, axis in enumerate("xyz"):
        np.testing.assert_allclose(column[f"eef.{axis}"], poses["eef"][:, i], atol=1e-6)
        np.testing.assert_allclose(column[f"cube.{axis}"], poses["cube"][:, i], atol=1e-6)
        np.testing.assert_allclose(column[f"cube_from_eef.{axis}"], (poses["cube"] - poses["eef"])[:, i], atol=1e-6)
        np.testing.assert_allclose(column[f"zone_from_cube.{axis}"], (poses["zone"] - poses["cube"])[:, i], atol=1e-6)
    np.testing.assert_allclose(column["zone.x"], env.factors()["zone_x_m"], atol=1e-6)
    np.testing.assert_allclose(column["gripper.opening"], 0.085, atol=1e-3)
    yaw = np.arctan2(column["cube.r21"], column["cube.r11"])
    np.testing.assert_allclose(yaw, env.factors()["cube_yaw_rad"], atol=1e-6)


def solve(env, seeds):
    """Pick and place by way points: above, down, close, up, across, down, open, up."""
    env.reset(seeds)
    start = env.poses()
    x_axis = frames.matrix_from_quat(start["cube"][:, 3:])[:, :, 0]
    turn = frames.quat_from_yaw(np.arctan2(x_axis[:, 1], x_axis[:, 0]))
    quat = frames.quat_multiply(turn, [0.0, 1.0, 0.0, 0.0])
    cube, zone = start["cube"][:, :3] * [1, 1, 0], start["zone"][:, :3]
    held = np.zeros(len(seeds), bool)
    for p, height, grip, steps in (
        (cube, 0.10, -1, 28), (cube, 0.02, -1, 10), (cube, 0.02, 1, 12), (cube, 0.12, 1, 12),
        (zone, 0.12, 1, 38), (zone, 0.024, 1, 14), (zone, 0.024, -1, 8), (zone, 0.12, -1, 12),
    ):  # fmt: skip
        target = frames.make_pose(p + [0, 0, height], quat)
        for _ in range(steps):
            step = env.step(env.action_from_target(target, np.full((len(seeds), 1), grip)))
            held |= env.signals()["grasped"]
    return step, held


@pytest.mark.parametrize("control", ["eef_delta", "joint_delta", "joint_position"])
def test_way_points_solve_the_task_in_every_control_mode(control):
    step, held = solve(make_env(NAME, 8, control=control), np.arange(300, 308))
    assert step.success.all() and held.all()


@pytest.mark.slow
def test_way_points_solve_the_full_model_too():
    step, held = solve(make_env(NAME, 8, model="full"), np.arange(8))
    assert step.success.all() and held.all()


def carry(model):
    """Grasp and carry four cubes by way points; return the cubes' poses in the world, and seen from the hand."""
    env = make_env(NAME, 4, model=model)
    env.reset(np.arange(40, 44))
    start = env.poses()
    x_axis = frames.matrix_from_quat(start["cube"][:, 3:])[:, :, 0]
    quat = frames.quat_multiply(frames.quat_from_yaw(np.arctan2(x_axis[:, 1], x_axis[:, 0])), [0.0, 1.0, 0.0, 0.0])
    cube, zone, world, held = start["cube"][:, :3] * [1, 1, 0], start["zone"][:, :3], [], []
    for p, height, grip, steps in (
        (cube, 0.10, -1, 28), (cube, 0.02, -1, 10), (cube, 0.02, 1, 12), (cube, 0.12, 1, 12), (zone, 0.12, 1, 38),
    ):  # fmt: skip
        target = frames.make_pose(p + [0, 0, height], quat)
        for _ in range(steps):
            env.step(env.action_from_target(target, np.full((4, 1), grip)))
            poses = env.poses()
            world.append(poses["cube"])
            if env.signals()["grasped"].all():
                held.append(frames.pose_multiply(frames.pose_inverse(poses["eef"]), poses["cube"]))
    return np.array(world), np.array(held)


def test_a_cube_stays_in_the_grasp_while_it_is_carried_in_both_models_alike():
    runs = {model: carry(model) for model in ("training", "full")}
    for _, held in runs.values():
        assert len(held) > 40
        assert np.abs(held[:, :, :3] - held[0, :, :3]).max() < 5e-3
    assert np.abs(runs["training"][0] - runs["full"][0])[..., :3].max() < 2e-3


def test_a_far_target_is_approached_in_a_straight_line():
    env = make_env(NAME, 1)
    env.reset(np.zeros(1, np.int64))
    target, gap = env.poses()["eef"], np.array([0.3, -0.1, 0.05])
    target[0, :3] += gap
    target[:, 3:] = frames.quat_multiply(frames.quat_from_axis_angle(5 * gap), target[:, 3:])
    action = env.action_from_target(target, np.ones((1, 1)))[0]
    np.testing.assert_allclose(action[:6], np.tile(gap / 0.3, 2), atol=1e-6)


def test_a_misspelled_option_task_or_range_is_refused_with_what_is_meant():
    with pytest.raises(SpecError) as error:
        make_env(NAME, 1, controll="eef_delta")
    assert error.value.details["nearest"] == "control"
    with pytest.raises(CatalogError) as error:
        make_env("ur5e/pick-plate", 1)
    assert error.value.details["nearest"] == NAME
    with pytest.raises(SpecError, match="cube_x_m"):
        make_env(NAME, 1, cube_x_m=(0.5, 0.3))
    with pytest.raises(SimError, match="whole number of physics steps"):
        make_env(NAME, 1, control_hz=30.0)


def test_a_world_that_mujoco_gives_up_ends_as_unstable_and_its_neighbour_goes_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # MuJoCo writes a log file where it stands
    env = make_env(NAME, 2)
    env.reset(np.arange(2))
    env._engine.qvel[1] = 1e12
    step = env.step(np.tile(IDLE, (2, 1)))
    assert outcome(env, step) == ["running", "unstable"]
    assert step.terminated.tolist() == [False, True]
    assert np.isfinite(step.observation["observation.state"]).all()


def test_actions_and_seeds_of_another_shape_are_refused():
    env = make_env(NAME, 2)
    with pytest.raises(SimError, match="one seed a world"):
        env.reset(np.arange(3))
    env.reset(np.arange(2))
    with pytest.raises(SimError, match="wrong shape"):
        env.step(np.zeros((2, 6), np.float32))
