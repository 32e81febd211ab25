"""Collecting: an Env as a learner wants it, with worlds that begin anew in the step in which they end.

Seeds follow from (root seed, world, episode). Worlds would all reach their time limit in the same step, and what is
collected at a time would all be of the same age; so the first episode of each is cut short at a step drawn evenly.
Cut episodes are time-outs to the learner, count in no statistic, and move no level of a curriculum.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from motorium.core.protocols import Env
from motorium.core.random import counter_key, derive_seed, stream
from motorium.learn.rl.curriculum import Curriculum
from motorium.learn.rl.guard import TERM, check_observation, check_reward
from motorium.learn.rl.statistics import Statistics

if TYPE_CHECKING:
    from tensordict import TensorDict

# Seeds of training are above this, so that they are never among those that policies are chosen or judged on.
LEAST_SEED = 1 << 62


@dataclass(frozen=True, kw_only=True)
class Moved:
    """One step of all worlds.

    Attributes:
        observation: {key: (B, n)} after the step, of new episodes where worlds ended.
        reward: (B,) float32.
        ended: (B,) bool: the episode is over, for whatever reason.
        late: (n,) int64: rows whose episode is over though the task had not ended: time-outs.
        last: {key: (n, n_key)} the last observations of those.
    """

    observation: TensorDict
    reward: Tensor
    ended: Tensor
    late: Tensor
    last: TensorDict


class Collector:
    """B worlds of `env`, stepped with actions in halves of the range of the action's bounds, zero being their middle.

    Args:
        keys: observation keys to show.
        seed: root seed.
    """

    def __init__(self, env: Env, keys: tuple[str, ...], seed: int) -> None:
        self.env, self.keys = env, keys
        self.num_envs, self.num_actions = env.num_envs, env.info.action.size
        low, high = (np.asarray(bound, np.float64) for bound in (env.info.action_low, env.info.action_high))
        bounded = np.isfinite(low) & np.isfinite(high)
        self.middle = np.where(bounded, (low + high) / 2, 0.0).astype(np.float32)
        self.half = np.where(bounded, (high - low) / 2, 1.0).astype(np.float32)
        self._worlds = torch.tensor([derive_seed(seed, "world", row) for row in range(self.num_envs)])
        self._episodes = torch.zeros(self.num_envs, dtype=torch.int64)
        cut = stream(seed, "first episodes").integers(1, env.info.max_steps + 1, self.num_envs)
        self._limit, self._never = torch.from_numpy(cut), env.info.max_steps + 1
        self._steps = torch.zeros(self.num_envs, dtype=torch.int64)
        self.statistics = Statistics(env.info, self.num_envs)
        self._seeds = self._drawn()
        self.curriculum = Curriculum(env.info, self.num_envs, seed)
        factors = {name: value.numpy() for name, value in self.curriculum.factors().items()}
        first = env.reset(self._seeds.numpy(), None, factors or None)
        self._plain = not isinstance(first[keys[0]], Tensor)
        self._show(first)
        self._middle, self._half = (torch.from_numpy(one).to(self.device) for one in (self.middle, self.half))

    @property
    def device(self) -> torch.device:
        """Where observations and rewards are."""
        return self.observation[self.keys[0]].device

    def step(self, actions: Tensor) -> Moved:
        """Step all worlds with actions (B, A); begin new episodes where they ended.

        Raises:
            MotoriumError: when an observation or a reward is not finite, naming it.
        """
        made = self.env.step(self._own(self._middle + self._half * actions))
        self._steps += 1
        terms = {name: _tensor(value) for name, value in made.info.items()}
        reward = _tensor(made.reward)
        rewards = {name: value for name, value in terms.items() if name.startswith(TERM)}
        check_reward(reward, rewards, self._seeds, self._steps)
        self._show(made.observation)
        last = self.observation
        terminated, truncated = _tensor(made.terminated), _tensor(made.truncated)
        finished = terminated | truncated
        ended = finished | (self._steps >= self._limit).to(self.device)
        self.statistics.add(reward, terms, finished, _tensor(made.outcome))
        late = (ended & ~terminated).nonzero()[:, 0]
        moved = {"reward": reward, "ended": ended, "late": late, "last": last[late]}
        if ended.any():
            self.curriculum.judge(terms, finished, self._episodes)
            self._begin(ended)
        return Moved(observation=self.observation, **moved)

    def state(self) -> dict[str, Tensor]:
        """Return all that the rest of the run depends on."""
        own = {name: getattr(self, f"_{name}") for name in ("episodes", "limit", "steps", "seeds")}
        shown = {f"shown.{key}": value for key, value in self.observation.items()}
        worlds = {f"env.{key}": _tensor(value) for key, value in self.env.snapshot().items()}
        sums = {f"sum.{name}": getattr(self.statistics, name) for name in ("returns", "lengths")}
        levels = {f"level.{name}": value for name, value in self.curriculum.levels.items()}
        return {**own, **shown, **worlds, **sums, **levels}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Set what `state` returned."""
        parts: dict[str, dict[str, Tensor]] = {"env": {}, "shown": {}, "sum": {}, "level": {}}
        for name, value in state.items():
            group, dot, key = name.partition(".")
            if dot:
                parts[group][key] = value
            else:
                setattr(self, f"_{name}", value.clone())
        self.env.restore({key: self._own(value.to(self.device)) for key, value in parts["env"].items()})
        self.observation = grouped({key: value.to(self.device) for key, value in parts["shown"].items()})
        self.curriculum.levels.update(parts["level"])
        self.statistics.returns, self.statistics.lengths = parts["sum"]["returns"], parts["sum"]["lengths"]

    def _begin(self, ended: Tensor) -> None:
        """Begin new episodes in the rows `ended` (B,)."""
        rows = ended.cpu()
        self._episodes = self._episodes + rows
        self._seeds = torch.where(rows, self._drawn(), self._seeds)
        self._limit = torch.where(rows, self._never, self._limit)
        self._steps = torch.where(rows, 0, self._steps)
        self.statistics.begin(ended)
        factors = {name: self._own(value) for name, value in self.curriculum.factors().items()}
        self._show(self.env.reset(self._own(self._seeds), self._own(ended), factors or None))

    def _drawn(self) -> Tensor:
        """Return the seeds (B,) of the episodes that are on."""
        return counter_key(self._worlds + self._episodes, "episode") & (LEAST_SEED - 1) | LEAST_SEED

    def _show(self, observation: Mapping[str, Any]) -> None:
        shown = {key: _tensor(observation[key]).reshape(self.num_envs, -1) for key in self.keys}
        check_observation(shown, self.env.info, self._seeds, self._steps)
        self.observation = grouped(shown)

    def _own(self, values: Tensor) -> Any:
        """Return an array as the Env takes it: NumPy's, where it answers with such."""
        return values.numpy() if self._plain else values.to(self.device)


def grouped(values: Mapping[str, Tensor]) -> TensorDict:
    """Return {key: (B, n)} as rsl_rl takes it."""
    # Here, not above: it comes with rsl_rl, whose absence is to be said in words.
    from tensordict import TensorDict

    return TensorDict(dict(values), batch_size=[len(next(iter(values.values())))])


def _tensor(values: Any) -> Tensor:
    return values if isinstance(values, Tensor) else torch.from_numpy(np.ascontiguousarray(values))
