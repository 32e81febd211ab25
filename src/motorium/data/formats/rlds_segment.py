"""One RLDS episode: streams over the quantities of a record, one sample a step."""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import DataError
from motorium.data.formats.columns import (
    LARGEST_SUGGESTED,
    ArraySegment,
    Picture,
    Source,
    array_source,
    as_target,
    picture_source,
)
from motorium.data.formats.image_files import decode_as, shape_of
from motorium.data.formats.rlds_features import Described, count_values
from motorium.data.formats.tfrecord import Entry, Example, Span
from motorium.data.log import Segment

# Open X-Embodiment's dictionaries of actions, in the order in which they are joined.
_ACTIONS = (
    "world_vector",
    "rotation_delta",
    "gripper_closedness_action",
    "base_displacement_vector",
    "base_displacement_vertical_rotation",
)
_STATE = re.compile(r"(.*/)?(state|proprio|robot_state|eef_state)")
_PARTS = re.compile(r"(.*/)?(joint_pos|joint_position|qpos|cartesian_position|gripper_position|gripper_closed)")
_INSTRUCTION = re.compile(r"steps/(observation/)?(natural_)?language_instruction")
_TARGETS = {
    "steps/reward": "next.reward",
    "steps/is_last": "next.done",
    "steps/is_terminal": "next.terminated",
    "steps/discount": "next.discount",
}


@dataclass(frozen=True, kw_only=True)
class ExampleColumn:
    """A quantity of a record, `shape[0]` rows of it. See `columns.Column`.

    Attributes:
        kind: `tensor`, `text` or `image` (rows are the encoded bytes).
        encoding: of tensors, as `Described.encoding`.
    """

    example: Example
    entry: Entry
    name: str
    kind: str
    encoding: str
    shape: tuple[int, ...]
    dtype: np.dtype
    rows_at_once: int = 1
    _items: list[Span] = field(default_factory=list, compare=False)

    @property
    def stored_bytes(self) -> int:
        """Size in the file."""
        return self.entry.span.stop - self.entry.span.start

    def read(self, start: int, stop: int) -> NDArray:
        """Return rows [start, stop)."""
        if self.kind == "tensor" and self.encoding == "none":
            if self.entry.kind == "bytes":
                raise self._misfit("bytes", "numbers")
            values = self.example.numbers(self.entry)
            if len(values) != math.prod(self.shape):
                raise self._misfit(f"{len(values)} values", f"{math.prod(self.shape)}, for shape {self.shape}")
            return values.reshape(self.shape)[start:stop]
        if self.entry.kind != "bytes":
            raise self._misfit("numbers", "bytes")
        if not self._items:
            self._items.extend(self.example.items(self.entry))
        if len(self._items) != self.shape[0]:
            raise self._misfit(f"{len(self._items)} values", f"{self.shape[0]}")
        data = [self.example.bytes_of(span) for span in self._items[start:stop]]
        if self.kind == "tensor":
            rows = [self._buffer(one) for one in data]
            return np.stack(rows) if rows else np.empty((0, *self.shape[1:]), self.dtype)
        rows = np.empty(len(data), object)
        rows[:] = [one.decode("utf-8", errors="replace") for one in data] if self.kind == "text" else data
        return rows

    def _buffer(self, data: bytes) -> NDArray:
        size = math.prod(self.shape[1:]) * self.dtype.itemsize
        if self.encoding == "zlib":
            try:
                data = zlib.decompressobj().decompress(data, size + 1)
            except zlib.error as error:
                raise DataError("a tensor is damaged", where=self.example.where, got=error) from error
        if len(data) != size:
            raise self._misfit(f"{len(data)} bytes", f"{size}")
        return np.frombuffer(data, self.dtype).reshape(self.shape[1:])

    def _misfit(self, got: str, expected: str) -> DataError:
        return DataError(
            f"'{self.name}' does not fit its description", where=self.example.where, got=got, expected=expected
        )


def make_segment(name: str, example: Example, features: Mapping[str, Described], meta: Mapping[str, Any]) -> Segment:
    """Return the segment of one record.

    Raises:
        DataError: when the record is damaged.
    """
    steps = _steps(example, features)
    sources = dict(_sources(example, features, steps))
    texts = {key: source for key, source in sources.items() if _INSTRUCTION.fullmatch(key)}
    return ArraySegment(
        name,
        example.where,
        sources,
        task=partial(_task, texts),
        meta=partial(_meta, example, features, meta),
    )


def _steps(example: Example, features: Mapping[str, Described]) -> int:
    """T: values of the smallest quantity that every step has, so that little is read."""
    whole = [
        (example.entries[name].span.stop - example.entries[name].span.start, name)
        for name, one in features.items()
        if one.per_step and one.kind in ("tensor", "text", "image") and name in example.entries
    ]
    if not whole:
        return 1
    name = min(whole)[1]
    count = count_values(example, name, features[name])
    return count or 0


def _sources(example: Example, features: Mapping[str, Described], steps: int) -> Iterator[tuple[str, Source]]:
    order = sorted(features, key=_rank)
    observed = [name.removeprefix("steps/observation/") for name in order if name.startswith("steps/observation/")]
    state = next((p for p in (_STATE, _PARTS) if any(p.fullmatch(name) for name in observed)), None)
    single = not any(one.per_step for one in features.values())
    for name in order:
        one, entry = features[name], example.entries.get(name)
        if not one.per_step and not single:
            continue
        if one.kind == "other" or entry is None:
            continue
        target = None if single else _target(name, one, state)
        if one.kind == "image":
            yield name, _camera(example, name, entry, one, steps, target)
            continue
        dtype = np.dtype(object) if one.kind == "text" else np.dtype(one.dtype)
        shape = (1 if single else steps, *one.shape)
        column = ExampleColumn(
            example=example, entry=entry, name=name, kind=one.kind, encoding=one.encoding, shape=shape, dtype=dtype
        )
        hold = target == "action" or name in _TARGETS
        stem = name.removeprefix("steps/").removeprefix("observation/").replace("/", ".")
        yield name, array_source(column, name=stem, target=target, align="hold" if hold else "linear", note=one.note)


def _rank(name: str) -> tuple[int, int]:
    """Actions in the order of `_ACTIONS`; everything else stays where it is."""
    stem = name.removeprefix("steps/action/")
    return (0, _ACTIONS.index(stem)) if stem in _ACTIONS else (1, 0)


def _target(name: str, one: Described, state: re.Pattern | None) -> str | None:
    if one.kind == "text":
        return None
    small = math.prod(size or 1 for size in one.shape) <= LARGEST_SUGGESTED
    stem = name.removeprefix("steps/")
    if name in _TARGETS:
        return _TARGETS[name]
    if stem == "action" or (stem.startswith("action/") and stem.removeprefix("action/") in _ACTIONS):
        return "action"
    if stem == "is_first":
        return None
    if stem.startswith("observation/"):
        rest = stem.removeprefix("observation/")
        if one.kind == "image":
            return as_target("observation.images", rest)
        if state is not None and state.fullmatch(rest) and len(one.shape) <= 1:
            return "observation.state"
        return as_target("observation", rest) if small else None
    return as_target("", stem) if small else None


def _camera(example: Example, name: str, entry: Entry, one: Described, steps: int, target: str | None) -> Source:
    column = ExampleColumn(
        example=example, entry=entry, name=name, kind="image", encoding="", shape=(steps,), dtype=np.dtype(object)
    )
    shape = one.shape
    if None in shape:
        first = column.read(0, 1)
        shape = shape_of(first[0], f"{example.where}, '{name}'") if len(first) else (0, 0, 3)
    change = partial(decode_as, shape=shape, where=f"{example.where}, '{name}'")
    return picture_source(column, Picture(shape=shape, change=change, note="JPEG or PNG"), target=target)


def _task(texts: Mapping[str, Source]) -> str | None:
    """The first instruction that is not empty."""
    for source in texts.values():
        for text in source.column.read(0, source.stream.count):
            if str(text).strip():
                return str(text).strip()
    return None


def _meta(example: Example, features: Mapping[str, Described], known: Mapping[str, Any]) -> dict[str, Any]:
    """Quantities of the episode as a whole (`episode_metadata/...`), where they are small."""
    found = dict(known)
    for name, one in features.items():
        entry = example.entries.get(name)
        if one.per_step or entry is None or one.kind not in ("tensor", "text") or one.encoding != "none":
            continue
        if entry.span.stop - entry.span.start > LARGEST_SUGGESTED:
            continue
        key = name.removeprefix("episode_metadata/")
        if entry.kind == "bytes":
            values: list[Any] = [
                example.bytes_of(span).decode("utf-8", errors="replace") for span in example.items(entry)
            ]
        else:
            values = example.numbers(entry).astype(one.dtype or "float32").tolist()
        found[key] = values[0] if len(values) == 1 and not one.shape else values
    return found
