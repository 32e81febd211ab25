"""NumpyEnv: an env of torch tensors, as `MdpEnv` on MuJoCo Warp is, behind NumPy arrays: the Env of `core.protocols`.

Evaluation, Gymnasium's adapters and the rest of the toolchain take NumPy; each call copies the arrays that cross, from
and to the GPU. A learner that lives on the GPU takes the env itself (`NumpyEnv.inner`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motorium.core.protocols import Env, EnvInfo, Observation, Snapshot, Step


class NumpyEnv:
    """A batch of worlds whose arrays are NumPy's.

    Args:
        inner: an Env whose arrays are torch tensors.

    Attributes:
        inner: the same.
        Others as `core.protocols.Env` says.
    """

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.info: EnvInfo = inner.info
        self.num_envs: int = inner.num_envs

    def reset(
        self,
        seeds: NDArray[np.int64],
        mask: NDArray[np.bool_] | None = None,
        factors: Mapping[str, NDArray] | None = None,
    ) -> Observation:
        """Restart the worlds in `mask`."""
        given = {name: self._in(np.asarray(values, np.float64)) for name, values in (factors or {}).items()}
        return _out(self.inner.reset(self._in(np.asarray(seeds, np.int64)), self._mask(mask), given))

    def step(self, actions: NDArray[np.float32]) -> Step:
        """Advance every world that has not ended by one control period."""
        step = self.inner.step(self._in(np.asarray(actions, np.float32)))
        return Step(
            observation=_out(step.observation),
            reward=_array(step.reward),
            terminated=_array(step.terminated),
            truncated=_array(step.truncated),
            outcome=_array(step.outcome),
            info=_out(step.info),
        )

    def factors(self) -> dict[str, NDArray[np.float64]]:
        """Return the start conditions in force: of float64, what the engine has as float32."""
        return {name: _array(values).astype(np.float64) for name, values in self.inner.factors().items()}

    def snapshot(self) -> Snapshot:
        """Return the whole state as arrays (B, ...)."""
        return _out(self.inner.snapshot())

    def restore(self, snapshot: Snapshot, mask: NDArray[np.bool_] | None = None) -> Observation:
        """Set the rows in `mask` to those of `snapshot`."""
        return _out(self.inner.restore({key: self._in(value) for key, value in snapshot.items()}, self._mask(mask)))

    def render(self, camera: str, rows: NDArray[np.int64], height: int, width: int) -> NDArray[np.uint8]:
        """Return pictures of `rows` as they stand."""
        return self.inner.render(camera, rows, height, width)

    def looks(self) -> Any:
        """Return the model with all that is seen."""
        return self.inner.looks()

    def pose(self, row: int) -> dict[str, NDArray]:
        """Return positions and mocap poses of one world as it stands."""
        return self.inner.pose(row)

    def close(self) -> None:
        """Release threads and memory."""
        self.inner.close()

    def _mask(self, mask: NDArray[np.bool_] | None) -> Any:
        return None if mask is None else self._in(np.asarray(mask, bool))

    def _in(self, values: NDArray) -> Any:
        # A copy: what a caller passes in is not kept, and torch would share its memory.
        return self.inner.xp.asarray(np.array(values), device=self.inner.device)


def as_numpy(env: Any) -> Env:
    """Return `env`, or a `NumpyEnv` around it where its arrays are torch's."""
    return env if getattr(env, "xp", np) is np else NumpyEnv(env)


def _out(arrays: Mapping[str, Any]) -> dict[str, NDArray]:
    return {name: _array(values) for name, values in arrays.items()}


def _array(values: Any) -> NDArray:
    """Return a tensor as an array of its own."""
    return np.array(values.detach().cpu().numpy())
