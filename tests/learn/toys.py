"""Small training sets whose right answer is known in closed form, and what tests need to train on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from motorium.core.features import vector
from motorium.core.random import stream
from motorium.learn.data import TrainingData
from motorium.learn.imitation import Trained, train
from motorium.learn.spec import TrainSpec

STATE = "observation.state"
GOAL = "observation.goal"

SMALL = {
    "horizon": 4,
    "execute": 2,
    "width": 32,
    "hidden": 32,
    "blocks": 1,
    "steps": 60,
    "batch": 32,
    "warmup": 10,
    "log_every": 10,
    "validate_every": 20,
    "checkpoint_every": 20,
}


def small_spec(**changes) -> TrainSpec:
    """Return a spec that trains in a fraction of a second."""
    return TrainSpec.parse({**SMALL, **changes})


def make_data(state: np.ndarray, actions: np.ndarray, lengths: list[int], gap: int = 0, **more) -> TrainingData:
    """Return data of consecutive episodes with `gap` rows that belong to none after each."""
    starts = np.cumsum([0] + [length + gap for length in lengths])[: len(lengths)]
    names = [f"x{i}" for i in range(state.shape[1])], [f"a{i}" for i in range(actions.shape[1])]
    return TrainingData(
        observations={STATE: state},
        actions=actions,
        starts=starts,
        lengths=np.array(lengths),
        features={STATE: vector(names[0], "m", "world"), "action": vector(names[1], "m/s")},
        control_hz=20.0,
        conventions={"length": "m"},
        **more,
    )


def wandering(episodes: int = 8, length: int = 15, seed: int = 0, gap: int = 0) -> TrainingData:
    """Return random walks in 3-D with 2-D actions that depend on the state."""
    rng = stream(seed, "wandering")
    rows = episodes * (length + gap)
    state = np.cumsum(rng.normal(0, 0.1, (rows, 3)), axis=0).astype(np.float32)
    actions = np.stack([np.sin(state[:, 0]), state[:, 1] * state[:, 2]], axis=1).astype(np.float32)
    return make_data(state, actions, [length] * episodes, gap)


def trained(tmp_path: Path, data: TrainingData | None = None, seed: int = 0, **changes) -> Trained:
    """Train a small policy in `tmp_path` and return what came of it."""
    spec = small_spec(**changes)
    return train(data or wandering(), spec, tmp_path / "policy", scratch=tmp_path / "scratch", seed=seed)
