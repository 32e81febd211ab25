"""Metrics: series of a run as append-only JSON lines, compacted to Parquet when the run ends."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from motorium.core.errors import DataError
from motorium.flow import files

FLUSH_S = 1.0
RESERVED = ("step", "time")


class MetricsFile:
    """Appends rows to a JSONL file; a kill loses at most the last second.

    Args:
        path: the file; made with the first row.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = None
        self._flushed = 0.0

    def log(self, step: int, **values: float) -> None:
        """Append one row: `step`, the time, and numbers by name.

        Raises:
            DataError: when a value is no number, or its name is taken.
        """
        row: dict[str, Any] = {"step": int(step), "time": round(time.time(), 3)}
        for name, value in values.items():
            if name in RESERVED:
                raise DataError(f"a metric cannot be named '{name}'", expected=f"anything but {', '.join(RESERVED)}")
            try:
                number = float(value)
            except (TypeError, ValueError):
                raise DataError(f"metric '{name}' is not a number", got=repr(value)) from None
            # JSON has no NaN: it is kept as text, and read back as the number.
            row[name] = number if math.isfinite(number) else str(number)
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(self._path, "a", encoding="utf-8")  # noqa: SIM115 (lives as long as the stage)
        self._file.write(json.dumps(row) + "\n")
        if time.monotonic() - self._flushed > FLUSH_S:
            self._file.flush()
            self._flushed = time.monotonic()

    def close(self) -> None:
        """Write what is buffered; idempotent."""
        if self._file is not None:
            self._file.close()
            self._file = None


def read_rows(path: Path) -> Iterator[dict[str, float]]:
    """Yield the rows of a series, from `<name>.jsonl` or the `<name>.parquet` it was compacted to.

    A last line that a kill tore is left out.

    Raises:
        DataError: when a line before the last is damaged.
    """
    if path.with_suffix(".parquet").exists():
        import pyarrow.parquet as parquet

        for row in parquet.read_table(path.with_suffix(".parquet")).to_pylist():
            yield {name: value for name, value in row.items() if value is not None}
        return
    torn = None
    with open(path, encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            if torn is not None:
                raise DataError("a line of metrics is damaged", where=f"{path}, line {torn}")
            try:
                row = json.loads(line)
                yield {"step": int(row.pop("step")), "time": float(row.pop("time"))} | {
                    name: float(value) for name, value in row.items()
                }
            except (ValueError, AttributeError, KeyError, TypeError):
                torn = number


def compact(path: Path) -> Path | None:
    """Replace a JSONL series by a Parquet file of the same name; return it, or None when there are no rows."""
    rows = list(read_rows(path)) if path.suffix == ".jsonl" and path.exists() else []
    if not rows:
        return None
    import pyarrow
    import pyarrow.parquet as parquet

    names = list(dict.fromkeys(name for row in rows for name in row))
    kinds = {"step": pyarrow.int64()}
    columns = {
        name: pyarrow.array([row.get(name) for row in rows], kinds.get(name, pyarrow.float64())) for name in names
    }
    aside = path.with_suffix(".parquet.tmp")
    parquet.write_table(pyarrow.table(columns), aside, compression="zstd")
    files.sync_file(aside)
    files.rename(aside, path.with_suffix(".parquet"))
    path.unlink()
    return path.with_suffix(".parquet")
