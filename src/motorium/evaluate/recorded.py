"""Drive a policy along recorded episodes, so that it never sees what had not happened yet.

What a policy may know when it is asked at step t of an episode: the observations at the steps at which it
was asked before and at t, and the recorded command of step t-1. Nothing else enters:

- A policy is asked every `execute` steps, as in closed loop, from `phase` on: at phase, phase + execute, ...
  A row is one (episode, phase); with all phases 0 .. execute-1 each step of an episode is asked once, always
  with the history that the policy would have had.
- `policy.reset` starts every row, with a stream of its own; `policy.act` gets the recorded observations of
  step t and, where t > 0, the recorded command of step t-1 under the key `last_action`, which stands in for
  the policy's own last command. Policies that read no last command ignore the key.
- At t = 0 there is no command yet: those rows are asked without the key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import ConventionError, DataError, SimError, SpecError, nearest
from motorium.core.features import Feature, check_same
from motorium.core.protocols import LAST_ACTION, Policy
from motorium.core.random import derive_seed
from motorium.data.episode import Episode

ACTION = "action"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One call: M rows that were asked.

    Attributes:
        row: (M,) int64: which (episode, phase) of the block.
        episode: (M,) int64: position among the episodes.
        step: (M,) int64: t.
        chunk: (M, H, A) float32: predicted commands of steps t .. t + H - 1.
    """

    row: NDArray[np.int64]
    episode: NDArray[np.int64]
    step: NDArray[np.int64]
    chunk: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Block:
    """Rows that go through the policy together; `episode` and `phase` are (B,) int64."""

    episode: NDArray[np.int64]
    phase: NDArray[np.int64]


def check_recorded(policy: Policy, features: Mapping[str, Feature], control_hz: float) -> None:
    """Check that a policy reads and means what was recorded.

    Raises:
        ConventionError: naming the first difference.
    """
    info, where = policy.info, "policy on recorded data"
    if not np.isclose(info.control_hz, control_hz, rtol=1e-6, atol=0.0):
        raise ConventionError(
            "policy and recording run at different rates",
            where=where,
            got=f"{info.control_hz} Hz (policy)",
            expected=f"{control_hz} Hz (recording)",
            remedy="resample the recording, or train at its rate",
        )
    for key, feature in {**info.observation, ACTION: info.action}.items():
        if key not in features:
            raise ConventionError(
                f"the recording has no '{key}', which the policy needs",
                where=where,
                got=sorted(features),
                expected=key,
                nearest=nearest(key, features),
            )
        check_same(key, feature, features[key], where)


def blocks(lengths: Sequence[int], phases: int, rows: int) -> Iterator[Block]:
    """Yield all (episode, phase) with phase < length, by episode and then phase, at most `rows` at a time."""
    pairs = [(e, phase) for e, length in enumerate(lengths) for phase in range(min(phases, length))]
    for start in range(0, len(pairs), rows):
        part = np.array(pairs[start : start + rows], np.int64)
        yield Block(episode=part[:, 0], phase=part[:, 1])


def drive(
    policy: Policy, episodes: Sequence[Episode], block: Block, *, names: Sequence[str | int], seed: int = 0
) -> Iterator[Asked]:
    """Yield what the policy answers along one block, call after call.

    A row's answers are a function of (policy, its episode, its name, phase, seed), not of the block.

    Raises:
        DataError: when an episode lacks an array the policy reads.
        SimError: when an answer is ill-shaped or not finite.
    """
    info, size = policy.info, len(block.episode)
    seeds = [derive_seed(seed, "open loop", names[e], int(p)) for e, p in zip(block.episode, block.phase, strict=True)]
    policy.reset(np.array(seeds, np.int64))
    lengths = np.array([episodes[e].length for e in block.episode])
    step = block.phase.copy()
    while (step < lengths).any():
        running, first = step < lengths, step == 0
        for mask, told in ((running & first, False), (running & ~first, True)):
            if not mask.any():
                continue
            shown = {key: _column(episodes, key, block.episode, step, mask) for key in info.observation}
            if told:
                shown[LAST_ACTION] = _column(episodes, ACTION, block.episode, step - 1, mask).astype(np.float32)
            chunk = np.asarray(policy.act(shown, mask.copy()))
            _check_answer(chunk, (size, info.horizon, info.action.size), mask, names, block, step)
            rows = np.flatnonzero(mask)
            yield Asked(row=rows, episode=block.episode[rows], step=step[rows], chunk=chunk[rows])
        step = step + info.execute


def check_phases(phases: int | None, execute: int) -> int:
    """Return the number of phases; None becomes all of them.

    Raises:
        SpecError: when it is not between 1 and `execute`.
    """
    if phases is not None and not 1 <= phases <= execute:
        raise SpecError("phases are 1 to `execute`", where="phases", got=phases, expected=f"1 to {execute}")
    return execute if phases is None else phases


def _column(episodes: Sequence[Episode], key: str, which: NDArray, step: NDArray, mask: NDArray) -> NDArray:
    """Rows of `key` at `step`: (B, ...); zeros outside `mask`."""
    column = None
    for row in np.flatnonzero(mask):
        arrays = episodes[which[row]].arrays
        if key not in arrays:
            raise DataError(f"'{key}' is missing", where=f"episode {which[row]}", got=sorted(arrays), expected=key)
        value = arrays[key][step[row]]
        if column is None:
            column = np.zeros((len(mask), *value.shape), value.dtype)
        column[row] = value
    return column


def _check_answer(chunk: NDArray, shape: tuple, mask: NDArray, names: Sequence, block: Block, step: NDArray) -> None:
    if chunk.shape != shape:
        raise SimError("the policy's answer has the wrong shape", got=chunk.shape, expected=f"{shape} (B, H, A)")
    bad = np.flatnonzero(mask & ~np.isfinite(chunk).all(axis=(1, 2)))
    if len(bad):
        where = f"episode {names[block.episode[bad[0]]]}, step {step[bad[0]]}"
        raise SimError("the policy answered with numbers that are not finite", where=where, expected="finite actions")
