"""Independent, reproducible random streams: one for each (root seed, purpose, index), none of them global."""

from __future__ import annotations

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
