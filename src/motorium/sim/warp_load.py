"""Load Warp and MuJoCo Warp without the lines that they print at their start."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from types import ModuleType

NO_GPU = b"Could not find or load the NVIDIA CUDA driver"  # no news to who asked for the CPU


def load_warp() -> tuple[ModuleType, ModuleType]:
    """Return the modules `warp` and `mujoco_warp`, started.

    Raises:
        ImportError: when they are not installed.
    """
    import warp

    untouched = warp.config.log_level == warp.LOG_INFO
    if untouched:  # it would tell of its start and of every kernel it compiles
        warp.config.log_level = warp.LOG_ERROR
    with _without_line(NO_GPU):
        import mujoco_warp

        warp.init()
    if untouched:
        warp.config.log_level = warp.LOG_WARNING
    return warp, mujoco_warp


@contextlib.contextmanager
def _without_line(marker: bytes) -> Iterator[None]:
    """Keep lines that hold `marker` off the process's standard error, where native code writes past Python."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as caught:
        kept = os.dup(2)
        os.dup2(caught.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            caught.seek(0)
            os.write(2, b"".join(line for line in caught if marker not in line))
