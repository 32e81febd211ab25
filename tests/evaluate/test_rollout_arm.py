"""Rollouts of a real arm: rows, threads, recording and perturbation leave an episode's bits alone."""

from __future__ import annotations

import numpy as np
import pytest

from motorium.core.protocols import PolicyInfo, as_mask
from motorium.core.random import stream
from motorium.evaluate.axes import ActionLatency, ObservationNoise
from motorium.evaluate.recording import Record
from motorium.evaluate.rollout import rollout
from motorium.tasks.make import make_env
from tests.evaluate.test_rollout import same_bits

SEEDS = range(5000, 5006)


class Wander:
    """Moves at random, each row by its own stream."""

    def __init__(self, env) -> None:
        info = env.info
        self.info = PolicyInfo(
            observation=info.observation,
            action=info.action,
            horizon=8,
            execute=5,
            control_hz=info.control_hz,
            digest="wander",
        )
        self._rng: list = []

    def reset(self, seeds, mask=None):
        if len(self._rng) != len(seeds):
            self._rng = [None] * len(seeds)
        for row in np.flatnonzero(as_mask(mask, len(seeds))):
            self._rng[row] = stream(int(seeds[row]), "wander")

    def act(self, observation, mask=None):
        chunk = np.zeros((len(self._rng), 8, self.info.action.size), np.float32)
        for row in np.flatnonzero(as_mask(mask, len(chunk))):
            chunk[row] = self._rng[row].uniform(-1, 1, chunk.shape[1:])
        return chunk


def run(rows: int, threads: int, wrap=lambda env: env, record=None):
    env = wrap(make_env("ur5e/pick-place", rows, threads=threads, max_steps=24))
    made = rollout(env, Wander(env), SEEDS, record=record)
    env.close()
    return made


WRAPS = {
    "plain": lambda env: env,
    "late and noisy": lambda env: ObservationNoise(ActionLatency(env, 2), {"m": 0.01}),
}


@pytest.mark.slow
@pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS.keys())
def test_episodes_are_bitwise_the_same_for_any_rows_and_threads(wrap):
    made = run(6, 1, wrap)
    assert same_bits(run(4, 2, wrap), made)
    assert same_bits(run(1, 1, wrap, Record(seeds=[5001])), made)
    assert len(np.unique(made.returns)) == len(SEEDS)
