"""Who runs: the identity of a process, and whether a process met in the store is still alive."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path

HEARTBEAT_S = 5.0
# Only where the process cannot be looked at (another machine or container): silent for so long is dead.
SILENT_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Identity:
    """A process, told apart from a later one with the same number.

    Attributes:
        host: name of the machine.
        scope: boot and process-number space in which `pid` means something; empty where unknown.
        pid: process number.
        started: the kernel's start time of it; empty where unknown.
    """

    host: str
    scope: str
    pid: int
    started: str


def current() -> Identity:
    """Return the identity of this process."""
    return Identity(host=socket.gethostname(), scope=_scope(), pid=os.getpid(), started=_started(os.getpid()) or "")


def alive(process: Identity, heartbeat: float, now: float | None = None) -> bool:
    """Return whether `process`, last heard of at `heartbeat` (seconds of the epoch), still runs."""
    if process.scope and process.scope == _scope():
        return _started(process.pid) == process.started
    return (time.time() if now is None else now) - heartbeat < SILENT_S


def _scope() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _started(pid: int) -> str | None:
    """Start time of a process in kernel ticks; None when it is gone or only waits to be buried."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The name in parentheses may itself hold spaces and parentheses: fields count from the last one.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]
