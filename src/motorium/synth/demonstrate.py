"""Demonstrate: let an expert do a task from many start conditions, and keep what it did."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from motorium.synth.experts import Expert, ExpertController
from motorium.synth.record import Attempt, RecordOptions, World, record


def demonstrate(
    env: World,
    expert: Expert,
    seeds: Sequence[int] | NDArray[np.int64],
    options: RecordOptions | None = None,
    on_end: Callable[[Attempt], None] | None = None,
) -> list[Attempt]:
    """Let `expert` try the task once from each seed; return the attempts in the order of `seeds`.

    Failed attempts are returned like the others (with their episode, unless `options.keep` says otherwise):
    `tally.count_outcomes` sums up why.
    """
    options = options or RecordOptions()
    source = {"kind": "expert", "expert": type(expert).__name__, **options.source}
    return record(env, ExpertController(expert), seeds, replace(options, source=source), on_end)
