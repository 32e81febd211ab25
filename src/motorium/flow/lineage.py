"""Lineage: what an artifact was made from, up to the roots, and what was made from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from motorium.flow.derivation import named_records
from motorium.flow.stage import Artifact
from motorium.flow.store import Store


@dataclass(frozen=True, kw_only=True)
class Relative:
    """One artifact in a tree of lineage.

    Attributes:
        ref, id: of the artifact.
        port: through which it is connected to the one above it; empty at the top.
        stage, summary: from its manifest; stage is None for what came from outside.
        state: `here`, `external`, or `gone` (collected, or never in this store).
        relatives: its parents, or its children when looking down.
        repeated: it stood in the tree before, with its relatives.
    """

    ref: str
    id: str
    port: str
    stage: str | None
    summary: str
    state: str = "here"
    relatives: list[Relative] = field(default_factory=list)
    repeated: bool = False

    def to_plain(self) -> dict[str, Any]:
        """Return the tree as JSON data."""
        return {
            "ref": self.ref,
            "id": self.id,
            "port": self.port,
            "stage": self.stage,
            "summary": self.summary,
            "state": self.state,
            "repeated": self.repeated,
            "relatives": [relative.to_plain() for relative in self.relatives],
        }


def ancestors(store: Store, artifact: Artifact) -> Relative:
    """Return the tree of everything `artifact` was made from."""
    seen: set[str] = set()

    def visit(found: Artifact, port: str) -> Relative:
        """Return an artifact and what it was made from; of one seen before only itself."""
        if found.id in seen:
            return _relative(found, port, [], repeated=bool(found.manifest["inputs"]))
        seen.add(found.id)
        above = []
        for name, record in named_records(found.manifest["inputs"]):
            parent = find_by_id(store, record["id"])
            above.append(visit(parent, name) if parent else _absent(record, name))
        return _relative(found, port, above)

    return visit(artifact, "")


def descendants(store: Store, artifact: Artifact) -> Relative:
    """Return the tree of everything made from `artifact`."""
    with store.index.read() as connection:
        rows = connection.execute("SELECT parent, port, child FROM inputs ORDER BY parent, child, port").fetchall()
    children: dict[str, list[tuple[str, str]]] = {}
    for row in rows:
        children.setdefault(row["parent"], []).append((row["port"], row["child"]))
    seen: set[str] = set()

    def visit(found: Artifact, port: str) -> Relative:
        """Return an artifact and what was made from it; of one seen before only itself."""
        below = children.get(found.id, [])
        if found.id in seen:
            return _relative(found, port, [], repeated=bool(below))
        seen.add(found.id)
        made = [(name, find_by_id(store, child)) for name, child in below]
        return _relative(found, port, [visit(child, name) for name, child in made if child])

    return visit(artifact, "")


def find_by_id(store: Store, identity: str) -> Artifact | None:
    """Return the artifact with a full id, or None."""
    with store.index.read() as connection:
        row = connection.execute("SELECT kind FROM artifacts WHERE id = ?", (identity,)).fetchone()
    if row is None or not store.folder(row["kind"], identity).is_dir():
        return None
    return store.load(row["kind"], identity)


def _relative(artifact: Artifact, port: str, relatives: list[Relative], *, repeated: bool = False) -> Relative:
    return Relative(
        ref=artifact.ref,
        id=artifact.id,
        port=port,
        stage=artifact.manifest["stage"],
        summary=artifact.manifest["summary"],
        relatives=relatives,
        repeated=repeated,
    )


def _absent(record: dict[str, Any], port: str) -> Relative:
    external = record.get("external")
    return Relative(
        ref=record["ref"],
        id=record["id"],
        port=port,
        stage=None,
        summary=external or "no longer in this store",
        state="external" if external else "gone",
    )


def format_tree(root: Relative) -> str:
    """Return a tree as text, one artifact a line."""
    lines: list[str] = []

    def visit(node: Relative, first: str, rest: str) -> None:
        """Add the lines of a node: its own begins with `first`, those below it with `rest`."""
        port = f"{node.port}: " if node.port else ""
        stage = f"  {node.stage}" if node.stage else f"  ({node.state})"
        again = "  (as above)" if node.repeated else ""
        lines.append(f"{first}{port}{node.ref}{stage}  {node.summary}{again}")
        for place, relative in enumerate(node.relatives):
            last = place == len(node.relatives) - 1
            visit(relative, rest + ("└─ " if last else "├─ "), rest + ("   " if last else "│  "))

    visit(root, "", "")
    return "\n".join(lines)


def with_ancestors(store: Store, identities: set[str]) -> set[str]:
    """Return `identities` and the ids of everything they were made from."""
    with store.index.read() as connection:
        rows = connection.execute("SELECT child, parent FROM inputs").fetchall()
    parents: dict[str, set[str]] = {}
    for row in rows:
        parents.setdefault(row["child"], set()).add(row["parent"])
    found, todo = set(), list(identities)
    while todo:
        identity = todo.pop()
        if identity not in found:
            found.add(identity)
            todo += parents.get(identity, ())
    return found
