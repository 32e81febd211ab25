"""Pages: the web pages a recipe made, copied to where people look for them."""

from __future__ import annotations

import html
from collections.abc import Mapping
from pathlib import Path

from motorium.core.errors import StoreError
from motorium.flow import files
from motorium.flow.bars import duration
from motorium.flow.stage import Artifact
from motorium.flow.store import Store

# A page is a function of its inputs, and wall times are not: they are filled in when it is published.
PLACEHOLDER = b"<!--run-->"
# So is the command line of the run, which the page shows with a button that copies it.
COMMAND = "<!--command-->"
INDEX = "index.html"


def publish(
    store: Store, recipe: str, pages: Mapping[str, tuple[Artifact, Mapping[str, Artifact]]], command: str = ""
) -> list[Path]:
    """Copy each page to `<store>/reports/`, as `<recipe>.html`, or `<recipe>-<entry>.html` when there are several.

    Args:
        pages: {entry: (page, artifacts of the recipe by entry)}.
        command: command line of the run.

    Raises:
        StoreError: when a page artifact has no `index.html`.
    """
    published = []
    for entry, (page, artifacts) in pages.items():
        source = page.path / INDEX
        if not source.is_file():
            raise StoreError(f"page {page.ref} has no '{INDEX}'", where=page.path, expected=INDEX)
        target = store.root / "reports" / (f"{recipe}.html" if len(pages) == 1 else f"{recipe}-{entry}.html")
        data = source.read_bytes().replace(PLACEHOLDER, wall_times(artifacts).encode())
        data = data.replace(_words(COMMAND).encode(), _words(command).encode())
        with files.disk_errors(target):
            files.write_atomic(target, data, durable=False)
        published.append(target)
    return published


def _words(line: str) -> str:
    """Return a command line as the page writes it: each word held together."""
    return " ".join(f"<span>{html.escape(word)}</span>" for word in line.split(" "))


def wall_times(artifacts: Mapping[str, Artifact]) -> str:
    """Return an HTML table: how long each artifact took in the run that made it, and when that was."""
    import datetime

    rows = []
    for entry, artifact in artifacts.items():
        record = artifact.manifest
        created = datetime.datetime.fromtimestamp(record["created"], datetime.UTC)
        cells = [entry, artifact.ref, duration(record["duration_s"]), f"{created:%Y-%m-%d %H:%M} UTC"]
        rows.append("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>")
    total = duration(sum(artifact.manifest["duration_s"] for artifact in artifacts.values()))
    return (
        '<table class="run"><thead><tr><th>stage</th><th>artifact</th><th>wall time</th><th>made</th></tr></thead>'
        f"<tbody>{''.join(rows)}<tr><td>all</td><td></td><td>{total}</td><td></td></tr></tbody></table>"
    )
