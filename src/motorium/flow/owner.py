"""Owner: a run's standing in a store: heartbeat, leases on keys, pins on artifacts, and the reaper of the dead."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from motorium.core.errors import StoreError
from motorium.flow import files, processes
from motorium.flow.processes import HEARTBEAT_S, Identity
from motorium.flow.stage import Artifact
from motorium.flow.store import Store

POLL_S = 0.25


class Owner:
    """One run in a store, registered while the `with` block lasts.

    A **lease** says that this run computes a key: no other run starts it meanwhile. A **pin** says that this
    run uses an artifact: `gc` leaves it. Both end with the run; those of a process that died are reaped.
    """

    def __init__(self, store: Store, name: str) -> None:
        self.store = store
        self.name = name
        self._identity = processes.current()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"heartbeat {name}", daemon=True)

    def __enter__(self) -> Owner:
        reap(self.store)
        with files.disk_errors(self.store.root), self.store.index.write() as connection:
            self._register(connection)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        files.remove_tree(self.store.root / "staging" / self.name)
        with contextlib.suppress(StoreError), self.store.index.write() as connection:
            bury(connection, [self.name])

    def pin(self, artifacts: Iterable[Artifact]) -> list[str]:
        """Protect artifacts from `gc`; return ids that are no longer in the store."""
        gone = []
        with self.store.index.write() as connection:
            for artifact in artifacts:
                if connection.execute("SELECT 1 FROM artifacts WHERE id = ?", (artifact.id,)).fetchone():
                    connection.execute("INSERT OR REPLACE INTO pins VALUES (?, ?)", (self.name, artifact.id))
                else:
                    gone.append(artifact.id)
        return gone

    def acquire(self, key: str, *, cached: bool, waiting: Callable[[str], None]) -> Artifact | None:
        """Take the lease on `key`; or return the artifact, if it is committed (perhaps by whom we waited for).

        Args:
            cached: whether a committed artifact will do; else it is made again.
            waiting: called once with a line for the user when another run computes the key now.
        """
        told = False
        while True:
            with self.store.index.write() as connection:
                holder = connection.execute(
                    "SELECT owners.* FROM leases JOIN owners ON owners.id = leases.owner WHERE key = ?", (key,)
                ).fetchone()
                if holder is not None and holder["id"] != self.name and not _alive(holder):
                    bury(connection, [holder["id"]])
                    holder = None
                free = holder is None or holder["id"] == self.name
                if free and not (cached and self._committed(connection, key)):
                    self._register(connection)
                    connection.execute("INSERT OR REPLACE INTO leases VALUES (?, ?)", (key, self.name))
                    return None
            if free:
                found = self.store.find(key)
                if found is not None and not self.pin([found]):
                    return found
                continue
            if not told:
                waiting(f"waiting for run {holder['id']} (process {holder['pid']}), which computes the same")
                told, cached = True, True
            time.sleep(POLL_S)

    def release(self, key: str) -> None:
        """Give a lease back without a commit."""
        with self.store.index.write() as connection:
            connection.execute("DELETE FROM leases WHERE key = ? AND owner = ?", (key, self.name))

    def _committed(self, connection: sqlite3.Connection, key: str) -> bool:
        rows = connection.execute("SELECT kind, id FROM artifacts WHERE key = ?", (key,)).fetchall()
        return any(self.store.folder(row["kind"], row["id"]).is_dir() for row in rows)

    def _register(self, connection: sqlite3.Connection) -> None:
        own = self._identity
        connection.execute(
            "INSERT OR REPLACE INTO owners VALUES (?, ?, ?, ?, ?, ?)",
            (self.name, own.host, own.scope, own.pid, own.started, time.time()),
        )

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT_S):
            # A full disk or a long lock must not stop the run: whoever can look at the process sees it alive.
            with contextlib.suppress(Exception), self.store.index.write() as connection:
                connection.execute("UPDATE owners SET heartbeat = ? WHERE id = ?", (time.time(), self.name))


def _alive(row: sqlite3.Row) -> bool:
    identity = Identity(host=row["host"], scope=row["scope"], pid=row["pid"], started=row["started"])
    return processes.alive(identity, row["heartbeat"])


def bury(connection: sqlite3.Connection, names: Iterable[str]) -> None:
    """Delete what ended owners hold."""
    for name in names:
        connection.execute("DELETE FROM leases WHERE owner = ?", (name,))
        connection.execute("DELETE FROM pins WHERE owner = ?", (name,))
        connection.execute("DELETE FROM owners WHERE id = ?", (name,))


def living(connection: sqlite3.Connection) -> set[str]:
    """Return the names of owners that are alive."""
    return {row["id"] for row in connection.execute("SELECT * FROM owners") if _alive(row)}


def reap(store: Store) -> list[str]:
    """Clear up after dead runs and return their names.

    Their leases, pins and staging go; what they renamed into place but did not index is adopted.
    """
    with store.index.read() as connection:
        known = {row["id"] for row in connection.execute("SELECT id FROM owners")}
        dead = known - living(connection)
    store.adopt()
    if dead:
        with files.disk_errors(store.root), store.index.write() as connection:
            bury(connection, dead - living(connection))
            _drop_scratch(store, connection, store.root / "staging" / min(dead))
        for name in dead:
            files.remove_tree(store.root / "staging" / name)
    return sorted(dead)


def _drop_scratch(store: Store, connection: sqlite3.Connection, trash: Path) -> None:
    """Move scratch of committed keys to `trash`: its owner died between the commit and the clearing up."""
    committed = "SELECT 1 FROM artifacts WHERE key = ? AND NOT EXISTS (SELECT 1 FROM leases WHERE key = ?)"
    for folder in list((store.root / "scratch").iterdir()):
        if connection.execute(committed, (folder.name, folder.name)).fetchone():
            trash.mkdir(parents=True, exist_ok=True)
            files.rename(folder, trash / f"scratch-{folder.name}")
