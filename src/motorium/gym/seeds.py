"""Seeds of episodes: a function of the seed that was given, the world and the number of the episode."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index

import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import SpecError
from motorium.core.random import derive_seed

Seed = int | Sequence[int | None] | None


class EpisodeSeeds:
    """The seeds of a batch of worlds.

    After `give(seed)`, episode e (0 first) of world i has the seed derived from (seed, i, e). After a list, world i
    is seeded as a world alone with the seed `seed[i]`: from (seed[i], 0, e). Worlds that were given none draw from the
    operating system's entropy.
    """

    def __init__(self, num_envs: int) -> None:
        self._roots: list[tuple[int, int] | None] = [None] * num_envs
        self._episodes = [0] * num_envs

    def give(self, seed: Seed, rows: NDArray[np.bool_]) -> None:
        """Take a seed, or one a world, for the worlds in `rows`; where it is None, a world goes on as it would.

        Raises:
            SpecError: when a list has not one seed a world, or a seed is no integer of 0 or more.
        """
        many = None if seed is None or np.ndim(seed) == 0 else list(seed)
        if many is not None and len(many) != len(self._roots):
            raise SpecError("a list of seeds has one a world", where="reset(seed)", got=len(many), expected=len(rows))
        for i in np.flatnonzero(rows).tolist():
            one, place = (seed, i) if many is None else (many[i], 0)
            if one is not None:
                self._roots[i], self._episodes[i] = (_checked(one), place), 0

    def next(self, rows: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the seeds (B,) of the episodes that begin in `rows`, zero elsewhere."""
        seeds, fresh = np.zeros(len(self._roots), np.int64), None
        for i in np.flatnonzero(rows).tolist():
            if self._roots[i] is None:
                fresh = np.random.SeedSequence().entropy if fresh is None else fresh
                self._roots[i] = (fresh, i)
            root, place = self._roots[i]
            seeds[i] = derive_seed(root, "gymnasium", place, self._episodes[i])
            self._episodes[i] += 1
        return seeds


def _checked(seed: int) -> int:
    try:
        number = index(seed)
    except TypeError:
        number = -1
    if number < 0:
        raise SpecError("this is no seed", where="reset(seed)", got=seed, expected="an integer of 0 or more")
    return number
