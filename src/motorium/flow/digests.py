"""Digests of file trees and of source code, re-hashing only what changed."""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import os
import stat
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from motorium.core.errors import SpecError, StoreError
from motorium.core.hashing import digest, file_digest

SOURCE_SUFFIXES = (".py", ".xml", ".json", ".yaml", ".html", ".css", ".js")
# A file changed this recently may change again within one tick of its clock: its digest is not remembered.
SETTLED_S = 2.0


@dataclass(frozen=True, kw_only=True)
class FileEntry:
    """One file of a tree: posix path relative to its root, bytes, and SHA-256."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What identifies an unchanged file without reading it."""

    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> Seen:
        """Return the identity of a `stat` result."""
        return cls(size=status.st_size, mtime_ns=status.st_mtime_ns, inode=status.st_ino)


class DigestCache(Protocol):
    """Remembers digests of files by their absolute path and identity."""

    def known_files(self, under: str) -> Mapping[str, tuple[Seen, str]]:
        """Return {absolute path: (identity, sha256)} of the remembered files at or below `under`."""

    def remember_files(self, rows: Iterable[tuple[str, Seen, str]]) -> None:
        """Remember (absolute path, identity, sha256) rows."""


def scan(root: Path, *, links: bool) -> dict[str, os.stat_result]:
    """Return {posix path relative to root: stat} of every file under `root`, sorted; of a file, itself by name.

    Args:
        links: follow symbolic links (a folder outside the store), or refuse them (an artifact).

    Raises:
        StoreError: when something there is neither file nor folder, a link that is refused or leads nowhere,
            or a name that is not UTF-8.
    """
    found: dict[str, os.stat_result] = {}
    if root.is_file():
        return {root.name: root.stat()}
    _scan_folder(root, root, links, found, ())
    return dict(sorted(found.items()))


def _scan_folder(root: Path, folder: Path, links: bool, found: dict, above: tuple[tuple[int, int], ...]) -> None:
    here = folder.stat()
    if (here.st_dev, here.st_ino) in above:
        raise StoreError("symbolic links go round in a circle", where=folder, remedy="remove the link")
    above = (*above, (here.st_dev, here.st_ino))
    with os.scandir(folder) as entries:
        for entry in entries:
            path = Path(entry.path)
            name = path.relative_to(root).as_posix()
            _check_name(name, folder)
            if entry.is_symlink() and not links:
                raise StoreError(
                    "an artifact holds a symbolic link", where=path, expected="files", remedy="copy the file instead"
                )
            try:
                status = entry.stat()
            except FileNotFoundError as error:
                raise StoreError("a link leads nowhere", where=path, got=os.readlink(path)) from error
            if stat.S_ISDIR(status.st_mode):
                _scan_folder(root, path, links, found, above)
            elif stat.S_ISREG(status.st_mode):
                found[name] = status
            else:
                raise StoreError("neither a file nor a folder", where=path, expected="files and folders")


def _check_name(name: str, folder: Path) -> None:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise StoreError("a file name is not UTF-8", where=folder, got=ascii(name), remedy="rename the file") from error


def hash_tree(
    root: Path, *, links: bool = False, cache: DigestCache | None = None, skip: Iterable[str] = ()
) -> list[FileEntry]:
    """Return the entries of every file under `root`, sorted by path.

    Args:
        links: see `scan`.
        cache: where digests of unchanged files are taken from and new ones go; None reads every byte.
        skip: relative paths left out.

    Raises:
        StoreError: see `scan`.
    """
    base = root.parent if root.is_file() else root
    skip = set(skip)
    known = cache.known_files(str(root.absolute())) if cache else {}
    entries, fresh = [], []
    for name, status in scan(root, links=links).items():
        if name in skip:
            continue
        path = str((base / name).absolute())
        seen, (old, sha256) = Seen.of(status), known.get(path, (None, ""))
        if old != seen:
            sha256 = file_digest(Path(path))
            if time.time() - status.st_mtime > SETTLED_S:
                fresh.append((path, seen, sha256))
        entries.append(FileEntry(path=name, size=status.st_size, sha256=sha256))
    if cache and fresh:
        cache.remember_files(fresh)
    return entries


def content_digest(entries: Iterable[FileEntry]) -> str:
    """Return the identity of a file tree: over sorted (path, size, sha256)."""
    return digest("content", sorted([entry.path, entry.size, entry.sha256] for entry in entries))


@functools.cache
def installed(distribution: str) -> str | None:
    """Return the version of an installed package; None where it is not installed."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


class Sources:
    """Digests of the source of modules as it was when first asked for: what a run imports is that of its start."""

    def __init__(self) -> None:
        self._files: dict[Path, tuple[Seen, str]] = {}
        self._modules: dict[str, dict] = {}

    def of(self, modules: Iterable[str]) -> dict[str, dict]:
        """Return {module: {"digest": ..., "files": {relative path: digest}}} of packages and modules.

        A package counts with everything below it, package data included.

        Raises:
            SpecError: when a module cannot be found.
        """
        for module in set(modules) - self._modules.keys():
            self._modules[module] = self._read(module)
        return {module: self._modules[module] for module in sorted(set(modules))}

    def named(self, paths: Iterable[Path]) -> dict[str, str]:
        """Return {path as it is named: digest} of files outside the store."""
        return {str(path): self._file(path) for path in sorted(paths)}

    def changed(self, modules: Iterable[str]) -> list[str]:
        """Return which of the modules' sources are no longer what `of` said."""
        return [name for name, known in self.of(modules).items() if self._read(name)["digest"] != known["digest"]]

    def _read(self, module: str) -> dict:
        files = {name: self._file(path) for name, path in _source_files(module).items()}
        return {"digest": digest("source", files), "files": files}

    def _file(self, path: Path) -> str:
        status = path.stat()
        seen, known = Seen.of(status), self._files.get(path)
        if known is None or known[0] != seen or time.time() - status.st_mtime < SETTLED_S:
            known = self._files[path] = (seen, file_digest(path)[:32])
        return known[1]


def _source_files(module: str) -> dict[str, Path]:
    """Return {relative path: file} of a package or module."""
    if module == "__main__":  # a script of the user's own, which has no importable name
        origin, roots = getattr(sys.modules[module], "__file__", None), None
    else:
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, ValueError) as error:
            raise SpecError(f"module '{module}', which a stage declares, cannot be found", got=str(error)) from error
        origin, roots = (spec.origin, spec.submodule_search_locations) if spec else (None, None)
    if roots:
        return {
            path.relative_to(root).as_posix(): path
            for root in map(Path, roots)
            for path in sorted(root.rglob("*"))
            if path.suffix in SOURCE_SUFFIXES and path.is_file()
        }
    if origin is None or not Path(origin).is_file():
        raise SpecError(
            f"module '{module}', which a stage declares, has no source file",
            expected="a package or module of Python files",
            remedy="correct the stage's `modules`, or put it on PYTHONPATH",
        )
    return {Path(origin).name: Path(origin)}
