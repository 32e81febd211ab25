"""ArraySegment: a segment whose streams are columns of arrays, sample i being step i; shared by HDF5, zarr and RLDS."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import DataError, nearest
from motorium.core.features import Feature
from motorium.data.bounds import MIB
from motorium.data.log import Align, Segment, Stream

# Pictures read at once: enough that a compressed chunk is seldom read twice, little enough to stay flat.
BLOCK = 16 * MIB
LARGEST_BLOCK = 128 * MIB
# Arrays with more elements a sample (depth, point clouds) are listed, but not mapped unless it is asked for.
LARGEST_SUGGESTED = 4096

_AXES = {3: ("x", "y", "z"), 4: ("w", "x", "y", "z")}


class Column(Protocol):
    """Rows of one array in a file.

    Attributes:
        shape: rows, then one sample's.
        dtype: as stored; object for text and encoded pictures (`str`, `bytes`).
        stored_bytes: size in the file, where known.
        rows_at_once: rows that are stored, and hence best read, together; 1 where it does not matter.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    stored_bytes: int | None
    rows_at_once: int

    def read(self, start: int, stop: int) -> NDArray:
        """Return rows [start, stop).

        Raises:
            DataError: when they cannot be read.
        """


@dataclass(frozen=True, kw_only=True)
class Source:
    """A stream and where its samples are: rows [first, first + stream.count) of a column.

    Attributes:
        change: makes what the feature says of what is stored: of rows (n, ...), and for cameras of one picture.
    """

    stream: Stream
    column: Column
    first: int = 0
    change: Callable[[NDArray], NDArray] | None = None


@dataclass(frozen=True, kw_only=True)
class Picture:
    """How a row of a column is a picture.

    Attributes:
        shape: (H, W, 3) of what `change` makes.
        change: makes uint8 RGB of one row; None: it is that.
        note: the encoding, for people.
    """

    shape: tuple[int, int, int]
    change: Callable[[NDArray], NDArray] | None = None
    note: str = ""


class ArraySegment(Segment):
    """A segment over columns.

    Args:
        where: file and place, for errors.
        sources: by stream name, in order.
        task, meta: the instruction and plain data, or functions that read them when they are first asked for.
        files: attachments by name.
    """

    def __init__(
        self,
        name: str,
        where: str,
        sources: Mapping[str, Source],
        *,
        task: str | Callable[[], str | None] | None = None,
        meta: Mapping[str, Any] | Callable[[], Mapping[str, Any]] | None = None,
        files: Mapping[str, Callable[[], bytes]] | None = None,
    ) -> None:
        self.name, self.sources = name, sources
        self.streams = {key: source.stream for key, source in sources.items()}
        self._where, self._task, self._meta, self._files = where, task, meta or {}, files or {}

    @property
    def task(self) -> str | None:
        """The instruction in words, where the source has one."""
        if callable(self._task):
            self._task = self._task()
        return self._task

    @property
    def meta(self) -> Mapping[str, Any]:
        """Plain data about the episode."""
        if callable(self._meta):
            self._meta = self._meta()
        return self._meta

    def values(self, key: str, start: int = 0, stop: int | None = None) -> NDArray:
        """See `Segment.values`."""
        source = self._source(key, visual=False)
        feature, count = source.stream.feature, source.stream.count
        start, stop, _ = slice(start, stop).indices(count)
        stop = max(start, stop)
        rows = source.column.read(source.first + start, source.first + stop)
        if source.change is not None:
            rows = source.change(rows)
        if rows.size != (stop - start) * feature.size:
            raise DataError(
                f"samples of '{key}' have another shape", where=self._where, got=rows.shape[1:], expected=feature.shape
            )
        rows = rows.reshape(stop - start, *feature.shape)
        return rows if feature.dtype == "string" else rows.astype(feature.dtype, copy=False)

    def pictures(self, key: str, samples: NDArray[np.int64]) -> Iterator[NDArray[np.uint8]]:
        """See `Segment.pictures`."""
        source = self._source(key, visual=True)
        shape, count, column = source.stream.feature.shape, source.stream.count, source.column
        at_once = _rows_at_once(column)
        block, first = column.read(source.first, source.first), 0
        for sample in np.asarray(samples, np.int64):
            if not 0 <= sample < count:
                raise DataError(f"'{key}' has no such picture", where=self._where, got=int(sample), expected=count)
            row = source.first + int(sample)
            if not first <= row < first + len(block):
                first = max(row // at_once * at_once, source.first)
                block = column.read(first, min((row // at_once + 1) * at_once, source.first + count))
            picture = block[row - first]
            if source.change is not None:
                picture = source.change(picture)
            if picture.shape != shape or picture.dtype != np.uint8:
                raise DataError(
                    f"a picture of '{key}' has another size",
                    where=f"{self._where}, picture {int(sample)}",
                    got=f"{picture.shape} {picture.dtype}",
                    expected=f"{shape} uint8",
                )
            yield picture

    def attachments(self) -> Mapping[str, Callable[[], bytes]]:
        """See `Segment.attachments`."""
        return self._files

    def _source(self, key: str, visual: bool) -> Source:
        source = self.sources.get(key)
        if source is None or source.stream.feature.visual != visual:
            kind = "camera" if visual else "stream of values"
            raise DataError(
                f"there is no {kind} '{key}'",
                where=self._where,
                nearest=nearest(key, self.sources),
                got=list(self.sources)[:20],
            )
        return source


def _rows_at_once(column: Column) -> int:
    size = max(math.prod(column.shape[1:]) * column.dtype.itemsize, 1)
    stored = max(column.rows_at_once, 1)
    if stored * size > LARGEST_BLOCK:
        return max(BLOCK // size, 1)
    # A few chunks of single pictures: opening a file for each would cost more than reading it.
    return stored * max(min(8 // stored, BLOCK // (stored * size)), 1)


def array_source(
    column: Column,
    *,
    name: str,
    rows: range | None = None,
    target: str | None = None,
    units: str | None = None,
    align: Align = "linear",
    note: str = "",
) -> Source:
    """Return the source of a column of numbers or text.

    Args:
        name: stem of the element names: `eef_pos` gives `eef_pos.x`, `eef_pos.y`, `eef_pos.z`.
        rows: those of the column that are samples; None: all.
        units: one for all elements; None: not known.
    """
    shape = tuple(column.shape[1:]) or (1,)
    text = column.dtype == object
    dtype = "string" if text else column.dtype.name
    if column.dtype.kind in "bui" or text:
        align = "hold" if align == "linear" else align
    # Declared sizes are a stranger's: names are made for vectors that somebody could have named.
    vector = len(shape) == 1 and not text and shape[0] <= LARGEST_SUGGESTED
    feature = Feature(
        dtype=dtype,
        shape=shape,
        names=element_names(name, shape[0]) if vector else None,
        units=None if units is None or text else (units,) * (shape[0] if vector else 1),
    )
    stream = Stream(
        feature=feature,
        count=column.shape[0] if rows is None else len(rows),
        target=target,
        align=align,
        note=note or str(column.dtype if not text else "text"),
        stored_bytes=_share(column, rows),
    )
    return Source(stream=stream, column=column, first=0 if rows is None else rows.start)


def quaternion_source(column: Column, *, name: str, order: str, target: str | None, note: str = "") -> Source:
    """Return the source of quaternions, (n, 4) in `order` (`wxyz` or `xyzw`); they are handed over w first."""
    note = "; ".join(part for part in (note, f"quaternion, {order} in the file") if part)
    plain = array_source(column, name=name, target=target, note=note)
    feature = replace(plain.stream.feature, names=element_names(name, 4, quaternion=True))
    stream = replace(plain.stream, feature=feature, align="slerp")
    return replace(plain, stream=stream, change=_w_first if order == "xyzw" else None)


def picture_source(column: Column, picture: Picture, *, target: str | None, rows: range | None = None) -> Source:
    """Return the source of a camera: one picture a row, of the `rows` of a column (None: all)."""
    feature = Feature(dtype="video", shape=picture.shape, names=("height", "width", "channels"))
    stream = Stream(
        feature=feature,
        count=column.shape[0] if rows is None else len(rows),
        target=target,
        note=picture.note,
        stored_bytes=_share(column, rows),
    )
    return Source(stream=stream, column=column, first=0 if rows is None else rows.start, change=picture.change)


def raw_picture(column: Column) -> Picture | None:
    """Return how a column holds pictures when these are uint8, (n, H, W, 3 or 4) or (n, 3, H, W); else None."""
    shape = tuple(column.shape[1:])
    if column.dtype != np.uint8 or len(shape) != 3 or min(shape) < 1:
        return None
    if shape[2] == 3:
        return Picture(shape=shape, note="uint8 HWC")
    if shape[2] == 4:
        return Picture(shape=(*shape[:2], 3), change=_without_alpha, note="uint8 HWC, alpha left out")
    if shape[0] == 3 and min(shape[1:]) > 4:
        return Picture(shape=(*shape[1:], 3), change=_channels_last, note="uint8 CHW")
    return None


def element_names(name: str, size: int, quaternion: bool = False) -> tuple[str, ...]:
    """Return one name an element: axes for positions and quaternions, else numbers; of one element: the name."""
    if size == 1:
        return (name,)
    position = size == 3 and re.search(r"(^|[_.])(pos|position|vel|vel_lin|vel_ang|ori|force|torque)$", name)
    axes = _AXES[size] if quaternion or position else range(size)
    return tuple(f"{name}.{axis}" for axis in axes)


def natural(name: str) -> tuple:
    """Sort key by which `demo_2` stands before `demo_10`."""
    # Numbers by length, then digits: as integers, names of thousands of digits would be refused.
    parts = re.split(r"([0-9]+)", name)
    return (*((len(part.lstrip("0")), part.lstrip("0")) if i % 2 else (0, part) for i, part in enumerate(parts)), name)


def files_of(path: Path, suffixes: tuple[str, ...], most: int = 100_000) -> list[Path]:
    """Return `path` itself when it is a file, else the files in the folder with one of `suffixes`, in natural order."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        return []
    found = sorted((entry for entry in path.iterdir() if entry.suffix in suffixes), key=lambda one: natural(one.name))
    if len(found) > most:
        raise DataError("a folder holds too many files", where=path, got=len(found), expected=f"at most {most:,}")
    return [entry for entry in found if entry.is_file()]


def is_small(column: Column) -> bool:
    """Whether a sample is numbers, and few enough to become a feature unasked."""
    return math.prod(column.shape[1:]) <= LARGEST_SUGGESTED and column.dtype != object


def as_target(prefix: str, name: str) -> str | None:
    """Return a feature key for a stream's own name: `a/b` becomes `prefix.a.b`; None: it cannot name a feature."""
    key = (f"{prefix}.{name}" if prefix else name).replace("/", ".")
    return key if re.fullmatch(r"[A-Za-z0-9_][\w.\- ]*", key) and ".." not in key else None


def is_positive(value: Any) -> bool:
    """Whether a value that a file states is a number of which a rate or a period can be made."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e6


def _share(column: Column, rows: range | None) -> int | None:
    if column.stored_bytes is None or rows is None or not column.shape[0]:
        return column.stored_bytes
    return column.stored_bytes * len(rows) // column.shape[0]


def _w_first(rows: NDArray) -> NDArray:
    return rows[..., [3, 0, 1, 2]]


def _without_alpha(picture: NDArray) -> NDArray:
    return picture[..., :3]


def _channels_last(picture: NDArray) -> NDArray:
    return np.ascontiguousarray(np.moveaxis(picture, 0, -1))
