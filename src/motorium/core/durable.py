"""What the disk has: bytes that a crash of the machine does not take back."""

from __future__ import annotations

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Wait until the disk holds a file's bytes, or the entries of a folder.

    Raises:
        OSError: when there is no such file, or the disk is full or gone.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
