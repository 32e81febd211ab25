"""Resolve: check a mapping against a log, and settle what each feature of the dataset is; reads no samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from motorium.core.errors import DataError, SpecError, nearest
from motorium.core.features import Feature
from motorium.data.align.grid import NS
from motorium.data.align.resample import check_rule
from motorium.data.ingest.mapping import OVERLAP, MappingSpec, Part
from motorium.data.ingest.plan import Output, PlanData, Source, distinct_names, element_names
from motorium.data.ingest.suggest import limited
from motorium.data.ingest.survey import LOOKED_AT, Survey, Surveyed, survey
from motorium.data.layout import AUTOMATIC, check_key
from motorium.data.log import Log

MOST_NAMES = 4096
# Of one feature of one sample; a point cloud of a million points still fits.
LARGEST_SAMPLE = 16 * 1024**2


def resolve(log: Log, mapping: MappingSpec, known: Survey | None = None) -> PlanData:
    """Return the plan of a log by a mapping that leaves nothing open.

    Raises:
        SpecError: when the mapping does not fit the log: where, and the nearest stream.
        DataError: when the log cannot be described.
    """
    known = survey(log) if known is None else known
    if mapping.fps is None:
        raise SpecError("the mapping has no rate", where="mapping: fps", expected="steps in a second")
    if not mapping.features:
        raise SpecError("the mapping has no features", where="mapping: features", expected="at least one")
    for place, stream in (("span", mapping.span), ("split.stream", mapping.split and mapping.split.stream)):
        if stream not in (None, OVERLAP):
            _known(known, stream, f"mapping: {place}")
    stamped = _stamped(known, mapping)
    own = mapping.rate_hz or log.rate_hz
    step_rate = own if not stamped and own and abs(own - mapping.fps) > 1e-9 * own else None
    if not stamped and (mapping.span != OVERLAP or mapping.split):
        raise SpecError(
            "a recording of steps has no silences and no span",
            where="mapping: " + ("split" if mapping.split else "span"),
            expected="span: overlap, split: null",
        )
    says = _says_valid(log, mapping) if not stamped else set()
    outputs = []
    for key, parts in mapping.features.items():
        where = f"mapping: features.{key}"
        _check_feature_key(key, where)
        sources = [_source(known, mapping, part, f"{where}[{place}]") for place, part in enumerate(parts)]
        outputs.append(_output(key, parts, sources, known, mapping, stamped or bool(step_rate), says))
    _check_companions(outputs)
    return PlanData(
        path=log.path,
        log=log,
        mapping=mapping,
        outputs=tuple(outputs),
        lengths_hint=tuple(_lengths(log, known, mapping, stamped)),
        stamped=stamped,
        step_rate_hz=step_rate,
        notes=tuple(known.problems),
        conventions={**log.conventions, **mapping.conventions},
    )


def _known(known: Survey, stream: str, where: str) -> Surveyed:
    if stream not in known.streams:
        raise SpecError(
            f"there is no stream '{stream}'",
            where=where,
            expected=f"one of: {', '.join(list(known.streams)[:40])}" + (", ..." if len(known.streams) > 40 else ""),
            nearest=nearest(stream, known.streams),
        )
    return known.streams[stream]


def _stamped(known: Survey, mapping: MappingSpec) -> bool:
    """Return whether the mapped streams have stamps; all or none must."""
    have: dict[bool, str] = {}
    for key, parts in mapping.features.items():
        if not parts:
            raise SpecError("a feature needs a stream", where=f"mapping: features.{key}", got="[]")
        for place, part in enumerate(parts):
            each = _known(known, part.stream, f"mapping: features.{key}[{place}]")
            have.setdefault(bool(each.stream.clocks), part.stream)
    if len(have) > 1:
        raise SpecError(
            "streams with and without stamps cannot be put together",
            where="mapping: features",
            got=f"'{have[True]}' has stamps, '{have[False]}' has none",
            remedy="leave one kind out",
        )
    return next(iter(have))


def _says_valid(log: Log, mapping: MappingSpec) -> set[str]:
    """Return the streams of which the source says what is valid, by the first segments."""
    wanted = {part.stream for parts in mapping.features.values() for part in parts}
    found = set()
    for _, segment in zip(range(LOOKED_AT), log.segments):
        for name in wanted - found:
            stream = segment.streams.get(name)
            if stream is not None and not stream.feature.visual and segment.valid(name) is not None:
                found.add(name)
    return found


def _check_feature_key(key: str, where: str) -> None:
    try:
        check_key(key, where)
    except DataError as error:
        raise SpecError(error.what, **error.details) from None
    if key in AUTOMATIC:
        raise SpecError(f"'{key}' is a column that is added by itself", where=where, remedy="choose another name")


def _check_companions(outputs: Sequence[Output]) -> None:
    seen: dict[str, str] = {}
    for output in outputs:
        for key in output.features:
            if key in seen:
                raise SpecError(
                    f"two features would be named '{key}'",
                    where=f"mapping: features.{output.key}",
                    got=f"it is also made for '{seen[key]}'",
                    remedy="rename one: '.valid' and '.time' are added to features that are put on the grid",
                )
            seen[key] = output.key


def _source(known: Survey, mapping: MappingSpec, part: Part, where: str) -> Source:
    each = _known(known, part.stream, where)
    stream, feature = each.stream, each.stream.feature
    shape = feature.shape if feature.shape else (1,)
    if feature.visual:
        differ = any(len(s) != 3 for s in each.shapes)
    else:
        differ = len(each.shapes) > 1 and (not stream.ragged or len({s[1:] for s in each.shapes}) > 1)
    if differ:
        raise SpecError(
            f"the samples of '{part.stream}' differ in shape between segments",
            where=where,
            got=", ".join(str(list(s)) for s in each.shapes[:6]),
            remedy="leave the stream out, or ingest segments of one shape by themselves",
        )
    if 0 in shape:
        raise SpecError(f"the samples of '{part.stream}' are empty", where=where, remedy="leave the stream out")
    if stream.ragged and part.slots:
        shape = (part.slots, *shape[1:])
    if np.prod(shape, dtype=float) > LARGEST_SAMPLE:
        raise SpecError(
            f"the samples of '{part.stream}' are too large", where=where, got=shape, expected=LARGEST_SAMPLE
        )
    if part.clock is not None and part.clock not in stream.clocks:
        raise SpecError(
            f"'{part.stream}' has no clock '{part.clock}'",
            where=f"{where}.clock",
            expected=f"one of: {', '.join(stream.clocks)}" if stream.clocks else "none: it has no stamps",
            nearest=nearest(part.clock, stream.clocks),
        )
    clock = part.clock or (mapping.clock if mapping.clock in stream.clocks else None) or next(iter(stream.clocks), None)
    part = limited(part.model_copy(update={"clock": clock}), each, mapping.fps)
    made = Source(
        stream=part.stream,
        dtype="video" if feature.visual else feature.dtype,
        shape=shape,
        ragged=stream.ragged,
        elements=_elements(part, feature, where),
        align=part.align or stream.align,
        clock=clock,
        tolerance_ns=_ns(part.tolerance_s),
        max_gap_ns=_ns(part.max_gap_s),
        offset_ns=round(part.offset_s * NS),
        scale=part.scale,
        size=_size(part, each) if feature.visual else None,
        any_size=bool(part.height or part.width),
        bgr=part.channels == "bgr",
    )
    if part.channels is not None and not feature.visual:
        raise SpecError("only pictures have channels", where=f"{where}.channels", got=f"{feature.dtype} {list(shape)}")
    _check_alignment(made, where)
    return made


def _ns(seconds: float | None) -> int | None:
    # Beyond 10 years there is no limit, and no overflow either.
    return None if seconds is None or seconds > 3e8 else round(seconds * NS)


def _size(part: Part, each: Surveyed) -> tuple[int, int]:
    height = part.height or max(shape[0] for shape in each.shapes)
    width = part.width or max(shape[1] for shape in each.shapes)
    return max(height // 2 * 2, 2), max(width // 2 * 2, 2)


def _check_alignment(source: Source, where: str) -> None:
    if source.dtype == "video":
        if source.align not in ("nearest", "hold") or source.scale or source.elements:
            raise SpecError("pictures are taken as they are", where=where, expected="align nearest or hold")
        return
    kind = "O" if source.dtype == "string" else np.dtype(source.dtype).kind
    try:
        check_rule(source.rule, kind, source.shape)
    except DataError as error:
        raise SpecError(
            error.what, where=f"{where}.align", got=error.details["got"], expected=error.details["expected"]
        ) from None
    if source.scale is not None and kind not in "iuf":
        raise SpecError("only numbers can be scaled", where=f"{where}.scale", got=source.dtype)


def _elements(part: Part, feature: Feature, where: str) -> tuple[int, ...] | None:
    if part.elements is None:
        return None
    names, found = element_names(part.stream, feature), []
    for element in part.elements:
        place = names.index(element) if element in names else element
        if isinstance(place, str) or not 0 <= place < feature.size:
            raise SpecError(
                f"'{part.stream}' has no element {element!r}",
                where=f"{where}.elements",
                expected=f"0 to {feature.size - 1}, or one of: {', '.join(names[:20])}",
                nearest=nearest(str(element), names),
            )
        found.append(int(place))
    return tuple(found)


def _output(
    key: str,
    parts: Sequence[Part],
    sources: Sequence[Source],
    known: Survey,
    mapping: MappingSpec,
    resampled: bool,
    says: set[str],
) -> Output:
    where = f"mapping: features.{key}"
    visual = [source for source in sources if source.dtype in ("video", "string")]
    if visual and len(sources) > 1:
        raise SpecError(
            "pictures and texts cannot be joined", where=where, got=[s.stream for s in sources], expected="one stream"
        )
    feature = _picture(sources[0]) if sources[0].size else _joined(key, parts, sources, known, mapping)
    itself_a_mask = feature.dtype == "bool" and key.endswith(".valid")
    uncertain = resampled or mapping.lacking == "mask" or any(s.ragged or s.stream in says for s in sources)
    uncertain |= mapping.nonfinite == "mask" and feature.dtype.startswith("float")
    masked = uncertain and not itself_a_mask
    timed = resampled and not itself_a_mask and any(source.sampled for source in sources)
    return Output(key=key, feature=feature, sources=tuple(sources), masked=masked, timed=timed)


def _picture(source: Source) -> Feature:
    height, width = source.size or source.shape[:2]
    return Feature(dtype="video", shape=(height, width, 3), names=("height", "width", "channels"))


def _joined(key: str, parts: Sequence[Part], sources: Sequence[Source], known: Survey, mapping: MappingSpec) -> Feature:
    """Return what the joined numbers are: one stream keeps its shape, several are laid out flat."""
    where = f"mapping: features.{key}"
    names: list[tuple[str, ...]] = []
    units: list[tuple[str, ...] | None] = []
    frames = set()
    for place, (part, source) in enumerate(zip(parts, sources)):
        feature = known.streams[source.stream].stream.feature
        feature = Feature(dtype=feature.dtype, shape=source.shape, names=feature.names, units=feature.units)
        frames.add(known.streams[source.stream].stream.feature.frame)
        size = len(source.elements) if source.elements is not None else feature.size
        names.append(_names(part, source, feature, size, f"{where}[{place}]"))
        units.append(_units(part, source, feature, size, f"{where}[{place}]"))
    dtype = _dtype(sources, mapping)
    frame = next(iter(frames)) if len(frames) == 1 else None
    single = len(sources) == 1 and sources[0].elements is None
    shape = sources[0].shape if single else (sum(len(each) for each in names),)
    flat_units = None if any(each is None for each in units) else tuple(unit for each in units for unit in each or ())
    if len(shape) > 1:
        # One name a row at most; one unit for all where there is but one.
        flat_units = flat_units[:1] if flat_units and len(set(flat_units)) == 1 else None
        own = parts[0].names
        return Feature(dtype=dtype, shape=shape, names=tuple(own) if own else None, units=flat_units, frame=frame)
    # Slots hold other objects in every segment: a number says all there is to say.
    named = shape[0] <= MOST_NAMES and (not sources[0].ragged or parts[0].names)
    flat = distinct_names([source.stream for source in sources], names) if named else None
    return Feature(dtype=dtype, shape=shape, names=flat, units=flat_units, frame=frame)


def _names(part: Part, source: Source, feature: Feature, size: int, where: str) -> tuple[str, ...]:
    if part.names is not None:
        expected = source.shape[0] if source.elements is None and len(source.shape) > 1 else size
        if len(part.names) != expected:
            raise SpecError(
                "there must be one name an element", where=f"{where}.names", got=len(part.names), expected=expected
            )
        if len(part.names) == size:
            return tuple(part.names)
    if size > MOST_NAMES:
        return ("",) * size
    names = element_names(source.stream, feature)
    return names if source.elements is None else tuple(names[element] for element in source.elements)


def _units(part: Part, source: Source, feature: Feature, size: int, where: str) -> tuple[str, ...] | None:
    if part.units is not None:
        units = (part.units,) * size if isinstance(part.units, str) else tuple(part.units)
        if len(units) != size:
            raise SpecError("there must be one unit an element", where=f"{where}.units", got=len(units), expected=size)
        return units
    if feature.units is None or source.scale is not None:
        return None
    units = feature.units * feature.size if len(feature.units) == 1 else feature.units
    if len(units) != feature.size:
        return None
    return units if source.elements is None else tuple(units[element] for element in source.elements)


def _dtype(sources: Sequence[Source], mapping: MappingSpec) -> str:
    if sources[0].dtype == "string":
        return "string"
    kinds = []
    for source in sources:
        between = source.align in ("linear", "slerp") or source.scale is not None
        kinds.append(np.dtype(source.dtype if not between or source.dtype.startswith("float") else "float64"))
    joined = np.result_type(*kinds)
    return "float32" if joined.kind == "f" and mapping.floats == "float32" else joined.name


def _lengths(log: Log, known: Survey, mapping: MappingSpec, stamped: bool) -> list[int]:
    """Estimate each segment's steps from the counts of its streams alone."""
    streams = list(dict.fromkeys(part.stream for parts in mapping.features.values() for part in parts))
    main = mapping.span if mapping.span != OVERLAP else max(streams, key=lambda name: known.streams[name].count)
    rate = (known.streams[main].rate_hz if stamped else mapping.rate_hz or log.rate_hz) or mapping.fps
    lengths = []
    for counted in known.counts:
        counts = [counted[name] for name in ([main] if stamped else streams) if name in counted]
        lengths.append(int(min(counts, default=0) * (mapping.fps or 0.0) / rate))
    return lengths
