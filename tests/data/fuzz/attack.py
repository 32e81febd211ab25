"""Helpers for attacks made by hand: read a path in the worker, and hold it to what a reader may do."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path

from tests.data.fuzz.case import listing
from tests.data.fuzz.watch import Watch
from tests.data.fuzz.worker import Verdict, Worker


class Attacked:
    """Reads recordings below `folder`; nothing in `folder/outside` may be opened."""

    def __init__(self, folder: Path, worker: Worker) -> None:
        self.folder, self.worker = folder, worker
        self.outside = folder / "outside"
        self.outside.mkdir()

    def read(self, path: Path, format: str, kind: str = "log") -> Verdict:
        """Return what came of it; fails when it is more than reading or refusing."""
        before, watch = listing(self.folder), Watch(self.outside)
        try:
            verdict = self.worker.ask(path, format, kind)
            opened = watch.opened()
        finally:
            watch.close()
        assert not verdict.failed, "\n".join(verdict.failed)
        assert not opened, f"opened outside of the recording: {opened}"
        assert listing(self.folder) == before, "something was written"
        return verdict

    def refused(self, path: Path, format: str, words: str, kind: str = "log") -> Verdict:
        """Return what came of it; fails unless some step was refused with these words (a pattern)."""
        verdict = self.read(path, format, kind)
        assert any(re.search(words, one) for one in verdict.refused), verdict.refused
        return verdict


def png_header(width: int, height: int) -> bytes:
    """Return a PNG that declares a size and holds one short, valid stretch of zeros."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(10_000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def jpeg_header(data: bytes, width: int, height: int) -> bytes:
    """Return a JPEG whose frame header (SOF0 to SOF2) declares another size."""
    at = re.search(rb"\xff[\xc0\xc1\xc2]\x00.\x08", data, re.DOTALL).start()
    return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]
