"""Behaviour cloning of action chunks: from arrays to a policy folder, resumable and bitwise repeatable.

Every random number is a function of (seed, purpose, step); the parameters, their average and Adam's moments
are in the checkpoint. A run that is killed at any step and started again with the same `scratch` therefore
ends in the same bytes as one that was not.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from motorium.core.errors import MotoriumError
from motorium.core.hashing import digest
from motorium.core.progress import Progress, Silent
from motorium.core.random import derive_seed, stream
from motorium.learn.batches import Sampler, describe, set_scalings
from motorium.learn.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from motorium.learn.data import BatchOrder, TrainingData, Windows, split
from motorium.learn.description import write_json
from motorium.learn.optimizer import FlatOptimizer
from motorium.learn.policy import build, save_policy
from motorium.learn.settings import torch_settings
from motorium.learn.spec import TrainSpec

CURVE = "training.json"
VALIDATION_WINDOWS = 2048


class Log(Protocol):
    """Append-only series; `flow.stage.Metrics` is one."""

    def log(self, step: int, **values: float) -> None:
        """Append one row."""


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What a training run gave.

    Attributes:
        folder: the policy folder.
        parameters: number of weights.
        steps: optimiser steps; `resumed_at` of them were done by an earlier, killed run.
        kept: step whose averaged weights became the policy.
        train_loss, validation_loss: at that step; validation uses the averaged weights, and is None
            without validation episodes.
        validation_error: mean absolute error of the chunks the policy answers, on the validation episodes,
            in deviations of each command.
        samples_per_s: chunks a second, of the steps this run did itself.
    """

    folder: Path
    parameters: int
    steps: int
    resumed_at: int
    kept: int
    train_loss: float
    validation_loss: float | None
    validation_error: float | None
    samples_per_s: float


def train(
    data: TrainingData,
    spec: TrainSpec,
    folder: Path,
    *,
    scratch: Path,
    seed: int,
    progress: Progress | None = None,
    metrics: Log | None = None,
) -> Trained:
    """Train a policy on `data`; write `policy.json`, `weights.safetensors`, `training.json` into `folder`.

    Args:
        scratch: folder for checkpoints; given again after a kill, training goes on from the last one.
        progress: advanced by one a step; `spec.steps` in all.
        metrics: gets a row every `log_every` steps; after a resume first the rows of the steps done before.

    Raises:
        DataError: when inputs are missing, or do not fit the spec.
        MotoriumError: when the loss or a gradient is not finite.
    """
    with torch_settings(spec.threads, spec.precision):
        run = _Run(data, spec, seed)
        return run.finish(Path(folder), *run.optimise(Path(scratch), progress or Silent(), metrics))


class _Run:
    """One training run, from data to policy."""

    def __init__(self, data: TrainingData, spec: TrainSpec, seed: int) -> None:
        self.spec, self.seed = spec, seed
        self.identity = digest(
            "training", {"data": data.digest(), "spec": spec, "seed": seed, "torch": torch.__version__}
        )
        train_episodes, held_episodes = split(data.episodes, spec.validation_fraction, seed)
        self.episodes = {"train": len(train_episodes), "validation": len(held_episodes)}
        described = describe(data, spec)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "weights"))
            self.net = build(described)
        options = {"horizon": spec.horizon, "n_obs": spec.n_obs, "stride": spec.execute}
        windows = Windows.of(data, train_episodes, **options)
        held = Windows.of(data, held_episodes, **options)
        self.sampler = Sampler(data, self.net, windows)
        set_scalings(self.net, self.sampler, windows.rows, spec.normalization)
        self.rows = windows.rows
        self.held_rows = held.rows[:: math.ceil(len(held.rows) / VALIDATION_WINDOWS)] if len(held.rows) else held.rows
        self.order = BatchOrder(len(self.rows), spec.batch, seed)
        self.optimizer = FlatOptimizer(self.net, spec)
        self.best = torch.zeros(0)
        self.best_row: dict[str, float] = {}

    def optimise(self, scratch: Path, progress: Progress, metrics: Log | None) -> tuple[list[dict], int, float]:
        """Do all steps; return the training curve, the step resumed at, and samples a second."""
        spec, curve, first = self.spec, [], 0
        found = read_checkpoint(scratch, self.identity)
        if found is not None:
            curve, first = self._restore(found), found.step
            progress.advance(first)
        for row in curve:
            _log(metrics, row)
        loss_sum, norm_sum, counted = torch.zeros(()), torch.zeros(()), 0
        began = time.perf_counter()
        for step in range(first, spec.steps):
            loss, norm = self._step(step)
            loss_sum, norm_sum, counted = loss_sum + loss, norm_sum + norm, counted + 1
            done = step + 1
            if done % spec.log_every and done != spec.steps:
                continue
            curve.append(self._row(done, float(loss_sum) / counted, float(norm_sum) / counted))
            _log(metrics, curve[-1])
            rate = (done - first) * spec.batch / (time.perf_counter() - began)
            progress.advance(counted, loss=round(curve[-1]["train_loss"], 4), samples_per_s=round(rate))
            loss_sum, norm_sum, counted = torch.zeros(()), torch.zeros(()), 0
            if done % spec.checkpoint_every == 0 or done == spec.steps:
                write_checkpoint(scratch, self.identity, self._checkpoint(done, curve))
        rate = (spec.steps - first) * spec.batch / (time.perf_counter() - began)
        return curve, first, rate

    def _checkpoint(self, done: int, curve: list[dict]) -> Checkpoint:
        tensors = {**self.optimizer.state(), "best": self.best}
        return Checkpoint(done, tensors, {"curve": curve, "best_row": self.best_row})

    def _restore(self, found: Checkpoint) -> list[dict]:
        """Set the state in `found`; return the training curve up to it."""
        tensors = dict(found.tensors)
        self.best, self.best_row = tensors.pop("best"), found.plain["best_row"]
        self.optimizer.restore(tensors)
        return list(found.plain["curve"])

    def _step(self, step: int) -> tuple[Tensor, Tensor]:
        batch = self.sampler.batch(self.rows[self.order(step)])
        rng = stream(self.seed, "step", step)
        self._add_noise(batch.z, rng)
        self.optimizer.clear()
        loss = self.net.loss(batch.z, batch.chunk, batch.weight, self.net.draws(rng, len(batch.z)))
        loss.backward()
        return loss.detach(), self.optimizer.step(step)

    def _add_noise(self, z: Tensor, rng: np.random.Generator) -> None:
        """Blur what the policy sees, in place, so that it cannot lean on digits that a robot will not repeat."""
        spec, described = self.spec, self.net.description
        seen = described.n_obs * described.observation_size
        parts = [
            (spec.input_noise, slice(0, seen)),
            (spec.last_action_noise, slice(seen, seen + described.action.size)),
        ]
        for size, part in parts:
            if size > 0 and z[:, part].numel():
                z[:, part] += size * torch.from_numpy(rng.standard_normal(z[:, part].shape, np.float32))

    def _row(self, done: int, train_loss: float, gradient_norm: float) -> dict[str, float]:
        if not (math.isfinite(train_loss) and math.isfinite(gradient_norm)):
            raise MotoriumError(
                "training diverged: the loss or its gradient is not finite",
                where=f"step {done}",
                got=f"loss {train_loss}, gradient norm {gradient_norm}",
                expected="finite numbers",
                remedy="lower learning_rate, or look for outliers in the data",
            )
        row = {"step": done, "train_loss": train_loss, "gradient_norm": gradient_norm}
        row["learning_rate"] = self.optimizer.learning_rate(done - 1)
        if len(self.held_rows) and (done % self.spec.validate_every == 0 or done == self.spec.steps):
            row |= self._validate()
            if self.spec.keep == "best" and row["validation_loss"] < self.best_row.get("validation_loss", math.inf):
                self.best, self.best_row = self.optimizer.average.clone(), row
        return row

    def _validate(self) -> dict[str, float]:
        """Return loss and error of the averaged weights on the validation episodes, with noise of their own."""
        self.optimizer.swap()
        try:
            with torch.no_grad():
                batch = self.sampler.batch(self.held_rows)
                rng = stream(self.seed, "validation")
                loss = self.net.loss(batch.z, batch.chunk, batch.weight, self.net.draws(rng, len(batch.z)))
                noise = torch.from_numpy(rng.standard_normal(batch.chunk.shape, np.float32))
                off = (self.net.predict(batch.z, noise) - batch.chunk).abs() * batch.weight
                error = off.sum() / batch.weight.sum().clamp(min=1.0)
        finally:
            self.optimizer.swap()
        return {"validation_loss": float(loss), "validation_error": float(error)}

    def finish(self, folder: Path, curve: list[dict], resumed_at: int, samples_per_s: float) -> Trained:
        """Write the policy folder."""
        last = self.best_row or curve[-1]
        if self.best_row:
            self.optimizer.average.copy_(self.best)
        self.optimizer.swap()
        parameters = sum(parameter.numel() for parameter in self.net.parameters())
        results = {
            key: last[key] for key in ("step", "train_loss", "validation_loss", "validation_error") if key in last
        }
        training = {
            "spec": self.spec.to_plain(),
            "seed": self.seed,
            "episodes": self.episodes,
            "windows": len(self.rows),
            "parameters": parameters,
            "results": results,
            "torch": torch.__version__,
        }
        save_policy(folder, self.net, replace(self.net.description, training=training))
        write_json(folder / CURVE, {"rows": curve})
        return Trained(
            folder=folder,
            parameters=parameters,
            steps=self.spec.steps,
            resumed_at=resumed_at,
            kept=last["step"],
            train_loss=last["train_loss"],
            validation_loss=last.get("validation_loss"),
            validation_error=last.get("validation_error"),
            samples_per_s=samples_per_s,
        )


def _log(metrics: Log | None, row: dict[str, float]) -> None:
    if metrics is not None:
        metrics.log(int(row["step"]), **{key: value for key, value in row.items() if key != "step"})
