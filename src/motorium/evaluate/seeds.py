"""Seeds in words: `10000-10511,20000`, so that a report can name every one of them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import SpecError

# Each is an episode; the text may come from a stranger's policy and must not ask for all memory there is.
MOST_SEEDS = 10_000_000


def format_seeds(seeds: Iterable[int]) -> str:
    """Return the distinct seeds in ascending order, runs as `first-last`; `parse_seeds` reverses it."""
    ordered = sorted({int(seed) for seed in seeds})
    runs: list[list[int]] = []
    for seed in ordered:
        if runs and seed == runs[-1][1] + 1:
            runs[-1][1] = seed
        else:
            runs.append([seed, seed])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def parse_seeds(text: str) -> NDArray[np.int64]:
    """Return the seeds that `text` names, in its order: (n,) int64.

    Raises:
        SpecError: when it is malformed, a range runs backwards, or a seed is named twice.
    """
    seeds: list[int] = []
    for part in (part.strip() for part in text.split(",") if part.strip()):
        first, dash, last = part.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise SpecError("seeds are numbers and ranges", got=part, expected="for example 10000-10511,20000")
        if dash and int(last) < int(first):
            raise SpecError("a range of seeds runs backwards", got=part, nearest=f"{last}-{first}")
        if dash and int(last) - int(first) >= MOST_SEEDS:
            raise SpecError("a range of seeds is too long", got=part, expected=f"at most {MOST_SEEDS:,} seeds")
        seeds.extend(range(int(first), int(last or first) + 1))
    if len(set(seeds)) != len(seeds):
        raise SpecError("a seed is named twice", got=text, expected="every seed once")
    return np.asarray(seeds, np.int64)
