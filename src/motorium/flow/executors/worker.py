"""A worker process: reads shards from standard input, writes results to standard output, until either closes.

Frames in both directions are a length (8 bytes, little endian) and that many bytes of `codec`: nothing is
unpickled. The other end is always the process that started this one.
"""

from __future__ import annotations

import os
import struct
import sys
import threading
import time
import traceback
from typing import BinaryIO

from motorium.core.errors import MotoriumError
from motorium.flow.codec import decode, encode
from motorium.flow.executors.base import find_function

LENGTH = struct.Struct("<Q")
ORPHAN_CHECK_S = 1.0


def write_frame(stream: BinaryIO, data: bytes) -> None:
    """Write one frame."""
    stream.write(LENGTH.pack(len(data)))
    stream.write(data)
    stream.flush()


def read_frame(stream: BinaryIO) -> bytes | None:
    """Read one frame; None when the other side has gone, in the middle of one too."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    size = LENGTH.unpack(head)[0]
    data = stream.read(size)
    return data if len(data) == size else None


def main() -> None:
    """Serve until standard input closes."""
    # What a shard prints must not get between the frames: it goes to standard error.
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(2, 1)
    threading.Thread(target=_leave_with_parent, args=(os.getppid(),), daemon=True).start()
    while (request := read_frame(requests)) is not None:
        write_frame(replies, _answer(request))


def _answer(request: bytes) -> bytes:
    try:
        call = decode(request)
        function = find_function(call["function"])
        # The result is encoded once; the other side keeps these very bytes.
        return b"+" + encode(function(**call["shard"], threads=1))
    except BaseException as error:
        return b"-" + encode(_describe(error))


def _describe(error: BaseException) -> dict:
    own = isinstance(error, MotoriumError)
    return {
        "type": f"{type(error).__module__}:{type(error).__qualname__}",
        "what": error.what if own else f"{type(error).__name__}: {error}",
        "details": {name: None if value is None else str(value) for name, value in error.details.items()}
        if own
        else None,
        "trace": traceback.format_exc(),
    }


def _leave_with_parent(parent: int) -> None:
    """End this process when its parent was killed, even in the middle of a shard."""
    while os.getppid() == parent:
        time.sleep(ORPHAN_CHECK_S)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
