"""Plain text tables for the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from motorium.flow import runs
from motorium.flow.runs import Outcome


def format_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return rows under a header, in columns two spaces apart; the last column is not padded."""
    cells = [[str(cell) for cell in row] for row in [header, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = []
    for row in cells:
        padded = [cell.ljust(width) for cell, width in zip(row[:-1], widths)]
        lines.append("  ".join([*padded, row[-1]]).rstrip())
    return "\n".join(lines)


def run_table(outcomes: Mapping[str, Outcome]) -> str:
    """Return the table at the end of a run: stage, artifact, result."""
    return format_table(("stage", "artifact", "result"), [_row(outcome) for outcome in outcomes.values()])


def _row(outcome: Outcome) -> tuple[str, str, str]:
    if outcome.artifact is None:
        return outcome.name, "-", f"{outcome.state}: {outcome.error}" if outcome.error else outcome.state
    artifact = outcome.artifact
    cached = "  (cached)" if outcome.state == runs.CACHED else ""
    return outcome.name, f"{artifact.kind}/{artifact.id[:8]}", artifact.manifest["summary"] + cached
