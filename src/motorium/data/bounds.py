"""Limits that keep a damaged or hostile file from exhausting memory or leaving its folder."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from motorium.core.errors import DataError
from motorium.data.links import leads_out, links_followed

MIB = 1024**2

# Metadata (JSON, XML, YAML, headers) larger than this are refused: no known recording comes near.
LARGEST_METADATA = 512 * MIB
# One sample (a message, a picture, a row): a 16-bit point cloud of 10 M points fits.
LARGEST_SAMPLE = 512 * MIB


def check_size(what: str, declared: int, at_most: int, where: object) -> int:
    """Return `declared` when a file may ask for that much, before it is allocated or read.

    Raises:
        DataError: when it is negative or larger than `at_most`.
    """
    if not 0 <= declared <= at_most:
        raise DataError(
            f"{what} has an impossible size",
            where=where,
            got=f"{declared:,}",
            expected=f"0 to {at_most:,}",
            remedy="the file is damaged; fetch or copy it again",
        )
    return declared


def read_metadata(path: Path, at_most: int = LARGEST_METADATA) -> bytes:
    """Return the bytes of a small file.

    Raises:
        DataError: when it is absent, cannot be read or is too large.
    """
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            # Opening a pipe would wait for someone to write to it.
            raise DataError("this is no file", where=path, remedy="fetch or copy it again")
        check_size("a metadata file", state.st_size, at_most, path)
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError("a file of the recording is missing", where=path, remedy="fetch or copy it again") from None
    except OSError as error:
        raise DataError("a file of the recording cannot be read", where=path, got=error) from error


def inside(root: Path, relative: str, where: object) -> Path:
    """Return `root / relative` when it stays inside `root`, symbolic links included (see `links`).

    Raises:
        DataError: when it is absolute, climbs out or a link leads out.
    """
    path = root / relative
    climbs = ".." in Path(relative).parts or Path(relative).is_absolute()
    try:
        leaves = leads_out(path.resolve(), root.resolve()) and (climbs or not links_followed())
    except (OSError, RuntimeError, ValueError):
        # A link that leads to itself, a name that is too long, a NUL.
        leaves = True
    if leaves:
        raise DataError(
            "a path leaves the recording's folder",
            where=where,
            got=repr(relative),
            expected="a relative path without '..'",
            remedy="do not trust this file; correct the path if it is your own",
        )
    return path


@contextmanager
def within_memory(where: object) -> Iterator[None]:
    """Turn running out of memory while reading into a DataError that says where."""
    try:
        yield
    except MemoryError as error:
        raise DataError(
            "reading this takes more memory than there is",
            where=where,
            got=str(error) or "no memory left",
            remedy="read it in parts; if it is not your own: a small file may declare billions of values",
        ) from error
