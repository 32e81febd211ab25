"""ZarrStore: keys and bytes of a zarr hierarchy in a folder or a zip file, without leaving it."""

from __future__ import annotations

import os
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from motorium.core.errors import DataError
from motorium.data.bounds import check_size, inside

MOST_KEYS = 20_000_000
_KEY = re.compile(r"[^\0/\\][^\0\\]*")
_ZIP_ERRORS = (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, EOFError, ValueError, zlib.error)


class ZarrStore:
    """A folder or zip file, seen as bytes by key (`data/action/0.0`); picklable, shared by its arrays.

    Raises:
        DataError: when it is absent, or its list of files is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.zipped = path.is_file()
        self._zip: zipfile.ZipFile | None = None
        self._owner = -1
        if not self.zipped and not path.is_dir():
            raise DataError("there is no such zarr store", where=path, expected="a folder or a zip file")
        if self.zipped:
            self._open()

    def read(self, key: str, at_most: int) -> bytes | None:
        """Return the bytes of a key; None when it is not there.

        Raises:
            DataError: when it is larger than `at_most`, damaged, or outside of the store.
        """
        where = f"{self.path}, '{key}'"
        if not _KEY.fullmatch(key) or ".." in key.split("/"):
            raise DataError("a name leaves the zarr store", where=self.path, got=repr(key), expected="a plain name")
        if self.zipped:
            return self._read_zipped(key, at_most, where)
        path = inside(self.path, key, where)
        try:
            if not path.is_file():
                return None
            check_size("a file of a zarr store", path.stat().st_size, at_most, where)
            return path.read_bytes()
        except OSError as error:
            raise DataError("a file of a zarr store cannot be read", where=where, got=error) from error

    def sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Yield keys that begin with `prefix` (a folder: `data/action/`) and their stored sizes, in no order."""
        if self.zipped:
            for info in self._open().infolist():
                if info.filename.startswith(prefix) and not info.is_dir():
                    yield info.filename, info.compress_size
            return
        folder = inside(self.path, prefix or ".", self.path)
        for base, _, files in os.walk(folder):
            for name in files:
                path = Path(base) / name
                yield path.relative_to(self.path).as_posix(), path.lstat().st_size

    def keys_named(self, name: str, below: bool = False) -> list[str]:
        """Return the keys whose last part is `name` (`.zarray`), sorted; `below`: also within folders that have one."""
        if self.zipped:
            found = [key for key in self._open().namelist() if key == name or key.endswith("/" + name)]
            return sorted(set(found))
        found = []
        for base, folders, files in os.walk(self.path):
            if name in files:
                found.append((Path(base) / name).relative_to(self.path).as_posix())
                # Below a v2 array there are only its chunks; those of a v3 array are in `c`.
                folders[:] = [folder for folder in folders if below and folder != "c"]
        return sorted(found)

    def _open(self) -> zipfile.ZipFile:
        # A forked child must not share the file's position with its parent.
        if self._zip is None or self._owner != os.getpid():
            try:
                self._zip, self._owner = zipfile.ZipFile(self.path), os.getpid()
            except _ZIP_ERRORS as error:
                raise DataError("a zip file is damaged", where=self.path, got=error) from error
            check_size("the list of files of a zip file", len(self._zip.filelist), MOST_KEYS, self.path)
        return self._zip

    def _read_zipped(self, key: str, at_most: int, where: str) -> bytes | None:
        archive = self._open()
        try:
            info = archive.getinfo(key)
        except KeyError:
            return None
        check_size("a file of a zarr store", info.file_size, at_most, where)
        try:
            with archive.open(info) as file:
                # `read` with a limit stops a bomb whose header understates its size.
                data = file.read(info.file_size)
                if file.read(1):
                    raise DataError("a file of a zip is larger than declared", where=where, expected=info.file_size)
        except _ZIP_ERRORS as error:
            raise DataError("a file of a zip cannot be read", where=where, got=error) from error
        check_size("a file of a zarr store", info.file_size - len(data), 0, where)
        return data

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_zip": None, "_owner": -1}
