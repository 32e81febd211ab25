"""History: the policy sees its last observations in a row, whatever the task."""

from __future__ import annotations

import numpy as np
import pytest

from motorium.tasks.make import make_env
from tests.conformance.worlds import assert_same, random_actions

STATE = "observation.state"
SEEDS = np.arange(3)


def make(frames, worlds=3, **fields):
    return make_env("cartpole/swing-up", worlds, threads=1, history=frames, **fields)


def test_frames_are_the_observations_of_the_steps_before_oldest_first():
    plain, stacked = make(1), make(3)
    actions = random_actions(plain, 6)
    seen = [plain.reset(SEEDS)[STATE], *(plain.step(action).observation[STATE] for action in actions)]
    stacked.reset(SEEDS)
    for i, action in enumerate(actions, start=1):
        expected = np.concatenate([seen[max(i - 2, 0)], seen[i - 1], seen[i]], axis=1)
        assert (stacked.step(action).observation[STATE] == expected).all()


def test_at_the_start_the_first_observation_is_repeated_in_the_rows_that_start_only():
    env, plain = make(3), make(1)
    env.reset(SEEDS)
    first = plain.reset(SEEDS + 10)[STATE]
    before = env.step(random_actions(env, 1)[0]).observation[STATE]
    mask = np.array([True, False, True])
    after = env.reset(SEEDS + 10, mask)[STATE]
    assert (after[mask] == np.tile(first, 3)[mask]).all()
    assert (after[1] == before[1]).all()


def test_frames_survive_a_snapshot_into_another_batch():
    env, other = make(4), make(4, worlds=5)
    actions = random_actions(env, 10)
    env.reset(SEEDS)
    for action in actions[:5]:
        step = env.step(action)
    other.reset(np.arange(5))
    rows = [2, 0, 1, 1, 0]
    restored = other.restore({key: value[rows] for key, value in env.snapshot().items()})
    assert_same(restored, step.observation, slice(None), rows)
    for action in actions[5:]:
        assert_same(other.step(action[rows]), env.step(action), slice(None), rows)


def test_names_say_how_old_a_frame_is():
    one, three = make(1).info.observation[STATE], make(3).info.observation[STATE]
    size = one.size
    assert three.names[:size] == tuple(f"{name}[-2]" for name in one.names)
    assert three.names[size : 2 * size] == tuple(f"{name}[-1]" for name in one.names)
    assert three.names[2 * size :] == one.names
    assert three.units == one.units * 3


def test_the_mirror_of_frames_is_the_frames_of_the_mirror():
    plain, stacked = (make_env("go1/velocity", 2, threads=1, history=frames) for frames in (1, 3))
    one, all_three = plain.info.mirrors[STATE], stacked.info.mirrors[STATE]
    frames = np.random.default_rng(0).normal(size=(3, len(one.order)))
    mirrored = frames[:, one.order] * one.signs
    assert (frames.ravel()[list(all_three.order)] * all_three.signs == mirrored.ravel()).all()


@pytest.mark.parametrize("frames", [0, 65])
def test_a_history_is_of_1_to_64_frames(frames):
    from motorium.core.errors import SpecError

    with pytest.raises(SpecError, match="history"):
        make(frames)
