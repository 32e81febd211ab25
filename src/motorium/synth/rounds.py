"""Which attempts to make until enough have succeeded, the same for any layout of shards."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from motorium.synth.amplify_spec import AmplifySpec

# A few attempts more than expected: a third round costs more than they do.
_MARGIN = 1.05


class Rounds:
    """Hands out attempts in order of their number, in rounds of shards, and says where counting stops.

    Counted are the attempts up to and including the one that meets the target, by number. Attempts made
    beyond it are dropped, so that neither the size of shards nor their number changes the result.

        rounds = Rounds(spec)
        while shards := rounds.next_shards():
            for outcome in map(amplify, shards):      # in the order of the shards
                rounds.add(outcome)
    """

    def __init__(self, spec: AmplifySpec) -> None:
        self.spec = spec
        self._success: list[bool] = []

    def next_shards(self) -> list[NDArray[np.int64]]:
        """Return the seeds of the next round's shards, each (n,) int64; none when there is nothing left to do.

        A round holds about as many attempts as the yield so far says are missing, in shards of equal size.
        """
        left = self.spec.max_attempts - len(self._success)
        if self.met or left <= 0:
            return []
        share = (self.successes + 1) / (len(self._success) + 1)
        missing = (self.spec.target_successes - self.successes) / share
        count = min(int(np.ceil(_MARGIN * missing)), left)
        numbers = np.arange(count, dtype=np.int64) + len(self._success) + self.spec.first_seed
        return np.array_split(numbers, -(-count // self.spec.shard_attempts))

    def add(self, success: Sequence[bool]) -> None:
        """Take note of the outcomes of the next shard, in the order in which the shards were handed out."""
        self._success += [bool(value) for value in success]

    @property
    def successes(self) -> int:
        """Attempts that succeeded, among all made."""
        return sum(self._success)

    @property
    def met(self) -> bool:
        """Whether the target is met."""
        return self.successes >= self.spec.target_successes

    @property
    def counted(self) -> int:
        """How many attempts count: up to the one that met the target, or all made."""
        if not self.met:
            return len(self._success)
        return int(np.flatnonzero(self._success)[self.spec.target_successes - 1]) + 1
