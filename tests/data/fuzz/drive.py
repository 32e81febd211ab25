"""What a user does with a recording: recognise, inspect, open, read, ingest; every step may refuse, none may fail."""

from __future__ import annotations

import itertools
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from motorium.core.errors import MotoriumError
from motorium.data.dataset import Dataset, open_dataset
from motorium.data.formats import FORMATS, LOGS
from motorium.data.ingest.inspect import inspect
from motorium.data.ingest.inspect_text import table
from motorium.data.ingest.planning import plan
from motorium.data.ingest.sources import open_log
from motorium.data.links import check_links
from motorium.data.log import Log, Segment, Stream

SEGMENTS, STREAMS, SAMPLES = 3, 100, 3


class Drive:
    """One recording under test.

    Attributes:
        steps: how many were tried.
        refused: MotoriumErrors, first lines: the step and what it said.
        failed: anything else that was raised, and refusals that do not say of what.
    """

    def __init__(self, path: Path, format: str, kind: str) -> None:
        self.path, self.format, self.kind = path, format, kind
        self.steps = 0
        self.refused: list[str] = []
        self.failed: list[str] = []
        # Some files describe others beside them, and an error may name these.
        self._names = {path.name, *(one.name for one in (path.rglob("*") if path.is_dir() else path.parent.iterdir()))}

    def run(self) -> None:
        """Do everything."""
        rows = LOGS if self.kind == "log" else FORMATS
        self.step("links", lambda: check_links(self.path))
        if self.refused:
            # Whoever opens it refuses too, before a reader sees it: readers by themselves follow links.
            self.step("open", lambda: (open_log if self.kind == "log" else open_dataset)(self.path))
            self.step("inspect", lambda: inspect(self.path))
            return
        evidence = self.step("recognise", lambda: rows.load(self.format).recognise(self.path))
        if evidence is not None and not isinstance(evidence, (str, bool)):
            self.failed.append(f"recognise: returned {evidence!r}")
        self.step("inspect", lambda: table(inspect(self.path)))
        if self.kind == "dataset":
            self._dataset()
            return
        log = self.step("open", lambda: open_log(self.path, self.format))
        if log is not None:
            self._log(log)
        made = self.step("plan", lambda: plan(self.path, accept=True))
        if made is not None and made.num_segments:
            episode = self.step("episode", lambda: next(iter(made.episodes(0)), None))
            for key, film in (episode.frames if episode is not None else {}).items():
                self.step(f"film {key}", lambda film=film: list(itertools.islice(film, SAMPLES)), named=False)

    def step(self, name: str, call: Callable[[], Any], named: bool = True) -> Any:
        """Try one thing; None when it is refused. `named`: the message must name a file of the recording."""
        self.steps += 1
        try:
            return call()
        except MotoriumError as error:
            text = str(error)
            if named and not any(file in text for file in self._names):
                self.failed.append(f"{name}: the message does not say which file: {text}")
            self.refused.append(f"{name}: {error.what}")
        except Exception:
            self.failed.append(f"{name}: {traceback.format_exc(limit=-8)}")
        return None

    def _log(self, log: Log) -> None:
        places = sorted({*range(min(len(log.segments), SEGMENTS)), len(log.segments) - 1} - {-1})
        for place in places:
            segment = self.step("segment", lambda place=place: log.segments[place], named=False)
            if segment is not None:
                self._segment(segment)

    def _segment(self, segment: Segment) -> None:
        """Read a segment by itself: its errors name places in the recording, and whoever opened it adds the file."""
        streams = self.step("streams", lambda: dict(segment.streams), named=False) or {}
        self.step("prepare", lambda: segment.prepare(list(streams)), named=False)
        for key, stream in itertools.islice(streams.items(), STREAMS):
            for name, call in stream_steps(segment, key, stream):
                self.step(f"{name} of {key}", call, named=False)
        files = self.step("attachments", lambda: dict(segment.attachments()), named=False) or {}
        for name, read in files.items():
            self.step(
                f"attachment {name}", lambda read=read: check(isinstance(read(), bytes), "not bytes"), named=False
            )

    def _dataset(self) -> None:
        self.step("open strictly", lambda: open_dataset(self.path))
        dataset = self.step("open", lambda: open_dataset(self.path, nonfinite="keep", times="keep"))
        if dataset is None:
            return
        for index in sorted({0, dataset.num_episodes - 1} - {-1}):
            for name, call in dataset_steps(dataset, index):
                self.step(f"{name} of episode {index}", call)
        self.step("statistics", dataset.statistics)


def stream_steps(segment: Segment, key: str, stream: Stream) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield what is read of one stream, each with a check of what a reader promises."""
    for clock in stream.clocks:
        yield f"{clock} times", lambda clock=clock: _times(segment, key, stream, clock)
    if stream.feature.visual:
        last = max(stream.count - 1, 0)
        samples = np.unique(np.array([0, stream.count // 2, last], np.int64))
        yield "pictures", lambda: _pictures(segment, key, samples if stream.count else samples[:0])
        return
    first, last = min(SAMPLES, stream.count), max(stream.count - SAMPLES, 0)
    yield "first values", lambda: _values(segment, key, stream, 0, first)
    yield "last values", lambda: _values(segment, key, stream, last, stream.count)
    yield "valid", lambda: _valid(segment, key, stream)


def dataset_steps(dataset: Dataset, index: int) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield what is read of one episode of a dataset."""
    yield "numbers", lambda: dataset.episode(index)
    yield "times", lambda: dataset.timestamps(index)
    yield "statistics", lambda: dataset.episode_statistics(index)
    for camera in dataset.cameras:
        if dataset.has_pictures(index, camera):
            steps = sorted({0, int(dataset.lengths[index]) - 1})
            yield f"pictures of {camera}", lambda camera=camera, steps=steps: dataset.frames(index, camera, steps)
    for name in dataset.attachments(index):
        yield f"attachment {name}", lambda name=name: dataset.attachment(index, name)


def check(holds: bool, words: str) -> None:
    """Raise when a reader breaks a promise."""
    if not holds:
        raise AssertionError(words)


def _times(segment: Segment, key: str, stream: Stream, clock: str) -> None:
    times = segment.times_ns(key, clock)
    check(times.dtype == np.int64 and times.shape == (stream.count,), f"times are {times.dtype} {times.shape}")


def _values(segment: Segment, key: str, stream: Stream, start: int, stop: int) -> None:
    values = segment.values(key, start, stop)
    shape = (stop - start, *stream.feature.shape)
    kind = np.dtype(object if stream.feature.dtype == "string" else stream.feature.dtype)
    said = f"said {kind} {shape}, got {values.dtype} {values.shape}"
    check(values.shape == shape and values.dtype == kind, said)


def _valid(segment: Segment, key: str, stream: Stream) -> None:
    valid = segment.valid(key)
    shapes = ((stream.count,), (stream.count, *stream.feature.shape))
    check(valid is None or (valid.dtype == bool and valid.shape in shapes), "a mask of another shape or type")


def _pictures(segment: Segment, key: str, samples: np.ndarray) -> None:
    count = 0
    for picture in segment.pictures(key, samples):
        check(picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3, f"no picture: {picture.shape}")
        count += 1
    check(count == len(samples), f"{count} pictures for {len(samples)} samples")
