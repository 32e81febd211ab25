"""Loader: batches of windows and pictures for training, in a reproducible order, made ahead in threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import DataError, nearest
from motorium.core.hashing import digest
from motorium.data.dataset import Dataset
from motorium.data.loader.cache import OpenBar, no_bar
from motorium.data.loader.choose import GIB
from motorium.data.loader.digests import FileDigests
from motorium.data.loader.frames import FrameSource, check_pictures, find_camera
from motorium.data.loader.order import Order, Starts
from motorium.data.loader.prefetch import Ahead
from motorium.data.loader.sources import CameraFrames, Plan
from motorium.data.loader.spec import LoaderSpec
from motorium.data.loader.table import KEPT, open_table
from motorium.data.loader.windows import Bounds, Rows, gather

# Batches without pictures are made this many samples at a time: their cost is Python's, not the copying's.
SAMPLES_AT_ONCE = 1024
BUILT_IN = ("episode_index", "frame_index", "task_index")

Batch = dict[str, NDArray]


@dataclass(frozen=True, kw_only=True)
class Share:
    """Which part of a dataset a loader hands out.

    Attributes:
        episodes: the chosen ones; None: all.
        weights: (E,) of all episodes of the dataset, how often their steps are drawn, relative to each other;
            None: every step once an epoch.
        rank, ranks: this process's number, and how many share the samples.
    """

    episodes: Sequence[int] | NDArray | None = None
    weights: Sequence[float] | NDArray | None = None
    rank: int = 0
    ranks: int = 1


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Batches [first, stop) of an epoch, made together."""

    epoch: int
    first: int
    stop: int

    def __str__(self) -> str:
        return f"batch {self.first} of epoch {self.epoch}"


class Loader:
    """Batches of a dataset. Iterating yields what remains of the epoch, then `epoch` is the next one.

    A batch is {key: array (B, ...)}: features and pictures (uint8, height, width, channels) as recorded or at the
    spec's size, `<key>_is_pad` (B, T) of those with a window, `<camera>_is_missing` (B,) where the spec masks, and
    `episode_index`, `frame_index`, `task_index` (B,). Arrays are new and writable; nobody else holds them.

    The same dataset, spec, share and (epoch, batch) give the same batch, for any number of threads.

    Attributes:
        spec, dataset: as given.
        epoch, batch: what comes next.
        plans: {camera: where its pictures come from, and why}.
        notes: what a user may want to know, in words: those reasons, features that are left out. `tell` is called with
            each as soon as it is known, before anything is built: building may take long.

    Raises:
        DataError: when the dataset lacks a feature or pictures, numbers are not finite, or there is too little.
    """

    def __init__(
        self,
        dataset: Dataset,
        spec: LoaderSpec | None = None,
        *,
        share: Share | None = None,
        open_bar: OpenBar = no_bar,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self._tell = tell
        self.dataset, self.spec, self._share = dataset, spec or LoaderSpec(), share or Share()
        self.notes: list[str] = []
        numbers, cameras = self._features()
        self._offsets = {key: one.offsets(dataset.fps, f"windows.{key}") for key, one in self.spec.windows.items()}
        episodes = _chosen(dataset, self._share.episodes)
        self._table = open_table(dataset, FileDigests(dataset.root), open_bar)
        self._numbers = {key: self._table.column(key) for key in numbers}
        self._tasks = self._table.column("task_index")
        self._bounds = Bounds(dataset.starts, dataset.lengths)
        self._order = self._make_order(episodes)
        self.plans: dict[str, Plan] = {}
        self._sources: dict[str, FrameSource] = {}
        self._missing: dict[str, NDArray[np.bool_]] = {}
        self._open_cameras(cameras, episodes, open_bar)
        self._ahead = Ahead(self._threads(), self.spec.prefetch)
        self._per_piece = 1 if cameras else max(SAMPLES_AT_ONCE // self.spec.batch, 1)
        self.epoch = self.batch = 0

    def __enter__(self) -> Loader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self._order)

    @property
    def samples(self) -> int:
        """Samples in an epoch (of this rank)."""
        return self._order.samples

    @property
    def tasks(self) -> list[str]:
        """Instructions by `task_index`."""
        return self.dataset.tasks

    def __iter__(self) -> Iterator[Batch]:
        """Yield what remains of this epoch."""
        epoch = self.epoch
        for made in self._ahead.run(self._make, self._pieces(epoch, self.batch)):
            for batch in made:
                # Before it is handed out: what the consumer holds counts as done.
                self.batch += 1
                if self.batch == len(self):
                    self.epoch, self.batch = epoch + 1, 0
                yield batch

    def forever(self) -> Iterator[Batch]:
        """Yield batches of one epoch after another."""
        while True:
            yield from self

    def close(self) -> None:
        """End the threads; idempotent."""
        self._ahead.close()

    def rows(self) -> NDArray[np.int64]:
        """Return the rows of the dataset that may start a sample, in the recorded order; see `take`."""
        return self._starts.rows()

    def state(self) -> dict[str, Any]:
        """Return, as plain data, where the consumer is: `restore` goes on with the batch after the last one taken."""
        return {
            "format": 1,
            "epoch": self.epoch,
            "batch": self.batch,
            "identity": self._identity(),
            "frames": {key: plan.kind for key, plan in self.plans.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go to where `state` was taken; also of a loader in another process, with other threads.

        Raises:
            DataError: when it was taken from other data, another spec or share, or pictures from another kind of
                source, so that batches would differ; or it is no state.
        """
        try:
            epoch, batch, identity = int(state["epoch"]), int(state["batch"]), state["identity"]
            frames = dict(state["frames"])
        except (KeyError, TypeError, ValueError) as error:
            raise DataError("this is no state of a loader", got=repr(error)) from error
        if identity != self._identity() or not (0 <= batch < len(self) and epoch >= 0):
            raise DataError(
                "the state is of other batches: dataset, spec, episodes, weights or ranks differ",
                where=self.dataset.root,
                got=f"identity {str(identity)[:12]}, batch {batch}",
                expected=f"identity {self._identity()[:12]}, batch below {len(self)}",
                remedy="use the dataset and settings the run began with, or start an epoch anew",
            )
        for key, plan in self.plans.items():
            if frames.get(key) != plan.kind:
                raise DataError(
                    f"pictures of '{key}' come from another kind of source than before",
                    got=plan.kind,
                    expected=frames.get(key),
                    remedy=f"set frames: {frames.get(key)}",
                )
        self.epoch, self.batch = epoch, batch

    def take(self, rows: NDArray[np.int64]) -> Batch:
        """Return the samples whose present steps are these rows (B,) of the dataset, as one batch.

        Raises:
            DataError: when a row is outside, or pictures cannot be read.
        """
        rows = np.asarray(rows, np.int64).reshape(-1)
        if len(rows) and (rows.min() < 0 or rows.max() >= self.dataset.num_frames):
            raise DataError(
                "there is no such row",
                where=self.dataset.root,
                got=[int(rows.min()), int(rows.max())],
                expected=f"0 to {self.dataset.num_frames - 1}",
            )
        return self._batch(self._bounds.rows(rows))

    def _features(self) -> tuple[list[str], list[str]]:
        """Return the numeric features and the cameras of a batch; text is left out with a note."""
        known = {**self.dataset.features, **self.dataset.extra_cameras}
        wanted = self.spec.features or tuple(self.dataset.features)
        for key in (*wanted, *self.spec.windows):
            if key not in known and key not in (*KEPT, *BUILT_IN):
                raise DataError(
                    f"the dataset has no feature '{key}'",
                    where=self.dataset.root,
                    expected=", ".join(known),
                    nearest=nearest(key, known),
                )
        unused = sorted(set(self.spec.windows) - (set(wanted) - set(BUILT_IN)))
        if unused:
            raise DataError(f"a window is given for '{unused[0]}', which is not among the features", expected=wanted)
        text = [key for key in wanted if key in known and known[key].dtype == "string"]
        if text and self.spec.features:
            raise DataError(
                f"'{text[0]}' holds text, which does not go into batches",
                where=self.dataset.root,
                remedy="leave it out; task_index and Loader.tasks give the instruction",
            )
        if text:
            self._note(f"left out, because they hold text: {', '.join(text)}")
        cameras = [key for key in wanted if key in known and known[key].visual]
        return [key for key in wanted if key not in (*text, *cameras, *BUILT_IN)], cameras

    def _make_order(self, episodes: NDArray[np.int64]) -> Order:
        spec, share = self.spec, self._share
        first = self.dataset.starts[episodes] + spec.skip_first
        count = self.dataset.lengths[episodes] - spec.skip_first - spec.skip_last
        weight = _weights(self.dataset, share.weights, episodes)
        use = (count > 0) if weight is None else (count > 0) & (weight > 0)
        self._starts = Starts(first=first[use], count=count[use], weight=None if weight is None else weight[use])
        return Order(
            self._starts,
            batch=spec.batch,
            seed=spec.seed,
            shuffle=spec.shuffle,
            drop_last=spec.drop_last,
            rank=share.rank,
            ranks=share.ranks,
        )

    def _open_cameras(self, cameras: list[str], episodes: NDArray[np.int64], open_bar: OpenBar) -> None:
        """Plan all cameras before the first is built: one budget, and nothing is begun that cannot be finished."""
        left = int(self.spec.disk_gib * GIB)
        frames: dict[str, CameraFrames] = {}
        for key in cameras:
            camera = find_camera(self.dataset, key, self.spec.size)
            if self.spec.missing == "error":
                check_pictures(self.dataset, camera, episodes)
            else:
                self._missing[key] = camera.file < 0
            frames[key] = CameraFrames(self.dataset, camera, episodes, self.spec)
            self.plans[key] = frames[key].plan(left)
            left = max(left - self.plans[key].to_build, 0)
            self._note(self.plans[key].reason)
        for key in cameras:
            self._sources[key] = frames[key].open(self.plans[key], processors(), open_bar)

    def _note(self, words: str) -> None:
        self.notes.append(words)
        if self._tell is not None:
            self._tell(words)

    def _threads(self) -> int:
        """Return the threads that pay: decoding scales with them, copying up to two, and numbers need none."""
        if self.spec.threads is not None:
            return self.spec.threads
        kinds = {plan.kind for plan in self.plans.values()}
        if not kinds:
            return 0
        return min(2, processors()) if kinds <= {"uint8", "ram"} else processors()

    def _pieces(self, epoch: int, first: int) -> Iterator[Piece]:
        for start in range(first, len(self), self._per_piece):
            yield Piece(epoch=epoch, first=start, stop=min(start + self._per_piece, len(self)))

    def _make(self, piece: Piece) -> list[Batch]:
        rows = self._order.rows(piece.epoch, piece.first, piece.stop)
        if len(rows) == 1:
            return [self._batch(self._bounds.rows(rows[0]))]
        whole = self._batch(self._bounds.rows(np.concatenate(rows)))
        ends = np.cumsum([len(one) for one in rows]).tolist()
        return [{key: array[end - len(one) : end] for key, array in whole.items()} for one, end in zip(rows, ends)]

    def _batch(self, rows: Rows) -> Batch:
        batch: Batch = {}
        windows: dict[bytes, tuple[NDArray, NDArray]] = {}
        for key in (*self._numbers, *self._sources):
            offsets = self._offsets.get(key)
            at = rows.present
            if offsets is not None:
                same = offsets.tobytes()
                if same not in windows:
                    windows[same] = rows.window(offsets)
                at, pad = windows[same]
                # Its own copy for each feature: batches are the consumer's to change.
                batch[f"{key}_is_pad"] = pad.copy()
            if key in self._numbers:
                batch[key] = gather(self._numbers[key], at)
            else:
                self._add_pictures(batch, key, rows, at)
        batch["episode_index"] = rows.episode
        batch["frame_index"] = rows.present - rows.first
        batch["task_index"] = gather(self._tasks, rows.present)
        return batch

    def _add_pictures(self, batch: Batch, key: str, rows: Rows, at: NDArray[np.int64]) -> None:
        """Add pictures at rows `at` (B,) or (B, T)."""
        source = self._sources[key]
        episodes, steps = rows.episode, rows.present - rows.first
        if at.ndim == 2:
            episodes = np.repeat(rows.episode, at.shape[1])
            steps = (at - rows.first[:, None]).reshape(-1)
        if key not in self._missing:
            batch[key] = source.gather(episodes, steps).reshape(*at.shape, *source.shape)
            return
        there = ~self._missing[key][episodes]
        pictures = np.zeros((len(episodes), *source.shape), np.uint8)
        pictures[there] = source.gather(episodes[there], steps[there])
        batch[key] = pictures.reshape(*at.shape, *source.shape)
        batch[f"{key}_is_missing"] = self._missing[key][rows.episode]

    def _identity(self) -> str:
        share = self._share
        weights = None if share.weights is None else np.asarray(share.weights, np.float64)
        episodes = _chosen(self.dataset, share.episodes)
        about = [self.spec.identity(), self._table.fingerprint, episodes, weights, share.rank, share.ranks]
        return digest("motorium loader state", about)


def processors() -> int:
    """Return the processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def balanced(dataset: Dataset) -> NDArray[np.float64]:
    """Return weights (E,) by which every task has the same share of the samples."""
    task = np.asarray(dataset.column("task_index"))[dataset.starts]
    steps = np.bincount(task, weights=dataset.lengths)
    return 1.0 / steps[task]


def _chosen(dataset: Dataset, episodes: Sequence[int] | NDArray | None) -> NDArray[np.int64]:
    """Return the chosen episodes, ascending, each once."""
    if episodes is None:
        return np.arange(dataset.num_episodes)
    chosen = np.unique(np.asarray(episodes, np.int64))
    if not len(chosen) or chosen[0] < 0 or chosen[-1] >= dataset.num_episodes:
        raise DataError(
            "there are no such episodes",
            where=dataset.root,
            got=[int(chosen[0]), int(chosen[-1])] if len(chosen) else "none",
            expected=f"0 to {dataset.num_episodes - 1}",
        )
    return chosen


def _weights(dataset: Dataset, weights: Any, episodes: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """Return the weights of the chosen episodes, scaled so that a step of the mean has one; None: all alike."""
    if weights is None:
        return None
    values = np.asarray(weights, np.float64)
    if values.shape != (dataset.num_episodes,) or not np.isfinite(values).all() or values.min() < 0:
        raise DataError(
            "weights do not fit",
            got=f"shape {values.shape}, smallest {values.min() if values.size else 'none'}",
            expected=f"({dataset.num_episodes},) finite numbers of zero or more, one an episode of the dataset",
        )
    chosen = values[episodes]
    if not chosen.max() > 0:
        raise DataError("all chosen episodes have weight zero", where=dataset.root)
    return None if (chosen == chosen[0]).all() else chosen
