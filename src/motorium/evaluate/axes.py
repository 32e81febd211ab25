"""Perturbation axes: the same seeds under shifted starts, delayed or scaled actions and noisy observations.

Each axis changes one thing about the world; an unperturbed control arm on the same seeds always runs
beside them. Perturbed worlds keep the Env contract: freezing, masks, snapshots, bitwise determinism.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from motorium.core.errors import SimError, SpecError, nearest
from motorium.core.progress import Progress
from motorium.core.protocols import Env, EnvInfo, Observation, Policy, Snapshot, Step, as_mask
from motorium.core.random import stream
from motorium.evaluate.compare import CompareSpec, Comparison, compare_to_control
from motorium.evaluate.episodes import Rollout
from motorium.evaluate.rollout import rollout

CONTROL = "control"


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One perturbation at one strength.

    Attributes:
        name: kind and setting in words: `action latency 2 steps`.
        wrap: makes the perturbed world of an env; None leaves it as it is.
        factors: start conditions set for every episode.
    """

    name: str
    wrap: Callable[[Env], Env] | None = None
    factors: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class AxisStudy:
    """What the axes did.

    Attributes:
        control: episodes of the unperturbed world.
        arms: {axis name: episodes}.
        comparisons: each axis against the control, at alpha over their number (Bonferroni).
    """

    control: Rollout
    arms: Mapping[str, Rollout]
    comparisons: tuple[Comparison, ...]


def study(
    env: Env,
    policy: Policy,
    seeds: Iterable[int],
    axes: Sequence[Axis],
    *,
    spec: CompareSpec | None = None,
    progress: Callable[[str], Progress] | None = None,
) -> AxisStudy:
    """Run the control and every axis on the same seeds, one after the other in the same env.

    Args:
        progress: opens a bar for an arm's name.

    Raises:
        SpecError: when two axes share a name, or an axis does not fit the env.
    """
    seeds = [int(seed) for seed in seeds]
    names = [axis.name for axis in axes]
    if len(set(names)) != len(names) or CONTROL in names:
        raise SpecError("axes need names of their own", got=names, expected=f"different ones, none '{CONTROL}'")

    def run(axis: Axis) -> Rollout:
        world = axis.wrap(env) if axis.wrap else env
        factors = {name: np.full(len(seeds), value) for name, value in axis.factors.items()}
        return rollout(world, policy, seeds, factors=factors, progress=progress(axis.name) if progress else None)

    control, arms = run(Axis(name=CONTROL)), {axis.name: run(axis) for axis in axes}
    # An axis changes the start or the world on purpose; everything else is the same by construction.
    spec = (spec or CompareSpec()).replace(same_start=False, same_versions=False)
    return AxisStudy(control=control, arms=arms, comparisons=compare_to_control((CONTROL, control), arms, spec))


def factor_shift(info: EnvInfo, name: str, at: float) -> Axis:
    """Set a start condition to one place of its range: 0 is the low edge, 1 the high one, 1.25 a quarter beyond.

    Raises:
        SpecError: when the env has no such start condition.
    """
    if name not in info.factors:
        raise SpecError(
            f"'{name}' is not a start condition of {info.name}",
            expected=", ".join(info.factors) or "none",
            nearest=nearest(name, info.factors),
        )
    low, high = info.factors[name]
    value = low + at * (high - low)
    return Axis(name=f"{name} = {value:.6g} ({at:g} of its range)", factors={name: value})


def action_latency(steps: int) -> Axis:
    """Execute every action `steps` control steps late; see `ActionLatency`."""
    return Axis(name=f"action latency {steps} steps", wrap=lambda env: ActionLatency(env, steps))


def observation_noise(sigma: Mapping[str, float]) -> Axis:
    """Add Gaussian noise to observations by unit: `{"m": 0.005, "rad": 0.01}`; see `ObservationNoise`."""
    text = ", ".join(f"{value:g} {unit}" for unit, value in sorted(sigma.items()))
    return Axis(name=f"observation noise {text}", wrap=lambda env: ObservationNoise(env, sigma))


def action_gain(gain: float) -> Axis:
    """Multiply every action by `gain`; see `ActionGain`."""
    return Axis(name=f"action gain {gain:g}", wrap=lambda env: ActionGain(env, gain))


class Perturbed:
    """Base of perturbed worlds: passes everything on, and names the perturbation in the versions.

    The inner env is shared, not owned; what it offers beyond the Env protocol (cameras, poses) shows through.
    """

    def __init__(self, env: Env, note: str) -> None:
        self._env = env
        earlier = env.info.versions.get("perturbation")
        note = f"{earlier}; {note}" if earlier else note
        self.info: EnvInfo = replace(env.info, versions={**env.info.versions, "perturbation": note})
        self.num_envs = env.num_envs

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_env":
            raise AttributeError(name)
        return getattr(self._env, name)

    def reset(self, seeds: NDArray, mask: NDArray | None = None, factors: Mapping | None = None) -> Observation:
        """Restart the worlds in `mask`; see `Env`."""
        return self._env.reset(seeds, mask, factors)

    def step(self, actions: NDArray[np.float32]) -> Step:
        """Advance one control period; see `Env`."""
        return self._env.step(actions)

    def factors(self) -> dict[str, NDArray[np.float64]]:
        """Return the start conditions in force; see `Env`."""
        return self._env.factors()

    def snapshot(self) -> Snapshot:
        """Return the whole state; see `Env`."""
        return self._env.snapshot()

    def restore(self, snapshot: Snapshot, mask: NDArray | None = None) -> Observation:
        """Set rows to those of `snapshot`; see `Env`."""
        return self._env.restore(snapshot, mask)

    def close(self) -> None:
        """Close the inner env; see `Env`."""
        self._env.close()


class ActionGain(Perturbed):
    """Multiplies actions by a gain, before the env clips them.

    Args:
        env: inner world.
        gain: one for all elements, or (A,). Around zero: meant for velocities and deltas.
    """

    def __init__(self, env: Env, gain: ArrayLike) -> None:
        super().__init__(env, f"action gain {gain}")
        self._gain = np.asarray(gain, np.float32)

    def step(self, actions: NDArray[np.float32]) -> Step:
        """Advance by the scaled actions."""
        return self._env.step(np.asarray(actions, np.float32) * self._gain)


class ActionLatency(Perturbed):
    """Executes each action a number of control steps after it was given.

    Until the first action arrives, it is in force already: no neutral action exists that would suit
    velocities and absolute positions alike.

    Args:
        env: inner world.
        steps: delay, control steps; 0 changes nothing.

    Raises:
        SpecError: when `steps` is negative.
    """

    def __init__(self, env: Env, steps: int) -> None:
        if steps < 0:
            raise SpecError("a latency is a number of control steps", got=steps, expected="0 or more")
        super().__init__(env, f"action latency {steps} steps")
        self._queue = np.zeros((env.num_envs, steps, env.info.action.size), np.float32)
        self._fresh = np.ones(env.num_envs, bool)
        self._ended = np.zeros(env.num_envs, bool)

    def reset(self, seeds: NDArray, mask: NDArray | None = None, factors: Mapping | None = None) -> Observation:
        """Restart the worlds in `mask`, with nothing under way."""
        observation = self._env.reset(seeds, mask, factors)
        rows = as_mask(mask, self.num_envs)
        self._queue[rows], self._fresh[rows], self._ended[rows] = 0.0, True, False
        return observation

    def step(self, actions: NDArray[np.float32]) -> Step:
        """Take `actions` in and advance by those given `steps` calls ago.

        Raises:
            SimError: when an action of a running world is not finite, at once rather than when it arrives.
        """
        actions = np.asarray(actions, np.float32)
        running = ~self._ended
        if not np.isfinite(actions[running]).all():
            raise SimError("an action is not finite", where=f"{self.info.name}, {self.info.versions['perturbation']}")
        line = np.where(self._fresh[:, None, None], actions[:, None], self._queue)
        line = np.concatenate([line, actions[:, None]], axis=1)
        step = self._env.step(line[:, 0])
        self._queue[running], self._fresh[running] = line[running, 1:], False
        self._ended = step.ended.copy()
        return step

    def snapshot(self) -> Snapshot:
        """Return the whole state, actions under way included."""
        own = {"queue": self._queue, "fresh": self._fresh, "ended": self._ended}
        return {**self._env.snapshot(), **{f"latency.{name}": values.copy() for name, values in own.items()}}

    def restore(self, snapshot: Snapshot, mask: NDArray | None = None) -> Observation:
        """Set rows to those of `snapshot`."""
        rows, inner = as_mask(mask, self.num_envs), dict(snapshot)
        for name in ("queue", "fresh", "ended"):
            getattr(self, f"_{name}")[rows] = inner.pop(f"latency.{name}")[rows]
        return self._env.restore(inner, mask)


class ObservationNoise(Perturbed):
    """Adds Gaussian noise to what is observed, each element by its unit; the world itself is untouched.

    The noise is a function of (seed, steps since reset), so that a frozen world repeats its observation.

    Args:
        env: inner world.
        sigma: standard deviation by unit, as units are written in the features (`m`, `rad`, `m/s`).
        keys: observation keys to disturb; None disturbs all vectors that have the units.

    Raises:
        SpecError: when no observed element has one of the units, or a sigma is negative.
    """

    def __init__(self, env: Env, sigma: Mapping[str, float], keys: Sequence[str] | None = None) -> None:
        super().__init__(env, f"observation noise {dict(sorted(sigma.items()))}")
        self._sigma = {key: _sigmas(env.info, key, sigma) for key in sorted(keys or env.info.observation)}
        self._sigma = {key: values for key, values in self._sigma.items() if values.any()}
        known = {unit for feature in env.info.observation.values() for unit in feature.units or ()}
        unknown = sorted(set(sigma) - known)
        if unknown or any(value < 0 for value in sigma.values()):
            raise SpecError(
                "the noise does not fit the observations",
                got=dict(sigma),
                expected=f"non-negative values for units among: {', '.join(sorted(known)) or 'none is known'}",
                nearest=nearest(unknown[0], known) if unknown else None,
            )
        self._seed = np.zeros(env.num_envs, np.int64)
        self._time = np.zeros(env.num_envs, np.int64)
        self._ended = np.zeros(env.num_envs, bool)

    def reset(self, seeds: NDArray, mask: NDArray | None = None, factors: Mapping | None = None) -> Observation:
        """Restart the worlds in `mask` and their noise."""
        observation = self._env.reset(seeds, mask, factors)
        rows = as_mask(mask, self.num_envs)
        self._seed[rows], self._time[rows], self._ended[rows] = np.asarray(seeds)[rows], 0, False
        return self._disturb(observation)

    def step(self, actions: NDArray[np.float32]) -> Step:
        """Advance and disturb what is observed."""
        step = self._env.step(actions)
        self._time[~self._ended] += 1
        self._ended = step.ended.copy()
        return replace(step, observation=self._disturb(step.observation))

    def snapshot(self) -> Snapshot:
        """Return the whole state, the place in the noise included."""
        own = {"seed": self._seed, "time": self._time, "ended": self._ended}
        return {**self._env.snapshot(), **{f"noise.{name}": values.copy() for name, values in own.items()}}

    def restore(self, snapshot: Snapshot, mask: NDArray | None = None) -> Observation:
        """Set rows to those of `snapshot`."""
        rows, inner = as_mask(mask, self.num_envs), dict(snapshot)
        for name in ("seed", "time", "ended"):
            getattr(self, f"_{name}")[rows] = inner.pop(f"noise.{name}")[rows]
        return self._disturb(self._env.restore(inner, mask))

    def _disturb(self, observation: Observation) -> Observation:
        disturbed = {key: np.array(values) for key, values in observation.items()}
        for row in range(self.num_envs):
            rng = stream(int(self._seed[row]), "observation noise", int(self._time[row]))
            for key, sigma in self._sigma.items():
                noise = rng.standard_normal(sigma.shape) * sigma
                disturbed[key][row] = disturbed[key][row] + noise.astype(disturbed[key].dtype)
        return disturbed


def _sigmas(info: EnvInfo, key: str, sigma: Mapping[str, float]) -> NDArray[np.float64]:
    """Standard deviation of each element of `key`; zeros where its units are not known."""
    if key not in info.observation:
        raise SpecError(
            f"{info.name} does not show '{key}'",
            expected=", ".join(info.observation),
            nearest=nearest(key, info.observation),
        )
    feature = info.observation[key]
    if feature.visual or feature.units is None:
        return np.zeros(feature.shape)
    units = feature.units if len(feature.units) == feature.size else feature.units * feature.size
    return np.array([sigma.get(unit, 0.0) for unit in units]).reshape(feature.shape)
