"""Stable-Baselines3 on the batch: bitwise what it learns from single worlds in its own DummyVecEnv."""

from __future__ import annotations

import random
import sys

import numpy as np
import pytest

pytest.importorskip("stable_baselines3")

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

from motorium.core.errors import SimError, SpecError
from motorium.gym.sb3 import TaskVecEnv
from motorium.gym.single import TaskEnv
from tests.gym.worlds import STEPS, assert_same, random_actions, short
from tests.support.cars import Cars

CARTPOLE, GO1 = "cartpole/swing-up", "go1/velocity"


@pytest.fixture(autouse=True)
def global_streams():
    """Stable-Baselines3 seeds the global generators: put them back."""
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        yield
    random.setstate(python)
    np.random.set_state(numpy)


def ppo(env, policy="MlpPolicy"):
    """Two updates of PPO."""
    settings = {"n_steps": 16, "batch_size": 32, "n_epochs": 2, "seed": 3, "device": "cpu"}
    return PPO(policy, env, **settings).learn(2 * 16 * env.num_envs)


def weights(model) -> bytes:
    return b"".join(value.numpy().tobytes() for value in model.policy.state_dict().values())


@pytest.mark.parametrize("observations", ["state", "all"])
@pytest.mark.parametrize("task", [CARTPOLE, GO1])
def test_steps_are_those_of_single_worlds_in_its_own_vector(task, observations):
    options = {**short(task), "observations": observations}
    singles = DummyVecEnv([lambda: TaskEnv(task, **options)] * 3)
    batch = TaskVecEnv(task, 3, threads=1, **options)
    assert batch.observation_space == singles.observation_space and batch.action_space == singles.action_space
    assert batch.seed(4) == singles.seed(4)
    assert_same(batch.reset(), singles.reset())
    assert batch.reset_infos == singles.reset_infos
    for seed in range(2 * STEPS):
        actions = random_actions(batch.action_space, 3, seed)
        ours, theirs = batch.step(actions), singles.step(actions)
        assert_same(ours[:3], theirs[:3])
        assert batch.reset_infos == singles.reset_infos
        for ended, info, expected in zip(ours[2], ours[3], theirs[3]):
            assert_same(info, expected if ended else {"TimeLimit.truncated": expected["TimeLimit.truncated"]})


def test_a_time_out_is_told_apart_from_an_end():
    batch, singles = TaskVecEnv(Cars(3, max_steps=80)), DummyVecEnv([lambda: TaskEnv(Cars(1, max_steps=80))] * 3)
    for env in (batch, singles):
        env.seed(0)
        env.reset()
    actions, kinds = np.array([[1.0], [-1.0], [0.0]], np.float32), set()
    for _ in range(100):
        ours, theirs = batch.step(actions), singles.step(actions)
        for ended, info, expected in zip(ours[2], ours[3], theirs[3]):
            assert info["TimeLimit.truncated"] is expected["TimeLimit.truncated"]
            if ended:
                assert_same(info, expected)
                kinds.add((info["outcome"], info["TimeLimit.truncated"]))
    assert ("collision", False) in kinds and ("timeout", True) in kinds


@pytest.mark.slow
def test_ppo_learns_bitwise_the_same_from_the_batch_as_from_single_worlds():
    options = short(CARTPOLE)
    batch = ppo(TaskVecEnv(CARTPOLE, 4, **options))
    singles = ppo(DummyVecEnv([lambda: TaskEnv(CARTPOLE, **options)] * 4))
    assert batch.num_timesteps == 128 and batch._n_updates == 4
    assert weights(batch) == weights(singles)


@pytest.mark.slow
def test_ppo_trains_on_the_go1_and_its_monitor_counts_episodes():
    env = VecMonitor(TaskVecEnv(GO1, 8))
    before = weights(PPO("MlpPolicy", env, seed=3, device="cpu"))
    model = ppo(env)
    assert weights(model) != before and all(torch.isfinite(value).all() for value in model.policy.parameters())
    model.learn(16 * 8 * 2, reset_num_timesteps=False)
    lengths = [episode["l"] for episode in model.ep_info_buffer]
    assert lengths and min(lengths) > 0


@pytest.mark.slow
def test_ppo_reads_all_observations_of_the_go1():
    assert ppo(TaskVecEnv(GO1, 4, observations="all"), "MultiInputPolicy").num_timesteps == 128


def test_start_conditions_are_given_world_by_world():
    env = TaskVecEnv(CARTPOLE, 3)
    env.set_options([{"factors": {"cart_x_m": 0.01}}, {}, {"factors": {"cart_x_m": -0.01}}])
    given = env.reset()[:, 0]
    assert given[[0, 2]].tolist() == [np.float32(0.01), np.float32(-0.01)] and given[1] not in given[[0, 2]]
    assert env.reset()[0, 0] != np.float32(0.01)


def test_what_needs_an_object_a_world_is_refused_with_the_way_round():
    env = TaskVecEnv(CARTPOLE, 2)
    assert env.get_attr("render_mode") == [None, None] and env.env_is_wrapped(object, [0]) == [False]
    for call in (lambda: env.env_method("push"), lambda: env.set_attr("weight", 1.0)):
        with pytest.raises(SpecError, match="DummyVecEnv"):
            call()
    assert not env.has_attr("no_such_thing")


def test_without_stable_baselines_the_remedy_is_named(monkeypatch):
    monkeypatch.delitem(sys.modules, "motorium.gym.sb3")
    monkeypatch.setitem(sys.modules, "stable_baselines3.common.vec_env", None)
    with pytest.raises(SimError, match="pip install stable-baselines3"):
        import motorium.gym.sb3  # noqa: F401


@pytest.mark.slow
def test_the_worlds_are_seen_side_by_side():
    env = TaskVecEnv(CARTPOLE, 2, render_mode="rgb_array", size=(48, 64))
    env.reset()
    assert env.render().shape == (96, 64, 3)
    env.close()
