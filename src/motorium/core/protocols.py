"""The two protocols everything meets at: a batched world (Env) and a chunk policy (Policy).

One arm with cameras and ten thousand point-mass cars are both an Env; demonstration, amplification,
reinforcement learning, evaluation, verification and serving are written once against this file.

Arrays
------
Every array has a leading batch axis B (`env.num_envs`). A **mask** is `(B,) bool`; None means all rows.
Arrays that a method returns belong to the caller: the callee never writes to them again. Arrays that a
caller passes in are read before the call returns and never kept.

Seeding
-------
`reset(seeds)` takes one integer a world. What a world does afterwards is a function of (spec, seed,
actions since reset), bitwise, whatever the batch size, the row, the thread count and its neighbours.

Episodes
--------
`step` reports `terminated` (the task ended: success or failure) and `truncated` (the time limit, which is
not a property of the task) apart. A task that is to last (walking) judges those whose time is up: they are
truncated with an outcome of its own, success among them.
There is **no automatic reset**: a world that ended is *frozen*. Further steps leave its state unchanged,
ignore its action, give reward 0 and repeat its flags, and cost no physics, until `reset` with a mask
restarts it. The observation of the ending step is therefore the final observation, and whoever needs
same-step resets (RL runners, Gymnasium) resets by mask and keeps both.

Snapshots
---------
`snapshot()` returns plain arrays that hold the whole state, random streams included; `restore(snapshot)`
followed by the same actions continues bitwise. Row i of a snapshot may be restored into any row of any
env of the same spec.

Action chunks
-------------
A policy answers with H actions a row; the caller executes the first `execute` of them (receding horizon)
and asks again. `act` computes rows in `mask` only. Rows of `act` do not depend on each other bitwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from motorium.core.features import Feature

Observation = Mapping[str, NDArray]
Snapshot = dict[str, NDArray]

RUNNING, SUCCESS = 0, 1

# Observation key under which whoever drives a policy may tell it the command (B, A) that was executed before this call,
# where that is not the one it expects. Policies that read no last command ignore it.
LAST_ACTION = "last_action"


@dataclass(frozen=True, kw_only=True)
class Segment:
    """One object-centric part of a task: motion relative to `object`, until `signal` first holds.

    The last segment of a task has `signal` None: it ends with the episode.
    """

    object: str
    signal: str | None


@dataclass(frozen=True, kw_only=True)
class Mirror:
    """What becomes of a vector when left and right change places: element i is `signs[i]` times element `order[i]`."""

    order: tuple[int, ...]
    signs: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class EnvInfo:
    """What an Env is, beside its arrays.

    Attributes:
        name: catalog name of the task or scenario family.
        instruction: the task in words, as a dataset's `task`.
        observation: feature of each observation key (`observation.state`, ...).
        action: feature of the action; its units say what a command means.
        action_low, action_high: (A,) float32 bounds; `step` clips to them.
        control_hz: steps in a simulated second.
        max_steps: steps until `truncated`.
        outcomes: names of `Step.outcome` codes; the first two are `running` and `success`, the others are
            the task's failures (`dropped`, `collision`, ..., `timeout`).
        factors: names of the start conditions that `reset` draws (`cube_x_m`, ...), with (low, high) bounds.
        cameras: names that `render` takes.
        mirrors: what becomes of each observation key and of `action` in a mirror, where the world has one; empty: it
            has none.
        curriculum: factors that are to grow harder with skill, from their low to their high bound, and for each the
            name of the measure in `Step.info` that says, at the end of an episode: 1, go up; -1, go down; 0, stay.
        conventions: units, frames and orders in words, for metadata.
        versions: versions of the simulator and of the assets, for reports.
    """

    name: str
    instruction: str
    observation: Mapping[str, Feature]
    action: Feature
    action_low: NDArray[np.float32]
    action_high: NDArray[np.float32]
    control_hz: float
    max_steps: int
    outcomes: tuple[str, ...] = ("running", "success", "timeout")
    factors: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    cameras: tuple[str, ...] = ()
    mirrors: Mapping[str, Mirror] = field(default_factory=dict)
    curriculum: Mapping[str, str] = field(default_factory=dict)
    conventions: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Step:
    """What one control step gave.

    Attributes:
        observation: {key: (B, ...)} after the step.
        reward: (B,) float32.
        terminated: (B,) bool: the task ended in success or failure.
        truncated: (B,) bool: the time limit was reached without an ending.
        outcome: (B,) int8 index into `EnvInfo.outcomes`; 0 while running.
        info: further (B, ...) arrays (reward terms, KPIs), for reports only.
    """

    observation: Observation
    reward: NDArray[np.float32]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    outcome: NDArray[np.int8]
    info: Mapping[str, NDArray] = field(default_factory=dict)

    @property
    def ended(self) -> NDArray[np.bool_]:
        """(B,) bool: terminated or truncated."""
        return self.terminated | self.truncated

    @property
    def success(self) -> NDArray[np.bool_]:
        """(B,) bool: ended in success."""
        return self.outcome == SUCCESS


@runtime_checkable
class Env(Protocol):
    """A batched world. The module's text is the contract."""

    info: EnvInfo
    num_envs: int

    def reset(
        self,
        seeds: NDArray[np.int64],
        mask: NDArray[np.bool_] | None = None,
        factors: Mapping[str, NDArray] | None = None,
    ) -> Observation:
        """Restart the worlds in `mask`.

        Args:
            seeds: (B,) int64; rows outside `mask` are ignored.
            mask: (B,) bool.
            factors: {name: (B,) float64} start conditions to use instead of the drawn ones; NaN keeps
                the drawn value. The other draws of that seed do not change.

        Returns:
            The observation of the whole batch; rows outside `mask` as they stand.
        """

    def step(self, actions: NDArray[np.float32]) -> Step:
        """Advance every world that has not ended by one control period.

        Args:
            actions: (B, A) float32; rows of ended worlds are ignored and may hold anything.

        Raises:
            SimError: when an action of a running world is not finite; nothing has been stepped then.
        """

    def factors(self) -> dict[str, NDArray[np.float64]]:
        """Return the start conditions in force, {name: (B,)}, for every name in `info.factors`."""

    def snapshot(self) -> Snapshot:
        """Return the whole state as arrays (B, ...)."""

    def restore(self, snapshot: Snapshot, mask: NDArray[np.bool_] | None = None) -> Observation:
        """Set the rows in `mask` to those of `snapshot`; return the observation of the batch."""

    def close(self) -> None:
        """Release threads and memory; idempotent."""


@runtime_checkable
class Renderable(Protocol):
    """An Env with cameras."""

    def render(self, camera: str, rows: NDArray[np.int64], height: int, width: int) -> NDArray[np.uint8]:
        """Return pictures of `rows` as they stand: (n, height, width, 3) uint8 RGB."""


@runtime_checkable
class Viewable(Protocol):
    """An Env that a window of MuJoCo can show."""

    def looks(self) -> Any:
        """Return a new `mujoco.MjModel` with all that is seen, whose coordinates are those of `pose`."""

    def pose(self, row: int) -> dict[str, NDArray[np.float64]]:
        """Return `qpos`, `mocap_pos` and `mocap_quat` of one world as it stands."""


@runtime_checkable
class ObjectCentric(Protocol):
    """An Env that can be demonstrated and amplified: poses of things, and actions as target poses.

    Poses are `X_W*` (B, 7), world frame, metres, quaternion w first. The end effector is `eef`.
    """

    segments: tuple[Segment, ...]

    def poses(self) -> dict[str, NDArray[np.float64]]:
        """Return the poses of `eef` and of every object: {name: (B, 7)}."""

    def signals(self) -> dict[str, NDArray[np.bool_]]:
        """Return whether each segment's signal holds now: {name: (B,)}."""

    def action_from_target(self, X_WT: NDArray, gripper: NDArray) -> NDArray[np.float32]:
        """Return the actions (B, A) that ask for end-effector poses X_WT (B, 7) and gripper (B, 1).

        `gripper` is in [-1, 1]: -1 open, 1 closed. The action is clipped to its bounds, so that a far
        target is approached as fast as the controller allows.
        """

    def target_from_action(self, actions: NDArray) -> tuple[NDArray, NDArray]:
        """Return (X_WT (B, 7), gripper (B, 1)) that `actions` (B, A) ask for in the present state."""


@dataclass(frozen=True, kw_only=True)
class PolicyInfo:
    """What a Policy reads and writes.

    Attributes:
        observation: feature of each key that `act` needs.
        action: feature of one action.
        horizon: H, actions in a chunk.
        execute: how many of them to execute before asking again.
        control_hz: rate at which actions are to be executed.
        digest: identity of the parameters, for reports.
        conventions: as in `EnvInfo`.
    """

    observation: Mapping[str, Feature]
    action: Feature
    horizon: int
    execute: int
    control_hz: float
    digest: str = ""
    conventions: Mapping[str, str] = field(default_factory=dict)


@runtime_checkable
class Policy(Protocol):
    """A batched chunk policy. The module's text is the contract."""

    info: PolicyInfo

    def reset(self, seeds: NDArray[np.int64], mask: NDArray[np.bool_] | None = None) -> None:
        """Start new episodes in the rows of `mask`, with a random stream of its own for each seed.

        `seeds` (B,) also fixes the batch size of the following `act` calls.
        """

    def act(self, observation: Observation, mask: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
        """Return chunks (B, H, A) float32; rows outside `mask` are zero and their streams do not move."""


def as_mask(mask: Any, size: int) -> NDArray[np.bool_]:
    """Return `mask` as (size,) bool; None becomes all True."""
    return np.ones(size, bool) if mask is None else np.asarray(mask, bool)
