"""The numbers of a dataset as memory-mapped arrays: parquet is read once, file by file, and kept by fingerprint."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from motorium.core.durable import sync
from motorium.core.errors import DataError, first_line, nearest
from motorium.core.features import Feature
from motorium.core.hashing import digest, file_digest
from motorium.core.progress import Progress
from motorium.data.dataset import Dataset
from motorium.data.layout import AUTOMATIC
from motorium.data.loader.cache import (
    OpenBar,
    cache_errors,
    cache_folder,
    locked,
    make_folder,
    no_bar,
    read_json,
    remove_dead,
    write_json,
)
from motorium.data.loader.digests import FileDigests, identity, same_content
from motorium.data.tables import UNREADABLE, from_arrow, open_parquet

VERSION = 1
MANIFEST = "manifest.json"
ROWS_AT_ONCE = 65536
# Of the automatic columns, the others follow from the bounds of the episodes.
KEPT = ("task_index", "timestamp")


@dataclass(frozen=True, kw_only=True)
class Table:
    """Every number of a dataset, episodes laid end to end: step t of episode e is row `starts[e] + t`.

    Attributes:
        columns: {feature: (N, *shape)}, read-only memory maps; `task_index` and `timestamp` (N,) are among them.
        starts, lengths: (E,) int64.
        fingerprint: SHA-256 of the metadata's and data files' content.
        folder: where the arrays lie.
    """

    columns: Mapping[str, NDArray]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    fingerprint: str
    folder: Path

    @property
    def rows(self) -> int:
        """N."""
        return int(self.lengths.sum())

    def column(self, key: str) -> NDArray:
        """Return a feature over all rows: (N, *shape).

        Raises:
            DataError: when there is none that holds numbers; names the nearest.
        """
        if key not in self.columns:
            raise DataError(
                f"the table has no column '{key}' of numbers",
                where=self.folder,
                expected=f"among: {', '.join(self.columns)}",
                nearest=nearest(key, self.columns),
            )
        return self.columns[key]


def numeric_features(dataset: Dataset) -> dict[str, Feature]:
    """Return the features that a table holds: those that are neither pictures nor text."""
    return {key: one for key, one in dataset.features.items() if not one.visual and one.dtype != "string"}


def fingerprint(dataset: Dataset, digests: FileDigests) -> str:
    """Return the SHA-256 of the content of a dataset's metadata and data files (not of its videos).

    Raises:
        DataError: when a file cannot be read.
    """
    meta = sorted(path for path in (dataset.root / "meta").rglob("*") if path.is_file())
    return digest("motorium loader table", [VERSION, digests.tree([*meta, *dataset.data_files])])


def table_bytes(dataset: Dataset) -> int:
    """Return how large a dataset's table is on disk, but for headers of some hundred bytes."""
    row = sum(np.dtype(one.dtype).itemsize * one.size for one in numeric_features(dataset).values())
    return dataset.num_frames * (row + sum(np.dtype(AUTOMATIC[key].dtype).itemsize for key in KEPT))


def open_table(dataset: Dataset, digests: FileDigests | None = None, open_bar: OpenBar = no_bar) -> Table:
    """Open the table of a dataset; where there is none, or it is stale or damaged, it is built.

    Memory stays flat while it is built: some ten thousand rows at a time. Any number of processes may ask at once.

    Raises:
        DataError: when a file cannot be read or changes meanwhile, numbers are not finite (unless the dataset was
            opened with `nonfinite="keep"`), or the cache cannot be written.
    """
    digests = digests or FileDigests(dataset.root)
    print_ = fingerprint(dataset, digests)
    folder = make_folder(cache_folder() / "tables") / print_[:40]
    manifest = _valid(folder, print_)
    if manifest is None:
        with cache_errors(folder), locked(folder.parent):
            manifest = _valid(folder, print_) or _build(dataset, folder, print_, open_bar)
        if fingerprint(dataset, digests) != print_:
            shutil.rmtree(folder, ignore_errors=True)
            raise DataError(
                "the dataset changed while it was read", where=dataset.root, remedy="try again when nobody writes to it"
            )
    digests.save()
    columns = {
        key: np.load(folder / entry["file"], mmap_mode="r", allow_pickle=False).view(np.ndarray)
        for key, entry in manifest["columns"].items()
    }
    _check_rows(dataset, columns)
    _check_finite(dataset, manifest["columns"], columns)
    return Table(columns=columns, starts=dataset.starts, lengths=dataset.lengths, fingerprint=print_, folder=folder)


def _valid(folder: Path, print_: str) -> dict[str, Any] | None:
    """Return the manifest of a whole table with this fingerprint; None when it must be built."""
    manifest = read_json(folder / MANIFEST)
    try:
        if manifest["fingerprint"] != print_:
            return None
        changed = False
        for entry in manifest["columns"].values():
            seen = same_content(folder / entry["file"], entry)
            if seen is None:
                return None
            changed |= seen != entry["seen"]
            entry["seen"] = seen
        if changed:
            write_json(folder / MANIFEST, manifest)
        return manifest
    except (OSError, TypeError, KeyError, IndexError, AttributeError):
        return None


def _build(dataset: Dataset, folder: Path, print_: str, open_bar: OpenBar) -> dict[str, Any]:
    """Bring `folder` into being, whole or not at all; the caller holds the lock."""
    remove_dead(folder.parent)
    bar = open_bar(dataset.num_frames, unit="row", label="numbers")
    new = Path(tempfile.mkdtemp(prefix=".aside-", dir=folder.parent))
    try:
        columns = _write_columns(dataset, new, bar)
        shutil.rmtree(folder, ignore_errors=True)
        os.rename(new, folder)
        for entry in columns.values():
            entry["seen"] = identity((folder / entry["file"]).stat())
        manifest = {"version": VERSION, "fingerprint": print_, "dataset": dataset.root.name, "columns": columns}
        # Last: a table without it does not count.
        write_json(folder / MANIFEST, manifest)
        return manifest
    finally:
        bar.close()
        shutil.rmtree(new, ignore_errors=True)


def _write_columns(dataset: Dataset, folder: Path, bar: Progress) -> dict[str, dict[str, Any]]:
    """Write one .npy file a column; return {feature: {file, sha256, nonfinite}}."""
    features = numeric_features(dataset)
    automatic = {key: AUTOMATIC[key] for key in KEPT}
    columns: dict[str, dict[str, Any]] = {}
    files: dict[str, BinaryIO] = {}
    with contextlib.ExitStack() as stack:
        for number, (key, feature) in enumerate({**features, **automatic}.items()):
            columns[key] = {"file": f"{number:03d}.npy", "nonfinite": None}
            shape = (dataset.num_frames, *(feature.shape if key in features else ()))
            files[key] = stack.enter_context(open(folder / columns[key]["file"], "xb"))
            files[key].write(_header(shape, np.dtype(feature.dtype)))
        for key in automatic:
            files[key].write(np.ascontiguousarray(dataset.column(key)).data)
        row = 0
        for block in _blocks(dataset, features):
            for key, values in block.items():
                _note_nonfinite(columns[key], values, row)
                files[key].write(values.data)
            count = len(next(iter(block.values())))
            row += count
            bar.advance(count)
    for entry in columns.values():
        sync(folder / entry["file"])
        entry["sha256"] = file_digest(folder / entry["file"])
    return columns


def _header(shape: tuple[int, ...], dtype: np.dtype) -> bytes:
    buffer = io.BytesIO()
    plain = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, plain)
    return buffer.getvalue()


def _blocks(dataset: Dataset, features: Mapping[str, Feature]) -> Iterator[dict[str, NDArray]]:
    """Yield the rows of all data files in order, some at a time: {feature: (n, *shape)}."""
    if not features:
        return
    for path in dataset.data_files:
        with open_parquet(path) as file:
            names = file.schema_arrow.names
            missing = [key for key in features if key not in names]
            if missing:
                raise DataError(f"there is no column '{missing[0]}'", where=path, got=names)
            try:
                for batch in file.iter_batches(ROWS_AT_ONCE, columns=list(features), use_threads=False):
                    yield {
                        key: from_arrow(batch.column(batch.schema.get_field_index(key)), key, feature, path)
                        for key, feature in features.items()
                    }
            except UNREADABLE as error:
                raise DataError("a parquet file is damaged", where=path, got=first_line(error)) from error


def _note_nonfinite(entry: dict[str, Any], values: NDArray, row: int) -> None:
    if entry["nonfinite"] is None and values.dtype.kind == "f":
        finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
        if not finite.all():
            entry["nonfinite"] = row + int(np.argmin(finite))


def _check_rows(dataset: Dataset, columns: Mapping[str, NDArray]) -> None:
    for key, values in columns.items():
        if len(values) != dataset.num_frames:
            raise DataError(
                f"'{key}' has another number of rows than the dataset",
                where=dataset.root,
                got=len(values),
                expected=dataset.num_frames,
                remedy="open the dataset again: it changed after it was opened",
            )


def _check_finite(dataset: Dataset, entries: Mapping[str, Any], columns: Mapping[str, NDArray]) -> None:
    if dataset.nonfinite != "error":
        return
    for key, entry in entries.items():
        row = entry["nonfinite"]
        if row is not None:
            index = int(np.searchsorted(dataset.starts, row, side="right")) - 1
            raise DataError(
                f"'{key}' is not finite",
                where=f"{dataset.root}, episode {index}, step {row - int(dataset.starts[index])}",
                got=np.asarray(columns[key][row]).tolist(),
                expected="finite numbers",
                remedy="drop the episode, or open with nonfinite='keep'",
            )
