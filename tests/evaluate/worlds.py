"""Small worlds and policies for the tests of evaluation: a dot to be steered to the origin."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from motorium.core.errors import SimError
from motorium.core.features import vector
from motorium.core.protocols import EnvInfo, PolicyInfo, Step, as_mask
from motorium.core.random import stream

STATE = vector(("x", "y"), "m", frame="world")
VELOCITY = vector(("vx", "vy"), "m/s", frame="world")
OUTCOMES = ("running", "success", "left", "timeout")
START_M = 1.5


class Dot:
    """A dot that drifts: 10 Hz, velocity commands within 1 m/s, success within 0.1 m of the origin."""

    def __init__(self, num_envs: int, max_steps: int = 40) -> None:
        self.num_envs = num_envs
        self.info = EnvInfo(
            name="dot",
            instruction="bring the dot home",
            observation={"observation.state": STATE, "observation.time": vector(("t",), "s")},
            action=VELOCITY,
            action_low=np.full(2, -1.0, np.float32),
            action_high=np.full(2, 1.0, np.float32),
            control_hz=10.0,
            max_steps=max_steps,
            outcomes=OUTCOMES,
            factors={"start_x_m": (-START_M, START_M), "start_y_m": (-START_M, START_M)},
            cameras=("top",),
            conventions={"quaternion": "w first"},
            versions={"dot": "1"},
        )
        self._x = np.zeros((num_envs, 2))
        self._start = np.zeros((num_envs, 2))
        self._seed = np.zeros(num_envs, np.int64)
        self._t = np.zeros(num_envs, np.int64)
        self._outcome = np.zeros(num_envs, np.int8)
        self.steps_of_running_rows = 0
        self.renders = 0

    def reset(self, seeds, mask=None, factors=None):
        for row in np.flatnonzero(as_mask(mask, self.num_envs)):
            self._seed[row] = seeds[row]
            self._x[row] = stream(int(seeds[row]), "start").uniform(-START_M, START_M, 2)
            for axis, name in enumerate(self.info.factors):
                if factors and name in factors and not np.isnan(factors[name][row]):
                    self._x[row, axis] = factors[name][row]
            self._start[row] = self._x[row]
            self._t[row] = 0
            self._outcome[row] = 0
        return self._observe()

    def step(self, actions):
        running = self._outcome == 0
        if not np.isfinite(actions[running]).all():
            raise SimError("an action is not finite")
        self.steps_of_running_rows += int(running.sum())
        reward = np.zeros(self.num_envs, np.float32)
        for row in np.flatnonzero(running):
            drift = stream(int(self._seed[row]), "drift", int(self._t[row])).normal(0.0, 0.02, 2)
            self._x[row] += 0.1 * np.clip(actions[row].astype(np.float64), -1.0, 1.0) + drift
            self._t[row] += 1
            away = np.hypot(*self._x[row])
            reward[row] = -away
            if away < 0.1:
                self._outcome[row] = 1
            elif away > 2.5:
                self._outcome[row] = 2
            elif self._t[row] >= self.info.max_steps:
                self._outcome[row] = 3
        away = np.hypot(self._x[:, 0], self._x[:, 1])
        return Step(
            observation=self._observe(),
            reward=reward,
            terminated=(self._outcome == 1) | (self._outcome == 2),
            truncated=self._outcome == 3,
            outcome=self._outcome.copy(),
            info={"away_m": away.astype(np.float32), "at_m": self._x.copy()},
        )

    def factors(self):
        return {"start_x_m": self._start[:, 0].copy(), "start_y_m": self._start[:, 1].copy()}

    def snapshot(self):
        return {
            "x": self._x.copy(),
            "start": self._start.copy(),
            "seed": self._seed.copy(),
            "t": self._t.copy(),
            "outcome": self._outcome.copy(),
        }

    def restore(self, snapshot, mask=None):
        mask = as_mask(mask, self.num_envs)
        for name, values in snapshot.items():
            getattr(self, f"_{name}")[mask] = values[mask]
        return self._observe()

    def render(self, camera, rows, height, width):
        self.renders += len(rows)
        pictures = np.zeros((len(rows), height, width, 3), np.uint8)
        pictures[:, 0, 0, 0] = self._t[rows]
        return pictures

    def close(self):
        pass

    def _observe(self):
        return {
            "observation.state": self._x.astype(np.float32),
            "observation.time": (self._t[:, None] / self.info.control_hz).astype(np.float32),
        }


class Steer:
    """Drives home with noise of its own; with probability 1 - skill it drives away instead."""

    def __init__(self, skill: float = 1.0, horizon: int = 8, execute: int = 4, digest: str = "steer", **info) -> None:
        self.info = replace(
            PolicyInfo(
                observation={"observation.state": STATE},
                action=VELOCITY,
                horizon=horizon,
                execute=execute,
                control_hz=10.0,
                digest=digest,
            ),
            **info,
        )
        self.skill = skill
        self.asked: list[np.ndarray] = []
        self._rng: list[np.random.Generator | None] = []
        self._sign = np.zeros(0)

    def reset(self, seeds, mask=None):
        if len(self._rng) != len(seeds):
            self._rng, self._sign = [None] * len(seeds), np.ones(len(seeds))
        for row in np.flatnonzero(as_mask(mask, len(seeds))):
            self._rng[row] = stream(int(seeds[row]), "steer")
            self._sign[row] = 1.0 if self._rng[row].uniform() < self.skill else -1.0

    def act(self, observation, mask=None):
        state = observation["observation.state"]
        assert set(observation) == set(self.info.observation)
        mask = as_mask(mask, len(state))
        self.asked.append(mask)
        chunk = np.zeros((len(state), self.info.horizon, 2), np.float32)
        for row in np.flatnonzero(mask):
            noise = self._rng[row].normal(0.0, 0.2, (self.info.horizon, 2))
            chunk[row] = -self._sign[row] * 2.0 * state[row] + noise
        return chunk


@dataclass
class Counter:
    """Progress that adds up."""

    amount: float = 0
    closed: bool = False

    def advance(self, amount=1, **note):
        self.amount += amount

    def close(self):
        self.closed = True
