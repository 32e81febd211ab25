"""LeRobot v2.1: one parquet file and one mp4 an episode, tables in JSON lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from motorium.core.errors import DataError
from motorium.data.contents import Contents, EpisodeEntry, VideoSpan
from motorium.data.info import Info, read_info
from motorium.data.layout import EPISODES_PATH_V21, INFO_PATH, STATS_PATH_V21, TASKS_PATH_V21, fill
from motorium.data.statistics import Statistics, from_plain

KNOWN = ("episode_index", "tasks", "length")


class LeRobotV21:
    """Reader of LeRobot v2.1 folders."""

    def recognise(self, root: Path) -> bool:
        """Whether the folder has v2.1's list of episodes."""
        return (root / EPISODES_PATH_V21).is_file()

    def read(self, root: Path) -> Contents:
        """Read info, tasks and episodes.

        Raises:
            DataError: when they are malformed or disagree.
        """
        info = read_info(root)
        episodes = [_entry(root, info, row) for row in _read_lines(root / EPISODES_PATH_V21, KNOWN)]
        data_files = [
            root / fill(info.data_path, root / INFO_PATH, **_numbers(info, entry.index)) for entry in episodes
        ]
        for entry, path in zip(episodes, data_files):
            if not path.is_file():
                raise DataError(
                    "a data file is missing",
                    where=path,
                    expected=f"the rows of episode {entry.index}",
                    remedy="fetch or copy it again",
                )
        tasks = {
            row["task_index"]: str(row["task"]) for row in _read_lines(root / TASKS_PATH_V21, ("task_index", "task"))
        }
        if sorted(tasks) != list(range(len(tasks))):
            raise DataError("task indices are not 0 to N - 1", where=root / TASKS_PATH_V21, got=sorted(tasks)[:10])
        return Contents(
            info=info,
            data_files=data_files,
            tasks=[tasks[index] for index in range(len(tasks))],
            episodes=episodes,
            statistics=lambda: _read_statistics(root, len(episodes)),
            problems=list(info.problems),
        )


def _numbers(info: Info, index: int) -> dict[str, int]:
    return {"episode_chunk": index // info.chunk_files, "episode_index": index}


def _entry(root: Path, info: Info, row: dict[str, Any]) -> EpisodeEntry:
    index, length = row["episode_index"], row["length"]
    if not isinstance(index, int) or not isinstance(length, int):
        raise DataError("an episode has no index or length", where=root / EPISODES_PATH_V21, got=(index, length))
    videos = {}
    for key, feature in info.features.items():
        if feature.dtype != "video":
            continue
        if info.video_path is None:
            raise DataError(
                f"nothing says where the video of '{key}' is", where=root / INFO_PATH, expected="video_path"
            )
        path = fill(info.video_path, root / INFO_PATH, video_key=key, **_numbers(info, index))
        videos[key] = VideoSpan(path=root / path, from_s=0.0)
    return EpisodeEntry(
        index=index,
        length=length,
        tasks=tuple(str(task) for task in row["tasks"]),
        start=None,
        videos=videos,
        meta={key: value for key, value in row.items() if key not in KNOWN},
    )


def _read_lines(path: Path, keys: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the rows of a JSON lines file, each with all of `keys`."""
    try:
        # Not splitlines: it also cuts at separators that may stand within a text.
        lines = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        raise DataError("a file of the dataset is missing", where=path, remedy="fetch or copy it again") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError("a file of the dataset cannot be read", where=path, got=error) from error
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError("a line is not JSON", where=f"{path}, line {number}", got=error) from error
        missing = [key for key in keys if not isinstance(row, dict) or key not in row]
        if missing:
            raise DataError("a line lacks keys", where=f"{path}, line {number}", got=line[:120], expected=missing)
        rows.append(row)
    return rows


def _read_statistics(root: Path, count: int) -> list[dict[str, Statistics]]:
    """Statistics of each episode; none where the file is absent or has other episodes."""
    path = root / STATS_PATH_V21
    if not path.exists():
        return [{} for _ in range(count)]
    by_index = {row["episode_index"]: row["stats"] for row in _read_lines(path, ("episode_index", "stats"))}
    return [{key: from_plain(value) for key, value in by_index.get(i, {}).items()} for i in range(count)]


FORMAT = LeRobotV21()
