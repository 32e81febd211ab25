"""Where the files of a LeRobot dataset are, and how its path templates are filled without leaving the folder."""

from __future__ import annotations

import os
import re
import shlex
from hashlib import sha256
from pathlib import Path

from motorium.core.errors import DataError
from motorium.core.features import Feature

INFO_PATH = "meta/info.json"
STATS_PATH = "meta/stats.json"
TASKS_PATH = "meta/tasks.parquet"
CONVENTIONS_PATH = "meta/motorium.json"
EPISODES_PATH = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
ATTACHMENT_PATH = "attachments/{digest}/{name}"
EXTRA_VIDEO_PATH = "extra_videos/{video_key}/episode_{episode_index:06d}.mp4"

DATA_PATH_V21 = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
VIDEO_PATH_V21 = "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"
EPISODES_PATH_V21 = "meta/episodes.jsonl"
STATS_PATH_V21 = "meta/episodes_stats.jsonl"
TASKS_PATH_V21 = "meta/tasks.jsonl"
MODALITY_PATH = "meta/modality.json"

# Where Motorium keeps what it knows of an episode: columns of v3.0, keys of a line of v2.x; JSON.
META_COLUMN, ATTACHMENTS_COLUMN = "motorium/meta", "motorium/attachments"

STAGING_DIR = ".recording"

CHUNK_FILES = 1000
MIB = 1024**2

# LeRobot appends these to every dataset, in this order.
AUTOMATIC = {
    "timestamp": Feature(dtype="float32", shape=(1,)),
    "frame_index": Feature(dtype="int64", shape=(1,)),
    "episode_index": Feature(dtype="int64", shape=(1,)),
    "index": Feature(dtype="int64", shape=(1,)),
    "task_index": Feature(dtype="int64", shape=(1,)),
}

# A frame belongs to a time when it is at most this far from it; LeRobot's own tolerance.
TOLERANCE_S = 1e-4

# What Linux opens.
LONGEST_PATH, LONGEST_NAME = 4095, 255
WIDEST_NUMBER = 20

_FIELD = re.compile(r"\{(\w+)(?::0?(\d+)d)?\}")


def fill(template: str, where: object, **values: str | int) -> str:
    """Return `template` with its `{field}` and `{field:03d}` replaced: a relative path, with forward slashes.

    Only plain fields are known, so that a template from a stranger's file can neither reach into objects
    (as `str.format` would) nor out of the dataset's folder.

    Raises:
        DataError: for an unknown field, a stray brace, an absolute path or a `..`.
    """

    def one(match: re.Match) -> str:
        name, width = match.groups()
        if name not in values:
            raise _bad_template(template, where, f"unknown field '{name}'", f"fields {sorted(values)}")
        value = values[name]
        if width and int(width[:4]) > WIDEST_NUMBER:
            raise _bad_template(template, where, f"a number of {width[:20]} digits", f"at most {WIDEST_NUMBER}")
        return f"{value:0{int(width)}d}" if width and isinstance(value, int) else str(value)

    path = _FIELD.sub(one, template)
    if "{" in path or "}" in path:
        raise _bad_template(template, where, "a stray brace", "fields such as {file_index:03d}")
    return safe_relative(path, where)


def safe_relative(path: str, where: object) -> str:
    """Return `path` when it stays inside the folder it is relative to.

    Raises:
        DataError: when it is absolute, holds `..`, a backslash, a drive or a NUL.
    """
    parts = path.split("/")
    if not path or path.startswith(("/", "~")) or ".." in parts or any(c in path for c in "\\\0:"):
        raise DataError(
            "a path leaves the dataset's folder",
            where=where,
            got=repr(path),
            expected="a relative path without '..'",
            remedy="do not trust this dataset; correct the path if it is your own",
        )
    if len(path) > LONGEST_PATH or any(len(part.encode("utf-8", "replace")) > LONGEST_NAME for part in parts):
        raise DataError("a path is too long", where=where, got=f"{path[:80]}... ({len(path):,} characters)")
    return path


def numbered_files(root: Path, template: str, where: object = INFO_PATH) -> list[tuple[tuple[int, ...], Path]]:
    """Return the existing files that match a template of numbers, with these numbers, in their order."""
    safe_relative(_FIELD.sub("0", template), where)
    pattern = re.compile(
        "".join(
            re.escape(part) if i % 3 == 0 else (r"(\d+)" if i % 3 == 1 else "")
            for i, part in enumerate(_split(template))
        )
    )
    found = []
    for path in root.glob(_FIELD.sub("*", template)):
        match = pattern.fullmatch(path.relative_to(root).as_posix())
        if match:
            found.append((tuple(int(number) for number in match.groups()), path))
    return sorted(found)


def _split(template: str) -> list[str]:
    return [part or "" for part in _FIELD.split(template)]


def check_key(key: str, where: object) -> None:
    """Check that a feature key may become a folder and a column name.

    Raises:
        DataError: when it is empty, hidden, or holds a slash or another unsafe character.
    """
    if not re.fullmatch(r"[A-Za-z0-9_][\w.\- ]*", key) or ".." in key:
        raise DataError(
            f"'{key}' cannot name a feature",
            where=where,
            expected="letters, digits, '_', '-' and single '.', such as observation.images.front",
        )


def attachment_path(name: str, content: bytes, where: object) -> str:
    """Return where a file that belongs to an episode is kept: by content, so that episodes share what is equal.

    Raises:
        DataError: when `name` is no plain file name.
    """
    if not re.fullmatch(r"[A-Za-z0-9_][\w.\-]{0,99}", name) or ".." in name:
        raise DataError("this cannot name an attachment", where=where, got=repr(name), expected="a name as map.json")
    return fill(ATTACHMENT_PATH, where, digest=sha256(content).hexdigest()[:32], name=name)


def chunk_and_file(number: int, chunk_files: int = CHUNK_FILES) -> tuple[int, int]:
    """Return (chunk_index, file_index) of the `number`-th file."""
    return divmod(number, chunk_files)


def _bad_template(template: str, where: object, got: str, expected: str) -> DataError:
    return DataError(f"path template '{template}' is not valid", where=where, got=got, expected=expected)


def no_dataset(path: Path, got: str, expected: str = "a folder with meta/info.json, as LeRobot v3.0 has") -> DataError:
    """Return the error for what is no dataset, or not yet; with what to do about each."""
    if not os.path.lexists(path):
        return DataError("there is no such dataset", where=path, expected="a folder")
    return DataError(
        "this is no dataset that can be read",
        where=path,
        got=got if path.is_dir() else "a file, where a dataset is a folder",
        expected=expected,
        remedy=f"`motorium inspect {shlex.quote(str(path))}` says what it is;"
        f" `motorium ingest {shlex.quote(str(path))}` makes a dataset of a recording",
    )
