"""Collect: delete what is no longer used: staging and scratch of the dead, old runs, unreferenced artifacts."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from motorium.core.errors import SpecError
from motorium.flow import files, runs
from motorium.flow.lineage import with_ancestors
from motorium.flow.owner import living, reap
from motorium.flow.refs import resolve_ref
from motorium.flow.store import Store, forget

UNITS_S = {"m": 60, "h": 3600, "d": 86400}
AGE_S = 14 * 86400.0


@dataclass(kw_only=True)
class Garbage:
    """What would be, or was, deleted.

    Attributes:
        artifacts: index rows.
        folders: staging, scratch and run folders.
        bytes: of all of it.
    """

    artifacts: list[dict[str, Any]] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    bytes: int = 0


def parse_age(text: str) -> float | None:
    """Return seconds of `30d`, `12h`, `10m`; None when `text` is no age."""
    found = re.fullmatch(r"(\d+)([mhd])", text)
    return int(found[1]) * UNITS_S[found[2]] if found else None


def parse_keep(store: Store, values: Iterable[str]) -> tuple[float, set[str]]:
    """Return (age in seconds, ids) of `--keep` values: an age, or refs.

    Raises:
        SpecError: on two ages; StoreError on an unknown ref.
    """
    age, identities = None, set()
    for value in values:
        seconds = parse_age(value)
        if seconds is None:
            identities.add(resolve_ref(store, value).id)
        elif age is not None:
            raise SpecError("--keep takes one age", got=value, expected="one of 30d, 12h, 10m, and any number of refs")
        else:
            age = seconds
    return AGE_S if age is None else age, identities


def collect(store: Store, *, age_s: float = AGE_S, keep: Iterable[str] = (), dry_run: bool = False) -> Garbage:
    """Delete what nobody uses any more; return it.

    Kept, with everything they were made from: artifacts younger than `age_s`, those in `keep` (ids), those of the
    newest run of each recipe, and those that a run in progress has used so far. What such a run has not
    asked for yet it may have to compute again, never miss: it looks in the index, from which rows vanish before
    folders do.
    """
    if not dry_run:
        reap(store)
    before = time.time() - age_s
    garbage = Garbage()
    trash = store.root / "staging" / f"trash-{time.time_ns()}"
    # All in one write to the index: meanwhile no run can register, take a lease or pin an artifact.
    with files.disk_errors(store.root), store.index.write() as connection:
        alive = living(connection)
        pinned = {row["artifact"] for row in connection.execute("SELECT * FROM pins") if row["owner"] in alive}
        leased = {row["key"] for row in connection.execute("SELECT * FROM leases") if row["owner"] in alive}
        history = runs.read_runs(store.root / "runs")
        rows = store.rows()
        kept = {row["id"] for row in rows if row["created"] >= before}
        kept = with_ancestors(store, kept | pinned | _latest(history) | set(keep))
        garbage.artifacts = [row for row in rows if row["id"] not in kept]
        garbage.folders = [
            *_dead_staging(store, alive),
            *_dead_scratch(store, {row["key"] for row in rows}, leased, before),
            *_old_runs(store, history, alive, before),
        ]
        garbage.bytes = sum(row["bytes"] for row in garbage.artifacts) + sum(map(size_of, garbage.folders))
        if dry_run:
            return garbage
        forget(connection, [row["id"] for row in garbage.artifacts])
        trash.mkdir()
        gone = [store.folder(row["kind"], row["id"]) for row in garbage.artifacts]
        for place, folder in enumerate([*gone, *garbage.folders]):
            # Renamed before it is deleted: what is half deleted must not look like an artifact.
            connection.execute("DELETE FROM files WHERE path LIKE ?", (f"{folder.absolute()}/%",))
            with contextlib.suppress(FileNotFoundError):
                files.rename(folder, trash / str(place))
    files.remove_tree(trash)
    return garbage


def _latest(history: list[dict[str, Any]]) -> set[str]:
    """Ids of the artifacts of the newest finished run of each recipe."""
    seen, identities = set(), set()
    for run in history:
        name = run["recipe"]["recipe"]
        if run["state"] == runs.DONE and name not in seen:
            seen.add(name)
            made = [stage["artifact"] for stage in run["stages"].values()]
            identities |= {artifact["id"] for artifact in made if artifact}
    return identities


def _dead_staging(store: Store, alive: set[str]) -> list[Path]:
    return [folder for folder in sorted((store.root / "staging").iterdir()) if folder.name not in alive]


def _dead_scratch(store: Store, committed: set[str], leased: set[str], before: float) -> list[Path]:
    """Scratch of keys that are committed, and of those that nobody has worked on for long."""
    return [
        folder
        for folder in sorted((store.root / "scratch").iterdir())
        if folder.name not in leased and (folder.name in committed or _touched(folder) < before)
    ]


def _old_runs(store: Store, history: list[dict[str, Any]], alive: set[str], before: float) -> list[Path]:
    seen, old = set(), []
    for run in history:
        name = (run["recipe"]["recipe"], run["state"] == runs.DONE)
        if name in seen and run["id"] not in alive and run["started"] < before:
            old.append(store.root / "runs" / run["id"])
        seen.add(name)
    return old


def _touched(folder: Path) -> float:
    return max([status.st_mtime for status in _statuses(folder)], default=0.0)


def size_of(folder: Path) -> int:
    """Return the bytes of the files under `folder`."""
    return sum(status.st_size for status in _statuses(folder) if stat.S_ISREG(status.st_mode))


def _statuses(folder: Path) -> Iterator[os.stat_result]:
    """Yield the status of a folder and of all below it; what its owner deletes meanwhile is left out."""
    for parent, _, names in os.walk(folder):
        for path in (parent, *(os.path.join(parent, name) for name in names)):
            with contextlib.suppress(FileNotFoundError):
                yield os.lstat(path)
