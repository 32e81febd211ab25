"""Perturbed worlds keep the Env contract, change what they say, and never run without their control."""

from __future__ import annotations

import numpy as np
import pytest

from motorium.core.errors import SimError, SpecError
from motorium.core.protocols import Env, Renderable
from motorium.evaluate.axes import (
    ActionGain,
    ActionLatency,
    ObservationNoise,
    action_gain,
    action_latency,
    factor_shift,
    observation_noise,
    study,
)
from motorium.evaluate.rollout import rollout
from tests.evaluate.test_rollout import same_bits
from tests.evaluate.worlds import Dot, Steer

WRAPPERS = {
    "gain": lambda env: ActionGain(env, 0.7),
    "latency": lambda env: ActionLatency(env, 2),
    "noise": lambda env: ObservationNoise(env, {"m": 0.05}),
    "both": lambda env: ObservationNoise(ActionLatency(env, 1), {"m": 0.05, "s": 0.01}),
}
SEEDS = range(20)
ACTIONS = np.random.default_rng(0).uniform(-1, 1, (60, 3, 2)).astype(np.float32)


@pytest.fixture(params=WRAPPERS)
def wrap(request):
    return WRAPPERS[request.param]


def observed(step) -> bytes:
    return b"".join(step.observation[key].tobytes() for key in sorted(step.observation))


def test_perturbed_world_is_an_env_with_its_cameras(wrap):
    env = wrap(Dot(2))
    assert isinstance(env, Env) and isinstance(env, Renderable)
    assert "perturbation" in env.info.versions


def test_episodes_are_bitwise_the_same_for_any_number_of_rows(wrap):
    assert same_bits(rollout(wrap(Dot(3)), Steer(0.8), SEEDS), rollout(wrap(Dot(20)), Steer(0.8), SEEDS))


def test_perturbation_changes_the_episodes(wrap):
    assert not np.array_equal(rollout(wrap(Dot(8)), Steer(), SEEDS).returns, rollout(Dot(8), Steer(), SEEDS).returns)


def test_snapshot_continues_bitwise(wrap):
    env, other = wrap(Dot(3)), wrap(Dot(3))
    env.reset(np.array([4, 5, 6]))
    for actions in ACTIONS[:5]:
        env.step(actions)
    kept = env.snapshot()
    first = [observed(env.step(actions)) for actions in ACTIONS[5:12]]
    other.reset(np.array([1, 2, 3]))
    other.restore(kept)
    assert [observed(other.step(actions)) for actions in ACTIONS[5:12]] == first
    env.restore(kept)
    assert [observed(env.step(actions)) for actions in ACTIONS[5:12]] == first


def test_restore_by_mask_leaves_the_other_rows(wrap):
    env = wrap(Dot(3))
    env.reset(np.array([4, 5, 6]))
    kept = env.snapshot()
    for actions in ACTIONS[:3]:
        env.step(actions)
    now = env.snapshot()
    env.restore(kept, np.array([True, False, False]))
    after = env.snapshot()
    for name in now:
        assert np.array_equal(after[name][1:], now[name][1:]) and np.array_equal(after[name][0], kept[name][0])


def test_ended_world_is_frozen(wrap):
    env = wrap(Dot(3, max_steps=4))
    env.reset(np.array([4, 5, 6]), None, {"start_x_m": np.full(3, 1.2), "start_y_m": np.full(3, 1.2)})
    for actions in ACTIONS[:4]:
        last = env.step(actions)
    assert last.ended.all()
    kept = env.snapshot()
    again = env.step(np.full((3, 2), np.nan, np.float32))
    assert observed(again) == observed(last) and not again.reward.any()
    after = env.snapshot()
    assert all(after[name].tobytes() == kept[name].tobytes() for name in kept)


def test_reset_by_mask_leaves_the_other_rows(wrap):
    both, alone = wrap(Dot(2)), wrap(Dot(1))
    both.reset(np.array([4, 5]))
    alone.reset(np.array([5]))
    for t, actions in enumerate(ACTIONS[:6, :2]):
        if t == 3:
            both.reset(np.array([9, 0]), np.array([True, False]))
        one, many = alone.step(actions[1:]), both.step(actions)
        assert np.array_equal(many.observation["observation.state"][1], one.observation["observation.state"][0])


def test_latency_of_0_is_the_world_itself():
    assert same_bits(rollout(ActionLatency(Dot(4), 0), Steer(), SEEDS), rollout(Dot(4), Steer(), SEEDS))


def test_latency_executes_actions_late_and_holds_the_first_until_then():
    late, plain = ActionLatency(Dot(1), 2), Dot(1)
    late.reset(np.array([4]))
    plain.reset(np.array([4]))
    given = ACTIONS[:6, :1]
    executed = [given[0], given[0], *given[:4]]
    for actions, expected in zip(given, executed, strict=True):
        assert observed(late.step(actions)) == observed(plain.step(expected))


def test_latency_refuses_a_bad_action_when_it_is_given():
    env = ActionLatency(Dot(1), 3)
    env.reset(np.array([4]))
    env.step(np.zeros((1, 2), np.float32))
    with pytest.raises(SimError, match="not finite"):
        env.step(np.full((1, 2), np.nan, np.float32))


def test_noise_has_its_sigma_and_touches_only_its_unit():
    env, plain = ObservationNoise(Dot(400), {"m": 0.3}), Dot(400)
    seeds = np.arange(400)
    noisy, clean = env.reset(seeds), plain.reset(seeds)
    error = noisy["observation.state"] - clean["observation.state"]
    # 800 draws leave a deviation of 0.0075 on a standard deviation of 0.3.
    assert error.std() == pytest.approx(0.3, abs=0.03) and abs(error.mean()) < 0.05
    assert np.array_equal(noisy["observation.time"], clean["observation.time"])
    assert np.array_equal(env.snapshot()["x"], plain.snapshot()["x"])


def test_noise_is_new_at_every_step():
    env, plain = ObservationNoise(Dot(1), {"m": 0.3}), Dot(1)
    env.reset(np.array([0]))
    plain.reset(np.array([0]))
    errors = {
        tuple((env.step(a).observation["observation.state"] - plain.step(a).observation["observation.state"])[0])
        for a in ACTIONS[:5, :1]
    }
    assert len(errors) == 5


def test_unit_that_nothing_has_is_refused():
    with pytest.raises(SpecError, match="rad"):
        ObservationNoise(Dot(1), {"rad": 0.1})


def test_gain_scales_what_is_executed():
    scaled, plain = ActionGain(Dot(1), 0.5), Dot(1)
    scaled.reset(np.array([4]))
    plain.reset(np.array([4]))
    for actions in ACTIONS[:4, :1]:
        assert observed(scaled.step(actions)) == observed(plain.step(actions * np.float32(0.5)))


def test_perturbations_add_up_in_the_versions():
    env = ActionLatency(ActionGain(Dot(1), 0.5), 2)
    assert env.info.versions["perturbation"] == "action gain 0.5; action latency 2 steps"


def test_factor_shift_is_a_place_in_the_range():
    assert factor_shift(Dot(1).info, "start_x_m", 1.5).factors == {"start_x_m": 3.0}
    with pytest.raises(SpecError, match="start_x_m"):
        factor_shift(Dot(1).info, "start_x", 0.0)


def test_study_always_has_its_control_on_the_same_seeds():
    env = Dot(10)
    axes = [action_latency(3), action_gain(0.2), observation_noise({"m": 0.5}), factor_shift(env.info, "start_x_m", 1)]
    made = study(env, Steer(0.9), range(40), axes)
    assert same_bits(made.control, rollout(Dot(10), Steer(0.9), range(40)))
    for axis, comparison in zip(axes, made.comparisons, strict=True):
        assert np.array_equal(made.arms[axis.name].seeds, made.control.seeds)
        assert (comparison.baseline, comparison.candidate) == ("control", axis.name)
        assert comparison.alpha == pytest.approx(0.05 / 4)
    assert (made.arms[axes[3].name].factors["start_x_m"] == 1.5).all()


def test_weak_actions_are_found_to_regress():
    made = study(Dot(16), Steer(), range(48), [action_gain(0.1)])
    assert made.comparisons[0].verdict == "regressed"


def test_axes_need_names_of_their_own():
    with pytest.raises(SpecError, match="names of their own"):
        study(Dot(1), Steer(), [1], [action_gain(0.5), action_gain(0.5)])
