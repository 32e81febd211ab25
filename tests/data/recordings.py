"""Small recordings for the tests of data: their content is a formula, so that what is read can be checked."""

import hashlib
from pathlib import Path

import numpy as np

from motorium.core.features import Feature, vector
from motorium.data.episode import Episode
from motorium.data.writer import DatasetSpec

FPS = 20.0
STATE, ACTION, FRONT, WRIST = "observation.state", "action", "observation.images.front", "observation.images.wrist"
SIZE = (32, 48, 3)


def picture_feature(dtype: str = "video", shape: tuple[int, int, int] = SIZE) -> Feature:
    return Feature(dtype=dtype, shape=shape, names=("height", "width", "channels"))


def make_spec(*cameras: str, **changes) -> DatasetSpec:
    features = {
        STATE: vector(("shoulder", "elbow", "wrist"), "rad"),
        **{camera: picture_feature() for camera in cameras},
        ACTION: vector(("shoulder", "elbow"), "rad/s", frame="base"),
        "next.success": Feature(dtype="bool", shape=(1,)),
    }
    values = {"fps": FPS, "features": features, "robot_type": "toy", "conventions": {"rotation": "w first"}}
    return DatasetSpec(**{**values, **changes})


def make_episode(number: int, length: int, *cameras: str, task: str | None = None) -> Episode:
    """State is (number, step, number * step), so that a row says where it is from."""
    steps = np.arange(length)
    state = np.stack([np.full(length, number), steps, number * steps], axis=1)
    return Episode(
        arrays={
            STATE: state.astype(np.float32),
            ACTION: np.stack([np.sin(steps + number), np.cos(steps)], axis=1).astype(np.float32),
            "next.success": (steps == length - 1)[:, None],
        },
        task=task or f"task {number % 2}",
        frames={camera: make_pictures(number, length, place) for place, camera in enumerate(cameras)},
        meta={"seed": number, "outcome": "success"},
    )


def make_pictures(number: int, length: int, camera: int = 0) -> np.ndarray:
    """Flat grey pictures with a bright left half: the level tells episode, step and camera apart after encoding."""
    levels = 20 + (37 * number + 11 * np.arange(length) + 90 * camera) % 160
    pictures = np.empty((length, *SIZE), np.uint8)
    pictures[:] = levels[:, None, None, None]
    pictures[:, :, : SIZE[1] // 2] += 60
    return pictures


def folder_digest(root: Path) -> dict[str, str]:
    """Return the SHA-256 of every file under `root`."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
