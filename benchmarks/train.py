"""Training: samples a second on one core, beside a plain torch loop with the same network, batches and loss.

The plain loop is what a tutorial writes: a DataLoader over windows cut in Python, an optimiser over the list of
parameters, a deep copy as weight average. The three arms (ours, ours in float32 throughout, plain) alternate.

    python benchmarks/train.py [--steps 200] [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

EPISODES, LENGTH, STATE, ACTION = 200, 120, 33, 7


def make_data() -> Any:
    """Return random walks of the size of the pick-and-place task's data."""
    from motorium.core.features import vector
    from motorium.core.random import stream
    from motorium.learn.data import TrainingData

    rng, rows = stream(0, "benchmark"), EPISODES * LENGTH
    return TrainingData(
        observations={"observation.state": np.cumsum(rng.normal(0, 0.1, (rows, STATE)), axis=0)},
        actions=rng.normal(0, 1, (rows, ACTION)),
        starts=np.arange(EPISODES) * LENGTH,
        lengths=np.full(EPISODES, LENGTH),
        features={
            "observation.state": vector([f"s{i}" for i in range(STATE)], "1"),
            "action": vector([f"a{i}" for i in range(ACTION)], "1"),
        },
        control_hz=20.0,
    )


def ours(data: Any, steps: int, precision: str) -> float:
    """Train through the package; return CPU seconds."""
    from motorium.learn.imitation import train
    from motorium.learn.spec import TrainSpec

    spec = TrainSpec(steps=steps, precision=precision, validate_every=steps, checkpoint_every=steps, log_every=steps)
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        train(data, spec, Path(folder) / "policy", scratch=Path(folder) / "scratch", seed=0)
        return time.process_time() - start


def plain(data: Any, steps: int) -> float:
    """Train the same network as a tutorial would; return CPU seconds."""
    import copy
    import itertools

    import torch

    from motorium.learn.batches import describe
    from motorium.learn.policy import build
    from motorium.learn.spec import TrainSpec

    spec = TrainSpec()
    state, actions = data.observations["observation.state"], data.actions

    class Windows(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return len(actions)

        def __getitem__(self, row: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            end = (row // LENGTH + 1) * LENGTH
            at = np.arange(row, row + spec.horizon)
            return state[row], actions[np.minimum(at, end - 1)], (at < end).astype(np.float32)

    start = time.process_time()
    net = build(describe(data, spec))
    average = copy.deepcopy(net)
    optimizer = torch.optim.AdamW(net.parameters(), lr=spec.learning_rate, weight_decay=spec.weight_decay)
    loader = torch.utils.data.DataLoader(Windows(), batch_size=spec.batch, shuffle=True, drop_last=True)
    rng = np.random.default_rng(0)
    epochs = itertools.chain.from_iterable(itertools.repeat(loader))
    for seen, chunk, real in itertools.islice(epochs, steps):
        weight = real[:, :, None].expand_as(chunk)
        optimizer.zero_grad()
        loss = net.loss(seen, chunk, weight, net.draws(rng, len(seen)))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), spec.clip)
        optimizer.step()
        with torch.no_grad():
            for kept, parameter in zip(average.parameters(), net.parameters(), strict=True):
                kept.lerp_(parameter, 0.01)
    return time.process_time() - start


def main() -> None:
    """Run the arms in turn and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()

    import torch

    torch.set_num_threads(1)
    data = make_data()
    arms: dict[str, Callable[[], float]] = {
        "motorium": lambda: ours(data, args.steps, "medium"),
        "motorium_float32": lambda: ours(data, args.steps, "highest"),
        "plain_torch": lambda: plain(data, args.steps),
    }
    ours(data, 10, "medium")
    spent: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(args.rounds):
        for name, arm in arms.items():
            spent[name].append(arm())
    middle = {name: statistics.median(seconds) for name, seconds in spent.items()}
    result = {
        "steps": args.steps,
        "batch": 256,
        "samples_per_cpu_s": {name: round(256 * args.steps / seconds) for name, seconds in middle.items()},
        "cpu_s_of_4000_steps": {name: round(4000 * seconds / args.steps, 1) for name, seconds in middle.items()},
        "ratio_to_plain_torch": {
            name: round(statistics.median(a / b for a, b in zip(spent["plain_torch"], spent[name], strict=True)), 2)
            for name in arms
        },
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
