"""Decisions that only a person can make about a log: what is asked, why, and what would be a fair answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from motorium.core.errors import DataError
from motorium.data.ingest.mapping import MappingSpec, Part
from motorium.data.ingest.survey import Survey, Surveyed

# Rates this close are one rate.
SAME_RATE = 0.05
# Rates that recorders have and decimals hide; within half a per cent they are meant.
USUAL_RATES = (23.976, 29.97, 59.94)
# Below this a stream is events rather than a series, and sets no rate.
SLOWEST_HZ = 1.0
# Below this rate a robot or car is hardly controlled: such streams are put on a faster grid.
SLOWEST_CONTROL_HZ = 5.0
# Where the source says nothing: the rate of most collections of robot demonstrations lies between 5 and 50.
ASSUMED_HZ = 10.0
# Formats that state no rate, and whose usual recorder has one: ACT's constants.py says DT = 0.02.
USUAL_STEP_HZ = {"act": 50.0}


@dataclass(frozen=True, kw_only=True)
class Decision:
    """One thing that a source leaves open.

    Attributes:
        field: of the mapping, where the answer goes.
        what: the question.
        why: what hangs on it, with the numbers found.
        options: answers that make sense, as they are written in the mapping.
        suggestion: one of them.
    """

    field: str
    what: str
    why: str
    options: tuple[str, ...]
    suggestion: str

    def to_plain(self) -> dict[str, Any]:
        """Return it as JSON-compatible data."""
        return {**vars(self), "options": list(self.options)}


def settle(known: Survey, mapping: MappingSpec) -> tuple[MappingSpec, list[Decision]]:
    """Fill in what a mapping leaves open; return it, and the decisions that this took.

    What follows from the source (a rate it states, one rate of all streams) is filled in without a decision.
    """
    decisions: list[Decision] = []
    for question in (_rate, _clock, _task, _lacking, _sizes):
        changes, decision = question(known, mapping)
        mapping = mapping.model_copy(update=changes)
        if decision is not None:
            decisions.append(decision)
    return mapping, decisions


def decisions_missing(path: Path, decisions: Sequence[Decision], text: str | None) -> DataError:
    """Return the one error that asks for everything.

    Args:
        text: the mapping file that holds the suggestions, shown in full; None: it is somewhere else.
    """
    count = len(decisions)
    lines = [f"{count} decision{'s are' if count > 1 else ' is'} needed before this recording becomes a dataset"]
    for number, each in enumerate(decisions, start=1):
        lines += [f"  {number}. {each.what}", f"     {each.why}", f"     options:    {' | '.join(each.options)}"]
        lines.append(f"     suggestion: {each.field}: {each.suggestion}")
    if text is not None:
        lines += ["", "The mapping with these suggestions, to edit and to keep:", ""]
        lines += [f"    {line}".rstrip() for line in text.splitlines()]
    return DataError(
        "\n".join(lines),
        where=path,
        remedy="motorium inspect PATH --mapping FILE writes it; edit it, then motorium ingest PATH --mapping FILE;"
        " or motorium ingest PATH --accept takes the suggestions",
    )


def mapped(known: Survey, mapping: MappingSpec) -> list[tuple[Part, Surveyed]]:
    """Return the parts of all features whose streams the log has, with what is known of these."""
    parts = [part for parts in mapping.features.values() for part in parts]
    return [(part, known.streams[part.stream]) for part in parts if part.stream in known.streams]


def usual(rate_hz: float) -> float:
    """Return the rate that a measured one means: a whole number, a television rate, or three digits of it."""
    near = [rate for rate in (*USUAL_RATES, float(round(rate_hz))) if rate and abs(rate - rate_hz) < 0.005 * rate]
    return min(near, key=lambda rate: abs(rate - rate_hz)) if near else float(f"{rate_hz:.3g}")


def part_rate(part: Part, each: Surveyed) -> float | None:
    """Return a part's rate on the clock it uses."""
    timing = each.timing_on(part.clock)
    return timing.rate_hz if timing else None


def _rate(known: Survey, mapping: MappingSpec) -> tuple[dict[str, Any], Decision | None]:
    if mapping.fps is not None:
        return {}, None
    parts = mapped(known, mapping)
    if not any(each.stream.clocks for _, each in parts):
        return _step_rate(known, mapping)
    fast = [(p, e, rate) for p, e in parts if (rate := part_rate(p, e)) and rate >= SLOWEST_HZ]
    steady = [item for item in fast if (item[0].align or item[1].stream.align) != "hold"] or fast
    if not steady:
        return {"fps": ASSUMED_HZ}, Decision(
            field="fps",
            what="How many steps a second should the dataset have?",
            why=f"no stream that is mapped has a steady rate of {SLOWEST_HZ:g} Hz or more",
            options=("a number",),
            suggestion=f"{ASSUMED_HZ:g}",
        )
    rates = sorted(usual(rate) for _, _, rate in steady)
    cameras = [usual(rate) for _, each, rate in steady if each.stream.feature.visual]
    if known.log.rate_hz:
        return {"fps": known.log.rate_hz}, None
    # The fastest camera loses no picture; without one, at the slowest rate that still controls nothing is repeated.
    usable = [rate for rate in rates if rate >= SLOWEST_CONTROL_HZ] or rates[-1:]
    chosen = max(cameras) if cameras else usable[0]
    if rates[-1] <= rates[0] * (1 + SAME_RATE):
        return {"fps": chosen}, None
    groups = {rate: [each.name for _, each, own in steady if usual(own) == rate] for rate in sorted(set(rates))}
    listed = "; ".join(f"{rate:g} Hz: {_some(names)}" for rate, names in list(groups.items())[:8])
    return {"fps": chosen}, Decision(
        field="fps",
        what="How many steps a second should the dataset have?",
        why=f"the streams run at different rates: {listed}{'; ...' if len(groups) > 8 else ''}",
        options=tuple(f"{rate:g}" for rate in sorted(set(rates))),
        suggestion=f"{chosen:g}",
    )


def _some(names: Sequence[str]) -> str:
    """Return the first of some names, and how many more there are."""
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")


def _step_rate(known: Survey, mapping: MappingSpec) -> tuple[dict[str, Any], Decision | None]:
    rate = mapping.rate_hz or known.log.rate_hz
    if rate:
        return {"fps": rate}, None
    likely = USUAL_STEP_HZ.get(known.log.format, ASSUMED_HZ)
    return {"fps": likely}, Decision(
        field="fps",
        what="At how many steps a second was this recorded?",
        why="the source holds steps and states no rate; speeds, videos and policies depend on it",
        options=("the control rate of the robot or simulator, such as 5, 10, 20, 50",),
        suggestion=f"{likely:g}",
    )


def _clock(known: Survey, mapping: MappingSpec) -> tuple[dict[str, Any], Decision | None]:
    """Ask when the choice between stamps would move streams against each other by more than a step."""
    parts = [(part, each) for part, each in mapped(known, mapping) if each.stream.clocks and part.clock is None]
    if mapping.clock is not None or not mapping.fps:
        return {}, None
    both = {each.name: each.second_clock for _, each in parts if each.second_clock}
    single = [each.name for _, each in parts if each.name not in both]
    if not both:
        return {}, None
    first = next(each.stream.clocks[0] for _, each in parts if each.name in both)
    second = next(iter(both.values()))[0]
    offsets = {name: fit.offset_s for name, (_, fit) in both.items()}
    # A stream with one clock only stays where it is, whatever the others do.
    spread = max([*offsets.values(), *[0.0] * bool(single)]) - min([*offsets.values(), *[0.0] * bool(single)])
    if spread <= 1.0 / mapping.fps:
        return {}, None
    chosen = second if single else first
    shown = ", ".join(f"{name} {offset:+.3f} s" for name, offset in list(offsets.items())[:6])
    alone = f"; {', '.join(single[:4])} {'have' if len(single) > 1 else 'has'} one clock only" if single else ""
    return {"clock": chosen}, Decision(
        field="clock",
        what=f"Which stamps count: '{first}' or '{second}'?",
        why=f"they move streams against each other by {spread:.3f} s, more than a step;"
        f" {second} minus {first}: {shown}{alone}",
        options=(first, second),
        suggestion=chosen,
    )


def _task(known: Survey, mapping: MappingSpec) -> tuple[dict[str, Any], Decision | None]:
    if mapping.task is not None or not known.without_task:
        return {}, None
    driving = any(name.startswith(("ego.", "objects.")) for name in known.streams)
    words = "drive" if driving else spoken(known.log.path) or "do the task"
    count = known.without_task
    return {"task": words}, Decision(
        field="task",
        what="What is being done, in the words of an instruction?",
        why=f"{count} of {known.segments} segments have no instruction; policies that listen to language need one",
        options=("a sentence, such as 'pick up the red block'",),
        suggestion=f'"{words}"',
    )


def spoken(path: Path) -> str:
    """Return the words in a file's or folder's name."""
    words = "".join(c if c.isalpha() else " " for c in path.stem).split()
    return " ".join(words).lower()


def _lacking(known: Survey, mapping: MappingSpec) -> tuple[dict[str, Any], Decision | None]:
    if mapping.lacking != "stop":
        return {}, None
    lacking = {each.name: each for _, each in mapped(known, mapping) if each.segments < known.segments}
    if not lacking:
        return {}, None
    worst = min(each.segments for each in lacking.values())
    # Objects have a mask anyway; of the others, half-empty episodes help less than fewer whole ones.
    maskable = all(each.stream.ragged for each in lacking.values()) or worst * 2 <= known.segments
    chosen = "mask" if maskable else "drop"
    listed = ", ".join(f"{each.name} in {each.segments} of {known.segments}" for each in list(lacking.values())[:6])
    return {"lacking": chosen}, Decision(
        field="lacking",
        what="What should become of segments that lack a stream?",
        why=f"not every segment has {listed}{', ...' if len(lacking) > 6 else ''}",
        options=("drop", "mask", "stop"),
        suggestion=chosen,
    )


def _sizes(known: Survey, mapping: MappingSpec) -> tuple[dict[str, Any], Decision | None]:
    """Cut odd pictures by a row or column, which video needs; ask where segments have different sizes."""
    features, differing = dict(mapping.features), []
    for key, parts in mapping.features.items():
        each = known.streams.get(parts[0].stream) if len(parts) == 1 else None
        if each is None or not each.stream.feature.visual or parts[0].height or parts[0].width:
            continue
        sizes = _heights_widths(each.shapes)
        height, width = max(h for h, _ in sizes) // 2 * 2, max(w for _, w in sizes) // 2 * 2
        if len(sizes) > 1:
            differing.append((key, each.name, sizes, height, width))
        if len(sizes) > 1 or sizes[0] != (height, width):
            features[key] = [parts[0].model_copy(update={"height": max(height, 2), "width": max(width, 2)})]
    if not differing:
        return ({"features": features} if features != mapping.features else {}), None
    key, stream, sizes, height, width = differing[0]
    shown = ", ".join(f"{h}x{w}" for h, w in sizes[:6])
    return {"features": features}, Decision(
        field=f"features.{key}",
        what=f"Which size should the pictures of '{stream}' have?",
        why=f"segments differ: height x width {shown}; smaller ones are padded with black, larger ones are cut",
        options=tuple(f"height: {h}, width: {w}" for h, w in sizes[:6]),
        suggestion=f"height: {height}, width: {width}",
    )


def _heights_widths(shapes: Iterable[tuple[int, ...]]) -> list[tuple[int, int]]:
    return list(dict.fromkeys((shape[0], shape[1]) for shape in shapes if len(shape) == 3))
