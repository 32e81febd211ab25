"""The cars end in the ways they say, so that the contract is tried on every outcome."""

from __future__ import annotations

import numpy as np

from tests.support.cars import Cars


def drive(env, command, steps, factors=None):
    observation = env.reset(np.arange(env.num_envs), factors=factors)
    for _ in range(steps):
        step = env.step(command(observation["observation.state"]))
        observation = step.observation
    return step


def floor_it(state):
    return np.ones((len(state), 1), np.float32)


def follow(state):
    gap, speed, lead, _ = state.T
    return np.clip((0.3 * (gap - 5.0 - 1.5 * speed) + lead - speed) / 3.0, -1, 1)[:, None].astype(np.float32)


def test_keeping_the_gap_succeeds():
    assert drive(Cars(16, max_steps=300), follow, 300).success.all()


def test_closing_in_from_near_collides():
    start = {"gap_m": np.full(16, 15.0), "speed_m_s": np.full(16, 25.0), "lead_speed_m_s": np.full(16, 15.0)}
    env = Cars(16)
    step = drive(env, floor_it, 60, start)
    assert (step.outcome == env.info.outcomes.index("collision")).all()
    assert step.terminated.all() and not step.success.any()
