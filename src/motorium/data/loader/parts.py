"""Parts: a cache of pictures as files of some thousand frames, each named by the content it was made from.

A part is whole or not there: it is built aside, renamed, and counts when its record is written. So a killed build goes
on where it stopped, a changed dataset finds no part of its old content, and a damaged part alone is built again.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from motorium.core.durable import sync
from motorium.core.errors import DataError
from motorium.core.hashing import digest, file_digest
from motorium.data.dataset import Dataset
from motorium.data.loader.cache import (
    OpenBar,
    aside,
    cache_errors,
    cache_folder,
    locked,
    make_folder,
    no_bar,
    read_json,
    remove_dead,
    write_json,
)
from motorium.data.loader.digests import FileDigests, identity, same_content
from motorium.data.loader.frames import Camera, FrameSource
from motorium.data.video_read import SCALING_NAME

VERSION = 1
# Pictures that are decoded before they are written, to bound memory.
AT_ONCE = 32

# Writes pictures, given one block (n, H, W, 3) after another, of which there are `count`, to a path.
WritePart = Callable[[Path, Iterator[NDArray[np.uint8]], int], None]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How the frames of a camera are numbered and cut into parts; the same for any choice of episodes.

    Attributes:
        slot: (E,) int64, number of the first frame of each episode; -1 where it has no pictures.
        total: frames of all episodes that have pictures.
        size: frames in a part; the last one has what remains.
    """

    slot: NDArray[np.int64]
    total: int
    size: int

    @classmethod
    def of(cls, dataset: Dataset, camera: Camera, size: int) -> Layout:
        """Return the layout of a camera."""
        lengths = np.where(camera.file >= 0, dataset.lengths, 0)
        ends = np.cumsum(lengths)
        return cls(slot=np.where(lengths > 0, ends - lengths, -1), total=int(ends[-1]), size=size)

    @property
    def parts(self) -> int:
        """How many there are."""
        return -(-self.total // self.size)

    def count(self, part: int) -> int:
        """Frames in a part."""
        return min(self.size, self.total - part * self.size)

    def places(self, episodes: NDArray, steps: NDArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the part of each frame, and its place there: (n,) each.

        Raises:
            DataError: when an episode has no pictures.
        """
        first = self.slot[episodes]
        if len(first) and first.min() < 0:
            raise DataError("an episode has no pictures", got=f"episode {int(np.asarray(episodes)[first.argmin()])}")
        return np.divmod(first + steps, self.size)

    def wanted(self, episodes: NDArray[np.int64], lengths: NDArray[np.int64]) -> list[int]:
        """Return the parts that hold frames of these episodes (those without pictures aside), ascending."""
        found: set[int] = set()
        for index in episodes[self.slot[episodes] >= 0]:
            first = int(self.slot[index])
            found.update(range(first // self.size, (first + int(lengths[index]) - 1) // self.size + 1))
        return sorted(found)

    def frames(self, part: int, lengths: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return (episodes, steps) of the frames of a part, in order: (n,) each."""
        have = np.flatnonzero(self.slot >= 0)
        slots = part * self.size + np.arange(self.count(part))
        episodes = have[np.searchsorted(self.slot[have], slots, side="right") - 1]
        return episodes, slots - self.slot[episodes]


class Parts:
    """The parts of one camera in one way of keeping pictures.

    Args:
        kind: the way (`uint8`, `jpeg`, `video`), and the folder's name.
        how: everything of that way that decides bytes (quality, codec options, versions of what it is).
    """

    def __init__(self, dataset: Dataset, camera: Camera, layout: Layout, kind: str, how: str, suffix: str) -> None:
        self.layout = layout
        self._dataset, self._camera, self._kind, self._how, self._suffix = dataset, camera, kind, how, suffix
        self._folder = cache_folder() / kind
        self._names: dict[int, str] = {}

    def path(self, part: int, digests: FileDigests) -> Path:
        """Return where a part is, or would be: named by its frames' files, place in them, and way of keeping."""
        if part not in self._names:
            self._names[part] = self._name(part, digests)
        return self._folder / f"{self._names[part]}{self._suffix}"

    def lacking(self, wanted: Sequence[int], digests: FileDigests) -> list[int]:
        """Return which of the `wanted` parts are not there whole."""
        return [part for part in wanted if not _whole(self.path(part, digests))]

    def build(
        self,
        wanted: Sequence[int],
        source: FrameSource,
        write: WritePart,
        *,
        threads: int,
        open_bar: OpenBar = no_bar,
    ) -> None:
        """Build what is lacking of the `wanted` parts, in threads; return when all are there.

        Raises:
            DataError: when pictures cannot be read, the dataset changes meanwhile, or the disk is full. Finished
                parts stay.
        """
        digests = FileDigests(self._dataset.root)
        make_folder(self._folder)
        with cache_errors(self._folder), locked(self._folder):
            remove_dead(self._folder)
            lacking = self.lacking(wanted, digests)
            digests.save()
            frames = sum(self.layout.count(part) for part in lacking)
            bar = open_bar(frames, unit="frame", label=f"{self._kind} {self._camera.key}"[:40])
            try:
                run_all(lacking, lambda part: self._build_one(part, source, write), threads, bar.advance)
            finally:
                bar.close()
        after = FileDigests(self._dataset.root)
        if any(self._name(part, after) != self._names[part] for part in lacking):
            for part in lacking:
                _record(self._folder / f"{self._names[part]}{self._suffix}").unlink(missing_ok=True)
            raise DataError(
                "the dataset changed while its pictures were read",
                where=self._dataset.root,
                remedy="try again when nobody writes to it",
            )

    def _build_one(self, part: int, source: FrameSource, write: WritePart) -> int:
        """Build one part; return its frames."""
        final = self._folder / f"{self._names[part]}{self._suffix}"
        episodes, steps = self.layout.frames(part, self._dataset.lengths)
        blocks = (
            source.gather(episodes[at : at + AT_ONCE], steps[at : at + AT_ONCE])
            for at in range(0, len(episodes), AT_ONCE)
        )
        with aside(self._folder, self._suffix) as new:
            write(new, blocks, len(episodes))
            sync(new)
            sha256 = file_digest(new)
            os.replace(new, final)
        write_json(_record(final), {"frames": len(episodes), "sha256": sha256, "seen": identity(final.stat())})
        return len(episodes)

    def _name(self, part: int, digests: FileDigests) -> str:
        camera = self._camera
        episodes, steps = self.layout.frames(part, self._dataset.lengths)
        edges = np.flatnonzero(np.diff(episodes)) + 1
        runs = []
        for run in np.split(np.arange(len(episodes)), edges):
            episode, first, last = int(episodes[run[0]]), int(steps[run[0]]), int(steps[run[-1]])
            if camera.embedded:
                files, start_s = [digests.of(path) for path in camera.files], float(self._dataset.starts[episode])
            else:
                files = [digests.of(camera.files[camera.file[episode]])]
                start_s = float(camera.start_s[episode])
            runs.append([files, start_s, first, last])
        about = [VERSION, self._kind, self._how, camera.recorded, camera.shape, SCALING_NAME, self._dataset.fps]
        return digest("motorium loader pictures", [*about, camera.key if camera.embedded else None, runs])[:40]


def run_all(jobs: Sequence[int], work: Callable[[int], int], threads: int, advance: Callable[[float], None]) -> None:
    """Do all jobs in threads; on the first error, or an interrupt, start no more of them and raise it."""
    threads, left = max(threads, 1), iter(jobs)
    with ThreadPoolExecutor(threads, thread_name_prefix="motorium-cache") as pool:
        # No more than there are threads: after an error none is taken up.
        waiting: set[Future] = {pool.submit(work, job) for job in itertools.islice(left, threads)}
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                advance(future.result())
                waiting |= {pool.submit(work, job) for job in itertools.islice(left, 1)}


def _record(path: Path) -> Path:
    return path.with_suffix(".json")


def _whole(path: Path) -> bool:
    """Whether a part is there with the content it was built with; read again only when it seems touched."""
    record = read_json(_record(path))
    try:
        seen = same_content(path, record)
        if seen is not None and seen != record["seen"]:
            write_json(_record(path), {**record, "seen": seen})
        return seen is not None
    except (OSError, TypeError, KeyError, IndexError):
        return False
