"""Digests of a dataset's files, read again only where a file changed."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from motorium.core.errors import DataError
from motorium.core.hashing import digest, file_digest
from motorium.data.loader.cache import cache_errors, cache_folder, make_folder, read_json, write_json

# A file changed this recently may change again within one tick of its clock: its digest is not remembered.
SETTLED_NS = 2_000_000_000


def identity(status: os.stat_result) -> list[int]:
    """Return what tells a file from a changed one without reading it; the change time cannot be set by hand."""
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def same_content(path: Path, entry: Mapping[str, Any]) -> list[int] | None:
    """Return a file's identity where it has the content that `entry` recorded (`seen`, `sha256`); None elsewhere.

    The content is read only where the file was copied or touched.

    Raises:
        OSError: when there is no such file.
        TypeError, KeyError, IndexError: when the entry is damaged.
    """
    seen = identity(path.stat())
    if seen == entry["seen"]:
        return seen
    same = seen[0] == entry["seen"][0] and file_digest(path) == entry["sha256"]
    return seen if same else None


class FileDigests:
    """SHA-256 of the files of one dataset, remembered in the cache by size, times and inode.

    A full digest, so that an equal size and an equal time stamp do not pass for equal content; remembered, so that
    it is paid once. Safe to use from several threads.
    """

    def __init__(self, root: Path) -> None:
        self._root = Path(os.path.abspath(root))
        self._path = cache_folder() / "digests" / f"{digest('dataset root', str(self._root))[:32]}.json"
        plain = read_json(self._path)
        self._known: dict[str, list] = plain if isinstance(plain, dict) else {}
        self._lock = threading.Lock()
        self._changed = False

    def of(self, path: Path) -> str:
        """Return the digest of a file.

        Raises:
            DataError: when it is missing or cannot be read.
        """
        try:
            name, seen = self._name(path), identity(path.stat())
            known = self._known.get(name)
            if isinstance(known, list) and len(known) == 2 and known[0] == seen:
                return str(known[1])
            found = file_digest(path)
            settled = time.time_ns() - max(seen[1], seen[2]) > SETTLED_NS and identity(path.stat()) == seen
        except OSError as error:
            raise DataError("a file of the dataset cannot be read", where=path, got=error.strerror or error) from error
        if settled:
            with self._lock:
                self._known[name] = [seen, found]
                self._changed = True
        return found

    def tree(self, paths: Iterable[Path]) -> dict[str, str]:
        """Return {path relative to the dataset: digest}.

        Raises:
            DataError: as `of`.
        """
        return {self._name(path): self.of(path) for path in paths}

    def save(self) -> None:
        """Remember what was read; of two processes at once the later one's knowledge stays.

        Raises:
            DataError: when the cache cannot be written.
        """
        if not self._changed:
            return
        make_folder(self._path.parent)
        with self._lock, cache_errors(self._path):
            write_json(self._path, dict(sorted(self._known.items())))
            self._changed = False

    def _name(self, path: Path) -> str:
        whole = Path(os.path.abspath(path))
        return whole.relative_to(self._root).as_posix() if whole.is_relative_to(self._root) else whole.as_posix()
