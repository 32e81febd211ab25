"""Where caches lie, how large they are, and how files in them come into being whole."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from motorium.core.errors import DataError
from motorium.core.progress import Progress, Silent

CACHE_VARIABLE = "MOTORIUM_CACHE"
KINDS = ("tables", "uint8", "jpeg", "video", "digests")

OpenBar = Callable[..., Progress]


def no_bar(total: float, *, unit: str, label: str | None = None) -> Progress:
    """Return progress that goes nowhere."""
    return Silent()


def cache_folder() -> Path:
    """Return the folder of all caches of the loader: `$MOTORIUM_CACHE/loader`, or `~/.cache/motorium/loader`."""
    base = os.environ.get(CACHE_VARIABLE)
    return (Path(base).expanduser() if base else Path.home() / ".cache" / "motorium") / "loader"


def cache_sizes() -> dict[str, int]:
    """Return {kind of cache: bytes on disk}."""
    return {kind: _size(cache_folder() / kind) for kind in KINDS}


def clear(*kinds: str) -> int:
    """Remove caches of these kinds (none named: all); return the bytes that became free.

    A loader that still reads them keeps what it has open; another is built when it is asked for.

    Raises:
        DataError: when there is no such kind, or a file cannot be removed.
    """
    wrong = [kind for kind in kinds if kind not in KINDS]
    if wrong:
        raise DataError(f"there is no cache '{wrong[0]}'", expected=f"among: {', '.join(KINDS)}")
    freed = 0
    for kind in kinds or KINDS:
        folder = cache_folder() / kind
        freed += _size(folder)
        try:
            if folder.exists():
                shutil.rmtree(folder)
        except OSError as error:
            raise DataError("a cache cannot be removed", where=folder, got=error) from error
    return freed


def make_folder(path: Path) -> Path:
    """Create a folder of the cache and return it.

    Raises:
        DataError: when it cannot be written.
    """
    with cache_errors(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a lock that other builders wait for; it only saves work: renames are what keeps files whole."""
    try:
        import fcntl
    except ImportError:  # not a POSIX system
        yield
        return
    with open(folder / ".lock", "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def aside(folder: Path, suffix: str) -> Iterator[Path]:
    """Give a path for a new file, beside those of `folder`; what is left there at the end is removed."""
    handle, name = tempfile.mkstemp(prefix=f".aside-{os.getpid()}-", suffix=suffix, dir=folder)
    os.close(handle)
    try:
        yield Path(name)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(name)


def remove_dead(folder: Path) -> None:
    """Remove what killed builders left; the caller holds the lock."""
    for path in folder.glob(".aside-*"):
        with contextlib.suppress(OSError):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def write_json(path: Path, plain: Any) -> None:
    """Write a small file so that a reader sees the old bytes or the new ones, never a part."""
    with aside(path.parent, ".json") as temporary:
        temporary.write_text(json.dumps(plain), encoding="utf-8")
        os.replace(temporary, path)


def read_json(path: Path) -> Any:
    """Return the content of a small file, or None when it is absent or damaged: a cache is then built anew."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


@contextlib.contextmanager
def cache_errors(where: object) -> Iterator[None]:
    """Turn what the system says about the cache's disk into a DataError."""
    try:
        yield
    except OSError as error:
        raise DataError(
            "a cache cannot be written",
            where=error.filename or where,
            got=error.strerror or error,
            remedy=f"free some space (motorium.data.loader.cache.clear), or set {CACHE_VARIABLE} to another folder",
        ) from error


def _size(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.stat(os.path.join(parent, name)).st_blocks * 512
    return total
