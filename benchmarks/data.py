"""Data: reading windows, decoding and writing, each against the plain way of doing it, per CPU-second.

Arms of one comparison take turns, so that both meet the same machine.

    python benchmarks/data.py
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import av
import numpy as np
import pyarrow.parquet as pq

from motorium.core.features import Feature, vector
from motorium.data.convert import copy_spec
from motorium.data.dataset import Dataset, open_dataset
from motorium.data.episode import Episode
from motorium.data.video_write import PROFILES, encode
from motorium.data.writer import DatasetSpec, DatasetWriter

STATE, ACTION, CAMERA = "observation.state", "action", "observation.images.front"
JOINTS, HORIZON, BATCH = 26, 16, 32
EPISODES, STEPS, PICTURE_STEPS = 20, 360, 120
HEIGHT, WIDTH = 240, 320
FPS = 30


def make_episode(number: int, steps: int, pictures: bool) -> Episode:
    """Return a recording of smooth motion, with a soft pattern that moves across the pictures."""
    random = np.random.default_rng(number)
    state = np.cumsum(random.normal(0, 0.01, (steps, JOINTS)), axis=0).astype(np.float32)
    frames = {}
    if pictures:
        y, x = np.mgrid[0:HEIGHT, 0:WIDTH] / 40.0
        noise = random.normal(0, 3, (HEIGHT, WIDTH, 3))
        levels = [120 + 90 * np.sin(x + 0.05 * t) * np.cos(y - 0.03 * t) for t in range(steps)]
        frames[CAMERA] = np.stack([np.clip(level[..., None] + noise, 0, 255).astype(np.uint8) for level in levels])
    return Episode(arrays={STATE: state, ACTION: np.roll(state, -1, axis=0)}, task="benchmark", frames=frames)


def make_dataset(root: Path, episodes: list[Episode]) -> Dataset:
    """Write episodes and open them."""
    names = [f"joint_{number}" for number in range(JOINTS)]
    features = {STATE: vector(names, "rad"), ACTION: vector(names, "rad")}
    if episodes[0].frames:
        features[CAMERA] = Feature(dtype="video", shape=(HEIGHT, WIDTH, 3))
    with DatasetWriter(root, spec=DatasetSpec(fps=FPS, features=features, durable=False)) as writer:
        for episode in episodes:
            writer.add(episode)
    return open_dataset(root)


def race(arms: dict[str, Callable[[], int]], seconds: float) -> dict[str, float]:
    """Return items per CPU-second of each arm, run in turns for `seconds` of CPU time each."""
    done, used = dict.fromkeys(arms, 0), dict.fromkeys(arms, 0.0)
    for arm in arms.values():
        arm()
    while min(used.values()) < seconds:
        for name, arm in arms.items():
            start = time.process_time()
            done[name] += arm()
            used[name] += time.process_time() - start
    return {name: done[name] / used[name] for name in arms}


def windows(dataset: Dataset) -> dict[str, Callable[[], int]]:
    """State and a window of actions for random steps, as training asks for them."""
    random = np.random.default_rng(0)
    table = pq.read_table(dataset.root / "data/chunk-000/file-000.parquet").combine_chunks()
    last = dataset.starts + dataset.lengths - 1
    columns = (dataset.column(STATE), dataset.column(ACTION))

    def pick() -> np.ndarray:
        return random.integers(0, dataset.num_frames, BATCH)

    def ours() -> int:
        rows = pick()
        ends = last[np.searchsorted(dataset.starts, rows, side="right") - 1]
        return len(columns[0][rows]) * bool(
            columns[1][np.minimum(rows[:, None] + np.arange(HORIZON), ends[:, None])].size
        )

    def plain() -> int:
        for row in pick():
            piece = table.slice(int(row), HORIZON)
            np.array(piece.column(STATE)[0].as_py(), np.float32)
            np.stack(piece.column(ACTION).to_numpy())
        return BATCH

    return {"motorium": ours, "arrow rows": plain}


def decoding(dataset: Dataset) -> dict[str, Callable[[], int]]:
    """Every frame of an episode in order."""
    span = dataset.video_span(0, CAMERA)

    def plain() -> int:
        with av.open(str(span.path)) as container:
            container.streams.video[0].codec_context.thread_count = 1
            frames = [
                frame.to_ndarray(format="rgb24") for frame, _ in zip(container.decode(video=0), range(PICTURE_STEPS))
            ]
        return len(frames)

    return {"motorium": lambda: len(dataset.frames(0, CAMERA)), "plain PyAV": plain}


def encoding(folder: Path, frames: np.ndarray) -> dict[str, Callable[[], int]]:
    """The two profiles on the same pictures."""

    def arm(name: str) -> Callable[[], int]:
        def run() -> int:
            encode(folder / f"{name}.mp4", frames, FPS, PROFILES[name])
            return len(frames)

        return run

    return {name: arm(name) for name in PROFILES}


def copying(folder: Path, dataset: Dataset) -> dict[str, Callable[[], int]]:
    """A dataset into a new one: packets as they are, or decoded and encoded again."""
    count = iter(range(10**6))

    def copy() -> int:
        with DatasetWriter(folder / f"copy-{next(count)}", spec=copy_spec(dataset)) as writer:
            for index in range(dataset.num_episodes):
                writer.add_copy(dataset, index)
        return dataset.num_frames

    def again() -> int:
        episodes = [dataset.episode(index) for index in range(dataset.num_episodes)]
        frames = [{CAMERA: dataset.frames(index, CAMERA)} for index in range(dataset.num_episodes)]
        with DatasetWriter(folder / f"again-{next(count)}", spec=copy_spec(dataset)) as writer:
            for one, pictures in zip(episodes, frames):
                writer.add(Episode(arrays=one.arrays, task=one.task, frames=pictures))
        return dataset.num_frames

    return {"packets": copy, "decode and encode": again}


def measure(seconds: float) -> dict[str, Any]:
    """Return rates of every comparison, and the ratio of its first arm to its second."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [make_episode(number, STEPS, pictures=False) for number in range(EPISODES)]
        start = time.process_time()
        numbers = make_dataset(folder / "numbers", rows)
        writing_s = time.process_time() - start
        filmed = make_dataset(folder / "filmed", [make_episode(i, PICTURE_STEPS, pictures=True) for i in range(2)])
        frames = make_episode(0, PICTURE_STEPS, pictures=True).frames[CAMERA]
        result: dict[str, Any] = {"writing, steps without pictures": {"motorium": EPISODES * STEPS / writing_s}}
        arms = {
            "windows": windows(numbers),
            "decoding, frames": decoding(filmed),
            "encoding, frames": encoding(folder, frames),
            "copying, frames": copying(folder, filmed),
        }
        for what, compared in arms.items():
            rates = race(compared, seconds)
            first, second = rates
            result[what] = {**rates, "ratio": rates[first] / rates[second]}
        result["bytes a frame"] = {name: (folder / f"{name}.mp4").stat().st_size / len(frames) for name in PROFILES}
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="CPU time of each arm")
    print(json.dumps(measure(parser.parse_args().seconds), indent=2))


if __name__ == "__main__":
    main()
