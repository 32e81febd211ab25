"""JSON of strangers: a small file that is one object, or the rows of a file that is one long list of them.

Rows are read one by one and found again by their place in the file: the tables of nuScenes have millions of them and
more than a gigabyte, and are neither held in memory nor read twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from motorium.core.errors import DataError
from motorium.data.bounds import MIB, read_metadata

BLOCK = 1 * MIB
LARGEST_ROW = 16 * MIB

_SPACE = " \t\r\n"
_DECODER = json.JSONDecoder()


def json_object(path: Path, what: str) -> dict[str, Any]:
    """Return the object that a small file is; `what` it is to its reader is said in errors.

    Raises:
        DataError: when it is absent, too large, not JSON or no object.
    """
    try:
        value = json.loads(read_metadata(path))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{what} is not JSON", where=path, got=error) from error
    if not isinstance(value, dict):
        raise DataError(f"{what} is no JSON object", where=path, got=type(value).__name__)
    return value


def json_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (place in bytes, object) of each row of a file that is a list of objects.

    Raises:
        DataError: when the file is absent, no such list, cut off, or a row is larger than 16 MiB.
    """
    try:
        if path.exists() and not path.is_file():
            raise OSError("it is no file")
        with path.open("rb") as file:
            yield from _rows(file, path)
    except FileNotFoundError:
        raise DataError("a file of the recording is missing", where=path, remedy="fetch or copy it again") from None
    except OSError as error:
        raise DataError("a file of the recording cannot be read", where=path, got=error) from error


def read_row(file: BinaryIO, place: int, where: object) -> dict[str, Any]:
    """Return the row at `place` of an open file.

    Raises:
        DataError: when there is none.
    """
    file.seek(place)
    size = 1024
    text = file.read(size).decode("latin-1")
    while True:
        try:
            return _decode(text, 0, f"{where}, byte {place}")[0]
        except json.JSONDecodeError as error:
            more = file.read(size) if len(text) <= LARGEST_ROW else b""
            if not more:
                raise _damaged(where, place, error) from error
            text, size = text + more.decode("latin-1"), size * 2


def _rows(file: BinaryIO, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    # One character a byte, so that places in the text are places in the file; text beyond ASCII is decoded anew.
    text, base = file.read(BLOCK).decode("latin-1"), 0
    place = _skip(text, 3 if text.startswith("\xef\xbb\xbf") else 0)
    if text[place : place + 1] != "[":
        raise _damaged(path, place, f"{text[place : place + 20]!r} where a list begins")
    place += 1
    while True:
        place = _skip(text, place)
        row, error = None, None
        if text[place : place + 1] == "]":
            return
        if place < len(text):
            try:
                row, end = _decode(text, place, f"{path}, byte {base + place}")
            except json.JSONDecodeError as failed:
                error = failed
        # What stands behind a row tells whether it is complete and whether there is another one.
        after = _skip(text, end) if row is not None else len(text)
        if after >= len(text):
            more = file.read(BLOCK).decode("latin-1") if len(text) - place <= LARGEST_ROW else ""
            if not more:
                raise _damaged(path, base + place, error or "the end of the file within the list")
            text, base, place = text[place:] + more, base + place, 0
            continue
        if text[after] not in ",]":
            raise _damaged(path, base + after, f"{text[after : after + 20]!r} behind a row")
        yield base + place, row
        place = after + 1 if text[after] == "," else after


def _decode(text: str, place: int, where: object) -> tuple[dict[str, Any], int]:
    try:
        row, end = _DECODER.raw_decode(text, place)
        if not text[place:end].isascii():
            row = json.loads(text[place:end].encode("latin-1").decode("utf-8"))
    except json.JSONDecodeError:
        raise
    except (ValueError, RecursionError) as error:
        raise DataError("a row of a table cannot be read", where=where, got=error) from error
    if not isinstance(row, dict):
        raise DataError("a row of a table is no object", where=where, got=type(row).__name__, expected="{...}")
    return row, end


def _skip(text: str, place: int) -> int:
    while place < len(text) and text[place] in _SPACE:
        place += 1
    return place


def _damaged(path: object, place: int, got: object) -> DataError:
    return DataError(
        "a table is damaged or cut off",
        where=f"{path}, byte {place}",
        got=got,
        expected="a JSON list of objects",
        remedy="fetch or copy it again",
    )
