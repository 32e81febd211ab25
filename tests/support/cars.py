"""Cars: a batch of point-mass cars, each behind a lead car. The second use of the Env protocol, in plain NumPy.

Success: the gap has been within 30 % of 5 m and a headway of 1.5 s for three seconds. Failure: `collision`, no gap.
The lead changes its acceleration every second, at random, from a counter-based stream: (seed, second) is its state.
"""

from __future__ import annotations

import numpy as np

from motorium.core.errors import SimError
from motorium.core.features import vector
from motorium.core.protocols import RUNNING, SUCCESS, EnvInfo, Step, as_mask
from motorium.core.random import stream

PERIOD_S, KEEP_STEPS, MAX_ACCELERATION_M_S2 = 0.1, 30, 3.0
TIMEOUT, COLLISION = 2, 3
STATE = ("gap_m", "speed_m_s", "lead_speed_m_s", "lead_acceleration_m_s2")
COUNTS = ("seeds", "steps", "kept", "terminated", "truncated", "outcome")


class Cars:
    """A batch of car-following worlds."""

    def __init__(self, num_envs: int, threads: int = 1, max_steps: int = 120) -> None:
        self.num_envs = num_envs
        self.info = EnvInfo(
            name="cars",
            instruction="follow the car ahead",
            observation={"observation.state": vector(STATE, ("m", "m/s", "m/s", "m/s^2"))},
            action=vector(["acceleration"], "normalized"),
            action_low=-np.ones(1, np.float32),
            action_high=np.ones(1, np.float32),
            control_hz=1 / PERIOD_S,
            max_steps=max_steps,
            outcomes=("running", "success", "timeout", "collision"),
            factors={"gap_m": (15.0, 40.0), "speed_m_s": (15.0, 25.0), "lead_speed_m_s": (15.0, 25.0)},
        )
        self._state, self._factors = np.zeros((num_envs, 4)), np.zeros((num_envs, 3))
        self._counts = {name: np.zeros(num_envs, np.int64) for name in COUNTS}
        self._started = np.zeros(num_envs, bool)

    def reset(self, seeds, mask=None, factors=None):
        rows = np.flatnonzero(as_mask(mask, self.num_envs))
        low, high = np.array(list(self.info.factors.values())).T
        for row in rows:
            drawn = low + (high - low) * stream(int(seeds[row]), "cars", "start").random(3)
            for i, name in enumerate(self.info.factors):
                value = (factors or {}).get(name, np.full(self.num_envs, np.nan))[row]
                drawn[i] = drawn[i] if np.isnan(value) else value
            self._factors[row], self._state[row] = drawn, [*drawn, 0.0]
            for name in COUNTS:
                self._counts[name][row] = int(seeds[row]) if name == "seeds" else 0
            self._started[row] = True
        unknown = set(factors or {}) - set(self.info.factors)
        if unknown:
            raise SimError(f"cars have no start condition {unknown}", expected=list(self.info.factors))
        return self._observe()

    def step(self, actions):
        if not self._started.all():
            raise SimError("a world was stepped before it was reset")
        count = self._counts
        run = (count["terminated"] | count["truncated"]) == 0
        actions = np.where(run[:, None], np.asarray(actions, np.float64), 0.0)
        if not np.isfinite(actions).all():
            raise SimError("an action is not finite")
        moved, lead = self._moved(np.clip(actions[:, 0], -1, 1)), self._lead(run)
        self._state[run] = np.column_stack([moved, lead])[run]
        self._state[run, 0] += ((self._state[:, 2] - self._state[:, 1]) * PERIOD_S)[run]
        count["steps"][run] += 1
        gap, speed = self._state[:, 0], self._state[:, 1]
        wanted = 5.0 + 1.5 * speed
        count["kept"][run] = np.where(np.abs(gap - wanted) < 0.3 * wanted, count["kept"] + 1, 0)[run]
        ending = np.where(gap <= 0, COLLISION, np.where(count["kept"] >= KEEP_STEPS, SUCCESS, RUNNING))
        count["terminated"][run & (ending != RUNNING)] = 1
        late = run & (ending == RUNNING) & (count["steps"] >= self.info.max_steps)
        count["truncated"][late] = 1
        count["outcome"][run] = np.where(late, TIMEOUT, ending)[run]
        return Step(
            observation=self._observe(),
            reward=np.where(run, 1.0 - np.abs(gap - wanted) / wanted, 0.0).astype(np.float32),
            terminated=count["terminated"].astype(bool),
            truncated=count["truncated"].astype(bool),
            outcome=count["outcome"].astype(np.int8),
        )

    def factors(self):
        return {name: self._factors[:, i].copy() for i, name in enumerate(self.info.factors)}

    def snapshot(self):
        counts = {name: array.copy() for name, array in self._counts.items()}
        return {"state": self._state.copy(), "factors": self._factors.copy(), "started": self._started.copy(), **counts}

    def restore(self, snapshot, mask=None):
        rows = as_mask(mask, self.num_envs)
        for name, array in (("state", self._state), ("factors", self._factors), ("started", self._started)):
            array[rows] = snapshot[name][rows]
        for name in COUNTS:
            self._counts[name][rows] = snapshot[name][rows]
        return self._observe()

    def close(self):
        pass

    def _moved(self, command):
        """Gap and own speed after a step, the gap as yet without the change it is due."""
        speed = np.maximum(0.0, self._state[:, 1] + command * MAX_ACCELERATION_M_S2 * PERIOD_S)
        return np.column_stack([self._state[:, 0], speed])

    def _lead(self, run):
        """The lead's speed and acceleration after a step."""
        acceleration = self._state[:, 3].copy()
        for row in np.flatnonzero(run & (self._counts["steps"] % 10 == 0)):
            second = int(self._counts["steps"][row]) // 10
            acceleration[row] = stream(int(self._counts["seeds"][row]), "cars", "lead", second).uniform(-1.5, 1.5)
        speed = np.clip(self._state[:, 2] + acceleration * PERIOD_S, 5.0, 30.0)
        return np.column_stack([speed, acceleration])

    def _observe(self):
        return {"observation.state": self._state.astype(np.float32)}
