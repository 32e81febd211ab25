"""Walking transformed segments: each world of a batch on a plan of its own.

Source: MimicGen, arXiv 2310.17596, section 4.2: the source segment's target poses, and before them the pose
at which its hand stood, move along with the object, `X_WT' = X_WO' * inv(X_WO) * X_WT`; the hand is led from
where it is to the first of them by interpolation; noise goes on actions, neither on the gripper nor on the
interpolation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import SpecError
from motorium.core.frames import (
    axis_angle_from_quat,
    pose_interpolate,
    pose_inverse,
    pose_multiply,
    quat_conjugate,
    quat_multiply,
)
from motorium.core.random import stream
from motorium.synth.amplify_spec import AmplifySpec
from motorium.synth.record import Command, World
from motorium.synth.segments import Sources, jitter_bounds
from motorium.synth.select import choose, source_costs, vector_length

Array = NDArray[np.float64]
UNFINISHED = "unfinished"


def transform_segment(X_WT: Array, X_WO: Array, X_WO_new: Array) -> Array:
    """Return poses X_WT (..., L, 7) moved along with an object from X_WO to X_WO_new (..., 7): (..., L, 7)."""
    X_move = pose_multiply(X_WO_new, pose_inverse(X_WO))
    return pose_multiply(X_move[..., None, :], X_WT)


def interpolation_counts(X_WE: Array, X_WS: Array, spec: AmplifySpec) -> NDArray[np.int64]:
    """Return how many steps (n,) lead from poses X_WE to X_WS (n, 7) without one longer than the spec allows.

    At least `interpolation_steps`, at most `max_interpolation_steps`: beyond, steps get longer and the
    controller's own bounds hold them.
    """
    distance = vector_length(X_WS[:, :3] - X_WE[:, :3])
    turn = vector_length(axis_angle_from_quat(quat_multiply(quat_conjugate(X_WE[:, 3:]), X_WS[:, 3:])))
    counts = np.ceil(np.maximum(distance / spec.interpolation_m, turn / spec.interpolation_rad))
    return np.clip(counts, spec.interpolation_steps, spec.max_interpolation_steps).astype(np.int64)


class SegmentWalker:
    """The controller of amplification. See `Controller`.

    `reasons`: `unfinished` (the last segment ended and the task was not done), and `missed_<signal>` for each
    segment that ended without its signal.
    """

    def __init__(self, env: World, sources: Sources, spec: AmplifySpec) -> None:
        self.sources, self.spec = sources, spec
        self.reasons = (UNFINISHED, *(f"missed_{s.signal}" for s in sources.segments if s.signal is not None))
        rows, longest = env.num_envs, sources.target.shape[1]
        self.capacity = spec.max_interpolation_steps + longest
        self.low, self.high = (bound.astype(np.float32) for bound in (env.info.action_low, env.info.action_high))
        self.noise_scale: NDArray[np.float32] | None = None
        self.seeds = np.zeros(rows, np.int64)
        self.segment = np.full(rows, -1)
        self.cursor = np.zeros(rows, np.int64)
        self.length = np.zeros(rows, np.int64)
        self.chosen = np.full((rows, len(sources.segments)), -1)
        self.bounds = np.zeros((rows, *sources.bounds.shape), np.int64)
        self.draws = np.zeros((rows, len(sources.segments)))
        self.target = np.zeros((rows, self.capacity, 7))
        self.gripper = np.zeros((rows, self.capacity, 1))
        self.noise = np.zeros((rows, self.capacity, len(self.low)), np.float32)

    def reset(self, env: World, seeds: NDArray[np.int64], mask: NDArray[np.bool_]) -> None:
        """See `Controller`. Each attempt has streams of its own for selection, jitter and noise."""
        if self.noise_scale is None:
            self.noise_scale = noise_scale(env, self.spec.action_noise)
        for row in np.flatnonzero(mask):
            seed = int(seeds[row])
            rng = stream(seed, "amplify", "jitter")
            self.bounds[row] = jitter_bounds(self.sources.bounds, self.spec.jitter_low, self.spec.jitter_high, rng)
            self.draws[row] = stream(seed, "amplify", "select").random(self.draws.shape[1])
        self.seeds[mask] = seeds[mask]
        self.segment[mask] = -1
        self.chosen[mask] = -1
        self.cursor[mask] = 0
        self.length[mask] = 0

    def act(self, env: World, active: NDArray[np.bool_]) -> Command:
        """See `Controller`."""
        give_up = np.zeros(len(active), np.int8)
        over = self.cursor >= self.length  # idle rows too: they are stepped, so their targets must be poses
        if over.any():
            last = self.segment == len(self.sources.segments) - 1
            give_up[over & last & (self.cursor >= self.length + self.spec.settle_steps)] = 1
            leaving = over & ~last
            if self.spec.stop_early:
                give_up = self._missed(env, leaving, give_up)
            self._enter(env, np.flatnonzero(leaving & (give_up == 0)))
        rows, at = np.arange(len(active)), np.minimum(self.cursor, np.maximum(self.length - 1, 0))
        intended = env.action_from_target(self.target[rows, at], self.gripper[rows, at])
        walking = (self.cursor < self.length)[:, None]
        noise = np.where(walking, self.noise[rows, at], np.float32(0))
        actions = np.where(noise != 0, np.clip(intended + noise, self.low, self.high), intended)
        self.cursor += 1
        return Command(actions=actions, labels=None if self.spec.noisy_labels else intended, give_up=give_up)

    def note(self, row: int) -> dict[str, Any]:
        """Return the segment in which the attempt ended, and the source followed in each (-1: not reached)."""
        return {"segment": int(self.segment[row]), "sources": [int(number) for number in self.chosen[row]]}

    def _missed(self, env: World, leaving: NDArray[np.bool_], give_up: NDArray[np.int8]) -> NDArray[np.int8]:
        """Give up in rows that leave a segment whose signal does not hold."""
        signals = env.signals()
        reason = 1
        for number, segment in enumerate(self.sources.segments):
            if segment.signal is None:
                continue
            reason += 1
            missed = leaving & (self.segment == number) & ~signals[segment.signal]
            give_up = np.where(missed, np.int8(reason), give_up)
        return give_up

    def _enter(self, env: World, rows: NDArray[np.int64]) -> None:
        """Start the next segment in `rows` (k,)."""
        if len(rows) == 0:
            return
        poses = env.poses()
        self.segment[rows] += 1
        for number in np.unique(self.segment[rows]):
            here = rows[self.segment[rows] == number]
            object_name = self.sources.segments[number].object
            self._plan(int(number), here, poses["eef"][here], poses[object_name][here])

    def _plan(self, number: int, rows: NDArray[np.int64], X_WE: Array, X_WO: Array) -> None:
        """Choose sources for segment `number` and lay out targets, grippers and noise of `rows` (k,)."""
        sources, spec = self.sources, self.spec
        starts, ends = self.bounds[rows, :, number], self.bounds[rows, :, number + 1]
        costs = source_costs(sources, number, starts, X_WE, X_WO, spec.selection, spec.metres_per_rad)
        chosen = choose(costs, self.draws[rows, number], spec.selection, spec.top_k)
        k = np.arange(len(rows))
        start, end = starts[k, chosen], ends[k, chosen]
        X_WO_source = sources.objects[sources.segments[number].object][chosen, start]
        begin = transform_segment(sources.eef[chosen, start][:, None], X_WO_source, X_WO)[:, 0]
        lead = interpolation_counts(X_WE, begin, spec)

        # A plan is `lead` steps of interpolation, the last of them at `begin`, and then the source's own.
        j = np.arange(spec.max_interpolation_steps)[None, :]
        share = np.minimum((j + 1) / lead[:, None], 1.0)
        self.target[rows[:, None], j] = pose_interpolate(X_WE[:, None], begin[:, None], share)
        i = np.arange(sources.target.shape[1])[None, :]
        step = np.minimum(start[:, None] + i, end[:, None] - 1)
        moved = transform_segment(sources.target[chosen[:, None], step], X_WO_source, X_WO)
        self.target[rows[:, None], lead[:, None] + i] = moved
        self.gripper[rows[:, None], j] = sources.gripper[chosen, start][:, None]
        self.gripper[rows[:, None], lead[:, None] + i] = sources.gripper[chosen[:, None], step]
        self.length[rows] = lead + end - start
        self.cursor[rows] = 0
        self.chosen[rows, number] = chosen
        self.noise[rows] = 0
        for row, first in zip(rows, lead):
            self._draw_noise(row, number, first)

    def _draw_noise(self, row: int, number: int, first: int) -> None:
        """Draw the noise of the source steps of one plan."""
        if not self.noise_scale.any():
            return
        rng = stream(int(self.seeds[row]), "amplify", "noise", number)
        shape = (self.length[row] - first, len(self.noise_scale))
        self.noise[row, first : self.length[row]] = rng.standard_normal(shape).astype(np.float32) * self.noise_scale


def noise_scale(env: World, sigma: float) -> NDArray[np.float32]:
    """Return sigma of the noise on each element (A,) of the action: none on the gripper's; the worlds have been reset.

    Raises:
        SpecError: when there is to be noise on elements that are not normalised.
    """
    gripper = gripper_part(env)
    units = env.info.action.units
    bare = [unit for unit, grips in zip(units or (), gripper) if not grips and unit != "normalized"]
    if sigma > 0 and (units is None or bare):
        raise SpecError(
            "action noise is defined for normalised actions",
            where="action_noise",
            got=f"{sigma:g} on actions in {bare[0] if bare else 'unknown units'}",
            expected="units 'normalized', as delta actions have",
            remedy="use a delta control mode, or set action_noise to 0",
        )
    scale = np.float32(sigma) * 0.5 * (env.info.action_high - env.info.action_low)
    return np.where(gripper, 0, scale).astype(np.float32)


def gripper_part(env: World) -> NDArray[np.bool_]:
    """Return which elements (A,) of the action command the gripper: those that change with it alone."""
    X_WE = env.poses()["eef"]
    closed = np.ones((len(X_WE), 1))
    changed = env.action_from_target(X_WE, closed) != env.action_from_target(X_WE, -closed)
    return changed.any(axis=0)
