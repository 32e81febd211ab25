"""Amplify: make many demonstrations out of few by moving their segments along with the objects.

An attempt is a function of (source demonstrations, spec, its seed), bitwise, whatever batch, shard or process it is
made in; another kind of processor may round otherwise. Which episodes are kept is a function of (source
demonstrations, spec) alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motorium.data.episode import Episode
from motorium.synth.amplify_spec import AmplifySpec
from motorium.synth.record import Attempt, RecordOptions, World, record
from motorium.synth.rounds import Rounds
from motorium.synth.segments import Sources, make_sources
from motorium.synth.walk import SegmentWalker


def amplify_shard(
    env: World,
    sources: Sources,
    attempt_seeds: Sequence[int] | NDArray[np.int64],
    spec: AmplifySpec,
    on_end: Callable[[Attempt], None] | None = None,
) -> list[Attempt]:
    """Make one attempt for each seed; return them in order, with the episodes of those that succeeded.

    `env` may have any batch size. Each attempt's `note` holds the segment in which it ended and the source
    of each segment; its outcome is one of the env's, `missed_<signal>` or `unfinished`.
    """
    source: dict[str, Any] = {"kind": "amplified"}
    options = RecordOptions(poses=spec.record_poses, keep=("success",), source=source)
    return record(env, SegmentWalker(env, sources, spec), attempt_seeds, options, on_end)


def amplify(
    env: World,
    demonstrations: Sequence[Episode],
    spec: AmplifySpec,
    on_end: Callable[[Attempt], None] | None = None,
) -> list[Attempt]:
    """Amplify in this process until the target is met; return the attempts that count, in order.

    The stage does the same with its shards handed out: `Rounds` says which attempts to make and which count.
    """
    sources = make_sources(demonstrations, env.segments)
    rounds, attempts = Rounds(spec), []
    while shards := rounds.next_shards():
        for seeds in shards:
            made = amplify_shard(env, sources, seeds, spec, on_end)
            rounds.add([attempt.success for attempt in made])
            attempts += made
    return attempts[: rounds.counted]
