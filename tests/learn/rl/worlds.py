"""Small worlds in which what is best, and what it pays, is known in closed form."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from motorium.core.features import vector
from motorium.core.protocols import EnvInfo, Mirror, Step
from motorium.core.random import counted_uniform, counter_key, stream
from motorium.learn.rl.ppo import RlTrained, train
from motorium.learn.rl.spec import RlSpec

STATE, PRIVILEGED = "observation.state", "observation.privileged"
SMALL = {"num_envs": 32, "steps": 4, "iterations": 4, "widths": [16, 16], "checkpoint_every": 2}
SUCCESS, TIMEOUT = 1, 2


class Reach:
    """A point x and a height h, both drawn; the best action is (0.5 + 0.4 x, 0.5 - 0.4 x, 0.6 h x).

    Pays 1 minus the squared distance of the action from the best, a step. Ends after `max_steps`: in success where
    `ends`, else by the time limit. In a mirror x changes sign, and so the first two actions change places.

    Args:
        one_sided: only x > 0 are drawn.
        broken: name of what becomes NaN at the third step of world 1: a reward term, or `age` of the observation.
    """

    def __init__(self, num_envs=32, max_steps=1, ends=True, one_sided=False, low=-1.0, high=1.0, broken=None):
        self.num_envs, self.ends, self.one_sided, self.broken = num_envs, ends, one_sided, broken
        action = vector(("left", "right", "middle"), "normalized")
        self.info = EnvInfo(
            name="reach",
            instruction="reach",
            observation={STATE: vector(("x", "h"), "m"), PRIVILEGED: vector(("age",), "1")},
            action=action,
            action_low=np.full(3, low, np.float32),
            action_high=np.full(3, high, np.float32),
            control_hz=10.0,
            max_steps=max_steps,
            outcomes=("running", "success", "timeout", "lost"),
            mirrors={
                STATE: Mirror(order=(0, 1), signs=(-1.0, 1.0)),
                PRIVILEGED: Mirror(order=(0,), signs=(1.0,)),
                "action": Mirror(order=(1, 0, 2), signs=(1.0, 1.0, -1.0)),
            },
        )
        self.at = np.zeros((num_envs, 2))
        self.age = np.zeros(num_envs, np.int64)
        self.over = np.zeros(num_envs, bool)
        self.seeds = np.zeros(num_envs, np.int64)

    @staticmethod
    def best(at):
        """(B, 3) actions that pay 1."""
        x, h = at[:, 0], at[:, 1]
        return np.stack([0.5 + 0.4 * x, 0.5 - 0.4 * x, 0.6 * h * x], axis=1)

    def reset(self, seeds, mask=None, factors=None):
        rows = np.ones(self.num_envs, bool) if mask is None else mask
        at = 2 * counted_uniform(counter_key(seeds, "reach"), 0 * seeds, 2) - 1
        at[:, 0] = np.abs(at[:, 0]) if self.one_sided else at[:, 0]
        self.at[rows], self.seeds[rows] = at[rows], seeds[rows]
        self.age[rows], self.over[rows] = 0, False
        return self.observe()

    def step(self, actions):
        running = ~self.over
        self.age += running
        clipped = np.clip(actions.astype(np.float64), self.info.action_low, self.info.action_high)
        near = np.where(running, 1 - ((clipped - self.best(self.at)) ** 2).sum(axis=1), 0.0)
        bonus = np.zeros(self.num_envs)
        if self.broken == "bonus" and self.age[1] == 3:
            bonus[1] = np.nan
        late = self.age >= self.info.max_steps
        self.over |= late
        return Step(
            observation=self.observe(),
            reward=(near + bonus).astype(np.float32),
            terminated=late & self.ends,
            truncated=late & (not self.ends),
            outcome=np.where(late, SUCCESS if self.ends else TIMEOUT, 0).astype(np.int8),
            info={"reward.near": near, "reward.bonus": bonus, "far": np.abs(self.at[:, 0])},
        )

    def observe(self):
        age = self.age[:, None].astype(np.float32)
        if self.broken == "age" and self.age[1] == 3:
            age[1] = np.nan
        return {STATE: self.at.astype(np.float32), PRIVILEGED: age}

    def factors(self):
        return {}

    def snapshot(self):
        return {"at": self.at.copy(), "age": self.age.copy(), "over": self.over.copy(), "seeds": self.seeds.copy()}

    def restore(self, snapshot, mask=None):
        for name in ("at", "age", "over", "seeds"):
            getattr(self, name)[...] = snapshot[name]
        return self.observe()

    def close(self):
        """Nothing to release."""


def trained(folder: Path, env=None, seed: int = 0, **changes) -> RlTrained:
    """Train a small policy in `folder`."""
    own = {name: changes.pop(name) for name in ("progress", "metrics", "start") if name in changes}
    spec = RlSpec.parse({**SMALL, **changes})
    return train(env or Reach(spec.num_envs), spec, folder / "policy", scratch=folder / "scratch", seed=seed, **own)


def states(count: int, seed: int = 5) -> np.ndarray:
    """Points (count, 2) to ask a policy at."""
    return stream(seed, "states").uniform(-0.9, 0.9, (count, 2)).astype(np.float32)
