"""Run chosen episodes of a rollout once more, to record them, and check that they come out the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import SimError
from motorium.core.progress import Progress
from motorium.core.protocols import Env, Policy
from motorium.evaluate.episodes import Rollout
from motorium.evaluate.recording import Record
from motorium.evaluate.rollout import rollout


def choose(made: Rollout, successes: int = 2, failures: int = 4) -> NDArray[np.int64]:
    """Return seeds worth a look: the first successes, and failures of as many different kinds as there are.

    Failures are taken from each reason in turn, in the order of seeds; deterministic.
    """
    names = made.outcome_names
    good = [int(seed) for seed, name in zip(made.seeds, names, strict=True) if name == "success"]
    kinds: dict[str, list[int]] = {}
    for seed, name in zip(made.seeds, names, strict=True):
        if name != "success":
            kinds.setdefault(name, []).append(int(seed))
    bad: list[int] = []
    queues = [kinds[name] for name in sorted(kinds)]
    while len(bad) < failures and any(queues):
        bad += [queue.pop(0) for queue in queues if queue][: failures - len(bad)]
    return np.array(good[:successes] + bad, np.int64)


def replay(
    env: Env,
    policy: Policy,
    made: Rollout,
    seeds: Sequence[int] | NDArray,
    record: Record,
    *,
    factors: Mapping[str, NDArray] | None = None,
    progress: Progress | None = None,
) -> Rollout:
    """Run `seeds` of `made` again with recording, in an env of any number of rows.

    Args:
        factors: the overrides of the first run for these seeds, where it had any.

    Raises:
        SimError: when an episode ends otherwise than it did, in outcome, length or return, bit by bit: then
            env or policy is not deterministic, or not the one that made the rollout.
        DataError: when a seed is not in `made`.
    """
    rows = made.rows_of(seeds)
    again = rollout(env, policy, [int(seed) for seed in seeds], factors=factors, record=record, progress=progress)
    for name in ("outcome", "length", "returns"):
        got, expected = getattr(again, name), getattr(made, name)[rows]
        different = np.flatnonzero(got != expected)
        if len(different):
            at = different[0]
            raise SimError(
                f"an episode does not repeat: its {name} differs",
                where=f"{made.task}, seed {int(again.seeds[at])}",
                got=got[at].item(),
                expected=expected[at].item(),
                remedy="use the same policy, env spec and simulator version as the first run",
            )
    return again
