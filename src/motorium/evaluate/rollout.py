"""Closed-loop evaluation: a policy in a batched world, one episode a seed.

Seeds go through the rows of the env in waves: all rows ask the policy at the same step, and rows whose
episode has ended take the next seeds just before it. An episode is a function of (env spec, policy,
seed, start conditions), bitwise: not of the number of rows, of its row or of its neighbours.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import ConventionError, SimError, SpecError, nearest
from motorium.core.features import check_same
from motorium.core.progress import Progress, Silent
from motorium.core.protocols import Env, EnvInfo, Observation, Policy, PolicyInfo, Step
from motorium.core.random import derive_seed
from motorium.evaluate.episodes import Rollout
from motorium.evaluate.recording import Record, Recorder

_REFILL = -1
_REWARD = "reward."


def rollout(
    env: Env,
    policy: Policy,
    seeds: Iterable[int],
    *,
    factors: Mapping[str, NDArray] | None = None,
    record: Record | None = None,
    progress: Progress | None = None,
) -> Rollout:
    """Run one episode a seed and return what became of each.

    The policy is asked every `policy.info.execute` steps; its stream is seeded with `policy_seed(seed)`.
    An env with more rows than there are seeds simulates the surplus rows in vain.

    Args:
        env: any number of rows; every row is reset.
        policy: fits the env (`check_fit`).
        seeds: distinct.
        factors: {name: (n,) float64} start conditions instead of the drawn ones, in the order of `seeds`;
            NaN keeps the drawn value.
        record: which episodes to keep whole.
        progress: advanced by one an episode.

    Raises:
        ConventionError: when policy and env do not fit.
        SpecError: when seeds repeat, or factors are unknown or ill-shaped.
        SimError: when the policy answers with the wrong shape or with numbers that are not finite, or the
            env outlives its `max_steps`.
    """
    check_fit(env.info, policy.info)
    seeds = _distinct(seeds)
    run = _Run(env, policy, seeds, _check_factors(env.info, factors, len(seeds)), record, progress or Silent())
    return run.finish() if len(seeds) == 0 else run.all()


def policy_seed(seed: int) -> int:
    """Return the seed of a policy's random stream in the episode `seed`, apart from the world's own."""
    return derive_seed(int(seed), "policy")


def check_fit(env: EnvInfo, policy: PolicyInfo) -> None:
    """Check that a policy reads what the env shows, and means by an action what the env takes.

    Raises:
        ConventionError: naming the first difference: rate, missing observation, shape, names, units, frame
            or a convention that both state.
    """
    where = f"policy {policy.digest[:12] or '(no digest)'} in {env.name}"
    if not math.isclose(policy.control_hz, env.control_hz, rel_tol=1e-6):
        raise ConventionError(
            "policy and env run at different rates",
            where=where,
            got=f"{policy.control_hz} Hz (policy)",
            expected=f"{env.control_hz} Hz (env)",
            remedy="train at the env's rate, or make the env with the policy's",
        )
    if not 1 <= policy.execute <= policy.horizon:
        raise ConventionError(
            "'execute' must lie in the chunk", where=where, got=policy.execute, expected=policy.horizon
        )
    for key, feature in policy.observation.items():
        if key not in env.observation:
            raise ConventionError(
                f"the policy needs '{key}', which the env does not show",
                where=where,
                got=sorted(env.observation),
                expected=key,
                nearest=nearest(key, env.observation),
            )
        check_same(key, feature, env.observation[key], where)
    check_same("action", policy.action, env.action, where)
    for name in sorted(policy.conventions.keys() & env.conventions.keys()):
        if policy.conventions[name] != env.conventions[name]:
            raise ConventionError(
                f"policy and env state different conventions for '{name}'",
                where=where,
                got=policy.conventions[name],
                expected=env.conventions[name],
            )


class _Run:
    """One pass over the seeds: which row holds which, and what has been collected."""

    def __init__(
        self,
        env: Env,
        policy: Policy,
        seeds: NDArray[np.int64],
        factors: Mapping[str, NDArray],
        record: Record | None,
        progress: Progress,
    ) -> None:
        self.env, self.policy, self.seeds, self.overrides, self.progress = env, policy, seeds, factors, progress
        self.recorder = Recorder(record, env, seeds) if record else None
        n, rows = len(seeds), env.num_envs
        self.outcome = np.zeros(n, np.int8)
        self.length = np.zeros(n, np.int64)
        self.returns = np.zeros(n, np.float64)
        self.factors = {name: np.full(n, np.nan) for name in env.info.factors}
        self.rewards: dict[str, NDArray[np.float64]] = {}
        self.info: dict[str, NDArray] = {}
        self.episode = np.full(rows, _REFILL)
        self.running = np.zeros(rows, bool)
        self.next = 0

    def all(self) -> Rollout:
        """Run to the end of the last episode."""
        observation = self._first_wave()
        while self.running.any():
            chunk = self._ask(observation)
            for step in range(self.policy.info.execute):
                observation = self._advance(chunk[:, step], observation)
                if not self.running.any():
                    break
            if self.next < len(self.seeds) and not self.running.all():
                observation = self._refill()
        return self.finish()

    def finish(self) -> Rollout:
        """Return what has been collected."""
        self.progress.close()
        info = self.env.info
        return Rollout(
            task=info.name,
            policy=self.policy.info.digest,
            outcomes=tuple(info.outcomes),
            control_hz=float(info.control_hz),
            versions=dict(info.versions),
            seeds=self.seeds,
            outcome=self.outcome,
            length=self.length,
            returns=self.returns,
            factors=self.factors,
            rewards=self.rewards,
            info=self.info,
            recordings=self.recorder.finished if self.recorder else {},
        )

    def _first_wave(self) -> Observation:
        rows = self.env.num_envs
        used = np.arange(rows) < len(self.seeds)
        # Every row must hold a valid world; those without a seed of their own repeat one and are ignored.
        return self._start(np.where(used, np.arange(rows), 0), np.ones(rows, bool), used)

    def _refill(self) -> Observation:
        free = np.flatnonzero(~self.running)[: len(self.seeds) - self.next]
        episode, mask = self.episode.copy(), np.zeros(self.env.num_envs, bool)
        episode[free] = self.next + np.arange(len(free))
        mask[free] = True
        return self._start(np.maximum(episode, 0), mask, mask)

    def _start(self, episode: NDArray, mask: NDArray, used: NDArray) -> Observation:
        """Reset the rows in `mask` to their episodes; `used` rows are collected."""
        seeds = self.seeds[episode]
        overrides = {name: values[episode] for name, values in self.overrides.items()}
        everything = None if mask.all() else mask
        observation = self.env.reset(seeds, everything, overrides or None)
        self.policy.reset(np.array([policy_seed(seed) for seed in seeds], np.int64), everything)
        self.episode[used], self.running[used] = episode[used], True
        self.next += int(used.sum())
        for name, values in self.env.factors().items():
            self.factors[name][episode[used]] = values[used]
        return observation

    def _ask(self, observation: Observation) -> NDArray[np.float32]:
        info, rows = self.policy.info, self.env.num_envs
        shown = {key: observation[key] for key in info.observation}
        chunk = np.asarray(self.policy.act(shown, self.running.copy()))
        expected = (rows, info.horizon, info.action.size)
        if chunk.shape != expected:
            raise SimError(
                "the policy answered with the wrong shape", got=chunk.shape, expected=f"{expected} (B, H, A)"
            )
        bad = self.running & ~np.isfinite(chunk).all(axis=(1, 2))
        if bad.any():
            at = int(self.episode[np.flatnonzero(bad)[0]])
            raise SimError(
                "the policy answered with numbers that are not finite",
                where=f"seed {self.seeds[at]}, step {self.length[at]}",
                expected="finite actions",
                remedy="check the policy's normalisation and the observation of that step",
            )
        return chunk.astype(np.float32, copy=False)

    def _advance(self, actions: NDArray, observation: Observation) -> Observation:
        before, rows = self.running.copy(), np.flatnonzero(self.running)
        actions = np.where(before[:, None], actions, np.float32(0.0))
        if self.recorder:
            self.recorder.before(rows, self.episode, observation, actions)
        step = self.env.step(actions)
        at = self.episode[rows]
        self.length[at] += 1
        self.returns[at] += step.reward[rows].astype(np.float64)
        for name, values in step.info.items():
            if name.startswith(_REWARD):
                term = self.rewards.setdefault(name.removeprefix(_REWARD), np.zeros(len(self.seeds)))
                term[at] += values[rows]
        ended = before & step.ended
        if ended.any():
            self._collect(np.flatnonzero(ended), step)
        self.running = before & ~ended
        if self.recorder:
            self.recorder.after(rows, self.episode, step)
        self._check_time(rows)
        return step.observation

    def _collect(self, rows: NDArray, step: Step) -> None:
        at = self.episode[rows]
        self.outcome[at] = step.outcome[rows]
        for name, values in step.info.items():
            if name.startswith(_REWARD):
                continue
            if name not in self.info:
                self.info[name] = np.zeros((len(self.seeds), *values.shape[1:]), values.dtype)
            self.info[name][at] = values[rows]
        self.progress.advance(len(rows), success=self._rate())

    def _rate(self) -> str:
        ended = self.outcome != 0
        return f"{np.mean(self.outcome[ended] == 1):.1%}" if ended.any() else "-"

    def _check_time(self, rows: NDArray) -> None:
        late = rows[self.running[rows] & (self.length[self.episode[rows]] >= self.env.info.max_steps)]
        if len(late):
            raise SimError(
                "an episode outlives the env's own limit",
                where=f"seed {self.seeds[self.episode[late[0]]]}",
                got=f"still running after {self.env.info.max_steps} steps",
                expected="`truncated` at `max_steps`",
            )


def _distinct(seeds: Iterable[int]) -> NDArray[np.int64]:
    seeds = np.asarray(list(seeds), np.int64)
    values, counts = np.unique(seeds, return_counts=True)
    if np.any(counts > 1):
        raise SpecError(
            "a seed is given twice: its episode would count twice",
            got=int(values[counts > 1][0]),
            expected="every seed once",
        )
    return seeds


def _check_factors(info: EnvInfo, factors: Mapping[str, Any] | None, n: int) -> dict[str, NDArray]:
    checked = {}
    for name, values in (factors or {}).items():
        if name not in info.factors:
            raise SpecError(
                f"'{name}' is not a start condition of {info.name}",
                expected=", ".join(info.factors) or "none: this env has no start conditions",
                nearest=nearest(name, info.factors),
            )
        values = np.asarray(values, np.float64)
        if values.shape not in ((), (n,)):
            raise SpecError(f"'{name}' needs one value an episode", got=values.shape, expected=(n,))
        checked[name] = np.broadcast_to(values, (n,))
    return checked
