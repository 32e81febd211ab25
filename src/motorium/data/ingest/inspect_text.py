"""The text of an inspection: bounded, in columns, what needs a person last."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from motorium.core.wording import format_bytes
from motorium.data.ingest.inspect import SHOWN_PROBLEMS, SHOWN_TASKS, Inspection

SHOWN_STREAMS = 60
# Clocks further apart do not differ: they count from different days.
ANOTHER_EPOCH_S = 1e6
LONGEST = 100
# A fact or convention is shown whole up to this, on several lines.
LONGEST_WHOLE = 600


def table(found: Inspection) -> str:
    """Return an inspection as text for people."""
    facts = [("format", f"{found.format}: {found.evidence}")]
    facts += [("size", format_bytes(found.bytes))] if found.bytes is not None else []
    facts += [(name, str(value)) for name, value in found.facts.items()]
    facts += [_tasks(found)]
    width = max(len(name) for name, _ in facts)
    lines = [f"{found.path}"]
    for name, value in facts:
        lines += _wrapped(f"  {name:{width}}  ", value)
    lines += _segments(found)
    lines += ["", *_streams(found)]
    words = [_wrapped(f"{name}: ", text, "  ") for name, text in found.conventions.items()]
    lines += _block("conventions", ["\n  ".join(each) for each in words])
    lines += _block("attachments", found.attachments)
    lines += _block("problems", found.problems)
    lines += _decisions(found)
    return "\n".join(lines)


def _segments(found: Inspection) -> list[str]:
    word = "episode" if found.kind == "dataset" else "segment"
    lines = ["", f"{found.num_segments:,} {word}{'s' * (found.num_segments != 1)}"]
    for each in found.segments:
        amount = f"{each['duration_s']:.2f} s" if each["duration_s"] is not None else f"{each['steps']:,} steps"
        task = f"  {_short(each['task'])}" if each["task"] else ""
        lines.append(f"  {_short(each['name'])}  {amount}{task}")
    left = found.num_segments - len(found.segments)
    return [*lines, f"  ... and {left:,} more"] if left else lines


def _tasks(found: Inspection) -> tuple[str, str]:
    more = f" and {len(found.tasks) - SHOWN_TASKS} more" if len(found.tasks) > SHOWN_TASKS else ""
    shown = "; ".join(_short(task) for task in found.tasks[:SHOWN_TASKS])
    return f"task{'s' * (len(found.tasks) > 1)}", f"{shown}{more}" or "none stated"


def _streams(found: Inspection) -> list[str]:
    if found.kind == "dataset":
        header = ("feature", "type", "shape", "units", "episodes")
        rows = [(each["name"], each["dtype"], _shape(each), _units(each), each["segments"]) for each in found.streams]
        return columns(header, rows)
    # What becomes part of the dataset comes first; a bag may have hundreds of streams that do not.
    order = sorted(found.streams, key=lambda each: not each["maps_to"])
    stamped = any(each["clocks"] for each in found.streams)
    header = ["stream", "maps to", "type", "shape", "units", "samples", "size"]
    header += ["rate", "jitter", "longest gap", "clocks"] if stamped else []
    rows = [_row(each, found, stamped) for each in order[:SHOWN_STREAMS]]
    filled = [place for place in range(len(header)) if any(row[place] for row in rows)]
    lines = columns([header[place] for place in filled], [[row[place] for place in filled] for row in rows])
    left = len(order) - SHOWN_STREAMS
    return [*lines, f"... and {left} more streams that map to nothing by themselves"] if left > 0 else lines


def _row(each: Mapping[str, Any], found: Inspection, stamped: bool) -> list[str]:
    samples = f"{each['samples']:,}"
    if each["segments"] < found.num_segments:
        samples += f" in {each['segments']} of {found.num_segments}"
    stored = format_bytes(each["stored_bytes"]) if each["stored_bytes"] else ""
    row = [each["name"], ", ".join(each["maps_to"]) or "-", each["dtype"], _shape(each), _units(each), samples, stored]
    if stamped:
        row += [_number(each["rate_hz"], "Hz"), _milli(each["jitter_s"]), _milli(each["largest_gap_s"]), _clocks(each)]
    return row


def _clocks(each: Mapping[str, Any]) -> str:
    names = ", ".join(clock["name"] for clock in each["clocks"])
    second = each["second_clock"]
    if second is not None:
        names += f" ({_offset(second['offset_s'])})"
    faults = {name: each["clocks"][0][name] for name in ("duplicates", "backward", "unset")} if each["clocks"] else {}
    said = ", ".join(f"{count} {name}" for name, count in faults.items() if count)
    return f"{names}; {said}" if said else names


def _offset(seconds: float) -> str:
    if abs(seconds) > ANOTHER_EPOCH_S:
        return "counts from another time"
    return f"{seconds * 1e3:+,.1f} ms" if abs(seconds) < 10 else f"{seconds:+,.1f} s"


def _shape(each: Mapping[str, Any]) -> str:
    text = "x".join(str(n) for n in each["shape"]) or "1"
    return text + (" at most" if each.get("ragged") else " differs" if each.get("shapes_differ") else "")


def _units(each: Mapping[str, Any]) -> str:
    units = [unit for unit in each["units"] if unit != "1"]
    return " ".join(units[:4]) + (" ..." if len(units) > 4 else "")


def _number(value: float | None, unit: str) -> str:
    return "" if value is None else f"{value:.4g} {unit}"


def _milli(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1e3:,.1f} ms" if seconds < 10 else f"{seconds:,.1f} s"


def _block(title: str, entries: Iterable[str]) -> list[str]:
    entries = list(entries)
    if not entries:
        return []
    more = [f"  ... and {len(entries) - SHOWN_PROBLEMS} more"] if len(entries) > SHOWN_PROBLEMS else []
    return ["", title, *(f"  {entry}" for entry in entries[:SHOWN_PROBLEMS]), *more]


def _decisions(found: Inspection) -> list[str]:
    if found.kind == "dataset":
        return ["", "ready: motorium ingest converts it as it is"]
    if not found.decisions:
        return ["", "ready: motorium ingest needs no decision"]
    lines = ["", f"decisions that motorium ingest asks for: {len(found.decisions)}"]
    for number, each in enumerate(found.decisions, start=1):
        lines += [f"  {number}. {each['what']}", f"     {each['why']}"]
        lines.append(f"     {each['field']}: {each['suggestion']} is suggested, of: {' | '.join(each['options'])}")
    return [*lines, "  motorium inspect PATH --mapping FILE writes a mapping with the suggestions, to edit"]


def _wrapped(lead: str, text: str, indent: str | None = None) -> list[str]:
    """The whole of a text on as many lines as it takes, but for what is far too long."""
    text = " ".join(text.split())
    if len(text) > LONGEST_WHOLE:
        text = text[:LONGEST_WHOLE] + " ... (--json has all of it)"
    indent = " " * len(lead) if indent is None else indent
    rest = len(indent) + LONGEST
    return textwrap.wrap(lead.rstrip() + " " * (len(lead) - len(lead.rstrip())) + text, rest, subsequent_indent=indent)


def _short(text: object) -> str:
    text = " ".join(str(text).split())
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def columns(header: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Return rows under a header, in columns two spaces apart; the last column is not padded."""
    cells = [[str(cell) for cell in row] for row in [header, *rows]]
    widths = [max(len(row[place]) for row in cells) for place in range(len(header))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in cells]
