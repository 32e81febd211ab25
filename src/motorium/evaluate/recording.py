"""Recordings: chosen episodes of a rollout kept whole, with pictures where asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import SpecError, nearest
from motorium.core.protocols import Env, Observation, Step
from motorium.data.episode import Episode


@dataclass(frozen=True, kw_only=True)
class Record:
    """What to keep of which episodes.

    Attributes:
        seeds: episodes to keep; None keeps all.
        cameras: names in `EnvInfo.cameras` to take pictures with; none costs nothing.
        stride: control steps between pictures; the one after the last step is always taken.
        height, width: of the pictures, pixels.
    """

    seeds: Iterable[int] | None = None
    cameras: tuple[str, ...] = ()
    stride: int = 1
    height: int = 240
    width: int = 320


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One episode of T steps.

    Attributes:
        seed: of the episode.
        outcome: name of how it ended.
        observations: {key: (T + 1, ...)}; row t is what was seen before action t, row T the final one.
        actions: (T, A) float32, clipped to the env's bounds as the env does.
        rewards: (T,) float32.
        factors: {name: value} start conditions.
        frames: {camera: (F, height, width, 3) uint8 RGB}.
        frame_steps: (F,) int64: number of steps taken when each picture was.
    """

    seed: int
    outcome: str
    observations: Mapping[str, NDArray]
    actions: NDArray[np.float32]
    rewards: NDArray[np.float32]
    factors: Mapping[str, float] = field(default_factory=dict)
    frames: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)
    frame_steps: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def to_episode(self, task: str, meta: Mapping[str, Any] | None = None) -> Episode:
        """Return the T steps as an Episode (observation before each action); pictures only where one a step was taken.

        Args:
            task: the instruction in words.
            meta: further plain data, beside seed and outcome.
        """
        steps = len(self.actions)
        arrays = {key: values[:steps] for key, values in self.observations.items()}
        every = np.array_equal(self.frame_steps, np.arange(steps + 1))
        return Episode(
            arrays={**arrays, "action": self.actions},
            task=task,
            frames={camera: pictures[:steps] for camera, pictures in self.frames.items()} if every else {},
            meta={"seed": self.seed, "outcome": self.outcome, **(meta or {})},
        )


class _Tape:
    def __init__(self, factors: Mapping[str, float]) -> None:
        self.observations: list[dict[str, NDArray]] = []
        self.actions: list[NDArray] = []
        self.rewards: list[np.float32] = []
        self.frames: dict[str, list[NDArray]] = {}
        self.frame_steps: list[int] = []
        self.factors = factors


class Recorder:
    """Collects recordings while a rollout runs; `finished` holds those that have ended, by seed."""

    def __init__(self, record: Record, env: Env, seeds: NDArray[np.int64]) -> None:
        self._record, self._env, self._seeds = record, env, seeds
        self._tapes: dict[int, _Tape] = {}
        self.finished: dict[int, Recording] = {}
        for camera in record.cameras:
            if camera not in env.info.cameras:
                raise SpecError(
                    f"{env.info.name} has no camera '{camera}'",
                    expected=", ".join(env.info.cameras) or "none: this env has no cameras",
                    nearest=nearest(camera, env.info.cameras),
                )
        if record.stride < 1:
            raise SpecError("pictures are taken every `stride` steps", got=record.stride, expected="at least 1")
        wanted = set(seeds.tolist()) if record.seeds is None else {int(seed) for seed in record.seeds}
        if wanted - set(seeds.tolist()):
            raise SpecError(
                "a seed to record is not among those to run",
                got=min(wanted - set(seeds.tolist())),
                expected="a subset of the seeds",
            )
        self._wanted = np.isin(seeds, sorted(wanted))

    def before(self, rows: NDArray, episodes: NDArray, observation: Observation, actions: NDArray) -> None:
        """Keep what `rows` see and are about to do; `episodes` (B,) is the episode in each row."""
        due: list[int] = []
        info, drawn = self._env.info, None
        for row in rows:
            at = int(episodes[row])
            if not self._wanted[at]:
                continue
            if at not in self._tapes:
                drawn = drawn or self._env.factors()
                self._tapes[at] = _Tape({name: float(values[row]) for name, values in drawn.items()})
            tape = self._tapes[at]
            if len(tape.actions) % self._record.stride == 0:
                due.append(int(row))
            tape.observations.append({key: np.array(values[row]) for key, values in observation.items()})
            tape.actions.append(np.clip(actions[row], info.action_low, info.action_high))
        self._photograph(due, episodes)

    def after(self, rows: NDArray, episodes: NDArray, step: Step) -> None:
        """Keep what the step gave to `rows`, and close the tapes of those that ended."""
        ended = [int(row) for row in rows if self._wanted[episodes[row]] and step.ended[row]]
        for row in rows:
            if self._wanted[episodes[row]]:
                self._tapes[int(episodes[row])].rewards.append(step.reward[row])
        self._photograph(ended, episodes)
        for row in ended:
            tape = self._tapes.pop(int(episodes[row]))
            tape.observations.append({key: np.array(values[row]) for key, values in step.observation.items()})
            seed = int(self._seeds[episodes[row]])
            self.finished[seed] = self._close(tape, seed, self._env.info.outcomes[step.outcome[row]])

    def _photograph(self, rows: list[int], episodes: NDArray) -> None:
        if not rows or not self._record.cameras:
            return
        for camera in self._record.cameras:
            pictures = self._env.render(camera, np.array(rows, np.int64), self._record.height, self._record.width)
            for row, picture in zip(rows, pictures, strict=True):
                self._tapes[int(episodes[row])].frames.setdefault(camera, []).append(picture.copy())
        for row in rows:
            tape = self._tapes[int(episodes[row])]
            # A picture before step t and one after the last step: how many steps have been taken by then.
            tape.frame_steps.append(len(tape.rewards))

    def _close(self, tape: _Tape, seed: int, outcome: str) -> Recording:
        keys = tape.observations[0].keys()
        return Recording(
            seed=seed,
            outcome=outcome,
            observations={key: np.stack([seen[key] for seen in tape.observations]) for key in keys},
            actions=np.stack(tape.actions).astype(np.float32),
            rewards=np.array(tape.rewards, np.float32),
            factors=tape.factors,
            frames={camera: np.stack(pictures) for camera, pictures in tape.frames.items()},
            frame_steps=np.array(tape.frame_steps, np.int64),
        )
