"""Independent, reproducible random streams: one for each (root seed, purpose, index), none of them global."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from motorium.core.hashing import digest


def stream(seed: int, *path: str | int) -> np.random.Generator:
    """Return the generator named by `seed` and `path`.

    The same arguments give the same stream on every machine, in any order and in any process; different
    ones give independent streams. Philox is counter-based: a stream costs nothing until it is used.
    """
    key = int(digest("stream", [int(seed), *path])[:32], 16)
    return np.random.Generator(np.random.Philox(key=key))


def derive_seed(seed: int, *path: str | int) -> int:
    """Return a 63-bit seed derived from `seed` and `path`."""
    return int(digest("seed", [int(seed), *path])[:16], 16) >> 1


# SplitMix64: G. L. Steele, D. Lea, C. H. Flood, Fast Splittable Pseudorandom Number Generators, OOPSLA 2014, fig. 13.
# As signed 64-bit constants: integer products wrap alike in NumPy and in torch, which has no unsigned ones.
_GAMMA, _MIX1, _MIX2 = (
    constant - (1 << 64) for constant in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)
_COUNTS_A_STEP = 1 << 20


def counter_key(seeds: Any, purpose: str) -> Any:
    """Return the keys of counted streams: one for each seed of (B,) int64, apart for each `purpose`; (B,) int64.

    NumPy or torch; an operation for the whole batch, where `stream` makes one generator a world.
    """
    return _mix(_mix(seeds + _GAMMA) ^ _purpose(purpose))


def counted_uniform(keys: Any, steps: Any, count: int) -> Any:
    """Return numbers in [0, 1): (B, count) float64, numbers 0..count-1 of the time step `steps` (B,) of `keys` (B,).

    A pure function: nothing is kept between calls, so that a restored world draws as it would have.

    Raises:
        ValueError: when more numbers are asked for than a step has.
    """
    if not 0 < count <= _COUNTS_A_STEP:
        raise ValueError(f"a step has 1 to {_COUNTS_A_STEP} numbers of a purpose, not {count}")
    first = keys + (steps * _COUNTS_A_STEP + 1) * _GAMMA
    offsets = np.arange(count, dtype=np.int64) * np.int64(_GAMMA)
    if isinstance(keys, np.ndarray):
        return _shift(_mix(first[:, None] + offsets), 11) * 2.0**-53
    # torch, which would take the product with a float as float32.
    return _shift(_mix(first[:, None] + keys.new_tensor(offsets)), 11).double() * 2.0**-53


def _mix(z: Any) -> Any:
    z = (z ^ _shift(z, 30)) * _MIX1
    z = (z ^ _shift(z, 27)) * _MIX2
    return z ^ _shift(z, 31)


def _shift(z: Any, bits: int) -> Any:
    """Return `z` shifted right by `bits`, zeros moving in, which signed integers do not do by themselves."""
    return (z >> bits) & ((1 << (64 - bits)) - 1)


@cache
def _purpose(purpose: str) -> int:
    return int(digest("purpose", purpose)[:16], 16) - (1 << 63)
