"""An outline of an edit, in words."""

from __future__ import annotations

from motorium.core.wording import counted, format_bytes
from motorium.data.edit.plan import Outline


def describe(outline: Outline, before: tuple[int, int]) -> str:
    """Return what an edit would make, as text; `before`: episodes and frames of the dataset that is edited."""
    lines = [
        f"episodes  {outline.episodes} (of {before[0]})",
        f"frames    {outline.frames:,} (of {before[1]:,}), {outline.fps:g} in a second",
    ]
    lines += [f"feature   {key}: {words}" for key, words in outline.features.items()]
    lines += [f"task      {words!r}: {counted(count, 'episode')}" for words, count in outline.tasks.items()]
    lines += [f"split     {name}: {counted(count, 'episode')}" for name, count in outline.splits.items()]
    for key, one in outline.pictures.items():
        parts = [f"{one.copied} copied as packets"] if one.copied else []
        if one.encoded:
            why = f" ({one.cut} because a cut falls between keyframes)" if one.cut else ""
            parts.append(f"{one.encoded} encoded again{why}")
        lines.append(f"video     {key}: {', '.join(parts) or 'none'}; about {format_bytes(one.estimate)}")
    lines += [f"note      {note}" for note in outline.notes]
    return "\n".join([*lines, f"size      about {format_bytes(outline.estimate)}"])
