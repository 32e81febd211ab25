"""Plan: a mapping resolved against a log: what every feature of the dataset is, and which samples it is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from motorium.core.errors import DataError
from motorium.core.features import Feature
from motorium.data.align.resample import Rule
from motorium.data.companions import TIME, VALID
from motorium.data.ingest.mapping import MappingSpec
from motorium.data.ingest.sources import open_log
from motorium.data.log import Align, Log


@dataclass(frozen=True, kw_only=True)
class Source:
    """One part of a feature, resolved.

    Attributes:
        dtype: of the stream's samples; `video` for pictures.
        shape: of one sample, with the slots of the largest segment where `ragged`.
        elements: numbers of the elements taken, in the sample laid out flat; None: the sample as it is.
        clock: None for streams without stamps.
        size: height and width that pictures are cut or padded to.
        any_size: whether pictures may have another size than the stream says.
        bgr: whether pictures are handed over blue first, and are to be swapped.
    """

    stream: str
    dtype: str
    shape: tuple[int, ...]
    ragged: bool = False
    elements: tuple[int, ...] | None = None
    align: Align = "nearest"
    clock: str | None = None
    tolerance_ns: int | None = None
    max_gap_ns: int | None = None
    offset_ns: int = 0
    scale: float | None = None
    size: tuple[int, int] | None = None
    any_size: bool = False
    bgr: bool = False

    @property
    def size_flat(self) -> int:
        """Elements that it gives to the feature."""
        return len(self.elements) if self.elements is not None else int(np.prod(self.shape))

    @property
    def rule(self) -> Rule:
        """How it is put on the grid."""
        return Rule(align=self.align, tolerance_ns=self.tolerance_ns, max_gap_ns=self.max_gap_ns)

    @property
    def sampled(self) -> bool:
        """Whether a step takes one recorded sample, whose time is worth keeping."""
        return self.align in ("nearest", "hold")


@dataclass(frozen=True, kw_only=True)
class Output:
    """One feature of the dataset and its companions.

    Attributes:
        masked: whether `<key>.valid` says which elements hold something.
        timed: whether `<key>.time` says when the samples were taken.
    """

    key: str
    feature: Feature
    sources: tuple[Source, ...]
    masked: bool
    timed: bool

    @property
    def features(self) -> dict[str, Feature]:
        """The feature and its companions by key."""
        made = {self.key: self.feature}
        visual = self.feature.visual
        if self.masked:
            shape, names = ((1,), None) if visual else (self.feature.shape, self.feature.names)
            made[self.key + VALID] = Feature(dtype="bool", shape=shape, names=names, units=("1",) * shape[0])
        if self.timed:
            names = tuple(each.stream for each in self.sources if each.sampled)
            names = names if len(set(names)) == len(names) else None
            count = sum(each.sampled for each in self.sources)
            made[self.key + TIME] = Feature(dtype="float64", shape=(count,), names=names, units=("s",) * count)
        return made


@dataclass(frozen=True, kw_only=True)
class PlanData:
    """How a log becomes episodes; the same for all its segments.

    Attributes:
        mapping: without anything open.
        outputs: in the order of the dataset's columns.
        lengths_hint: about how many steps each segment gives, for progress; 0 where it cannot be told.
        step_rate_hz: of streams without stamps that are put on another rate; None: sample i is step i.
        stamped: whether streams have stamps.
        notes: what was found while resolving, in words, beside the log's own problems.
    """

    path: Path
    log: Log
    mapping: MappingSpec
    outputs: tuple[Output, ...]
    lengths_hint: tuple[int, ...]
    stamped: bool
    step_rate_hz: float | None = None
    notes: tuple[str, ...] = ()
    conventions: Mapping[str, str] = field(default_factory=dict)

    @property
    def fps(self) -> float:
        """Steps in a second."""
        return float(self.mapping.fps or 0.0)

    @property
    def resampled(self) -> bool:
        """Whether streams are put on a grid of their own, rather than taken step by step."""
        return self.stamped or self.step_rate_hz is not None

    @property
    def features(self) -> dict[str, Feature]:
        """Every feature of the dataset."""
        return {key: feature for output in self.outputs for key, feature in output.features.items()}

    @property
    def streams(self) -> list[str]:
        """Every stream that is needed, once."""
        wanted = [source.stream for output in self.outputs for source in output.sources]
        timing = [self.mapping.span] if self.mapping.span != "overlap" else []
        timing += [self.mapping.split.stream] if self.mapping.split else []
        return list(dict.fromkeys([*wanted, *timing]))

    @property
    def num_segments(self) -> int:
        """How many segments the log has."""
        return len(self.lengths_hint)

    def sources(self) -> Iterator[tuple[Output, Source]]:
        """Yield every part with its feature."""
        for output in self.outputs:
            for source in output.sources:
                yield output, source

    def to_plain(self) -> dict[str, Any]:
        """Return the plan as JSON-compatible data; `from_plain` opens the log again, and reads nothing else."""
        return {
            "path": str(self.path),
            "format": self.log.format,
            "mapping": self.mapping.to_plain(),
            "outputs": [_plain_output(output) for output in self.outputs],
            "lengths_hint": list(self.lengths_hint),
            "stamped": self.stamped,
            "step_rate_hz": self.step_rate_hz,
            "notes": list(self.notes),
            "conventions": dict(self.conventions),
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> PlanData:
        """Build a plan from `to_plain` data.

        Raises:
            DataError: when the log cannot be opened or has other segments now.
        """
        log = open_log(plain["path"], plain["format"], plain["mapping"]["source"])
        if len(log.segments) != len(plain["lengths_hint"]):
            raise DataError(
                "the recording has changed since it was looked at",
                where=plain["path"],
                got=f"{len(log.segments)} segments",
                expected=len(plain["lengths_hint"]),
                remedy="start again",
            )
        return cls(
            path=Path(plain["path"]),
            log=log,
            mapping=MappingSpec.parse(plain["mapping"], where="mapping"),
            outputs=tuple(_output(each) for each in plain["outputs"]),
            lengths_hint=tuple(plain["lengths_hint"]),
            stamped=plain["stamped"],
            step_rate_hz=plain["step_rate_hz"],
            notes=tuple(plain["notes"]),
            conventions=dict(plain["conventions"]),
        )


def _plain_output(output: Output) -> dict[str, Any]:
    return {
        **vars(output),
        "feature": output.feature.to_plain(),
        "sources": [vars(source) for source in output.sources],
    }


def _output(plain: Mapping[str, Any]) -> Output:
    sources = [_source(each) for each in plain["sources"]]
    return Output(**{**plain, "feature": Feature.from_plain(plain["feature"]), "sources": tuple(sources)})


def _source(plain: Mapping[str, Any]) -> Source:
    made = Source(**plain)
    tuples = {name: tuple(value) for name, value in vars(made).items() if isinstance(value, list)}
    return replace(made, **tuples)


def element_names(stream: str, feature: Feature) -> tuple[str, ...]:
    """Return a name for each element of a sample laid out flat: the stream's own, else its last part and a number."""
    size = feature.size
    if feature.names is not None and len(feature.names) == size:
        return feature.names
    last = last_part(stream)
    if size == 1:
        return (last,)
    places = np.ndindex(*feature.shape)
    return tuple(f"{last}.{'.'.join(str(i) for i in place)}" for place in places)


def last_part(stream: str) -> str:
    """Return the last part of a stream's name: `position` of `/odom.pose.position`."""
    parts = [part for part in stream.replace("/", ".").split(".") if part]
    return parts[-1] if parts else stream


def distinct_names(streams: Sequence[str], names: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Return one name an element of joined streams, each once: where two are equal, more of the stream's name leads."""
    flat = [name for each in names for name in each]
    if len(set(flat)) == len(flat):
        return tuple(flat)
    depth = 1
    while True:
        led = []
        for stream, each in zip(streams, names):
            parts = [part for part in stream.replace("/", ".").split(".") if part]
            lead = ".".join(parts[-depth:])
            led += [name if name.startswith(lead) else f"{lead}.{name}" for name in each]
        longest = max((len(stream.replace("/", ".").split(".")) for stream in streams), default=1)
        if len(set(led)) == len(led):
            return tuple(led)
        if depth > longest:
            return tuple(f"{place}.{name}" for place, name in enumerate(led))
        depth += 1
