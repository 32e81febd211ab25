"""Dataset: a read-only view of a LeRobot v3.0, v2.1 or v2.0 directory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from motorium.core.errors import DataError
from motorium.core.features import Feature
from motorium.data.bounds import read_metadata, within_memory
from motorium.data.contents import Contents, VideoSpan
from motorium.data.episode import Episode
from motorium.data.formats import FORMATS
from motorium.data.index import OnFault, RowIndex, read_rows
from motorium.data.info import read_json
from motorium.data.layout import (
    AUTOMATIC,
    INFO_PATH,
    STAGING_DIR,
    STATS_PATH,
    TOLERANCE_S,
    no_dataset,
    safe_relative,
)
from motorium.data.links import check_links
from motorium.data.rows import WHOLE_BYTES, RowReader
from motorium.data.statistics import Statistics, from_plain
from motorium.data.tables import UNREADABLE, from_arrow, open_parquet, read_columns
from motorium.data.video_read import decode_image, shared_reader

PICTURES_AT_ONCE = 32


class Dataset:
    """A read-only view of a LeRobot directory; made by `open_dataset`.

    Attributes:
        root: the directory.
        version: `v3.0`, `v2.1` or `v2.0`.
        features: without the automatic columns. Cameras in it have pictures for every episode, as far as the
            metadata say: `missing_videos` tells which files are absent.
        fps: steps in a second.
        robot_type: as recorded, or None.
        tasks: instructions by task index.
        conventions: units, frames and orders in words; {} where the dataset states none.
        lengths, starts: (E,) int64, steps of each episode and row of its first step, from the data itself.
        problems: what was stale, unknown or ignored while opening, in words; worth showing, not fatal.
    """

    def __init__(self, root: Path, contents: Contents, rows: RowIndex, nonfinite: OnFault, times: OnFault) -> None:
        info = contents.info
        self.root = root
        self.version = info.version
        self.features: dict[str, Feature] = dict(info.features)
        self.fps = info.fps
        self.robot_type = info.robot_type
        self.tasks = list(contents.tasks)
        self.conventions = dict(info.conventions)
        self.extra_cameras: dict[str, Feature] = dict(info.extra_cameras)
        self.lengths, self.starts = rows.lengths, rows.starts
        self.problems = [*contents.problems, *rows.problems]
        self._contents, self._rows = contents, rows
        self._nonfinite, self._times = nonfinite, times
        self._columns: dict[str, NDArray] = dict(rows.columns)
        self._reader = RowReader(rows.files)
        self._statistics: list[dict[str, Statistics]] | None = None

    def __reduce__(self):
        # Arrays and decoders stay behind: another process opens the directory itself.
        return _reopen, (self.root, self._nonfinite, self._times)

    @property
    def num_episodes(self) -> int:
        """E."""
        return len(self.lengths)

    @property
    def num_frames(self) -> int:
        """N, steps of all episodes together."""
        return int(self.lengths.sum())

    @property
    def nonfinite(self) -> OnFault:
        """What happens to columns with numbers that are not finite; see `open_dataset`."""
        return self._nonfinite

    @property
    def data_files(self) -> list[Path]:
        """The files that hold the columns, in the order of their rows."""
        return [path for path, _, _ in self._rows.files]

    @property
    def cameras(self) -> list[str]:
        """Cameras that `frames` knows: those in `features`, then those that only some episodes have."""
        return [key for key, feature in self.features.items() if feature.visual] + list(self.extra_cameras)

    def column(self, key: str) -> NDArray:
        """Return a feature over all steps of all episodes: (N, *shape), contiguous, read-only, read once.

        Automatic columns (`timestamp`, `frame_index`, `episode_index`, `index`, `task_index`) are (N,).

        Raises:
            DataError: when there is no such column, it is a camera, or it holds numbers that are not finite
                (unless opened with `nonfinite="keep"`).
        """
        if key not in self._columns:
            self._check_column(key)
            with within_memory(f"{self.root}, '{key}'"):
                parts = [
                    self._decode(key, read_columns(path, [key]).column(key), path) for path in self._contents.data_files
                ]
                whole = np.concatenate(parts) if len(parts) > 1 else parts[0]
            if self._nonfinite == "error":
                self._check_finite(key, whole)
            whole.flags.writeable = False
            self._columns[key] = whole
        return self._columns[key]

    def rows(self, key: str, start: int, stop: int) -> NDArray:
        """Return rows [start, stop) of a feature: (stop - start, *shape), read-only, without reading the rest.

        Read in order, each row group is read once; nothing but the last one is kept.

        Raises:
            DataError: as `column`, or when there are no such rows.
        """
        if not 0 <= start <= stop <= self.num_frames:
            raise DataError("there are no such rows", where=self.root, got=(start, stop), expected=(0, self.num_frames))
        if key in self._columns or start == stop:
            return self.column(key)[start:stop]
        self._check_column(key)
        with within_memory(f"{self.root}, '{key}'"):
            found = self._reader.read(key, start, stop, lambda column, path: self._decode(key, column, path))
        if self._nonfinite == "error":
            self._check_finite(key, found, first=start)
        found = found.view()
        found.flags.writeable = False
        return found

    @property
    def column_bytes(self) -> int:
        """What all columns take in memory together; text counts by its references."""
        numbers = [one for one in self.features.values() if not one.visual]
        width = sum(one.size * (8 if one.dtype == "string" else np.dtype(one.dtype).itemsize) for one in numbers)
        return self.num_frames * width

    def episode(self, index: int) -> Episode:
        """Return one episode without its pictures; its arrays are read-only.

        Views of the columns, where those are not too large to be read whole; else only its own rows are read.

        Raises:
            DataError: when there is no such episode, or as `column`.
        """
        rows = self._slice(index)
        keys = [key for key, one in self.features.items() if not one.visual]
        if self.column_bytes <= WHOLE_BYTES:
            arrays = {key: self.column(key)[rows] for key in keys}
        else:
            arrays = {key: self.rows(key, rows.start, rows.stop) for key in keys}
        task = int(self._columns["task_index"][rows.start])
        meta = dict(self._contents.episodes[index].meta)
        return Episode(arrays=arrays, task=self.tasks[task], meta=meta, steps=rows.stop - rows.start)

    def meta(self, index: int) -> dict[str, Any]:
        """Return what the table of episodes says of one beside its length and tasks; reads no data.

        Raises:
            DataError: when there is no such episode.
        """
        self._slice(index)
        return dict(self._contents.episodes[index].meta)

    def attachments(self, index: int) -> list[str]:
        """Return the names of the files that belong to an episode, such as `map.json`."""
        self._slice(index)
        return sorted(self._contents.episodes[index].attachments)

    def attachment(self, index: int, name: str) -> bytes | None:
        """Return the content of a file that belongs to an episode; None when it has none of that name.

        Raises:
            DataError: when there is no such episode, or the file is gone.
        """
        self._slice(index)
        path = self._contents.episodes[index].attachments.get(name)
        return None if path is None else read_metadata(self.root / path)

    def timestamps(self, index: int) -> NDArray[np.float64]:
        """Return the times of an episode's steps: (T,) s from its start, on the exact grid of `fps`."""
        self._slice(index)
        return np.arange(self.lengths[index], dtype=np.float64) / self.fps

    def frames(self, index: int, camera: str, steps: Sequence[int] | NDArray | None = None) -> NDArray[np.uint8]:
        """Return pictures of an episode, at `steps` (None: all): (n, H, W, 3) uint8 RGB.

        Raises:
            DataError: when there is no such camera or step, the video is absent or truncated, or has no frame
                within 0.1 ms of a step's time.
        """
        rows = self._slice(index)
        length = rows.stop - rows.start
        chosen = np.arange(length) if steps is None else np.asarray(steps, np.int64).reshape(-1)
        if len(chosen) and (chosen.min() < 0 or chosen.max() >= length):
            raise DataError(
                "there is no such step",
                where=f"{self.root}, episode {index}",
                got=[int(chosen.min()), int(chosen.max())],
                expected=f"0 to {length - 1}",
            )
        feature = self.camera_feature(camera)
        if feature.dtype == "image":
            found = self._images(rows, camera, chosen)
        else:
            span = self.video_span(index, camera)
            found = shared_reader(span.path).read(span.from_s + chosen / self.fps, TOLERANCE_S)
        if found.shape[1:] != feature.shape:
            raise DataError(
                f"pictures of '{camera}' have another size",
                where=f"{self.root}, episode {index}",
                got=found.shape[1:],
                expected=feature.shape,
            )
        return found

    def pictures(self, index: int, camera: str, steps: range | None = None) -> Pictures:
        """Return pictures of an episode, at `steps` (None: all), that are decoded when they are looked at."""
        rows = self._slice(index)
        whole = range(rows.stop - rows.start)
        return Pictures(dataset=self, index=index, camera=camera, steps=whole if steps is None else steps)

    def camera_feature(self, camera: str) -> Feature:
        """Return what a camera's pictures are.

        Raises:
            DataError: when there is no such camera.
        """
        feature = self.features.get(camera) or self.extra_cameras.get(camera)
        if feature is None or not feature.visual:
            raise DataError(f"there is no camera '{camera}'", where=self.root, expected=self.cameras or "none")
        return feature

    def video_span(self, index: int, camera: str) -> VideoSpan:
        """Return where the video of an episode and camera is.

        Raises:
            DataError: when the episode has none, or its file is absent.
        """
        self._slice(index)
        span = self._span(index, camera)
        if span is None or not span.path.is_file():
            missing = self.missing_videos().get(camera, [])
            raise DataError(
                f"episode {index} has no video of '{camera}'",
                where=span.path if span else self.root,
                got=f"{len(missing)} of {self.num_episodes} episodes lack it",
                remedy="choose an episode that has it (missing_videos), or fetch the files",
            )
        return span

    def has_pictures(self, index: int, camera: str) -> bool:
        """Whether an episode has pictures of a camera, as far as files being there tell."""
        self._slice(index)
        if camera not in self.cameras:
            return False
        span = self._span(index, camera)
        return self.camera_feature(camera).dtype == "image" or (span is not None and span.path.is_file())

    def missing_videos(self) -> dict[str, list[int]]:
        """Return {camera: episodes without a picture file}; only cameras that lack some are in it."""
        missing: dict[str, list[int]] = {}
        known: dict[Path, bool] = {}
        for camera in self.cameras:
            if self.camera_feature(camera).dtype == "image":
                continue
            for index in range(self.num_episodes):
                span = self._span(index, camera)
                if span is not None and span.path not in known:
                    known[span.path] = span.path.is_file()
                if span is None or not known[span.path]:
                    missing.setdefault(camera, []).append(index)
        return missing

    def episode_statistics(self, index: int) -> dict[str, Statistics]:
        """Return the stored statistics of one episode by feature; {} where there are none.

        Raises:
            DataError: when there is no such episode, or they are malformed.
        """
        self._slice(index)
        if self._statistics is None:
            with within_memory(self.root):
                self._statistics = _whole(self._contents.statistics, self.root)
        return self._statistics[index]

    def statistics(self) -> dict[str, Statistics]:
        """Return the stored statistics of the whole dataset (meta/stats.json); {} where there are none.

        Raises:
            DataError: when they are malformed.
        """
        path = self.root / STATS_PATH
        if not path.exists():
            return {}
        with within_memory(path):
            return _whole(lambda: {key: from_plain(value) for key, value in read_json(path).items()}, path)

    def _span(self, index: int, camera: str) -> VideoSpan | None:
        if camera in self.extra_cameras:
            path = self._contents.info.extra_videos[camera].get(index)
            return None if path is None else VideoSpan(path=self.root / safe_relative(path, self.root), from_s=0.0)
        return self._contents.episodes[index].videos.get(camera)

    def _slice(self, index: int) -> slice:
        if not 0 <= index < self.num_episodes:
            raise DataError(
                "there is no such episode", where=self.root, got=index, expected=f"0 to {self.num_episodes - 1}"
            )
        start = int(self.starts[index])
        return slice(start, start + int(self.lengths[index]))

    def _images(self, rows: slice, camera: str, chosen: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Decode pictures that are embedded in the table."""
        cells: list[Any] = []
        for path, first, last in self._rows.files:
            if first < rows.stop and last > rows.start:
                cells += _cells(path, camera, max(rows.start, first) - first, min(rows.stop, last) - first)
        where = f"{self.root}, '{camera}'"
        pictures = []
        for step in chosen:
            data = (cells[step] or {}).get("bytes")
            if not data:
                raise DataError("a picture is not embedded in the table", where=where, got=cells[step])
            pictures.append(decode_image(data, where))
        return np.stack(pictures) if pictures else np.empty((0, *self.camera_feature(camera).shape), np.uint8)

    def _check_column(self, key: str) -> None:
        feature = self.features.get(key)
        if feature is None or feature.visual:
            known = [name for name, one in self.features.items() if not one.visual]
            raise DataError(f"there is no column '{key}'", where=self.root, expected=[*known, *AUTOMATIC])

    def _decode(self, key: str, column: pa.ChunkedArray, path: Path) -> NDArray:
        """A stored column as the feature's values; words where the file holds their indices."""
        words = self._contents.words.get(key)
        stored = self.features[key] if words is None else AUTOMATIC["task_index"]
        values = from_arrow(column, key, stored, path)
        return values if words is None else _in_words(values, words, f"{self.root}, '{key}'")

    def _check_finite(self, key: str, values: NDArray, first: int = 0) -> None:
        if values.dtype.kind != "f" or np.isfinite(values).all():
            return
        place = int(np.argwhere(~np.isfinite(values))[0][0])
        row = first + place
        index = int(np.searchsorted(self.starts, row, side="right")) - 1
        raise DataError(
            f"'{key}' is not finite",
            where=f"{self.root}, episode {index}, step {row - int(self.starts[index])}",
            got=values[place].tolist(),
            expected="finite numbers",
            remedy="drop the episode, or open with nonfinite='keep' to look at it",
        )


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Pictures (H, W, 3) uint8 RGB of an episode, a few at a time: all of them need not fit into memory."""

    dataset: Dataset
    index: int
    camera: str
    steps: range

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        """Yield them in order; see `Dataset.frames` for errors."""
        # Embedded pictures are read a row group at a time, and a row group is an episode.
        embedded = self.dataset.camera_feature(self.camera).dtype == "image"
        few = len(self.steps) if embedded else PICTURES_AT_ONCE
        for first in range(0, len(self.steps), max(few, 1)):
            yield from self.dataset.frames(self.index, self.camera, self.steps[first : first + few])


def open_dataset(path: str | Path, *, nonfinite: OnFault = "error", times: OnFault = "error") -> Dataset:
    """Open a LeRobot v3.0, v2.1 or v2.0 directory, recognised by its files.

    Args:
        nonfinite: `error` refuses columns with NaN or infinity when they are read; `keep` hands them over, for
            checks that look for them.
        times: `error` refuses recorded times that are not on the grid of fps; `keep` notes it in `problems`, and
            `column("timestamp")` gives them as recorded.

    Raises:
        DataError: when it is neither, or malformed: missing or damaged files, indices that contradict the data,
            times that do not fit fps, paths and links that leave the directory; or too large for the memory.
    """
    root = Path(path)
    if not root.is_dir():
        raise no_dataset(root, "no folder")
    check_links(root)
    with within_memory(root):
        return _open(root, nonfinite, times)


def _open(root: Path, nonfinite: OnFault, times: OnFault) -> Dataset:
    found = [name for name in FORMATS if FORMATS.load(name).recognise(root)]
    if not found and (root / STAGING_DIR).is_dir():
        raise DataError(
            "this recording was not finished",
            where=root,
            remedy=f"motorium doctor {root} --repair keeps its finished episodes",
        )
    if not found or not (root / INFO_PATH).is_file():
        info = read_json(root / INFO_PATH) if (root / INFO_PATH).is_file() else None
        version = info.get("codebase_version") if isinstance(info, dict) else None
        got = f"no {INFO_PATH}" if info is None else f"codebase_version {version!r}, and no list of episodes"
        raise no_dataset(root, got, "LeRobot v3.0 (meta/episodes/), v2.1 or v2.0 (meta/episodes.jsonl)")
    contents = FORMATS.load(found[0]).read(root)
    if not found[0].endswith(contents.info.version):
        raise DataError(
            "the dataset's version contradicts its files",
            where=root / INFO_PATH,
            got=contents.info.version,
            expected=found[0].removeprefix("lerobot-"),
        )
    return Dataset(root, contents, read_rows(root, contents, times), nonfinite, times)


def _reopen(root: Path, nonfinite: OnFault, times: OnFault) -> Dataset:
    return open_dataset(root, nonfinite=nonfinite, times=times)


def _whole(read: Callable[[], Any], where: Path) -> Any:
    """Return stored statistics, whose shapes and types a file may have wrong in any way."""
    try:
        return read()
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise DataError(
            "stored statistics are malformed", where=where, got=error, remedy="motorium doctor --repair"
        ) from error


def _in_words(indices: NDArray, words: Sequence[str], where: str) -> NDArray:
    """Return the words that indices (N, 1) stand for, as objects of the same shape."""
    wrong = np.flatnonzero((indices < 0) | (indices >= len(words)))
    if len(wrong):
        raise DataError(
            "an annotation names words that are not listed",
            where=f"{where}, row {int(wrong[0])}",
            got=int(indices.reshape(-1)[wrong[0]]),
            expected=f"0 to {len(words) - 1}, a row of the table of tasks",
        )
    return np.array(words, object)[indices]


def _cells(path: Path, key: str, first: int, last: int) -> list[Any]:
    """Rows [first, last) of one column of a file, reading only the row groups that hold them."""
    cells: list[Any] = []
    with open_parquet(path) as file:
        start = 0
        for group in range(file.num_row_groups):
            count = file.metadata.row_group(group).num_rows
            low, high = max(first - start, 0), min(last - start, count)
            if low < high:
                try:
                    column = file.read_row_group(group, columns=[key], use_threads=False).column(key)
                except UNREADABLE as error:
                    raise DataError(f"'{key}' cannot be read", where=path, got=error) from error
                cells += column.slice(low, high - low).to_pylist()
            start += count
    return cells
