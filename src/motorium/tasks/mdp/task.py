"""Task: a world, an action, an observation, rewards and an ending, as pure functions of a batch of arrays.

Every function takes the `State` of the whole batch and returns new arrays for the whole batch; `mdp.env` writes those
of the rows concerned. Functions use `state.xp` and operators only, so that NumPy and torch compute the same, and add
up the elements of a row one after another (`terms.geometry.total`), so that a row's bits do not depend on the batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import mujoco
import numpy as np
from pydantic import Field

from motorium.core.features import Feature
from motorium.core.protocols import Mirror
from motorium.core.spec import Spec
from motorium.tasks.mdp.state import State

Array = Any

OUTCOMES = ("running", "success", "timeout", "unstable")
TIMEOUT, UNSTABLE = 2, 3

STATE, PRIVILEGED = "observation.state", "observation.privileged"


class TaskSpec(Spec):
    """Options that every task has."""

    control_hz: float = Field(50.0, gt=0, le=1000, description="control steps in a second")
    timestep_s: float = Field(0.004, gt=0, le=0.05, description="physics step, in seconds")
    episode_s: float = Field(20.0, gt=0, description="simulated time until an episode is truncated, in seconds")
    weights: dict[str, float] = Field({}, description="weights of reward terms, in place of the task's own")
    history: int = Field(1, ge=1, le=64, description="observations in a row that the policy sees, the latest included")


@dataclass(frozen=True, kw_only=True)
class Start:
    """How worlds start: `qpos` (B, nq), `qvel` (B, nv), `ctrl` (B, nu); where None, as the model has them."""

    qpos: Array | None = None
    qvel: Array | None = None
    ctrl: Array | None = None
    mocap_pos: Array | None = None


@dataclass(frozen=True, kw_only=True)
class About:
    """What a task tells about itself; `core.protocols.EnvInfo` says what each is.

    `failures` follow the outcomes that all tasks have. Actions are within `action_low` and `action_high` (A,).
    """

    instruction: str
    observation: Mapping[str, Feature]
    action: Feature
    factors: Mapping[str, tuple[float, float]]
    failures: tuple[str, ...] = ()
    action_low: np.ndarray | None = None
    action_high: np.ndarray | None = None
    mirrors: Mapping[str, Mirror] = field(default_factory=dict)
    curriculum: Mapping[str, str] = field(default_factory=dict)
    conventions: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


class Task:
    """Base of tasks; a subclass states in its module's text what its functions mean.

    Attributes:
        weights: weight of each reward term, in reward a second: what a term of one earns in a second.
        floor: the sum of a step's rewards is not below it; None: it may be.
        fields: model fields that `randomise` sets for each world.
        interpolate: whether controls run to their new value in equal parts over a control period.
        settle_s: time that passes, with the start's controls, before an episode begins.
    """

    Spec: ClassVar[type[TaskSpec]] = TaskSpec
    weights: Mapping[str, float]
    floor: float | None = None
    fields: tuple[str, ...] = ()
    interpolate = False
    settle_s: float = 0.0

    def __init__(self, spec: TaskSpec) -> None:
        self.spec = spec

    def scene(self) -> mujoco.MjSpec:
        """Return the model with all that is seen of it; what is only seen is taken out before it is stepped."""
        raise NotImplementedError

    def prepare(self, model: mujoco.MjModel) -> About:
        """Look up indices in the compiled model; return what the task is."""
        raise NotImplementedError

    def randomise(self, state: State) -> dict[str, Array]:
        """Return model fields {name of `fields`: (B, ...)} that follow from `state.factors`."""
        return {}

    def start(self, state: State) -> Start:
        """Return how worlds start, from `state.factors` and `state.draw`."""
        raise NotImplementedError

    def begin(self, state: State) -> dict[str, Array]:
        """Return the memory at the start, positions and sensors being those of the start."""
        return {}

    def disturb(self, state: State) -> Array | None:
        """Return the velocities (B, nv) that a push leaves, before the physics of a step; None: nobody pushes."""
        return None

    def control(self, state: State) -> Array:
        """Return the actuators' controls (B, nu) for `state.action`."""
        raise NotImplementedError

    def advance(self, state: State) -> dict[str, Array]:
        """Return the memory after the physics of a step; what is not named stays."""
        return {}

    def rewards(self, state: State) -> dict[str, Array]:
        """Return the reward terms {name: (B,)}, for every name in `weights`."""
        raise NotImplementedError

    def outcome(self, state: State) -> Array:
        """Return outcome codes (B,) int8: running, success, or one of the task's failures."""
        raise NotImplementedError

    def verdict(self, state: State) -> Array | None:
        """Return outcome codes (B,) int8 of worlds whose time is up, for tasks that are to last; None: `timeout`."""
        return None

    def metrics(self, state: State) -> dict[str, Array]:
        """Return measures of the episode so far {name: (B,)}, for reports only."""
        return {}

    def observe(self, state: State) -> dict[str, Array]:
        """Return the observation {key: (B, size)}; the env makes it float32."""
        raise NotImplementedError
