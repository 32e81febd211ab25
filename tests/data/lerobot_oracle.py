"""Runs under a Python that has LeRobot 0.4.4, not under Motorium's: reads or writes a dataset with LeRobot itself.

    python lerobot_oracle.py read ROOT OUT.npz      every frame as LeRobot hands it to a trainer
    python lerobot_oracle.py write ROOT IN.npz      a dataset of the arrays in IN.npz

docs/lerobot-oracle.md says how to make such an environment.
"""

import json
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

HORIZON = 4


def link_ffmpeg() -> None:
    """Let torchcodec find FFmpeg: PyAV's wheel has the libraries, under names that carry a hash."""
    if os.environ.get("ORACLE_LINKED"):
        return
    import av

    libraries = Path(av.__file__).parents[1] / "av.libs"
    links = Path(tempfile.mkdtemp(prefix="oracle-ffmpeg-"))
    for path in libraries.glob("*.so*"):
        match = re.fullmatch(r"(lib(?:av|sw)\w+)-[0-9a-f]+\.so\.(\d+)[.\d]*", path.name)
        if match:
            (links / f"{match[1]}.so.{match[2]}").symlink_to(path)
    environment = {
        **os.environ,
        "ORACLE_LINKED": str(links),
        "LD_LIBRARY_PATH": f"{links}:{libraries}",
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_CACHE": str(links / "cache"),
    }
    os.execve(sys.executable, [sys.executable, *sys.argv], environment)


def import_lerobot():
    """Import LeRobot; its torchvision has operators for CUDA only, which must be known before it is imported."""
    import torch

    for definition in (
        "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
        "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    ):
        torch.library.define(f"torchvision::{definition.split('(')[0]}", "(" + definition.split("(", 1)[1])
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    return LeRobotDataset


def read(root: str, out: str) -> None:
    """Save every item of a dataset, an action window of HORIZON steps with its padding, stats and metadata."""
    import numpy as np

    LeRobotDataset = import_lerobot()
    plain = LeRobotDataset("local/oracle", root=root, video_backend="torchcodec")
    deltas = {"action": [i / plain.fps for i in range(HORIZON)]}
    dataset = LeRobotDataset("local/oracle", root=root, video_backend="torchcodec", delta_timestamps=deltas)
    columns: dict[str, list] = {}
    for index in range(len(dataset)):
        for key, value in dataset[index].items():
            columns.setdefault(key, []).append(value if isinstance(value, str) else value.numpy())
    arrays = {f"item/{key}": np.array(values) for key, values in columns.items()}
    for key, statistics in dataset.meta.stats.items():
        arrays |= {f"stats/{key}/{name}": np.asarray(value) for name, value in statistics.items()}
    arrays["features"] = np.array(json.dumps(dataset.meta.features, default=str))
    arrays["episodes"] = np.array([dataset.num_episodes, dataset.num_frames, dataset.fps])
    np.savez(out, **arrays)


def write(root: str, source: str) -> None:
    """Record the episodes of an npz (`state`, `action`, `top`, `length`) with LeRobot."""
    import numpy as np

    LeRobotDataset = import_lerobot()
    given = np.load(source)
    height, width = given["top"].shape[1:3]
    axes = ["height", "width", "channels"]
    features = {
        "observation.state": {"dtype": "float32", "shape": (given["state"].shape[1],), "names": None},
        "action": {"dtype": "float32", "shape": (given["action"].shape[1],), "names": None},
        "observation.images.top": {"dtype": "video", "shape": (height, width, 3), "names": axes},
        "observation.images.png": {"dtype": "image", "shape": (height, width, 3), "names": axes},
    }
    dataset = LeRobotDataset.create("local/oracle", fps=10, features=features, root=root, robot_type="arm")
    row = 0
    for number, length in enumerate(given["length"]):
        for _ in range(length):
            frame = {"observation.state": given["state"][row], "action": given["action"][row]}
            pictures = {"observation.images.top": given["top"][row], "observation.images.png": given["top"][row]}
            dataset.add_frame({**frame, **pictures, "task": f"task {number % 2}"})
            row += 1
        dataset.save_episode()
    dataset.finalize()


if __name__ == "__main__":
    link_ffmpeg()
    try:
        {"read": read, "write": write}[sys.argv[1]](sys.argv[2], sys.argv[3])
    finally:
        shutil.rmtree(os.environ["ORACLE_LINKED"])
