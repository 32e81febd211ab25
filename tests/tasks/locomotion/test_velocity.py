"""Velocity tracking: when a command arrives, and what the task tells of itself."""

from __future__ import annotations

import numpy as np

from motorium.tasks.make import make_env
from tests.conformance.worlds import random_actions

SEEDS = np.arange(4)
PERIOD_S = 0.02


def make(worlds=4, **fields):
    return make_env("go1/velocity", worlds, threads=1, push_m_s=(0.0, 0.0), **fields)


def test_a_delay_of_a_control_period_is_the_same_as_commanding_a_period_later():
    late, prompt = make(), make()
    late.reset(SEEDS, factors={"latency_s": np.full(4, PERIOD_S)})
    prompt.reset(SEEDS, factors={"latency_s": np.zeros(4)})
    actions = 0.3 * random_actions(late, 10)
    # A command of zero is home, where the servos were when it began.
    shifted = np.concatenate([np.zeros_like(actions[:1]), actions[:-1]])
    for one, other in zip(actions, shifted):
        first, second = late.step(one), prompt.step(other)
        for name in ("velocity_error_m_s", "yaw_error_rad_s", "reward.torque", "reward.pose"):
            assert first.info[name].tobytes() == second.info[name].tobytes(), name


def test_worlds_with_different_delays_walk_beside_each_other_as_they_would_alone():
    delays = np.array([0.0, 0.004, 0.012, 0.02])
    together = make()
    together.reset(SEEDS, factors={"latency_s": delays})
    actions = random_actions(together, 6)
    steps = [together.step(action) for action in actions]
    for row, delay in enumerate(delays):
        alone = make(1)
        alone.reset(SEEDS[[row]], factors={"latency_s": np.array([delay])})
        for action, step in zip(actions, steps):
            own = alone.step(action[[row]])
            assert (
                own.observation["observation.state"][0].tobytes()
                == step.observation["observation.state"][row].tobytes()
            )


def test_a_delay_does_not_move_a_robot_that_is_told_to_stay_at_home():
    env = make()
    env.reset(np.zeros(4, np.int64), factors={"latency_s": np.array([0.0, 0.007, 0.013, 0.02])})
    for _ in range(5):
        step = env.step(np.zeros((4, 12), np.float32))
    seen = step.observation["observation.state"]
    assert (seen == seen[0]).all()


def test_commands_under_way_are_part_of_a_snapshot():
    env, other = make(), make()
    for one in (env, other):
        one.reset(SEEDS, factors={"latency_s": np.full(4, PERIOD_S)})
    env.step(random_actions(env, 1)[0])
    other.restore(env.snapshot())
    still = np.zeros((4, 12), np.float32)
    for _ in range(3):
        a, b = env.step(still), other.step(still)
        assert a.observation["observation.state"].tobytes() == b.observation["observation.state"].tobytes()


def test_without_latency_there_are_no_delay_lines_and_the_observation_keeps_its_shape():
    prompt, late = make(latency_s=(0.0, 0.0)), make()
    size = late.snapshot()["state"].shape[1] - prompt.snapshot()["state"].shape[1]
    # A servo's line: two numbers, and a time and a value for each of 6 samples (20 ms of 4 ms steps, and the present).
    assert size == 12 * (2 + 2 * 6)
    assert prompt.info.observation == late.info.observation


def test_a_wider_reach_is_a_larger_command():
    near, far = make(), make(reach=2.0)
    near.reset(SEEDS)
    far.reset(SEEDS)
    actions = 0.4 * random_actions(near, 3)
    for action in actions:
        a, b = near.step(action), far.step(0.5 * action)
    assert a.info["reward.pose"].tobytes() == b.info["reward.pose"].tobytes()
    assert "action_scale_rad" in far.info.conventions
    scales = [float(env.info.conventions["action_scale_rad"].split(",")[0]) for env in (near, far)]
    assert scales[1] == 2.0 * scales[0]
