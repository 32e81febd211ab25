"""Guard: numbers that are not finite are named where they arise, before they reach the weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from motorium.core.errors import MotoriumError
from motorium.core.protocols import EnvInfo

TERM = "reward."


def check_observation(observation: Mapping[str, Tensor], info: EnvInfo, seeds: Tensor, steps: Tensor) -> None:
    """Check that observations {key: (B, n)} are finite.

    Args:
        seeds, steps: (B,) int64 of the episodes, for the message.

    Raises:
        MotoriumError: naming the first element that is not, its world and step.
    """
    for key, values in observation.items():
        # A sum is a single pass, and finite only if all of it is; float32 extremes that overflow are no observations.
        if not torch.isfinite(values.sum()):
            row, element = _first(values)
            names = info.observation[key].names
            name = f"'{names[element]}' of '{key}'" if names else f"element {element} of '{key}'"
            raise _error(f"observation {name} is not finite", values[row, element], row, seeds, steps)


def check_reward(reward: Tensor, terms: Mapping[str, Tensor], seeds: Tensor, steps: Tensor) -> None:
    """Check that rewards (B,) are finite; `terms` are the reward terms {`reward.name`: (B,)} they are the sum of.

    Raises:
        MotoriumError: naming the term that is not finite, its world and step.
    """
    if torch.isfinite(reward.sum()):
        return
    for name, values in terms.items():
        if not torch.isfinite(values).all():
            row, _ = _first(values[:, None])
            raise _error(f"reward term '{name.removeprefix(TERM)}' is not finite", values[row], row, seeds, steps)
    row, _ = _first(reward[:, None])
    raise _error("the reward is not finite, though its terms are", reward[row], row, seeds, steps)


def check_update(losses: Mapping[str, float], weights: Mapping[str, Tensor], iteration: int) -> None:
    """Check what an update gave.

    Raises:
        MotoriumError: naming the loss, or else the weights, that are not finite.
    """
    wrong = [f"{name} loss" for name, value in losses.items() if not torch.isfinite(torch.tensor(value))]
    wrong = wrong or [f"weights '{name}'" for name, value in weights.items() if not torch.isfinite(value).all()]
    if wrong:
        raise MotoriumError(
            f"training diverged: {wrong[0]} not finite",
            where=f"round {iteration}",
            got=", ".join(f"{name} {value:g}" for name, value in losses.items()),
            expected="finite numbers",
            remedy="lower learning_rate or desired_kl, or look at the size of the rewards",
        )


def _first(values: Tensor) -> tuple[int, int]:
    bad = (~torch.isfinite(values)).nonzero()
    # None is: the sum overflowed.
    row, element = bad[0].tolist() if len(bad) else divmod(int(values.abs().argmax()), values.shape[1])
    return row, element


def _error(what: str, value: Tensor, row: int, seeds: Tensor, steps: Tensor) -> MotoriumError:
    return MotoriumError(
        what,
        where=f"world {row}, seed {int(seeds[row])}, step {int(steps[row])} of its episode",
        got=float(value),
        expected="a finite number",
        remedy="look at that term of the task at that state; the run can be resumed from its last checkpoint",
    )
