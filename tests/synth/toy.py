"""What the tests of this folder share: demonstrations in the toy world."""

from __future__ import annotations

from functools import cache

import numpy as np

from motorium.synth.demonstrate import demonstrate
from motorium.synth.experts import make_expert
from motorium.synth.segments import Sources, make_sources
from tests.support.toy_pick import ToyPick


@cache
def demonstrations(count: int = 8) -> tuple:
    """Return the successful attempts of the expert at seeds 0..count-1."""
    env = ToyPick(count)
    return tuple(a for a in demonstrate(env, make_expert("pick-place", env), range(count)) if a.success)


@cache
def sources(count: int = 8) -> Sources:
    """Return the demonstrations, split."""
    return make_sources([a.episode for a in demonstrations(count)], ToyPick.segments)


def same_episode(one, two) -> bool:
    """Whether two episodes hold the same bits."""
    return (
        one.arrays.keys() == two.arrays.keys()
        and all(one.arrays[key].dtype == two.arrays[key].dtype for key in one.arrays)
        and all(np.array_equal(one.arrays[key], two.arrays[key]) for key in one.arrays)
        and one.meta == two.meta
    )
