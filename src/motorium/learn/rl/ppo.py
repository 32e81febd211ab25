"""Proximal policy optimisation in batched worlds: from an Env to a policy folder, resumable and bitwise repeatable.

What a round collects and how it improves the policy is rsl_rl's (`learner`); collecting (`collect`), statistics,
guards and checkpoints are ours. A run is a function of (spec, world, seed), bitwise, whatever the number of physics
threads; a run that was killed and is started again with the same `scratch` ends in the same bytes.

An episode that ends by the time limit is worth what would have come: its last reward gets gamma V(s'), s' being its
last observation, which the Env hands out. rsl_rl itself would take V(s), of the observation a step before.
Source: F. Pardo et al., Time Limits in Reinforcement Learning, arXiv:1712.00378, section 3.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from motorium.core.errors import SpecError, nearest
from motorium.core.hashing import digest
from motorium.core.progress import Progress, Silent
from motorium.core.protocols import Env, EnvInfo
from motorium.core.random import derive_seed
from motorium.learn.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from motorium.learn.description import write_json
from motorium.learn.imitation import CURVE, Log
from motorium.learn.policy import policy_digest, save_policy
from motorium.learn.rl.collect import Collector, Moved
from motorium.learn.rl.guard import check_update
from motorium.learn.rl.learner import contained, get_state, import_rsl_rl, make_learner, set_state, weights_of
from motorium.learn.rl.policy import describe_actor, make_policy, start_from
from motorium.learn.rl.spec import RlSpec
from motorium.learn.settings import torch_settings

# What an endless episode is worth to the learner that pays 1 a second. The critic's answers jitter by some hundredths,
# whatever they are about: values must be large beside that, whatever the rate of the steps.
VALUE_OF_A_SECOND = 10.0


@dataclass(frozen=True, kw_only=True)
class RlTrained:
    """What a training run gave.

    Attributes:
        folder: the policy folder.
        parameters: number of weights of the policy.
        iterations, samples: rounds and steps of worlds; `resumed_at` rounds were done by an earlier, killed run.
        curve: a row a round: losses, rewards a second, and means over the last episodes.
        samples_per_s: of the rounds this run did itself.
        learning_share: share of the time in which nothing was collected.
    """

    folder: Path
    parameters: int
    iterations: int
    samples: int
    resumed_at: int
    curve: tuple[dict[str, float], ...]
    samples_per_s: float
    learning_share: float


def train(
    env: Env,
    spec: RlSpec,
    folder: Path,
    *,
    scratch: Path,
    seed: int,
    conventions: Mapping[str, str] | None = None,
    start: Path | None = None,
    progress: Progress | None = None,
    metrics: Log | None = None,
) -> RlTrained:
    """Train a policy in `env`; write `policy.json`, `weights.safetensors`, `training.json` into `folder`.

    Args:
        env: of `spec.num_envs` worlds.
        scratch: folder for checkpoints; given again after a kill, training goes on from the last one.
        conventions: of the policy; they name the world, and are part of what a checkpoint must agree with.
        start: folder of an actor to start from.
        progress: advanced by the samples of each round, `iterations * num_envs * steps` in all.
        metrics: gets a row a round; after a resume first the rows of the rounds done before.

    Raises:
        SpecError: when an observation is unknown, or the worlds are not as many as the spec says.
        ConventionError: when `start` does not fit, or the world's mirror is not whole.
        MotoriumError: when an observation, a reward term, a loss or a weight is not finite.
    """
    import_rsl_rl()
    if env.num_envs != spec.num_envs:
        raise SpecError("the env has another number of worlds", got=env.num_envs, expected=f"num_envs {spec.num_envs}")
    with torch_settings(spec.threads, spec.precision), contained(), torch.enable_grad():
        run = _Run(env, spec, seed, dict(conventions or {}), start)
        return run.finish(Path(folder), *run.improve(Path(scratch), progress or Silent(), metrics))


class _Run:
    """One training run, from worlds to policy."""

    def __init__(self, env: Env, spec: RlSpec, seed: int, conventions: dict[str, str], start: Path | None) -> None:
        self.spec, self.seed, self.conventions, self.info = spec, seed, conventions, env.info
        self.keys = choose(env.info, spec.actor_inputs, "actor_inputs")
        critic = choose(env.info, spec.critic_inputs, "critic_inputs")
        self.collector = Collector(env, tuple(dict.fromkeys((*self.keys, *critic))), seed)
        self.device = self.collector.device
        torch.manual_seed(derive_seed(seed, "learner"))
        self.learner = make_learner(self.collector, spec, self.keys, critic)
        if start is not None:
            start_from(start, self.learner.actor, self.collector, self._described({}))
        self.identity = digest(
            "reinforcement learning",
            {
                "world": {"name": env.info.name, "versions": dict(env.info.versions), "conventions": conventions},
                "spec": spec,
                "seed": seed,
                "start": None if start is None else policy_digest(start),
                "torch": torch.__version__,
            },
        )
        ending = max(1.0 - spec.gamma, 1.0 / env.info.max_steps)
        self.scale = spec.reward_scale or VALUE_OF_A_SECOND * ending * env.info.control_hz
        self.learning_s = self.learning_share = 0.0

    def improve(self, scratch: Path, progress: Progress, metrics: Log | None) -> tuple[list[dict], int, float]:
        """Do all rounds; return the training curve, the round resumed at, and samples a second."""
        spec, curve, first = self.spec, [], 0
        found = read_checkpoint(scratch, self.identity)
        if found is not None:
            curve, first = self._restore(found), found.step
            progress.advance(first * spec.samples_a_round)
        for row in curve:
            _log(metrics, row)
        began = time.perf_counter()
        for done in range(first + 1, spec.iterations + 1):
            curve.append(self._round(done))
            _log(metrics, curve[-1])
            rate = (done - first) * spec.samples_a_round / (time.perf_counter() - began)
            progress.advance(spec.samples_a_round, samples_per_s=round(rate), **_note(curve[-1]))
            if done % spec.checkpoint_every == 0 or done == spec.iterations:
                write_checkpoint(scratch, self.identity, self._checkpoint(done, curve))
        spent = time.perf_counter() - began
        self.learning_share = self.learning_s / max(spent, 1e-9)
        return curve, first, (spec.iterations - first) * spec.samples_a_round / max(spent, 1e-9)

    def _round(self, done: int) -> dict[str, float]:
        """Collect and improve once; return the row of the curve."""
        learner = self.learner
        self.collect()
        began = time.perf_counter()
        losses = learner.update()
        check_update(losses, weights_of(learner), done)
        self.learning_s += time.perf_counter() - began
        row: dict[str, float] = {"step": done, "samples": done * self.spec.samples_a_round}
        if self.spec.symmetry != "loss":
            losses.pop("symmetry", None)
        row |= {f"loss.{name}": float(value) for name, value in losses.items()}
        row |= {"learning_rate": learner.learning_rate, "std": float(learner.actor.output_std.mean().detach())}
        row |= {f"level.{name}": float(one.mean()) for name, one in self.collector.curriculum.levels.items()}
        return {**row, **self.collector.statistics.row()}

    @torch.no_grad()
    def collect(self) -> None:
        """Fill the learner's storage with the steps of a round, and what they turned out to be worth."""
        learner, collector = self.learner, self.collector
        for _ in range(self.spec.steps):
            observation = collector.observation
            moved = collector.step(learner.act(observation))
            learner.process_env_step(moved.observation, self._reward(moved), moved.ended, {})
        learner.compute_returns(collector.observation)

    def _reward(self, moved: Moved) -> Tensor:
        """Return the rewards (B,) to the learner, with what would have come where the time ran out."""
        reward = moved.reward * self.scale
        if not len(moved.late):
            return reward
        ahead = self.learner.critic(moved.last)[:, 0]
        return reward.index_add(0, moved.late, self.spec.gamma * ahead)

    def _checkpoint(self, done: int, curve: list[dict]) -> Checkpoint:
        tensors, plain = get_state(self.learner, self.device)
        worlds = {f"collector.{name}": value for name, value in self.collector.state().items()}
        statistics = self.collector.statistics
        plain |= {"curve": curve, "ended": list(statistics.ended), "episodes": statistics.episodes}
        copies = {name: value.detach().clone().contiguous() for name, value in {**tensors, **worlds}.items()}
        return Checkpoint(done, copies, plain)

    def _restore(self, found: Checkpoint) -> list[dict]:
        """Set the state in `found`; return the training curve up to it."""
        start = "collector."
        worlds = {name: value for name, value in found.tensors.items() if name.startswith(start)}
        self.collector.restore({name.removeprefix(start): value for name, value in worlds.items()})
        statistics = self.collector.statistics
        statistics.ended.extend(found.plain["ended"])
        statistics.episodes = found.plain["episodes"]
        own = {name: value for name, value in found.tensors.items() if name not in worlds}
        set_state(self.learner, own, found.plain, self.device)
        return list(found.plain["curve"])

    def finish(self, folder: Path, curve: list[dict], resumed_at: int, samples_per_s: float) -> RlTrained:
        """Write the policy folder."""
        spec, samples = self.spec, self.spec.iterations * self.spec.samples_a_round
        net = make_policy(self.learner.actor, self.collector, self._described({}))
        parameters = sum(parameter.numel() for parameter in net.parameters())
        training = {
            "spec": spec.to_plain(),
            "seed": self.seed,
            "samples": samples,
            "episodes": {"train": self.collector.statistics.episodes},
            "parameters": parameters,
            "results": {key: value for key, value in curve[-1].items() if "." not in key},
            "torch": torch.__version__,
        }
        save_policy(folder, net, self._described(training))
        write_json(folder / CURVE, {"rows": curve})
        return RlTrained(
            folder=folder,
            parameters=parameters,
            iterations=spec.iterations,
            samples=samples,
            resumed_at=resumed_at,
            curve=tuple(curve),
            samples_per_s=samples_per_s,
            learning_share=self.learning_share,
        )

    def _described(self, training: Mapping[str, Any]):
        return describe_actor(self.info, self.spec, self.keys, self.conventions, training)


def choose(info: EnvInfo, keys: tuple[str, ...], where: str) -> tuple[str, ...]:
    """Return the observation keys asked for; none: all that are vectors.

    Raises:
        SpecError: when the world does not show one.
    """
    vectors = [key for key, feature in info.observation.items() if len(feature.shape) == 1]
    for key in keys:
        if key not in vectors:
            raise SpecError(
                f"{info.name} shows no vector '{key}'",
                where=f"rl.{where}",
                expected=f"among: {', '.join(vectors)}",
                nearest=nearest(key, vectors),
            )
    return tuple(keys) or tuple(vectors)


def _note(row: Mapping[str, float]) -> dict[str, float]:
    """Return what stands beside the bar."""
    shown = {"return": row.get("return"), "success": row.get("success"), "reward_per_s": row["reward_per_s"]}
    return {name: value for name, value in shown.items() if value is not None}


def _log(metrics: Log | None, row: Mapping[str, float]) -> None:
    if metrics is not None:
        metrics.log(int(row["step"]), **{key: value for key, value in row.items() if key != "step"})
