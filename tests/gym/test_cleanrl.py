"""CleanRL: what its ppo_continuous_action.py asks of an environment, and, opt-in, that file itself, unmodified.

docs/gym.md says how to make its environment: MOTORIUM_CLEANRL_PYTHON=cleanrl-env/bin/python pytest -m oracle tests/gym
"""

from __future__ import annotations

import os
import re
import subprocess

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from motorium.gym.single import TaskEnv
from tests.gym.worlds import STEPS, short

CARTPOLE = "cartpole/swing-up"
ID = "motorium.gym:motorium/CartpoleSwingUp-v0"
PYTHON = os.environ.get("MOTORIUM_CLEANRL_PYTHON")


def one_world():
    """The wrappers around one world, in the order that CleanRL documents."""
    wrappers, env = gymnasium.wrappers, gymnasium.make(ID, **short(CARTPOLE))
    env = wrappers.RecordEpisodeStatistics(wrappers.FlattenObservation(env))
    env = wrappers.NormalizeObservation(wrappers.ClipAction(env))
    env = wrappers.TransformObservation(env, lambda seen: np.clip(seen, -10, 10), env.observation_space)
    env = wrappers.NormalizeReward(env, gamma=0.99)
    return wrappers.TransformReward(env, lambda reward: np.clip(reward, -10, 10))


def test_its_wrappers_report_the_returns_and_lengths_of_the_episodes():
    envs = SyncVectorEnv([one_world] * 2, autoreset_mode=AutoresetMode.SAME_STEP)
    assert isinstance(envs.single_action_space, gymnasium.spaces.Box)
    # Gaussian actions leave the bounds; ClipAction brings them back, so that a plain world gets them clipped.
    actions = np.random.default_rng(0).normal(0, 2, (STEPS, 2, 1)).astype(np.float32)
    envs.reset(seed=1)
    for action in actions:
        seen, reward, _, truncations, infos = envs.step(action)
        assert np.abs(seen).max() <= 10 and np.abs(reward).max() <= 10
    assert truncations.all() and infos["final_info"]["_episode"].all()
    plain = TaskEnv(CARTPOLE, **short(CARTPOLE))
    for i in range(2):
        plain.reset(seed=1 + i)
        total = sum(plain.step(np.clip(action[i], -1, 1))[1] for action in actions)
        assert infos["final_info"]["episode"]["r"][i] == pytest.approx(total)
        assert infos["final_info"]["episode"]["l"][i] == STEPS


@pytest.mark.oracle
@pytest.mark.slow
@pytest.mark.skipif(not PYTHON, reason="set MOTORIUM_CLEANRL_PYTHON to a Python that has motorium and cleanrl")
@pytest.mark.parametrize("name", [ID, "motorium.gym:motorium/Go1Velocity-v0"])
def test_its_ppo_trains_unmodified(name, tmp_path):
    options = "--total-timesteps 2048 --num-envs 2 --num-steps 512 --num-minibatches 4 --update-epochs 2 --cuda False"
    argv = [os.path.abspath(PYTHON), "-m", "cleanrl.ppo_continuous_action", "--env-id", name, *options.split()]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    made = subprocess.run(argv, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=300)
    assert made.returncode == 0, made.stderr
    assert len(re.findall(r"^SPS: \d+", made.stdout, re.M)) == 2
    # Two worlds of 1000 steps at most: both have ended within 1024 steps each.
    assert re.search(r"episodic_return=\[?[-\d.e]+", made.stdout)
    assert list(tmp_path.glob("runs/*/*/events.out.tfevents.*")) + list(tmp_path.glob("runs/*/events.out.tfevents.*"))
