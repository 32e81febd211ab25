"""Suggest: a mapping for a log from what its reader says, and the decisions that are left to a person."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from motorium.core.errors import DataError
from motorium.data.align.gaps import Timing
from motorium.data.ingest.decisions import Decision, mapped, part_rate, settle
from motorium.data.ingest.mapping import OVERLAP, Comments, MappingSpec, Part, format_mapping
from motorium.data.ingest.sources import TAKES_OPTIONS
from motorium.data.ingest.survey import Survey, Surveyed, survey
from motorium.data.layout import check_key
from motorium.data.log import Log, Stream

STATE = "observation.state"
# A larger sample is a map, a cloud or a table, and no state of a robot.
LARGEST_STATE = 256
# An overlap shorter than this share of what the first camera (or the longest stream) covers is not taken unasked.
LEAST_OVERLAP = 0.9
# Sample periods: one lost sample is bridged, two are not. A period counts with so many deviations of its jitter.
TOLERANCE_PERIODS, GAP_PERIODS, JITTERS = 1.5, 2.5, 3.0


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """A mapping that works as it stands, once its decisions are accepted.

    Attributes:
        mapping: with every suggestion filled in.
        decisions: what a person has to confirm; none when the source says everything.
        comments: for the mapping file: rates, shapes, units, and why streams are left out.
    """

    mapping: MappingSpec
    decisions: list[Decision]
    comments: Comments

    def text(self, left_out: int | None = None) -> str:
        """Return the mapping file; `left_out`: at most so many streams that are not mapped are listed."""
        comments = self.comments
        if left_out is not None and len(comments.left_out) > left_out:
            comments = Comments(
                head=[*comments.head, f"{len(comments.left_out)} streams are left out; the written file lists them"],
                fields=comments.fields,
                streams=comments.streams,
                left_out=comments.left_out[:left_out],
            )
        return format_mapping(self.mapping, comments)


def suggest(log: Log, known: Survey | None = None, mapping: MappingSpec | None = None) -> Suggestion:
    """Return a mapping for a log.

    Args:
        known: the log's survey, where it was made already.
        mapping: what is decided already: its features, or fields that the suggestion keeps.

    Raises:
        DataError: when the log holds no segment.
    """
    known = survey(log) if known is None else known
    features, decisions = ({}, []) if mapping and mapping.features else draft(known)
    given = {} if mapping is None else {name: getattr(mapping, name) for name in mapping.model_fields_set}
    if not given.get("features"):
        given["features"] = features
    if log.format == TAKES_OPTIONS and not given.get("source") and "source" in log.facts:
        # What the reader took by itself, written down so that it can be changed; recordings of a folder may differ.
        given["source"] = json.loads(log.facts["source"])
    start = MappingSpec(**{"format": log.format, "robot_type": log.robot_type, **given})
    settled, asked = settle(known, start)
    if mapping is None or not mapping.features:
        settled = _with_limits(known, settled)
    if given.get("span", OVERLAP) == OVERLAP and (mapping is None or not mapping.features):
        settled = settled.model_copy(update={"span": _span(known, settled)})
    decisions = [*decisions, *asked]
    return Suggestion(mapping=settled, decisions=decisions, comments=comments(known, settled, decisions))


def draft(known: Survey) -> tuple[dict[str, list[Part]], list[Decision]]:
    """Return features by the readers' targets, and decisions where these collide or say nothing."""
    claims: dict[str, list[Surveyed]] = {}
    for each in known.streams.values():
        if each.stream.target is not None and _unfit(each, known) is None:
            claims.setdefault(_key(each.stream.target), []).append(each)
    features: dict[str, list[Part]] = {}
    decisions = []
    for key, claimed in claims.items():
        if len(claimed) > 1 and any(_alone(each.stream) for each in claimed):
            decisions.append(_share(key, claimed, features, set(claims)))
        else:
            features[key] = [_part(each) for each in claimed]
    if not any(key.startswith("observation.") and not _visual(known, parts) for key, parts in features.items()):
        decision = _state(known, features)
        decisions += [decision] if decision else []
    return dict(sorted(features.items(), key=lambda item: _order(item[0]))), decisions


def _order(key: str) -> tuple[int, int]:
    """State first, then what else was observed, then actions, then the rest, each in the log's order."""
    ranks = [key == STATE, key.startswith("observation") and "images" not in key, key.startswith("observation")]
    ranks += [key == "action", key.startswith("action"), True]
    return ranks.index(True), 0


def _key(target: str) -> str:
    try:
        check_key(target, "a stream's target")
    except DataError:
        return re.sub(r"\.{2,}", ".", re.sub(r"[^\w.\-]", "_", target)).strip("._") or "unnamed"
    return target


def _alone(stream: Stream) -> bool:
    """Whether a stream cannot be joined with others into one vector."""
    return stream.feature.visual or stream.feature.dtype == "string" or stream.ragged or len(stream.feature.shape) > 1


def _visual(known: Survey, parts: Sequence[Part]) -> bool:
    return any(known.streams[part.stream].stream.feature.visual for part in parts)


def _part(each: Surveyed) -> Part:
    """Return the whole of a stream; on another clock where its first one was never set."""
    usable = [clock for clock in each.stream.clocks if each.timings.get(clock) and each.timings[clock].rate_hz]
    clock = usable[0] if usable and usable[0] != each.stream.clocks[0] else None
    return Part(stream=each.name, align=each.stream.align if each.stream.clocks else None, clock=clock)


def _share(key: str, claimed: Sequence[Surveyed], features: dict[str, list[Part]], taken: set[str]) -> Decision:
    """Give every stream that claims one place a place of its own."""
    names = []
    for number, each in enumerate(claimed):
        name = key
        while number and name in taken:
            number += 1
            name = f"{key}_{number}"
        taken.add(name)
        names.append(name)
        features[name] = [_part(each)]
    streams = ", ".join(each.name for each in claimed)
    each_own = ", ".join(f"{name}: {each.name}" for name, each in zip(names, claimed))
    return Decision(
        field=f"features.{key}",
        what=f"Which stream becomes '{key}'?",
        why=f"{streams} would all be it, and they cannot be joined",
        options=(*(f"{key}: {each.name}" for each in claimed[:6]), each_own),
        suggestion=each_own,
    )


def _state(known: Survey, features: dict[str, list[Part]]) -> Decision | None:
    """Take every small series of numbers as the state, when no stream is said to be one."""
    used = {part.stream for parts in features.values() for part in parts}
    fits = [each for each in known.streams.values() if each.name not in used and _state_like(each, known)]
    if not fits:
        return None
    features[STATE] = [_part(each) for each in fits]
    listed = ", ".join(each.name for each in fits[:12]) + (f" and {len(fits) - 12} more" if len(fits) > 12 else "")
    return Decision(
        field=f"features.{STATE}",
        what="Which streams are the state, and which the action?",
        why="nothing in the source says what was observed and what was commanded",
        options=(f"all numbers as the state: {listed}", "edit the lists under observation.state and action"),
        suggestion=f"[{listed}]",
    )


def _state_like(each: Surveyed, known: Survey) -> bool:
    feature = each.stream.feature
    if _alone(each.stream) or feature.size > LARGEST_STATE or each.count < 2:
        return False
    return _unfit(each, known) is None


def _with_limits(known: Survey, mapping: MappingSpec) -> MappingSpec:
    """Write down how far samples may be from steps, so that it can be seen and changed."""
    features = {
        key: [limited(part, known.streams[part.stream], mapping.fps) for part in parts]
        for key, parts in mapping.features.items()
    }
    return mapping.model_copy(update={"features": features})


def limited(part: Part, each: Surveyed, fps: float | None) -> Part:
    """Return a part with its tolerance and longest gap, from the stream's rate where they are not given."""
    rate = part_rate(part, each)
    align = part.align or each.stream.align
    if not each.stream.clocks or not rate:
        return part
    timing = each.timing_on(part.clock)
    period_s = 1.0 / rate + JITTERS * ((timing.jitter_s if timing else None) or 0.0)
    if fps and align == "nearest":
        period_s = max(period_s, 1.0 / fps)
    if align == "nearest" and part.tolerance_s is None:
        return part.model_copy(update={"tolerance_s": float(f"{TOLERANCE_PERIODS * period_s:.3g}")})
    if align in ("linear", "slerp") and part.max_gap_s is None:
        return part.model_copy(update={"max_gap_s": float(f"{GAP_PERIODS * period_s:.3g}")})
    return part


def _span(known: Survey, mapping: MappingSpec) -> str:
    """Return `overlap`, unless that would lose much of what the main stream covers."""
    timed = [(part, each) for part, each in mapped(known, mapping) if _held(part, each) is not None]
    if not timed:
        return OVERLAP
    spans = [_held(part, each) for part, each in timed]
    cameras = [each for _, each in timed if each.stream.feature.visual]
    main = cameras[0] if cameras else max((each for _, each in timed), key=lambda each: _length(each))
    limits = [(t.start_ns, t.end_ns) for t, (part, each) in zip(spans, timed) if not _is_held(part, each)]
    starts = max(t.start_ns for t in spans)
    ends = min((end for _, end in limits), default=starts)
    return OVERLAP if (ends - starts) / 1e9 >= LEAST_OVERLAP * _length(main) else main.name


def _length(each: Surveyed) -> float:
    return each.timing.duration_s if each.timing else 0.0


def _is_held(part: Part, each: Surveyed) -> bool:
    return (part.align or each.stream.align) == "hold"


def _held(part: Part, each: Surveyed) -> Timing | None:
    timing = each.timing_on(part.clock)
    return timing if timing is not None and timing.start_ns is not None else None


def comments(known: Survey, mapping: MappingSpec, decisions: Iterable[Decision]) -> Comments:
    """Return what stands beside a mapping's values."""
    used = {part.stream for parts in mapping.features.values() for part in parts}
    count = known.segments
    head = [
        f"Which streams of {known.log.path.name} ({known.log.format}, {count} segment{'s' * (count != 1)}) make which"
        " feature of a dataset.",
        "Edit it, then: motorium ingest PATH --mapping THIS_FILE",
    ]
    fields = {each.field: f"DECISION: {each.what} {each.why}" for each in decisions if "." not in each.field}
    head += [f"DECISION on {each.field}: {each.what} {each.why}" for each in decisions if "." in each.field]
    return Comments(
        head=head,
        fields=fields,
        streams={name: describe(each) for name, each in known.streams.items()},
        left_out=[
            (name, f"{describe(each)}; {_why(each, known)}") for name, each in known.streams.items() if name not in used
        ],
    )


def describe(each: Surveyed) -> str:
    """Return rate, type, shape and units of a stream in a few words."""
    feature, rate = each.stream.feature, each.rate_hz
    words = [f"{rate:.4g} Hz" if rate else f"{each.count:,} samples", f"{feature.dtype} {list(feature.shape)}"]
    units = list(dict.fromkeys(feature.units or ()))
    words += [" ".join(units[:4])] if units and units != ["1"] else []
    words += [each.stream.note] if each.stream.note else []
    return ", ".join(words)


def _why(each: Surveyed, known: Survey) -> str:
    """Return why a stream is in no feature."""
    unfit = _unfit(each, known)
    if unfit is not None:
        return unfit
    return "no feature that it usually becomes" if each.stream.target is None else f"not used for {each.stream.target}"


def _unfit(each: Surveyed, known: Survey) -> str | None:
    """Return what keeps a stream out of any dataset of this log, if anything does."""
    if not each.count:
        return "it has no samples"
    if 0 in each.stream.feature.shape:
        return "its samples are empty"
    if len(each.shapes) > 1 and not each.stream.feature.visual and not each.stream.ragged:
        return "its shape differs between segments"
    if not each.stream.clocks and not known.stepped:
        return "it has no stamps, and others have"
    return None
