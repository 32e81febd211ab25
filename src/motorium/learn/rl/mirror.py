"""Mirror: what a learner needs of a world's left-right symmetry.

Source: M. Mittal et al., Symmetry Considerations for Learning Task Symmetric Robot Policies, arXiv:2403.04359:
data augmentation and mirror loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from motorium.core.errors import ConventionError
from motorium.core.protocols import Mirror
from motorium.learn.rl.collect import Collector, grouped

if TYPE_CHECKING:
    from tensordict import TensorDict

ACTION = "action"


class Mirrored:
    """Observations and actions, followed by what they are in a mirror; rsl_rl's `data_augmentation_func`.

    Raises:
        ConventionError: when the world's mirror leaves out an observation or the action, or its action's bounds have
            no mirror image.
    """

    def __init__(self, collector: Collector) -> None:
        mirrors = collector.env.info.mirrors
        for key in (*collector.keys, ACTION):
            if key not in mirrors:
                raise ConventionError(
                    f"the mirror of {collector.env.info.name} leaves out '{key}'",
                    where="rl.symmetry",
                    got=sorted(mirrors),
                    expected=key,
                    remedy="complete the task's mirrors, or set symmetry: none",
                )
        _check_bounds(mirrors[ACTION], collector)
        self._mirrors = {key: _tensors(mirrors[key], collector.device) for key in (*collector.keys, ACTION)}

    def __call__(self, env: Any, obs: TensorDict | None, actions: Tensor | None) -> tuple[Any, Any]:
        """Return (observations (2 B, n) by key, actions (2 B, A)), the second half mirrored; None stays None."""
        if obs is not None:
            obs = grouped({key: torch.cat([value, self.of(key, value)]) for key, value in obs.items()})
        return obs, None if actions is None else torch.cat([actions, self.of(ACTION, actions)])

    def of(self, key: str, values: Tensor) -> Tensor:
        """Return the mirror image of `values` (B, n)."""
        order, signs = self._mirrors[key]
        return values[:, order] * signs


def _tensors(mirror: Mirror, device: torch.device) -> tuple[Tensor, Tensor]:
    return torch.tensor(mirror.order, device=device), torch.tensor(mirror.signs, device=device)


def _check_bounds(mirror: Mirror, collector: Collector) -> None:
    """Check that a mirrored action in halves of the range is the action that the mirrored world means."""
    order, signs = np.array(mirror.order), np.array(mirror.signs)
    same: Mapping[str, bool] = {
        "middles": np.allclose(collector.middle[order] * signs, collector.middle),
        "ranges": np.allclose(collector.half[order], collector.half),
    }
    for name, fits in same.items():
        if not fits:
            raise ConventionError(
                f"the {name} of the action's bounds are not their own mirror image",
                where=f"{collector.env.info.name}, rl.symmetry",
                remedy="give both sides the same bounds, or set symmetry: none",
            )
