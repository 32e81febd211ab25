"""Statistics of training: what the last episodes gave, and what each reward term pays a second."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping

import torch
from torch import Tensor

from motorium.core.protocols import SUCCESS, EnvInfo
from motorium.learn.rl.guard import TERM

# Episodes that the averages are over.
WINDOW = 100


class Statistics:
    """Of `num_envs` worlds of `info`.

    Attributes:
        returns: (B,) float64 rewards of the episodes that are on.
        lengths: (B,) int64 steps of those.
        ended: measures of the last `WINDOW` episodes that ended by themselves; None where there is none.
        episodes: how many did so since the start.
    """

    def __init__(self, info: EnvInfo, num_envs: int) -> None:
        self._info, self._num_envs = info, num_envs
        self.returns = torch.zeros(num_envs, dtype=torch.float64)
        self.lengths = torch.zeros(num_envs, dtype=torch.int64)
        self.ended: deque[dict[str, float | None]] = deque(maxlen=WINDOW)
        self.episodes = 0
        self._sums: dict[str, Tensor] = {}
        self._count = 0

    def add(self, reward: Tensor, info: Mapping[str, Tensor], finished: Tensor, outcome: Tensor) -> None:
        """Count a step: rewards (B,), `Step.info`, which worlds finished (B,), outcomes (B,)."""
        if self.returns.device != reward.device:
            self.returns, self.lengths = self.returns.to(reward.device), self.lengths.to(reward.device)
        self.returns = self.returns + reward
        self.lengths = self.lengths + 1
        self._count += self._num_envs
        paid = {"reward_per_s": reward, **{name: value for name, value in info.items() if name.startswith(TERM)}}
        for name, value in paid.items():
            total = value.sum(dtype=torch.float64)
            self._sums[name] = self._sums[name] + total if name in self._sums else total
        if finished.any():
            self._end(finished.nonzero()[:, 0], info, outcome)

    def begin(self, rows: Tensor) -> None:
        """Forget the episodes in `rows` (B,) bool: new ones begin there."""
        self.returns = torch.where(rows, 0.0, self.returns)
        self.lengths = torch.where(rows, 0, self.lengths)

    def row(self) -> dict[str, float]:
        """Return rewards a second since the last row, and means over the last episodes, as far as there are any."""
        hz = self._info.control_hz
        row = {name: float(total) / self._count * hz for name, total in self._sums.items()}
        self._sums, self._count = {}, 0
        for name in dict.fromkeys(name for one in self.ended for name in one):
            values = [one[name] for one in self.ended if one.get(name) is not None]
            if values:
                row[name] = math.fsum(values) / len(values)
        return {**row, "episodes": self.episodes}

    def _end(self, rows: Tensor, info: Mapping[str, Tensor], outcome: Tensor) -> None:
        self.episodes += len(rows)
        rows = rows[-WINDOW:]
        codes = outcome[rows].tolist()
        columns = {
            "return": self.returns[rows].tolist(),
            "length_s": (self.lengths[rows].double() / self._info.control_hz).tolist(),
            "success": [float(code == SUCCESS) for code in codes],
        }
        for code, name in enumerate(self._info.outcomes[SUCCESS + 1 :], SUCCESS + 1):
            columns[f"outcome.{name}"] = [float(one == code) for one in codes]
        for name, values in info.items():
            if values.ndim == 1 and not name.startswith(TERM):
                columns[f"metric.{name}"] = values[rows].double().tolist()
        for at in range(len(rows)):
            found = {name: values[at] for name, values in columns.items()}
            self.ended.append({name: value if math.isfinite(value) else None for name, value in found.items()})
