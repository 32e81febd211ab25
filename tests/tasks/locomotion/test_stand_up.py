"""Standing up: robots start as they fell, and success is to stand in the end."""

from __future__ import annotations

import numpy as np
import pytest

from motorium.tasks.make import make_env


@pytest.mark.parametrize(("robot", "highest_m"), [("go1", 0.29), ("g1", 0.76)])
def test_robots_start_fallen_on_the_ground_and_nearly_at_rest(robot, highest_m):
    env = make_env(f"{robot}/stand-up", 24, threads=1)
    env.reset(np.arange(24))
    poses = np.array([env.pose(row)["qpos"] for row in range(24)])
    heights = poses[:, 2]
    # None sank in, none is still in the air, most lie.
    assert (heights > 0.02).all() and (heights < highest_m).all()
    assert np.median(heights) < 0.4 * highest_m
    # They lie in every way round: up in the world as the base sees it.
    up = 1.0 - 2.0 * (poses[:, 4] ** 2 + poses[:, 5] ** 2)
    assert np.std(up) > 0.1
    moved = np.array(poses)
    for _ in range(2):
        env.step(np.zeros((24, env.info.action.size), np.float32))
    now = np.array([env.pose(row)["qpos"] for row in range(24)])
    assert np.median(np.linalg.norm(now[:, :3] - moved[:, :3], axis=1)) < 0.05


def test_who_stands_at_the_end_succeeds_and_who_lies_does_not():
    env = make_env("go1/stand-up", 2, threads=1, start_rad=0.0, episode_s=1.5, noise=0.0)
    upright = {"tilt_rad": np.array([0.0, np.pi]), "drop_m": np.full(2, -0.07), "latency_s": np.zeros(2)}
    env.reset(np.zeros(2, np.int64), factors=upright)
    while not (step := env.step(np.zeros((2, 12), np.float32))).ended.all():
        pass
    assert [env.info.outcomes[code] for code in step.outcome] == ["success", "timeout"]
    assert step.truncated.all() and not step.terminated.any()
    assert step.info["standing_s"] == pytest.approx([1.5, 0.0])


def test_less_than_a_second_of_standing_is_no_success():
    env = make_env("go1/stand-up", 1, threads=1, start_rad=0.0, episode_s=0.9)
    env.reset(np.zeros(1, np.int64), factors={"tilt_rad": np.zeros(1), "drop_m": np.full(1, -0.07)})
    for _ in range(45):
        step = env.step(np.zeros((1, 12), np.float32))
    assert step.info["standing_s"] == pytest.approx(0.9)
    assert env.info.outcomes[step.outcome[0]] == "timeout"


def test_the_robot_collides_with_itself():
    env = make_env("g1/stand-up", 1, threads=1)
    model = env.looks()
    own = [i for i in range(model.ngeom) if model.geom_bodyid[i] and model.geom_contype[i]]
    assert any(model.geom_contype[a] & model.geom_conaffinity[b] for a in own for b in own if a != b)
