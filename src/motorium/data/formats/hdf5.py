"""HDF5 files of strangers: opened read-only, without following links out of them, read in slices.

External and virtual data, object types and filters that are not h5py's own are refused before anything is read.
What is declared is measured against what is stored, so that an array cannot ask for more memory than its file backs.

Source: HDF5 File Format Specification 3.0; h5py reference, https://docs.h5py.org
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import DataError, first_line
from motorium.data.bounds import LARGEST_SAMPLE, MIB, check_size
from motorium.data.formats.columns import natural
from motorium.data.formats.hdf5_heap import CheckedFile

SIGNATURE = b"\x89HDF\r\n\x1a\n"
SUFFIXES = (".hdf5", ".h5", ".hdf")
DEEPEST = 16
MOST_LINKS = 1_000_000
LARGEST_ATTRIBUTE = 64 * MIB
LARGEST_READ = 4096 * MIB

# deflate, shuffle, fletcher32, szip, nbit, scaleoffset, lzf: those that h5py ships. Others would load a library.
_FILTERS = {1, 2, 3, 4, 5, 6, 32000}
# Deflate makes at most 1032 bytes of one.
_LARGEST_RATIO = 1100
_UNREADABLE = (
    OSError,
    RuntimeError,
    KeyError,
    ValueError,
    TypeError,
    OverflowError,
    MemoryError,
    AttributeError,
    IndexError,
    NotImplementedError,
    RecursionError,
    UnicodeError,
    SystemError,
    ZeroDivisionError,
)

_local = threading.local()


@dataclass(frozen=True, kw_only=True)
class Hdf5Column:
    """An array of a file, by its place; the file is opened while it is read. See `columns.Column`."""

    path: Path
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    stored_bytes: int | None
    rows_at_once: int

    def read(self, start: int, stop: int) -> NDArray:
        """Return rows [start, stop), text as an object array of `str`.

        Raises:
            DataError: when they are damaged, or so many (over 4 GiB) that they are to be read in parts.
        """
        where = f"{self.path}, '{self.name}'"
        size = (stop - start) * math.prod(self.shape[1:]) * self.dtype.itemsize
        check_size("a slice of an HDF5 array", size, LARGEST_READ, where)
        with opened(self.path) as file, reading(where):
            dataset = file[self.name]
            rows = dataset.asstr(errors="replace")[start:stop] if self.dtype == object else dataset[start:stop]
        return rows


def is_hdf5(path: Path) -> bool:
    """Whether a file begins as HDF5 does (a user block of up to 4 KiB may come first)."""
    try:
        with path.open("rb") as file:
            for offset in (0, 512, 1024, 2048, 4096):
                file.seek(offset)
                if file.read(8) == SIGNATURE:
                    return True
    except OSError:
        pass
    return False


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """Open a file for reading, once for all nested uses of a thread; it is closed behind the outermost.

    Kept open no longer, so that its owner can go on writing to it, and so that no process inherits it.

    Raises:
        DataError: when it is absent, truncated, damaged or no HDF5 file.
    """
    files: dict[Path, h5py.File] = _local.__dict__.setdefault("files", {})
    if path in files:
        yield files[path]
        return
    if not path.is_file():
        raise DataError("a file of the recording is missing", where=path, remedy="fetch or copy it again")
    if not is_hdf5(path):
        raise DataError("this is no HDF5 file", where=path, expected="the signature \\x89HDF")
    with reading(path):
        raw = CheckedFile(path)
    try:
        with reading(path):
            file = h5py.File(raw, "r")
        files[path] = file
        try:
            yield file
        finally:
            del files[path]
            with reading(path):
                file.close()
    finally:
        raw.close()


def children(group: h5py.Group, where: object) -> tuple[list[str], list[str]]:
    """Return the names in a group in natural order: those that are data, and links within the file (left out).

    Raises:
        DataError: for a link to another file, and for damage.
    """
    names, links = [], []
    with reading(where):
        check_size("the list of names of an HDF5 group", len(group), MOST_LINKS, where)
        for name in sorted(group, key=natural):
            kind = group.id.links.get_info(name.encode("utf-8", "surrogateescape")).type
            if kind == h5py.h5l.TYPE_EXTERNAL:
                raise DataError(
                    "an HDF5 file links to another file",
                    where=f"{where}, '{name}'",
                    got=group.get(name, getlink=True).filename,
                    remedy="links out of a recording are not followed; copy the data into it",
                )
            (names if kind == h5py.h5l.TYPE_HARD else links).append(name)
    return names, links


def subgroup(group: h5py.Group, name: str, where: object) -> h5py.Group | None:
    """Return a group in a group when it is there and one (not behind a link); None otherwise."""
    with reading(where):
        if name not in group or not isinstance(group.get(name, getlink=True), h5py.HardLink):
            return None
        found = group[name]
        return found if isinstance(found, h5py.Group) else None


def columns(path: Path, place: str, problems: list[str]) -> dict[str, Hdf5Column]:
    """Return all arrays below a group with one axis or more, by name relative to it (`obs/eef_pos`), in natural order.

    What cannot be read as one (links, types that are no numbers or text, single values) is added to `problems`.

    Raises:
        DataError: for data outside of the file, impossible sizes, unknown filters, and damage.
    """
    found: dict[str, Hdf5Column] = {}
    budget = [MOST_LINKS]
    place = place.rstrip("/")

    def walk(group: h5py.Group, prefix: str, depth: int) -> None:
        """Add the arrays in and below a group; `prefix` is its name in the answer, with a slash."""
        where = f"{path}, '{place}/{prefix}'"
        if depth > DEEPEST:
            raise DataError("groups are nested too deeply", where=where, expected=f"at most {DEEPEST} levels")
        names, links = children(group, where)
        budget[0] -= len(names)
        check_size("the number of arrays in an HDF5 file", MOST_LINKS - budget[0], MOST_LINKS, path)
        problems.extend(f"{place}/{prefix}{name} is a link and was left out" for name in links)
        for name in names:
            # By identifiers: a file may hold a hundred thousand arrays, and h5py's objects take three times as long.
            node = h5py.h5o.open(group.id, name.encode("utf-8", "surrogateescape"))
            if isinstance(node, h5py.h5g.GroupID):
                walk(h5py.Group(node), f"{prefix}{name}/", depth + 1)
            elif isinstance(node, h5py.h5d.DatasetID):
                column = describe(path, node, f"{place}/{prefix}{name}", problems)
                if column is not None:
                    found[prefix + name] = column

    with opened(path) as file, reading(f"{path}, '{place}'"):
        walk(file[place or "/"], "", 0)
    return found


def describe(path: Path, dataset: h5py.h5d.DatasetID, place: str, problems: list[str]) -> Hdf5Column | None:
    """Return an array's column after checking it; None, and a problem, when it is none that is read.

    Raises:
        DataError: as `columns`.
    """
    where = f"{path}, '{place}'"
    properties = dataset.get_create_plist()
    layout = properties.get_layout()
    if layout == h5py.h5d.VIRTUAL or properties.get_external_count():
        raise DataError(
            "an HDF5 array keeps its data in another file",
            where=where,
            remedy="data outside of a recording are not read; copy them into it (h5repack)",
        )
    filters = {properties.get_filter(i)[0] for i in range(properties.get_nfilters())}
    if filters - _FILTERS:
        raise DataError(
            "an HDF5 array is stored with a filter that is not read",
            where=where,
            got=sorted(filters - _FILTERS),
            expected=sorted(_FILTERS),
            remedy="store it again with gzip or lzf, with the program that wrote it",
        )
    dtype, shape = dataset.dtype, dataset.shape
    text = h5py.check_string_dtype(dtype) is not None
    if not shape or not (text or dtype.kind in "biuf") or (dtype.hasobject and not text):
        problems.append(f"{place} is no array of numbers or text ({shape} {dtype}) and was left out")
        return None
    stored = int(dataset.get_storage_size())
    chunks = properties.get_chunk() if layout == h5py.h5d.CHUNKED else None
    # A text of any length is an address and a length, in a heap that the file backs.
    item = 16 if dtype.hasobject else dtype.itemsize
    declared = math.prod(shape) * item
    check_size("a sample of an HDF5 array", math.prod(shape[1:]) * item, LARGEST_SAMPLE, where)
    if chunks is not None:
        check_size("a chunk of an HDF5 array", math.prod(chunks) * item, LARGEST_SAMPLE, where)
    check_size("an HDF5 array", declared, 16 * MIB + stored * _LARGEST_RATIO, where)
    if declared and not stored:
        problems.append(f"{place} was declared but never written: it reads as its fill value")
    return Hdf5Column(
        path=path,
        name=place,
        shape=shape,
        dtype=np.dtype(object) if text else dtype.newbyteorder("="),
        stored_bytes=stored,
        rows_at_once=1 if chunks is None else chunks[0],
    )


def attributes(node: h5py.Group | h5py.Dataset, where: object) -> dict[str, Any]:
    """Return a node's attributes as plain data (text, numbers, lists); what is neither is left out.

    Raises:
        DataError: when one is impossibly large, or damaged.
    """
    plain = {}
    with reading(where):
        for name in sorted(node.attrs):
            identity = node.attrs.get_id(name)
            check_size(f"attribute '{name}'", identity.get_storage_size(), LARGEST_ATTRIBUTE, where)
            dtype = identity.dtype
            if dtype.hasobject and h5py.check_string_dtype(dtype) is None:
                continue
            value = _plain(node.attrs[name])
            if value is not None:
                plain[name] = value
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, bytes | np.bytes_):
        return bytes(value).decode("utf-8", errors="replace")
    if isinstance(value, str):
        return str(value)
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    return value if isinstance(value, bool | int | float) else None


@contextmanager
def reading(where: object) -> Iterator[None]:
    """Turn what h5py raises on damaged files into a DataError that says where."""
    try:
        yield
    except DataError:
        raise
    except _UNREADABLE as error:
        raise DataError(
            "an HDF5 file is truncated or damaged",
            where=where,
            got=first_line(error),
            remedy="fetch or copy it again; a recorder that was killed leaves it unfinished",
        ) from error
