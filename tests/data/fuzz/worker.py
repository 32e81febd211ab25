"""A process that reads recordings one after the other under limits, and the hand that starts, asks and buries it."""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import resource
import select
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from motorium.data.links import FOLLOW_LINKS

ROOT = Path(__file__).resolve().parents[3]
MIB = 1024**2
# Imports of all readers take 0.5 GiB of addresses, threads some more; one sample may take 512 MiB (bounds.py).
ADDRESSES = 3 * 1024 * MIB
# More than one largest sample with a copy of it is not needed for any small file.
RESIDENT = 1280 * MIB
CPU_S = 20
# Other work on the machine slows a worker down; a process that sleeps for ever is found all the same.
WALL_S = 120


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What came of one recording; `failed` is empty for a good reader."""

    steps: int = 0
    refused: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    grown_mib: int = 0
    cpu_s: float = 0.0


class Worker:
    """The parent's side; a worker that dies or hangs is replaced, and that is the verdict on what it was reading."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wall_s: float = WALL_S
        self.deaths = 0
        self._process: subprocess.Popen | None = None

    def ask(self, path: Path, format: str, kind: str, resident: int = RESIDENT) -> Verdict:
        """Read a recording in the worker, which may take `resident` bytes more than it has."""
        process = self._process if self._process is not None else self._start()
        request = {"path": str(path), "format": format, "kind": kind, "resident": resident}
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], self.wall_s)
        answer = process.stdout.readline() if ready else b""
        if answer:
            return Verdict(**json.loads(answer))
        return Verdict(failed=[self._bury("took too long" if not ready else "died")])

    def close(self) -> None:
        """Stop the worker."""
        if self._process is not None:
            self._process.stdin.close()
            self._process.wait(timeout=30)
            self._process.stdout.close()
            self._process = None

    @property
    def cwd(self) -> Path:
        """Where the worker stands; nothing may be written there."""
        return self.folder / "cwd"

    @property
    def temporary(self) -> Path:
        """The worker's TMPDIR."""
        return self.folder / "tmp"

    def _start(self) -> subprocess.Popen:
        for place in (self.cwd, self.temporary):
            place.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "TMPDIR": str(self.temporary), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        environment.pop(FOLLOW_LINKS, None)
        environment |= {"PYTHONWARNINGS": "ignore", "MALLOC_ARENA_MAX": "2", "HDF5_USE_FILE_LOCKING": "FALSE"}
        with open(self.folder / "stderr", "wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.data.fuzz.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                cwd=self.cwd,
            )
        ready, _, _ = select.select([self._process.stdout], [], [], WALL_S)
        if not ready or self._process.stdout.readline() != b"ready\n":
            raise RuntimeError(self._bury("did not start"))
        return self._process

    def _bury(self, how: str) -> str:
        process, self._process = self._process, None
        self.deaths += 1
        if how == "took too long":
            process.send_signal(signal.SIGABRT)  # faulthandler then says where it was
        try:
            code = process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        process.stdin.close()
        process.stdout.close()
        said = (self.folder / "stderr").read_text(errors="replace")[-3000:]
        name = signal.Signals(-code).name if code < 0 else f"exit {code}"
        return f"the process {how} ({name}):\n{said}"


def serve() -> None:
    """Read requests from stdin until it ends; answer on stdout, which libraries do not get to see."""
    from motorium.core.errors import MotoriumError
    from motorium.data.formats import FORMATS, LOGS
    from tests.data.fuzz.drive import Drive

    faulthandler.enable()
    faulthandler.register(signal.SIGXCPU, all_threads=True, chain=True)
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    for catalog in (FORMATS, LOGS):
        for name in catalog:
            with contextlib.suppress(MotoriumError):
                catalog.load(name)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    out.write(b"ready\n")
    out.flush()
    for line in sys.stdin.buffer:
        request = json.loads(line)
        used = _cpu_s()
        resource.setrlimit(resource.RLIMIT_CPU, (int(used) + CPU_S + 1, resource.RLIM_INFINITY))
        before = _resident(reset=True)
        drive = Drive(Path(request["path"]), request["format"], request["kind"])
        drive.run()
        grown = _resident() - before
        if grown > request["resident"]:
            drive.failed.append(f"took {grown // MIB} MiB of memory")
        plain = {"steps": drive.steps, "refused": drive.refused, "failed": drive.failed}
        plain |= {"grown_mib": grown // MIB, "cpu_s": round(_cpu_s() - used, 3)}
        out.write(json.dumps(plain).encode() + b"\n")
        out.flush()


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _resident(reset: bool = False) -> int:
    """Return the most memory the process had at once since the last reset, bytes; what it has now, after a reset."""
    if reset:
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


if __name__ == "__main__":
    serve()
