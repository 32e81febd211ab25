"""An env of torch tensors behind NumPy: the Env contract, as far as float32 keeps it, on MuJoCo Warp."""

from __future__ import annotations

from inspect import signature

import numpy as np
import pytest

from motorium.core.protocols import Env, PolicyInfo
from motorium.evaluate.rollout import rollout
from motorium.tasks.cartpole import SwingUp
from motorium.tasks.make import make_env
from motorium.tasks.mdp.env import MdpEnv
from motorium.tasks.mdp.numpy_env import NumpyEnv, as_numpy
from tests.conformance import test_env as contract

pytest.importorskip("torch")
pytest.importorskip("mujoco_warp")

# Given factors come back as float32 has them, which the contract's own test compares as float64.
NOT_IN_FLOAT32 = {"test_a_given_factor_replaces_one_draw_and_keeps_the_others"}
PARTS = [
    name
    for name, part in vars(contract).items()
    if name.startswith("test_") and name not in NOT_IN_FLOAT32 and "make" in signature(part).parameters
]
BAD = "test_an_action_that_is_not_finite_is_refused_and_nothing_steps"


def make(worlds, threads=0, **fields):
    """Worlds on the CPU, where they have the bits that the contract asks for."""
    from motorium.sim.engine_warp import WarpEngine

    task = SwingUp(SwingUp.Spec.parse(fields))
    made = MdpEnv("cartpole/swing-up", task, lambda model, names: WarpEngine(model, worlds, names, device="cpu"))
    return as_numpy(made)


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_the_contract_holds(part):
    arguments = (np.nan,) if part == BAD else ()
    getattr(contract, part)(make, *arguments)


@pytest.mark.slow
def test_given_factors_come_back_as_float32_has_them():
    env = make(2)
    env.reset(np.arange(2), factors={"cart_x_m": np.array([0.015, np.nan])})
    factors = env.factors()
    assert factors["cart_x_m"].dtype == np.float64 and factors["cart_x_m"][0] == np.float32(0.015)
    drawn = make_env("cartpole/swing-up", 2, threads=1)
    drawn.reset(np.arange(2))
    for name, values in drawn.factors().items():
        rows = slice(1, None) if name == "cart_x_m" else slice(None)
        np.testing.assert_allclose(factors[name][rows], values[rows], rtol=1e-6)


@pytest.mark.slow
def test_a_policy_is_evaluated_on_it():
    env = make(4, episode_s=3.0)
    policy = Pump(env.info)
    on_threads = make_env("cartpole/swing-up", 4, threads=1, episode_s=3.0)
    seeds = range(6)
    found, expected = rollout(env, policy, seeds), rollout(on_threads, policy, seeds)
    assert (found.length == expected.length).all() and (found.outcome == expected.outcome).all()
    np.testing.assert_allclose(found.returns, expected.returns, rtol=1e-3)
    assert np.ptp(expected.returns) > 1e-2 * expected.returns.mean()


class Pump:
    """A policy that swings the pole ever higher: it pushes where the pole goes."""

    def __init__(self, info):
        self.info = PolicyInfo(
            observation=info.observation, action=info.action, horizon=1, execute=1, control_hz=info.control_hz
        )

    def reset(self, seeds, mask=None):
        """Keep no state."""

    def act(self, observation, mask=None):
        return np.clip(observation["observation.state"][:, None, 4:5], -1, 1)


def test_an_env_of_numpy_is_left_as_it_is():
    env = make_env("cartpole/swing-up", 1, threads=1)
    assert as_numpy(env) is env
    assert isinstance(make(1), NumpyEnv) and isinstance(make(1), Env)
