"""Worlds of one task as learners see them: spaces, seeds, infos and pictures of any Env, whatever API is around it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from motorium.core.errors import SpecError, nearest
from motorium.core.features import Feature
from motorium.core.protocols import Env, Observation, Renderable, Step
from motorium.gym.seeds import EpisodeSeeds, Seed
from motorium.tasks.make import make_env

Observed = NDArray | dict[str, NDArray]
Rows = NDArray[np.bool_]
Infos = dict[str, NDArray]
Size = tuple[int, int]

OBSERVATION, STATE = "observation.", "observation.state"
OBSERVATIONS, RENDER_MODES = ("state", "all"), ("rgb_array",)


class Worlds:
    """A batch of worlds with the spaces of Gymnasium; no automatic reset.

    Args:
        task: name of a task, or an Env that is to be used.
        num_envs: B; of an Env that is given, its own.
        observations: `state`: arrays of `observation.state`; `all`: dictionaries of every observation key, without
            `observation.` and with `_` for each dot (`state`, `privileged`).
        fields: fields of the task's spec, `threads` and `engine`: as `make_env` takes them.

    Raises:
        SpecError: when an option is not valid.
    """

    def __init__(
        self, task: str | Env, num_envs: int, observations: Literal["state", "all"] | str, fields: Mapping[str, Any]
    ) -> None:
        if not isinstance(task, str) and fields:
            raise SpecError("an Env that is made has its options", where="fields", got=sorted(fields), expected="none")
        check_choice("observations", observations, OBSERVATIONS)
        self.env = make_env(task, num_envs, **fields) if isinstance(task, str) else task
        info = self.env.info
        self.num_envs = self.env.num_envs
        self._keys = {_short(key): key for key in info.observation} if observations == "all" else {}
        if not self._keys and STATE not in info.observation:
            raise SpecError(
                f"task '{info.name}' observes no state",
                where="observations",
                got="state",
                expected=f"observations='all', for: {', '.join(info.observation)}",
            )
        self.observation_space = _space(info.observation, self._keys)
        self.action_space = spaces.Box(info.action_low, info.action_high, dtype=np.float32)
        self._seeds = EpisodeSeeds(self.num_envs)

    def reset(
        self, seed: Seed = None, rows: Rows | None = None, factors: Mapping[str, Any] | None = None
    ) -> tuple[Observed, Infos]:
        """Begin an episode in `rows`; return the observation of the batch, and the seeds of the episodes.

        Env.reset of the same task, given the seed that is returned, begins the same episode.
        """
        rows = np.ones(self.num_envs, bool) if rows is None else rows
        self._seeds.give(seed, rows)
        seeds = self._seeds.next(rows)
        observation = self.env.reset(seeds, rows, self._factors(factors or {}))
        return self._observed(observation), {"seed": seeds}

    def step(self, actions: NDArray) -> tuple[Observed, NDArray, Rows, Rows, Infos]:
        """Return observation, reward (B,) float64, terminated, truncated and what is said of the step."""
        step = self.env.step(np.asarray(actions, np.float32))
        return (
            self._observed(step.observation),
            as_numpy(step.reward).astype(np.float64),
            as_numpy(step.terminated),
            as_numpy(step.truncated),
            self._said(step),
        )

    def render(self, camera: str, size: Size) -> NDArray[np.uint8]:
        """Return pictures (B, height, width, 3) uint8 of all worlds."""
        return self.env.render(camera, np.arange(self.num_envs), *size)

    def camera(self, render_mode: str | None, camera: str | None) -> str:
        """Return the camera to render with, the first one where none is named; empty without a render mode.

        Raises:
            SpecError: when the mode, the camera, or any camera at all is missing.
        """
        if render_mode is None:
            return ""
        check_choice("render_mode", render_mode, RENDER_MODES)
        cameras = self.env.info.cameras
        if not cameras or not isinstance(self.env, Renderable):
            raise SpecError(f"task '{self.env.info.name}' has no camera", where="render_mode", expected="None")
        if camera is not None:
            check_choice("camera", camera, cameras)
        return camera or cameras[0]

    def _factors(self, given: Mapping[str, Any]) -> dict[str, NDArray[np.float64]]:
        factors = {}
        for name, value in given.items():
            value = np.asarray(value, np.float64)
            if value.shape not in ((), (self.num_envs,)):
                expected = f"a number, or ({self.num_envs},)"
                raise SpecError(
                    "a start condition has one number a world", where=name, got=value.shape, expected=expected
                )
            factors[name] = np.broadcast_to(value, (self.num_envs,)).copy()
        return factors

    def _observed(self, observation: Observation) -> Observed:
        if not self._keys:
            return as_numpy(observation[STATE])
        return {short: as_numpy(observation[key]) for short, key in self._keys.items()}

    def _said(self, step: Step) -> Infos:
        names = np.array(self.env.info.outcomes, object)
        said = {"success": as_numpy(step.success), "outcome": names[as_numpy(step.outcome)]}
        for key, value in step.info.items():
            value = as_numpy(value)
            said[key] = value.astype(np.float64) if value.dtype.kind == "f" else value
        return said


def as_numpy(array: Any) -> NDArray:
    """Return an array of NumPy or torch, on any device, as NumPy's."""
    return array if isinstance(array, np.ndarray) else array.detach().cpu().numpy()


def row_of(values: Observed, row: int) -> Any:
    """Return one row of an observation, copied."""
    return {key: value[row].copy() for key, value in values.items()} if isinstance(values, dict) else values[row].copy()


def info_of(infos: Infos, row: int) -> dict[str, Any]:
    """Return what is said of one row, as plain Python values where there is one number."""
    return {key: value[row] if value.dtype == object else _plain(value[row]) for key, value in infos.items()}


def check_choice(option: str, got: Any, choices: tuple[str, ...]) -> None:
    """Check that an option is one of `choices`.

    Raises:
        SpecError: naming the nearest.
    """
    if got not in choices:
        listed = ", ".join(choices)
        raise SpecError(
            f"'{option}' is not valid", got=got, expected=f"one of: {listed}", nearest=nearest(got, choices)
        )


def taken_options(options: Mapping[str, Any] | None, known: tuple[str, ...]) -> dict[str, Any]:
    """Return the options of a reset, which stay the caller's.

    Raises:
        SpecError: when one is not known.
    """
    for name in options or {}:
        check_choice("options", name, known)
    return dict(options or {})


def _short(key: str) -> str:
    # Learners name modules after keys, and torch allows no dot in such a name.
    return key.removeprefix(OBSERVATION).replace(".", "_")


def _space(features: Mapping[str, Feature], keys: Mapping[str, str]) -> spaces.Space:
    if not keys:
        return _box(features[STATE])
    return spaces.Dict({short: _box(features[key]) for short, key in keys.items()})


def _box(feature: Feature) -> spaces.Box:
    dtype = np.dtype(np.uint8 if feature.visual else feature.dtype)
    low, high = (-np.inf, np.inf) if dtype.kind == "f" else _limits(dtype)
    return spaces.Box(low, high, feature.shape, dtype=dtype.type)


def _limits(dtype: np.dtype) -> tuple[int, int]:
    return (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)


def _plain(value: Any) -> Any:
    return value.item() if np.ndim(value) == 0 else value.copy()
