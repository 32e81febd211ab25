"""Writes LeRobot v2.1 folders for tests, by the format's description and without the code under test."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from motorium.data.dataset import Dataset
from motorium.data.video_write import copy_clip

AXES = ["height", "width", "channel"]


def write_v21(source: Dataset, root):
    """Write `source` as v2.1: one parquet file and one mp4 an episode, tables in JSON lines."""
    (root / "meta").mkdir(parents=True)
    (root / "data/chunk-000").mkdir(parents=True)
    features = {}
    for key, feature in source.features.items():
        # v2.1 recorders nest the names of vectors.
        names = AXES if feature.visual else ([list(feature.names)] if feature.names else None)
        features[key] = {"dtype": feature.dtype, "shape": list(feature.shape), "names": names}
    for key, dtype in {"timestamp": "float32", **dict.fromkeys(("frame_index", "episode_index"), "int64")}.items():
        features[key] = {"dtype": dtype, "shape": [1], "names": None}
    for key in ("index", "task_index"):
        features[key] = {"dtype": "int64", "shape": [1], "names": None}
    info = {
        "codebase_version": "v2.1",
        "robot_type": source.robot_type,
        "total_episodes": source.num_episodes,
        "total_frames": source.num_frames,
        "total_tasks": len(source.tasks),
        "total_videos": 0,
        "total_chunks": 1,
        "chunks_size": 1000,
        "fps": int(source.fps),
        "splits": {"train": f"0:{source.num_episodes}"},
        "data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
        "video_path": "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4",
        "features": features,
    }
    (root / "meta/info.json").write_text(json.dumps(info, indent=4))
    lines(root / "meta/tasks.jsonl", [{"task_index": i, "task": task} for i, task in enumerate(source.tasks)])
    episodes = [source.episode(index) for index in range(source.num_episodes)]
    rows = [{"episode_index": i, "tasks": [e.task], "length": e.length} for i, e in enumerate(episodes)]
    lines(root / "meta/episodes.jsonl", rows)
    for index, episode in enumerate(episodes):
        table = {key: column(array) for key, array in episode.arrays.items()}
        steps = np.arange(episode.length)
        table |= {
            "timestamp": pa.array((steps / source.fps).astype(np.float32)),
            "frame_index": pa.array(steps),
            "episode_index": pa.array(np.full(episode.length, index)),
            "index": pa.array(steps + int(source.starts[index])),
            "task_index": pa.array(np.full(episode.length, source.tasks.index(episode.task))),
        }
        pq.write_table(pa.table(table), root / f"data/chunk-000/episode_{index:06d}.parquet")
        for camera in source.cameras:
            path = root / f"videos/chunk-000/{camera}/episode_{index:06d}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            span = source.video_span(index, camera)
            assert copy_clip(span.path, path, span.from_s, range(episode.length), source.fps)


def column(array):
    return pa.array(array.reshape(-1)) if array.shape[1] == 1 else pa.array(array.tolist(), pa.list_(pa.float32()))


def lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
