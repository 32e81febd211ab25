"""Left and right: the mirror image of a walk is the walk of the mirror image."""

from __future__ import annotations

import numpy as np
import pytest

from motorium.core.protocols import Mirror
from motorium.robots import ROBOTS
from motorium.robots.legged import Legged
from motorium.tasks.make import make_env

PAIRS, STEPS = 8, 10
CALM = {"noise": 0.0, "standing_share": 0.0, "push_every_s": 100.0, "start_rad": 0.0, "latency_s": (0.0, 0.0)}


def reflected(values: np.ndarray, mirror: Mirror) -> np.ndarray:
    return values[..., list(mirror.order)] * np.array(mirror.signs, values.dtype)


def walk_both_ways(robot: str, model: str):
    """Step worlds and their mirror images together; yield (EnvInfo, last step) after each step: halves of the batch."""
    env = make_env("go1/velocity", 2 * PAIRS, threads=1, robot=robot, model=model, **CALM)
    rng, info = np.random.default_rng(32_000), env.info
    factors = {name: rng.uniform(*bounds, PAIRS) for name, bounds in info.factors.items()}
    image = dict(factors, clock=(factors["clock"] + 0.5) % 1.0)
    for name in ("command_y_m_s", "command_yaw_rad_s"):
        image[name] = -factors[name]
    env.reset(np.arange(2 * PAIRS), factors={name: np.append(factors[name], image[name]) for name in factors})
    for _ in range(STEPS):
        actions = rng.uniform(-0.5, 0.5, (PAIRS, info.action.size)).astype(np.float32)
        yield info, env.step(np.append(actions, reflected(actions, info.mirrors["action"]), axis=0))


def farthest(info, step, key: str) -> float:
    seen, image = step.observation[key][:PAIRS], step.observation[key][PAIRS:]
    return np.abs(reflected(seen, info.mirrors[key]) - image).max()


@pytest.mark.parametrize("robot", ["go1", "g1"])
def test_a_mirrored_walk_of_a_symmetric_robot_is_the_walk_of_its_mirror_image(robot):
    rewards = []
    for info, step in walk_both_ways(f"tests.robots.symmetric:make_{robot}", "training"):
        # Signs change exactly; what is added up in another order is rounded otherwise.
        for key in info.observation:
            assert farthest(info, step, key) < 1e-4
            assert np.abs(step.observation[key][:PAIRS] - step.observation[key][PAIRS:]).max() > 0.1
        np.testing.assert_allclose(step.reward[:PAIRS], step.reward[PAIRS:], atol=1e-5)
        rewards.append(step.reward)
    assert np.ptp(rewards) > 1e-3


@pytest.mark.parametrize("robot", ["go1", "go1-mjlab", "g1"])
def test_the_real_robots_are_nearly_symmetric(robot):
    # Centres of mass are up to 2 mm off the middle, a percent of the feet's distance: so is what follows from it.
    steps = list(walk_both_ways(robot, "training"))
    for _, step in steps:
        np.testing.assert_allclose(step.reward[:PAIRS], step.reward[PAIRS:], atol=0.01)
    info, step = steps[0]
    assert 0 < farthest(info, step, "observation.state") < 0.1


@pytest.mark.parametrize("name", ["go1", "go1-mjlab", "g1"])
def test_mirroring_twice_changes_nothing(name):
    robot: Legged = ROBOTS.load(name)("training")
    for order in (robot.mirrored, robot.mirrored_feet):
        assert [order[i] for i in order] == list(range(len(order)))
    signs, order = np.array(robot.mirror_signs), list(robot.mirrored)
    np.testing.assert_array_equal(signs * signs[order], 1.0)


@pytest.mark.parametrize("name", ["go1", "g1"])
def test_home_is_its_own_mirror_image_and_so_are_ranges_and_servos(name):
    robot: Legged = ROBOTS.load(name)("training")
    model, order, signs = robot.spec.compile(), list(robot.mirrored), np.array(robot.mirror_signs)
    np.testing.assert_allclose(np.array(robot.home_rad)[order] * signs, robot.home_rad)
    np.testing.assert_array_equal(np.array(robot.scale_rad)[order], robot.scale_rad)
    ranges = np.array([model.joint(joint).range for joint in robot.joints])
    image = np.where(signs[:, None] > 0, ranges[order], -ranges[order][:, ::-1])
    np.testing.assert_allclose(image, ranges)
    gains = np.array([model.actuator(actuator).gainprm[0] for actuator in robot.actuators])
    np.testing.assert_array_equal(gains[order], gains)
