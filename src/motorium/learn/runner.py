"""ChunkRunner: the Policy protocol around a network that maps one block of rows; NumPy only.

Matrix products and vectorised functions round differently for different numbers of rows. The network is
therefore only ever run on blocks of one fixed size, filled up with zeros, so that a row's chunk is bitwise
the same alone, among 511 others, and in any position. `choose_block` checks, on the machine at hand, that
a row's position in the block does not matter either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import ConventionError, MotoriumError, nearest
from motorium.core.protocols import Observation, PolicyInfo, as_mask
from motorium.core.random import stream
from motorium.learn.description import LAST_ACTION, LAST_KNOWN, NOISE, PolicyDescription

Forward = Callable[[Mapping[str, NDArray[np.float32]]], NDArray[np.float32]]

NOISE_SCHEME = (
    "row of seed s: numpy Generator(Philox) from motorium.core.random.stream(s, 'policy'), made at reset; "
    "each call draws standard_normal((H, A), float32)"
)


class ChunkRunner:
    """A batched chunk policy with a memory and a random stream for each row.

    What a row remembers: its last `n_obs` observations and the last command it expects to have been
    executed (`chunk[execute - 1]`). A caller that executed something else passes `last_action` (B, A) as a
    further observation. Before the first call of an episode the memory repeats what is seen first, and the
    last command is `hold_key`'s value where there is one, else it is marked unknown.

    Args:
        description: of the policy.
        digest: identity of its parameters.
        forward: maps arrays of `block` rows, by name (`PolicyDescription.input_shapes`), to (block, H, A).
        block: rows in a block.
    """

    def __init__(self, description: PolicyDescription, digest: str, forward: Forward, block: int) -> None:
        self.info: PolicyInfo = description.info(digest)
        self.description = description
        self.block = block
        self._forward = forward
        self._rngs: list[np.random.Generator] = []

    def reset(self, seeds: NDArray[np.int64], mask: NDArray[np.bool_] | None = None) -> None:
        """Start new episodes; see the protocol."""
        seeds = np.asarray(seeds, np.int64)
        if len(seeds) != len(self._rngs):
            self._allocate(len(seeds))
            mask = None
        for row in np.flatnonzero(as_mask(mask, len(seeds))):
            self._rngs[row] = stream(int(seeds[row]), "policy")
            self._fresh[row] = True

    def act(self, observation: Observation, mask: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
        """Return chunks (B, H, A); see the protocol.

        Raises:
            ConventionError: when an observation is missing or ill-shaped.
            MotoriumError: when it is not finite, or `reset` was never called.
        """
        size = len(self._rngs)
        if not size:
            raise MotoriumError("act was called before reset", where="policy", remedy="call reset(seeds) first")
        rows = np.flatnonzero(as_mask(mask, size))
        current = {key: self._read(observation, key, rows) for key in self.info.observation}
        self._remember(observation, current, rows)
        chunks = np.zeros((size, self.info.horizon, self.info.action.size), np.float32)
        for start in range(0, len(rows), self.block):
            part = rows[start : start + self.block]
            chunks[part] = self._forward(self._inputs(part))[: len(part)]
        self._last[rows] = chunks[rows, self.info.execute - 1]
        self._known[rows] = True
        return chunks

    def _allocate(self, size: int) -> None:
        described = self.description
        self._rngs = [None] * size  # type: ignore[list-item]
        self._fresh = np.ones(size, bool)
        self._known = np.zeros(size, bool)
        self._last = np.zeros((size, described.action.size), np.float32)
        self._memory = {
            key: np.zeros((size, described.n_obs, feature.size), np.float32)
            for key, feature in described.inputs.items()
        }

    def _read(self, observation: Observation, key: str, rows: NDArray, size: int | None = None) -> NDArray[np.float32]:
        if key not in observation:
            raise ConventionError(
                f"the observation has no '{key}', which the policy reads",
                where="act",
                got=sorted(observation),
                expected=sorted(self.info.observation),
                nearest=nearest(key, observation),
            )
        size = self.info.observation[key].size if size is None else size
        array = np.asarray(observation[key])
        if len(array) != len(self._rngs) or array.size != len(array) * size or array.dtype.kind not in "fiub":
            raise ConventionError(
                f"'{key}' has the wrong shape or type",
                where="act",
                got=f"{array.shape} {array.dtype}",
                expected=f"{(len(self._rngs), size)} numbers",
            )
        values = array.reshape(len(array), size)[rows].astype(np.float32)
        if not np.isfinite(values).all():
            row = int(rows[np.flatnonzero(~np.isfinite(values).all(axis=1))[0]])
            raise MotoriumError(f"'{key}' is not finite", where=f"act, row {row}", expected="finite numbers")
        return values

    def _remember(self, observation: Observation, current: dict[str, NDArray], rows: NDArray) -> None:
        """Move the memory of `rows` on by one call."""
        fresh, described = self._fresh[rows], self.description
        for key, values in current.items():
            memory = self._memory[key]
            memory[rows, :-1] = np.where(fresh[:, None, None], values[:, None], memory[rows, 1:])
            memory[rows, -1] = values
        if described.last_action:
            if LAST_ACTION in observation:
                self._last[rows] = self._read(observation, LAST_ACTION, rows, described.action.size)
                self._known[rows] = True
            else:
                start = rows[fresh]
                self._known[start] = False
                self._last[start] = 0.0 if described.hold_key is None else current[described.hold_key][fresh]
        self._fresh[rows] = False

    def _inputs(self, rows: NDArray) -> dict[str, NDArray[np.float32]]:
        """Return one block's arrays, by name."""
        described = self.description
        arrays = {name: np.zeros((self.block, *shape), np.float32) for name, shape in described.input_shapes().items()}
        count = len(rows)
        for key in described.inputs:
            arrays[key][:count] = self._memory[key][rows].reshape(count, *arrays[key].shape[1:])
        if described.last_action:
            arrays[LAST_ACTION][:count] = self._last[rows]
            arrays[LAST_KNOWN][:count, 0] = self._known[rows]
        if described.noise:
            for i, row in enumerate(rows):
                self._rngs[row].standard_normal(dtype=np.float32, out=arrays[NOISE][i])
        return arrays


def choose_block(description: PolicyDescription, forward: Forward, wanted: int) -> int:
    """Return `wanted` where a row's position in a block of that size does not change its bits, else 1.

    Blocks of one row are independent of position by construction, and several times slower.
    """
    rng = stream(0, "block check")
    rows = {name: rng.standard_normal((1, *shape), np.float32) for name, shape in description.input_shapes().items()}
    out = forward({name: np.repeat(row, wanted, axis=0) for name, row in rows.items()})
    return wanted if (out == out[:1]).all() else 1
