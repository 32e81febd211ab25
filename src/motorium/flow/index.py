"""The store's SQLite index: what is committed, who runs, who computes what. Rebuildable from the folders."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from motorium.core.errors import StoreError
from motorium.flow import files
from motorium.flow.derivation import named_records
from motorium.flow.digests import Seen

SCHEMA = 1
TABLES = """
CREATE TABLE artifacts (id TEXT PRIMARY KEY, kind TEXT, key TEXT, content TEXT, stage TEXT, created REAL,
                        bytes INTEGER, summary TEXT) WITHOUT ROWID;
CREATE INDEX artifacts_key ON artifacts (key, created);
CREATE TABLE inputs (child TEXT, port TEXT, parent TEXT, PRIMARY KEY (child, port, parent)) WITHOUT ROWID;
CREATE INDEX inputs_parent ON inputs (parent);
CREATE TABLE owners (id TEXT PRIMARY KEY, host TEXT, scope TEXT, pid INTEGER, started TEXT, heartbeat REAL)
    WITHOUT ROWID;
CREATE TABLE leases (key TEXT PRIMARY KEY, owner TEXT) WITHOUT ROWID;
CREATE TABLE pins (owner TEXT, artifact TEXT, PRIMARY KEY (owner, artifact)) WITHOUT ROWID;
CREATE TABLE files (path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, inode INTEGER, sha256 TEXT)
    WITHOUT ROWID;
"""
# SQLite before this release can corrupt a WAL database when a checkpoint meets a reset of the log.
WAL_SAFE = (3, 51, 3)
LOCAL_DISKS = {"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "f2fs", "apfs", "bcachefs"}
BUSY_S = 60.0


class Corrupt(StoreError):
    """The index file is not a database, or a damaged one: it is rebuilt when the store is opened."""


class Index:
    """One SQLite file; each transaction opens it anew, so that threads and forks share nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._wal = wal_is_safe(path.parent)

    def check(self) -> None:
        """Look whether the file is a sound database.

        Raises:
            Corrupt: when it is not.
        """
        with self.read() as connection:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                raise self._corrupt(found)

    @contextlib.contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Give a connection for queries."""
        with self._connection("BEGIN") as connection:
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Give a connection in a transaction of its own, the only writer; committed when the block ends well."""
        with self._connection("BEGIN IMMEDIATE") as connection:
            yield connection

    @contextlib.contextmanager
    def _connection(self, begin: str) -> Iterator[sqlite3.Connection]:
        connection = None
        try:
            connection = sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None)
            connection.row_factory = sqlite3.Row
            connection.execute(f"PRAGMA journal_mode={'WAL' if self._wal else 'TRUNCATE'}")
            connection.execute("PRAGMA synchronous=FULL")
            self._prepare(connection)
            connection.execute(begin)
            yield connection
            commit(connection)
        except sqlite3.Error as error:
            raise self._translate(error) from error
        finally:
            if connection is not None:
                connection.close()  # an open transaction is rolled back

    def _prepare(self, connection: sqlite3.Connection) -> None:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == SCHEMA:
            return
        if version > SCHEMA:
            raise StoreError(
                "the store was written by a newer Motorium", where=self.path, remedy="upgrade, or choose --store"
            )
        connection.execute("BEGIN IMMEDIATE")
        if connection.execute("PRAGMA user_version").fetchone()[0] == 0:  # nobody was quicker
            for statement in TABLES.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version={SCHEMA}")
        commit(connection)

    def _translate(self, error: sqlite3.Error) -> Exception:
        text = str(error)
        if files.is_full(error):
            return files.full_disk(self.path)
        if "locked" in text or "busy" in text:
            return StoreError(
                "the store's index stayed locked",
                where=self.path,
                got=text,
                expected=f"other processes to let go of it within {BUSY_S:.0f} s",
                remedy="see what else uses this store",
            )
        broken = any(words in text for words in ("UTF-8", "no such table", "no such column"))
        if isinstance(error, sqlite3.OperationalError) and not broken:
            return StoreError("the store's index cannot be used", where=self.path, got=text)
        return self._corrupt(text) if isinstance(error, sqlite3.DatabaseError) else error

    def _corrupt(self, got: str) -> Corrupt:
        return Corrupt(
            "the store's index is damaged",
            where=self.path,
            got=got,
            remedy="delete it: it is built anew from the artifacts, and none is lost",
        )

    def known_files(self, under: str) -> Mapping[str, tuple[Seen, str]]:
        """See `digests.DigestCache`."""
        with self.read() as connection:
            rows = connection.execute(
                "SELECT * FROM files WHERE path = ? OR (path >= ? AND path < ?)", (under, under + "/", under + "0")
            ).fetchall()
        return {
            row["path"]: (Seen(size=row["size"], mtime_ns=row["mtime_ns"], inode=row["inode"]), row["sha256"])
            for row in rows
        }

    def remember_files(self, rows: Iterable[tuple[str, Seen, str]]) -> None:
        """See `digests.DigestCache`."""
        with self.write() as connection:
            insert_files(connection, rows)


def commit(connection: sqlite3.Connection) -> None:
    """Commit; a place of its own, so that a test can kill the process before or after it."""
    connection.execute("COMMIT")


def insert_files(connection: sqlite3.Connection, rows: Iterable[tuple[str, Seen, str]]) -> None:
    """Remember digests of files."""
    connection.executemany(
        "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?)",
        [(path, seen.size, seen.mtime_ns, seen.inode, sha256) for path, seen, sha256 in rows],
    )


def insert_artifact(connection: sqlite3.Connection, manifest: Mapping[str, Any]) -> None:
    """Insert the rows of one committed artifact."""
    size = sum(entry["size"] for entry in manifest["files"])
    connection.execute(
        "INSERT OR REPLACE INTO artifacts VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (*[manifest[name] for name in ("id", "kind", "key", "content", "stage", "created")], size, manifest["summary"]),
    )
    connection.executemany(
        "INSERT OR REPLACE INTO inputs VALUES (?, ?, ?)",
        [(manifest["id"], port, record["id"]) for port, record in named_records(manifest["inputs"])],
    )


def wal_is_safe(folder: Path) -> bool:
    """Return whether a WAL index may be used: the library has the fix, and the disk is a local one."""
    return sqlite3.sqlite_version_info >= WAL_SAFE and disk_type(folder) in LOCAL_DISKS


def disk_type(folder: Path) -> str:
    """Return the type of the file system that holds `folder`; empty where unknown."""
    best, kind = "", ""
    try:
        lines = Path("/proc/self/mounts").read_text().splitlines()
    except OSError:
        return ""
    where = f"{folder.resolve()}/"
    for line in lines:
        fields = line.split()
        mount = fields[1].replace("\\040", " ").rstrip("/") + "/"
        if where.startswith(mount) and len(mount) >= len(best):
            best, kind = mount, fields[2]
    return kind
