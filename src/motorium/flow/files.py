"""Durable file operations: every write the store makes goes through these few functions.

They are called as `files.name(...)`, so that a test can put a kill or a full disk at each of them.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path

from motorium.core.errors import StoreError

FULL = (errno.ENOSPC, errno.EDQUOT)


def write_file(path: Path, data: bytes) -> None:
    """Write `data` and wait until the disk has it."""
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_file(path: Path) -> None:
    """Wait until the disk has the file's bytes."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Wait until the disk has the folder's entries."""
    if os.name == "posix":  # elsewhere a folder cannot be opened, and renames are durable by themselves
        sync_file(path)


def sync_tree(folder: Path) -> None:
    """Wait until the disk has everything under `folder`, files before the folders that name them."""
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            sync_file(Path(parent) / name)
        sync_folder(Path(parent))


def rename(source: Path, target: Path) -> None:
    """Move within one file system, replacing a file that is there."""
    os.replace(source, target)


def write_atomic(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write a file so that a reader sees the old bytes or the new ones, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        if durable:
            write_file(aside, data)
        else:
            aside.write_bytes(data)
        rename(aside, path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def remove_tree(path: Path) -> None:
    """Delete a folder or file and all below it; nothing there is fine."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def is_full(error: BaseException | None) -> bool:
    """Return whether `error`, or what caused it, says that the disk is full."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in FULL:
            return True
        # Libraries that write by themselves (safetensors, Arrow) pass on the system's words, not its number.
        if "No space left on device" in str(error) or "Disk quota exceeded" in str(error):
            return True
        if isinstance(error, sqlite3.Error) and "disk is full" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextlib.contextmanager
def full_disk_errors(where: Path | str) -> Iterator[None]:
    """Turn a full disk into one clear error, and leave every other error alone.

    Raises:
        StoreError: in place of the OSError or SQLite error.
    """
    try:
        yield
    except Exception as error:
        if is_full(error) and not isinstance(error, StoreError):
            raise full_disk(where) from error
        raise


@contextlib.contextmanager
def disk_errors(where: Path | str) -> Iterator[None]:
    """Turn a full or read-only disk into one clear error.

    Raises:
        StoreError: in place of the OSError or SQLite error.
    """
    try:
        with full_disk_errors(where):
            yield
    except OSError as error:
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise StoreError(
                "the store cannot be written",
                where=where,
                got=str(error),
                remedy="check its owner and permissions, or choose another with --store",
            ) from error
        raise


def full_disk(where: Path | str) -> StoreError:
    """Return the error that says the disk is full."""
    return StoreError(
        "the disk is full",
        where=where,
        expected="room for the artifact and its scratch files",
        remedy="free some space (`motorium gc` drops what is no longer used) and run the same command again: "
        "what was committed is kept",
    )
