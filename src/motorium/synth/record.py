"""Recording: run a controller in a batched world and keep every world's steps as an Episode.

A world that ends is given the next seed, so that a batch stays full; an attempt's outcome and arrays do not
depend on the row it ran in nor on the moment it started.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from motorium.core.features import Feature
from motorium.core.protocols import Env, ObjectCentric, Observation, Renderable, Step
from motorium.data.episode import Episode

POSE_NAMES = ("x", "y", "z", "qw", "qx", "qy", "qz")
POSE_UNITS = ("m", "m", "m", "1", "1", "1", "1")

EEF_POSE, TARGET_POSE, GRIPPER = "mimic.eef_pose", "mimic.target_pose", "mimic.gripper"
OBJECT, SIGNAL = "mimic.object.", "mimic.signal."


class World(Env, ObjectCentric, Protocol):
    """An Env that can be demonstrated and amplified."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """What a controller asks of the batch for one step.

    Attributes:
        actions: (B, A) float32, executed; finite in every row.
        labels: (B, A) float32, recorded as `action`; None: the executed ones.
        give_up: (B,) int8; k > 0 ends the attempt before the step, for `Controller.reasons[k - 1]`.
    """

    actions: NDArray[np.float32]
    labels: NDArray[np.float32] | None = None
    give_up: NDArray[np.int8] | None = None


class Controller(Protocol):
    """What drives the attempts of a batch; a row depends on its own seed and its own world alone."""

    reasons: tuple[str, ...]

    def reset(self, env: World, seeds: NDArray[np.int64], mask: NDArray[np.bool_]) -> None:
        """Start new attempts in the rows of `mask` (B,); the worlds have been reset."""

    def act(self, env: World, active: NDArray[np.bool_]) -> Command:
        """Return the next command; rows outside `active` (B,) are executed but not recorded."""

    def note(self, row: int) -> dict[str, Any]:
        """Return plain data about the attempt that just ended in `row`."""


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Cameras to record, each as `observation.images.<camera>`, height and width in pixels."""

    cameras: tuple[str, ...]
    height: int = 128
    width: int = 128


@dataclass(frozen=True, kw_only=True)
class RecordOptions:
    """What to record.

    Attributes:
        poses: the `mimic.*` arrays that amplification reads.
        pictures: cameras, or None. The env must be Renderable; this is by far the dearest part.
        keep: outcome names whose episodes are kept; None keeps all.
        source: plain data put into each episode's meta as `source`.
        factors: {name: (N,) float64} start conditions, one for each seed, as `Env.reset` takes them.
    """

    poses: bool = True
    pictures: Pictures | None = None
    keep: tuple[str, ...] | None = None
    source: Mapping[str, Any] = field(default_factory=dict)
    factors: Mapping[str, NDArray] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """How one attempt went.

    Attributes:
        seed: of the world and of the controller.
        outcome: a name of `EnvInfo.outcomes`, or one of the controller's reasons to give up.
        steps: control steps taken.
        factors: start conditions.
        note: what the controller says of it.
        episode: the recording, None when its outcome was not to be kept.
    """

    seed: int
    outcome: str
    steps: int
    factors: Mapping[str, float]
    note: Mapping[str, Any] = field(default_factory=dict)
    episode: Episode | None = None

    @property
    def success(self) -> bool:
        """Whether the task was done."""
        return self.outcome == "success"


def record_features(env: World, options: RecordOptions) -> dict[str, Feature]:
    """Return the feature of each array (and camera) that `record` gives with these options."""
    info = env.info
    features = {key: feature for key, feature in info.observation.items() if not feature.visual}
    features["action"] = info.action
    if options.poses:
        pose = Feature(dtype="float32", shape=(7,), names=POSE_NAMES, units=POSE_UNITS, frame="world")
        features |= {EEF_POSE: pose, TARGET_POSE: pose}
        features[GRIPPER] = Feature(dtype="float32", shape=(1,), names=("close",), units=("normalized",))
        features |= {OBJECT + name: pose for name in object_names(env)}
        flag = Feature(dtype="bool", shape=(1,), units=("1",))
        features |= {SIGNAL + name: flag for name in signal_names(env)}
    if options.pictures:
        shape = (options.pictures.height, options.pictures.width, 3)
        picture = Feature(dtype="video", shape=shape, names=("height", "width", "channels"))
        features |= {f"observation.images.{camera}": picture for camera in options.pictures.cameras}
    return features


def object_names(env: World) -> list[str]:
    """Return the objects the segments are relative to, sorted."""
    return sorted({segment.object for segment in env.segments})


def signal_names(env: World) -> list[str]:
    """Return the signals that end segments, sorted."""
    return sorted({segment.signal for segment in env.segments if segment.signal is not None})


def record(
    env: World,
    controller: Controller,
    seeds: Sequence[int] | NDArray[np.int64],
    options: RecordOptions | None = None,
    on_end: Callable[[Attempt], None] | None = None,
) -> list[Attempt]:
    """Run one attempt for each seed; return them in the order of `seeds`.

    The observation, poses and signals at index t are those *before* action t; arrays stop with the last
    action taken. Rows without a seed of their own run along and are not recorded.

    Args:
        seeds: (N,) int64; N may be larger or smaller than the batch.
        on_end: called with each attempt as it ends, in order of ending (for progress).
    """
    recording = _Recording(env, controller, np.asarray(seeds, np.int64), options or RecordOptions())
    while recording.pending():
        recording.refill()
        for attempt in recording.advance():
            if on_end is not None:
                on_end(attempt)
    return recording.attempts()


class _Recording:
    """State of one `record` call: which attempt each row runs, its step, and the buffers."""

    def __init__(self, env: World, controller: Controller, seeds: NDArray[np.int64], options: RecordOptions) -> None:
        self.env, self.controller, self.seeds, self.options = env, controller, seeds, options
        rows = env.num_envs
        self._attempt = np.full(rows, -1)  # index into seeds; -1: the row is free
        self._step = np.zeros(rows, np.int64)
        self._next = 0
        self._results: list[Attempt | None] = [None] * len(seeds)
        self._factors: dict[str, NDArray[np.float64]] = {}
        self._observation: Observation = {}
        self._features = record_features(env, options)
        self._buffers = {
            key: np.zeros((rows, env.info.max_steps, *feature.shape), feature.dtype)
            for key, feature in self._features.items()
            if not feature.visual
        }
        self._frames: dict[str, list[list[NDArray[np.uint8]]]] = {
            key: [[] for _ in range(rows)] for key, feature in self._features.items() if feature.visual
        }

    def pending(self) -> bool:
        """Whether a seed waits for a row, or a row is at work."""
        return self._next < len(self.seeds) or bool((self._attempt >= 0).any())

    def attempts(self) -> list[Attempt]:
        """Return the attempts that ended, in the order of their seeds."""
        return [attempt for attempt in self._results if attempt is not None]

    def refill(self) -> None:
        """Give free rows the next seeds, several at a time: a reset costs about as much as a step."""
        free = np.flatnonzero(self._attempt < 0)
        left = len(self.seeds) - self._next
        if left == 0 or len(free) < min(left, max(1, self.env.num_envs // 8)):
            return
        rows = free[:left]
        self._attempt[rows] = np.arange(self._next, self._next + len(rows))
        # The first time all rows: those that are never used must still stand in a defined state.
        mask = np.full(self.env.num_envs, self._next == 0)
        mask[rows] = True
        self._next += len(rows)
        seeds = self.seeds[np.maximum(self._attempt, 0)]
        factors = {
            name: np.asarray(values)[np.maximum(self._attempt, 0)] for name, values in self.options.factors.items()
        }
        self._observation = self.env.reset(seeds, mask, factors or None)
        self.controller.reset(self.env, seeds, mask)
        self._step[rows] = 0
        self._factors = self.env.factors()

    def advance(self) -> list[Attempt]:
        """Take one step with every row; return the attempts that ended."""
        active = self._attempt >= 0
        command = self.controller.act(self.env, active)
        ended = []
        if command.give_up is not None:
            quitting = active & (command.give_up > 0)
            for row in np.flatnonzero(quitting):
                ended.append(self._finish(row, self.controller.reasons[command.give_up[row] - 1]))
            active = active & ~quitting
        if not active.any():
            return ended
        rows = np.flatnonzero(active)
        self._keep(rows, command)
        step: Step = self.env.step(command.actions)
        self._observation = step.observation
        self._step[rows] += 1
        for row in np.flatnonzero(active & step.ended):
            ended.append(self._finish(row, self.env.info.outcomes[step.outcome[row]]))
        return ended

    def _keep(self, rows: NDArray[np.int64], command: Command) -> None:
        """Write observation, action and poses of `rows` at their step."""
        values: dict[str, NDArray] = {
            key: self._observation[key] for key, feature in self.env.info.observation.items() if not feature.visual
        }
        values["action"] = command.actions if command.labels is None else command.labels
        if self.options.poses:
            poses, signals = self.env.poses(), self.env.signals()
            values[EEF_POSE] = poses["eef"]
            values[TARGET_POSE], values[GRIPPER] = self.env.target_from_action(command.actions)
            values |= {OBJECT + name: poses[name] for name in object_names(self.env)}
            values |= {SIGNAL + name: signals[name][:, None] for name in signal_names(self.env)}
        for key, buffer in self._buffers.items():
            buffer[rows, self._step[rows]] = values[key][rows]
        if self.options.pictures:
            self._take_pictures(self.env, rows, self.options.pictures)

    def _take_pictures(self, env: Renderable, rows: NDArray[np.int64], pictures: Pictures) -> None:
        for camera in pictures.cameras:
            taken = env.render(camera, rows, pictures.height, pictures.width)
            frames = self._frames[f"observation.images.{camera}"]
            for row, picture in zip(rows, taken):
                frames[row].append(picture)

    def _finish(self, row: int, outcome: str) -> Attempt:
        """Turn the buffers of `row` into its attempt, and free the row."""
        index, steps = int(self._attempt[row]), int(self._step[row])
        factors = {name: float(values[row]) for name, values in self._factors.items()}
        note = self.controller.note(row)
        episode = None
        if steps and (self.options.keep is None or outcome in self.options.keep):
            episode = Episode(
                arrays={key: buffer[row, :steps].copy() for key, buffer in self._buffers.items()},
                task=self.env.info.instruction,
                frames={key: np.stack(frames[row]) for key, frames in self._frames.items()},
                meta={
                    "seed": int(self.seeds[index]),
                    "outcome": outcome,
                    "factors": factors,
                    "source": {**self.options.source, **note},
                },
            )
        for frames in self._frames.values():
            frames[row] = []
        self._attempt[row] = -1
        attempt = Attempt(
            seed=int(self.seeds[index]), outcome=outcome, steps=steps, factors=factors, note=note, episode=episode
        )
        self._results[index] = attempt
        return attempt
