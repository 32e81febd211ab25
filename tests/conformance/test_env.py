"""The Env contract of `core.protocols`, over every task and over the cars."""

from __future__ import annotations

import numpy as np
import pytest

from motorium.core.errors import SimError
from motorium.core.protocols import Env, ObjectCentric
from tests.conformance.worlds import BRIEF, WORLDS, assert_same, flat, random_actions

SEEDS = np.array([11, 12, 13])


@pytest.fixture(params=list(WORLDS))
def make(request):
    return WORLDS[request.param]


def run(env, actions):
    return [env.step(a) for a in actions]


def run_to_the_end(env, seed=0):
    """Step with random actions until every world ended; return the last step."""
    for action in random_actions(env, env.info.max_steps, seed):
        step = env.step(action)
    assert step.ended.all()
    return step


def test_what_is_returned_has_the_announced_shapes_names_and_types(make):
    env = make(3)
    assert isinstance(env, Env)
    assert env.num_envs == 3
    observation = env.reset(SEEDS)
    assert observation.keys() == env.info.observation.keys()
    for key, feature in env.info.observation.items():
        assert observation[key].shape == (3, *feature.shape)
        assert observation[key].dtype == np.dtype(feature.dtype)
        assert len(feature.names) == len(set(feature.names)) == feature.size
        assert len(feature.units) == feature.size
    assert env.info.outcomes[:2] == ("running", "success") and "timeout" in env.info.outcomes
    size = env.info.action.size
    for bound in (env.info.action_low, env.info.action_high):
        assert bound.shape == (size,) and bound.dtype == np.float32 and np.isfinite(bound).all()
    assert (env.info.action_low < env.info.action_high).all()
    step = env.step(random_actions(env, 1)[0])
    for name, dtype in {"reward": "f4", "terminated": "?", "truncated": "?", "outcome": "i1"}.items():
        assert getattr(step, name).shape == (3,) and getattr(step, name).dtype == np.dtype(dtype)
    assert all(len(value) == 3 for value in step.info.values())


def test_a_world_does_not_depend_on_batch_size_row_or_threads(make):
    large, small, single = make(9, threads=2), make(3, threads=1), make(1, threads=1)
    actions = random_actions(large, 12)
    seeds = np.arange(100, 109)
    first = [large.reset(seeds), *run(large, actions)]
    rows = [7, 2, 5]
    second = [small.reset(seeds[rows]), *run(small, actions[:, rows])]
    third = [single.reset(seeds[[5]]), *run(single, actions[:, [5]])]
    for a, b, c in zip(first, second, third):
        assert_same(a, b, rows)
        assert_same(a, c, [5])


def test_the_same_seed_and_actions_give_the_same_episode_again(make):
    env = make(3)
    actions = random_actions(env, 8)
    first = [env.reset(SEEDS), *run(env, actions)]
    run(env, random_actions(env, 5, seed=1))
    second = [env.reset(SEEDS), *run(env, actions)]
    for a, b in zip(first, second):
        assert_same(a, b)


def test_starts_differ_between_seeds_and_lie_within_the_announced_factors(make):
    env = make(64)
    observation = env.reset(np.arange(64))
    for key in observation:
        assert len(np.unique(observation[key], axis=0)) == 64
    factors = env.factors()
    assert factors.keys() == env.info.factors.keys() and factors
    for name, (low, high) in env.info.factors.items():
        assert factors[name].shape == (64,)
        assert ((factors[name] >= low) & (factors[name] <= high)).all()
        assert np.ptp(factors[name]) > 0.7 * (high - low), name


def test_no_element_of_the_observation_is_constant_and_all_are_finite(make):
    env = make(16)
    seen = [env.reset(np.arange(16)), *(step.observation for step in run(env, random_actions(env, 20)))]
    if isinstance(env, ObjectCentric):
        # Random actions seldom touch anything: press on the first thing, which tilts and moves it.
        for _ in range(40):
            target = env.poses()[env.segments[0].object]
            seen.append(env.step(env.action_from_target(target, np.ones((16, 1)))).observation)
    for key, feature in env.info.observation.items():
        values = np.stack([observation[key] for observation in seen])
        assert np.isfinite(values).all()
        spread = np.ptp(values.reshape(-1, feature.size), axis=0)
        assert (spread > 1e-6).all(), [feature.names[i] for i in np.flatnonzero(spread <= 1e-6)]


def test_a_reset_by_mask_leaves_the_other_worlds_alone(make):
    env, other = make(3), make(3)
    actions = random_actions(env, 6)
    for world in (env, other):
        world.reset(SEEDS)
        run(world, actions[:3])
    mask = np.array([False, True, False])
    env.reset(np.array([-1, 77, -1]), mask)
    fresh = make(1)
    fresh.reset(np.array([77]))
    for action in actions[3:]:
        step = env.step(action)
        assert_same(step, other.step(action), [0, 2], [0, 2])
        assert_same(step, fresh.step(action[[1]]), [1], [0])


def test_a_world_that_ended_is_frozen_until_it_is_reset(make):
    env = make(3)
    env.reset(SEEDS)
    last = run_to_the_end(env)
    frozen = env.snapshot()
    nonsense = np.full((3, env.info.action.size), np.nan, np.float32)
    again = env.step(nonsense)
    for name in ("terminated", "truncated", "outcome"):
        assert (getattr(again, name) == getattr(last, name)).all()
    assert_same(again.observation, last.observation)
    assert (again.reward == 0).all()
    after = env.snapshot()
    for key in frozen:
        assert frozen[key].tobytes() == after[key].tobytes(), key
    env.reset(SEEDS, np.array([False, True, False]))
    nonsense[1] = 0.0
    step = env.step(nonsense)
    assert step.ended.tolist() == [True, False, True]
    assert_same(step.observation, last.observation, [0, 2], [0, 2])


def test_a_time_out_is_a_truncation_and_no_termination(make):
    task = getattr(make, "args", ("",))[0]
    env = make(3, **BRIEF.get(task, {}))
    env.reset(SEEDS)
    # Random actions end some tasks early (a robot falls), the middle of the bounds the fewest.
    still = np.tile(0.5 * (env.info.action_low + env.info.action_high), (3, 1))
    for _ in range(env.info.max_steps):
        last = env.step(still)
    assert last.truncated.any() and last.ended.all()
    assert not (last.terminated & last.truncated).any()
    assert (last.outcome[last.truncated] != 0).all()
    timeout = env.info.outcomes.index("timeout")
    assert not last.terminated[last.outcome == timeout].any()


def test_a_restored_world_goes_on_bitwise_in_any_row_of_any_batch(make):
    env, actions = make(3), None
    actions = random_actions(env, 20)
    env.reset(SEEDS)
    run(env, actions[:8])
    saved = env.snapshot()
    kept = {key: value.copy() for key, value in saved.items()}
    expected = run(env, actions[8:])
    assert all((saved[key] == kept[key]).all() for key in saved)

    observation = env.restore(saved)
    again = run(env, actions[8:])
    for a, b in zip(expected, again):
        assert_same(a, b)

    other, rows = make(5, threads=1), [2, 0, 1, 1, 0]
    other.reset(np.arange(5))
    run(other, random_actions(other, 3, seed=5))
    moved = other.restore({key: value[rows] for key, value in saved.items()})
    assert_same(observation, moved, rows)
    for action, step in zip(actions[8:], expected):
        assert_same(step, other.step(action[rows]), rows)
    for name, values in env.factors().items():
        assert (values[rows] == other.factors()[name]).all()


def test_a_restore_by_mask_leaves_the_other_worlds_alone(make):
    env = make(3)
    actions = random_actions(env, 10)
    env.reset(SEEDS)
    early = env.snapshot()
    run(env, actions[:5])
    before = env.snapshot()
    env.restore(early, np.array([True, False, False]))
    after = env.snapshot()
    for key in before:
        assert (after[key][1:] == before[key][1:]).all() and (after[key][0] == early[key][0]).all()


def test_a_given_factor_replaces_one_draw_and_keeps_the_others(make):
    env = make(3)
    env.reset(SEEDS)
    drawn = env.factors()
    for name, (low, high) in env.info.factors.items():
        middle = 0.5 * (low + high)
        observation = env.reset(SEEDS, factors={name: np.array([middle, np.nan, low])})
        now = env.factors()
        assert now[name].tolist() == [middle, drawn[name][1], low]
        for other in drawn:
            if other != name:
                assert (now[other] == drawn[other]).all()
        plain = env.reset(SEEDS)
        assert_same(observation, plain, [1], [1])
        assert any((observation[key][0] != plain[key][0]).any() for key in plain), name


def test_an_unknown_factor_is_refused_by_name(make):
    env = make(1)
    with pytest.raises(SimError, match="colour_of_the_sky"):
        env.reset(np.zeros(1, np.int64), factors={"colour_of_the_sky": np.zeros(1)})


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_an_action_that_is_not_finite_is_refused_and_nothing_steps(make, bad):
    env = make(3)
    env.reset(SEEDS)
    actions = random_actions(env, 2)
    env.step(actions[0])
    before = env.snapshot()
    poisoned = actions[1].copy()
    poisoned[1, 0] = bad
    with pytest.raises(SimError):
        env.step(poisoned)
    after = env.snapshot()
    for key in before:
        assert before[key].tobytes() == after[key].tobytes(), key


def test_actions_are_clipped_to_their_bounds(make):
    a, b = make(2), make(2)
    for env in (a, b):
        env.reset(SEEDS[:2])
    bounds = np.stack([a.info.action_low, a.info.action_high])
    for _ in range(3):
        assert_same(a.step(bounds), b.step(3.0 * bounds))


def test_a_world_that_was_never_reset_is_not_stepped(make):
    env = make(2)
    env.reset(SEEDS[:2], np.array([True, False]))
    with pytest.raises(SimError):
        env.step(np.zeros((2, env.info.action.size), np.float32))


def test_arrays_that_were_returned_are_the_callers(make):
    env, other = make(3), make(3)
    actions = random_actions(env, 6)
    for action in [None, *actions]:
        mine = env.reset(SEEDS) if action is None else env.step(action)
        theirs = other.reset(SEEDS) if action is None else other.step(action.copy())
        assert_same(mine, theirs)
        for array in [*flat(mine).values(), *env.factors().values(), *env.snapshot().values()]:
            array[...] = 1
        if action is not None:
            action[...] = 0
    kept = other.step(random_actions(other, 1)[0])
    copies = {name: array.copy() for name, array in flat(kept).items()}
    run(other, random_actions(other, 3, seed=3))
    assert all((flat(kept)[name] == copies[name]).all() for name in copies)


def test_close_may_be_called_twice(make):
    env = make(1)
    env.reset(np.zeros(1, np.int64))
    env.close()
    env.close()
